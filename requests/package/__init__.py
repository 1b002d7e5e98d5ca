"""The package: everything held about one person in one file, to read and to take elsewhere.

Answers a request of access (GDPR 15) and of portability (GDPR 20). What a person gets is a ZIP
with a page to read, one JSON document and one CSV table per kind of data; docs/package.md
describes it. `build` writes it encrypted (`vault`) into any sink, in flat memory; `store` is
where packages lie; `vault.read` gives the ZIP back.
"""

from requests.package.build import build, count
from requests.package.outcome import Built, Progress

__all__ = ["Built", "Progress", "build", "count"]
