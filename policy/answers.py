"""What the API says about the policy: versions, promises, kinds of data; and making it so."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from pydantic import ConfigDict, Field

from audit.api import Answer
from policy import board, current, datapage, history, vocabulary
from policy.difference import Change
from policy.document import Document
from policy.models import PolicyVersion

DIGEST = "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"


class Version(Answer):
    """One publication of the policy."""

    number: int = Field(description="Counts publications.")
    label: str = Field(description="The name the operator gave it.")
    site: str
    state: Literal["in force", "coming", "past"]
    digest: str = Field(description="SHA-256 of the file, in hex.")
    released_on: date
    published_at: datetime
    effective_at: datetime
    older_data_at: datetime = Field(
        description="From when it binds data that was collected before `effective_at`, too."
    )
    material: bool = Field(description="Whether it changed something that people must be told.")
    url: str
    source_url: str = Field(description="The file as published, byte for byte.")
    page_url: str


class Difference(Answer):
    """One change against the version before. text: the change in words."""

    part: str = Field(description="The table of the policy file it is in.")
    kind: str = Field(description="added, removed or changed.")
    text: str
    material: bool


VERSION_EXAMPLE: dict[str, Any] = {
    "number": 2,
    "label": "2026-02",
    "site": "example",
    "state": "in force",
    "digest": DIGEST,
    "released_on": "2026-02-01",
    "published_at": "2026-02-01T08:00:00Z",
    "effective_at": "2026-03-03T08:00:00Z",
    "older_data_at": "2026-03-03T08:00:00Z",
    "material": True,
    "url": f"https://privacy.example.com/api/v1/policy/versions/{DIGEST}/",
    "source_url": f"https://privacy.example.com/api/v1/policy/versions/{DIGEST}/source/",
    "page_url": f"https://privacy.example.com/policy/versions/{DIGEST}/",
}


class Policy(Answer):
    """A version with everything it says. `document` has the structure of the policy file."""

    version: Version
    changes: list[Difference]
    document: Document


class VersionPage(Answer):
    """Versions, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"results": [VERSION_EXAMPLE], "next": None}]}
    )

    results: list[Version]
    next: str | None = Field(description="The address of the next page, if there is one.")


class Figure(Answer):
    """A number of a check. value: none where it is hidden, or not a number; text: as shown."""

    name: str
    label: str
    value: int | float | None
    text: str


class Check(Answer):
    """What keeps a promise, and how it is checked."""

    key: str
    sentence: str
    how: str
    every_seconds: int


class PromiseState(Answer):
    """A promise, and whether it is kept right now."""

    id: str
    text: str
    reading: str | None = Field(description="How the operator reads the promise.")
    state: Literal["kept", "broken", "not_evaluated", "no_check"]
    check: Check | None
    checked_at: datetime | None
    figures: list[Figure] = Field(
        description="What the newest check found; counts from one to nine are hidden."
    )
    url: str


PROMISE_EXAMPLE: dict[str, Any] = {
    "id": "WC-9",
    "text": "We answer within a month.",
    "reading": None,
    "state": "kept",
    "check": {
        "key": "requests.deadlines",
        "sentence": "Every request is answered in time.",
        "how": "Each request is compared with its deadline.",
        "every_seconds": 86400,
    },
    "checked_at": "2026-03-04T06:00:00Z",
    "figures": [{"name": "checked", "label": "checked", "value": None, "text": "<10"}],
    "url": "https://privacy.example.com/api/v1/promises/WC-9/",
}


class Promises(Answer):
    """The promise board."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "policy_digest": DIGEST,
                    "tally": {"kept": 1, "broken": 0, "not_evaluated": 0, "no_check": 0},
                    "results": [PROMISE_EXAMPLE],
                }
            ]
        }
    )

    policy_digest: str
    tally: dict[Literal["kept", "broken", "not_evaluated", "no_check"], int]
    results: list[PromiseState]


class DataField(Answer):
    """A personal field. category: Fideslang's key."""

    name: str
    label: str
    category: str
    category_label: str
    source: str
    contents: str


class Rule(Answer):
    """How long: a period from a clock, and what then happens."""

    period: str
    clock: str
    action: str
    text: str


class Kept(Answer):
    """One kind of data this site can hold about people."""

    key: str
    title: str
    fields: list[DataField]
    purposes: list[str] = Field(description="Keys of purposes of the policy.")
    rules: list[Rule]
    erasing: Literal["delete", "anonymise", "keep"] = Field(
        description="What erasing a person does to it."
    )
    ground: str | None = Field(description="Key of the policy's ground on which some of it stays.")


class DataMap(Answer):
    """Everything this site can hold about people."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "policy_digest": DIGEST,
                    "results": [
                        {
                            "key": "accounts.session",
                            "title": "Where you are signed in",
                            "fields": [
                                {
                                    "name": "session_key",
                                    "label": "Session key",
                                    "category": "user.device.cookie_id",
                                    "category_label": "cookie",
                                    "source": "made by the site",
                                    "contents": "",
                                }
                            ],
                            "purposes": ["account"],
                            "rules": [
                                {
                                    "period": "1 day",
                                    "clock": "expired",
                                    "action": "delete",
                                    "text": "Log-ins are deleted a day after they end.",
                                }
                            ],
                            "erasing": "delete",
                            "ground": None,
                        }
                    ],
                }
            ]
        }
    )

    policy_digest: str
    results: list[Kept]


def policy_of(version: PolicyVersion) -> Policy:
    """A version with everything it says."""
    entry = history.entry(version, in_force=current.in_force())
    return Policy(
        version=version_of(version, current.in_force()),
        changes=[_difference(change) for change in entry.changes],
        document=version.document,
    )


def version_of(version: PolicyVersion, in_force: PolicyVersion) -> Version:
    """A version by its head."""
    address = reverse("api_version", args=[version.digest])
    state: Any = history.entry(version, in_force=in_force).state
    return Version(
        number=version.number,
        label=version.version,
        site=version.site,
        state=state,
        digest=version.digest,
        released_on=version.released_on,
        published_at=version.published_at,
        effective_at=version.effective_at,
        older_data_at=version.older_data_at,
        material=version.material,
        url=settings.SITE_URL + address,
        source_url=f"{settings.SITE_URL}{address}source/",
        page_url=settings.SITE_URL + version.get_absolute_url(),
    )


def promise_of(line: board.Line) -> PromiseState:
    """A line of the board."""
    states: dict[board.State, Any] = {
        board.State.KEPT: "kept",
        board.State.BROKEN: "broken",
        board.State.NOT_EVALUATED: "not_evaluated",
        board.State.NO_CHECK: "no_check",
    }
    keeper = line.control
    address = reverse("api_promise", args=[line.promise.id])
    return PromiseState(
        id=line.promise.id,
        text=line.promise.text,
        reading=line.promise.reading,
        state=states[line.state],
        check=Check(
            key=keeper.key,
            sentence=str(keeper.sentence),
            how=str(keeper.how),
            every_seconds=int(keeper.every.total_seconds()),
        )
        if keeper is not None
        else None,
        checked_at=line.evidence.at if line.evidence is not None else None,
        figures=_figures(line),
        url=settings.SITE_URL + address,
    )


def _figures(line: board.Line) -> list[Figure]:
    """The board's figures one by one; none where the board shows none."""
    found = line.evidence
    if found is None or not line.figures or found.outcome == found.Outcome.FAILED:
        return []
    numbers: dict[str, tuple[str, object]] = {
        "checked": (_("checked"), found.checked),
        "violations": (_("not as promised"), found.violations),
    }
    numbers |= {name: (vocabulary.figure(name), v) for name, v in found.figures.items()}
    return [_figure(name, label, value) for name, (label, value) in numbers.items()]


def _figure(name: str, label: str, value: object) -> Figure:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    hidden = isinstance(value, int) and 0 < value < 10
    return Figure(
        name=name,
        label=label,
        value=value if number and not hidden else None,  # type: ignore[arg-type]  # a number here
        text=board.public_figure(value),
    )


def kept_of(entry: datapage.HoldingEntry) -> Kept:
    """A kind of data."""
    erasing: Any = entry.holding.erasing.value
    return Kept(
        key=entry.holding.key,
        title=str(entry.holding.title),
        fields=[
            DataField(
                name=personal.name,
                label=shown.label,
                category=shown.key,
                category_label=shown.category,
                source=shown.source,
                contents=str(shown.contents),
            )
            for personal, shown in zip(entry.holding.personal, entry.fields, strict=True)
        ],
        purposes=[purpose.key for purpose in entry.purposes],
        rules=[
            Rule(period=str(rule.period), clock=rule.clock, action=rule.action, text=rule.text)
            for rule in entry.rules
        ],
        erasing=erasing,
        ground=entry.ground.key if entry.ground is not None else None,
    )


def _difference(change: Change) -> Difference:
    return Difference(
        part=change.part, kind=change.kind, text=change.sentence, material=change.material
    )
