"""index.html and README.txt: what people open first.

The page carries its own look and script inside, so that it can be read even where only it was
taken out of the ZIP; the rows beyond the first come from the scripts beside it. Its content
security policy names both by digest and allows nothing else: no request leaves the computer.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from policy import vocabulary
from policy.document import Document, Purpose, Recipient
from requests.package import tables
from requests.package.columns import Column, Form
from requests.package.description import Order
from requests.package.kinds import Kind
from requests.package.rows import Chunk
from requests.package.snapshot import CHUNK

FIRST: Final = 25  # rows that stand in the page itself, and rows shown at a time


@dataclass(frozen=True)
class Cell:
    """A value in words. time: the same for machines, where it is one."""

    text: str
    time: str = ""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A kind of data on the page. extras: whether it has technical columns."""

    kind: Kind
    id: str
    count: int
    number: str
    table: str
    rows: list[list[tuple[Column, Cell]]]
    purposes: list[tuple[Purpose, str]]
    recipients: list[tuple[Recipient, str]]
    extras: bool

    @property
    def more(self) -> bool:
        """Whether there are rows beyond those in the page."""
        return self.count > len(self.rows)


def page(
    order: Order, kinds: Sequence[Kind], counts: Mapping[str, int], first: Mapping[str, Chunk]
) -> str:
    """The page. first: kind → its first rows, by columns."""
    document = order.document
    style, script = _style(document), _script()
    sections = [_section(k, counts[k.key], first[k.key], document) for k in kinds if counts[k.key]]
    context = {
        **_common(order, counts),
        "sections": sections,
        "without": [kind for kind in kinds if not counts[kind.key]],
        "style": style,
        "script": script,
        "csp": _content_security_policy(style, script),
        "data": _data(order, sections),
    }
    return render_to_string("package/index.html", context)


def readme(
    order: Order, kinds: Sequence[Kind], counts: Mapping[str, int], *, files: bool = False
) -> str:
    """The text file, for those who open that first."""
    held = [(kind, _number(counts[kind.key])) for kind in kinds if counts[kind.key]]
    text = render_to_string(
        "package/README.txt", {**_common(order, counts), "held": held, "files": files}
    )
    return text.replace("\n", "\r\n")


def display(column: Column, value: Any, zone: ZoneInfo) -> Cell:
    """A value as the page shows it; the page's script does the same for later rows."""
    if value is None:
        return Cell("")
    if column.form is Form.BOOLEAN:
        return Cell(_("yes") if value else _("no"))
    if column.form is Form.TIME:
        local = datetime.fromisoformat(value).astimezone(zone)
        return Cell(local.strftime("%Y-%m-%d %H:%M:%S"), time=value)
    if column.form is Form.JSON:
        return Cell(_plainly(json.loads(value)))
    return Cell(column.choices.get(str(value), str(value)))


def _plainly(value: Any) -> str:
    """JSON without its brackets."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_plainly(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_plainly(inner) for inner in value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return "" if value is None else str(value)


def _common(order: Order, counts: Mapping[str, int]) -> dict[str, Any]:
    document = order.document
    return {
        "site": document.site,
        "controller": document.controller,
        "release": document.release,
        "language": order.language,
        # Naive: templates would move it to the server's clock.
        "made_at": order.now.astimezone(document.zone).replace(tzinfo=None),
        "zone": document.site.time_zone.rpartition("/")[2].replace("_", " "),
        "rows": _number(sum(counts.values())),
        "requests": [str(vocabulary.REQUESTS[rule.kind]) for rule in document.requests],
        "transfers": [
            (transfer, vocabulary.country(transfer.country)) for transfer in document.transfers
        ],
    }


def _section(kind: Kind, count: int, first: Chunk, document: Document) -> Section:
    return Section(
        kind=kind,
        id=kind.key.replace(".", "-"),
        count=count,
        number=_number(count),
        table=tables.name(kind),
        rows=[
            [
                (column, display(column, value, document.zone))
                for column, value in zip(kind.columns, row, strict=True)
            ]
            for row in zip(*first, strict=True)
        ],
        purposes=[(p, str(vocabulary.BASES[p.legal_basis])) for p in kind.purposes],
        recipients=[(r, str(vocabulary.ROLES[r.role])) for r in kind.recipients],
        extras=not all(column.main for column in kind.columns),
    )


def _data(order: Order, sections: Sequence[Section]) -> dict[str, Any]:
    """What the script has to know, as values."""
    return {
        "language": order.language,
        "zone": order.document.site.time_zone,
        "shown": FIRST,
        "perFile": CHUNK,
        "words": _words(),
        "kinds": {
            section.kind.key: {
                "count": section.count,
                "columns": [
                    {"form": column.form, "choices": column.choices, "main": column.main}
                    for column in section.kind.columns
                ],
            }
            for section in sections
        },
    }


def _words() -> dict[str, str]:
    """Words of the script. {…} is filled in there."""
    return {
        "yes": _("yes"),
        "no": _("no"),
        "previous": _("Previous"),
        "next": _("Next"),
        "rows": _("Rows {from} to {to} of {total}"),
        "page": _("Page, of {last}"),
        "missing": _(
            "These rows can't be loaded. Unpack the whole ZIP into a folder and open index.html "
            "there. The CSV file has them, too."
        ),
        "looking": _("Looked through {done} of {total} rows, found {found}"),
        "found": _("{found} of {total} rows contain “{text}”"),
        "foundMany": _("The first {found} rows with “{text}”; write more to narrow it down"),
        "stopped": _("Stopped after {done} of {total} rows, found {found}"),
        "stop": pgettext("a search", "Stop"),
        "all": _("Show all rows again"),
    }


def _style(document: Document) -> SafeString:
    """The product's sheet, the package's own, the operator's colour."""
    accent = f":root{{--accent:light-dark({document.site.accent},{document.site.accent_dark})}}"
    return mark_safe(  # noqa: S308  our own files, and colours the policy's format has checked
        "\n".join((_file("static/kept.css"), _file("templates/package/package.css"), accent))
    )


def _script() -> SafeString:
    return mark_safe(_file("templates/package/package.js"))  # noqa: S308  our own file


@cache
def _file(path: str) -> str:
    return (Path(settings.BASE_DIR) / path).read_text(encoding="utf-8")


def _content_security_policy(style: str, script: str) -> str:
    """Only what stands in the page; `strict-dynamic` lets its script load the data beside it."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_digest(script)} 'strict-dynamic'",
            f"style-src {_digest(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types kept-package",
        )
    )


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _number(count: int) -> str:
    """A count as people read it."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
