"""The site's face in every template: name, colours, who is responsible."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.http import HttpRequest

from policy import current
from policy.document import Document

GREENWICH = ZoneInfo("UTC")


@dataclass(frozen=True)
class SiteFace:
    """What the page frame shows of the policy in force; `digest` is empty while there is none.

    zone: the operator's clock, on which pages tell times.
    """

    name: str = "Kept"
    mark: str = "✓"
    accent: str = ""
    accent_dark: str = ""
    summary: str = ""
    controller_name: str = ""
    address: str = ""
    contact: str = ""
    languages: tuple[str, ...] = ("en",)
    digest: str = ""
    zone: ZoneInfo = GREENWICH

    @property
    def place(self) -> str:
        """The city whose clock it is: "New York"."""
        return self.zone.key.rpartition("/")[2].replace("_", " ")


def site(request: HttpRequest) -> dict[str, SiteFace]:
    """`site`, and the same as `operator`: allauth's own pages put another `site` before it."""
    face = site_face()
    return {"site": face, "operator": face}


def site_face() -> SiteFace:
    """The face of the policy in force, or a plain one before the first publication."""
    try:
        version = current.in_force()
    except current.NoPolicy:
        return SiteFace()
    return _face(version.document, version.digest)


def _face(document: Document, digest: str) -> SiteFace:
    of, controller = document.site, document.controller
    return SiteFace(
        name=of.name,
        mark=of.mark,
        accent=of.accent,
        accent_dark=of.accent_dark,
        summary=of.summary,
        controller_name=controller.name,
        address="\n".join(controller.address),
        contact=controller.email,
        languages=tuple(of.languages),
        digest=digest,
        zone=document.zone,
    )
