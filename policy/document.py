"""The policy file's format: what may stand in `policies/<site>.toml`, and what it means.

Unknown keys are errors, for a typo would be a promise nobody keeps. Reading a file, with the line
of every mistake, is `policy.reading`; what only the whole installation can know (holdings,
controls) is `policy.references`.
"""

from __future__ import annotations

from datetime import date
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from policy.period import Period

Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=60)]
DottedKey = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_-]+)+$", max_length=100)
]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
PromiseId = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,4}-[1-9][0-9]{0,2}$")]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^\s@]+@[^\s@]+$", max_length=254)]


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no time zone; write one such as 'Europe/Paris'")
    return name


class Part(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Chosen(Part):
    """A table with a figure. Where the published policy names none, `operators_choice` says
    why the operator chose this one; the page shows it as their choice.
    """

    operators_choice: Text | None = None


class Site(Part):
    """The site's name and face."""

    key: Key
    name: Text
    mark: Annotated[str, StringConstraints(min_length=1, max_length=3)] = "✓"
    accent: Colour = "#1c6b46"
    accent_dark: Colour = "#6fcf9f"
    summary: Text
    languages: list[Language] = Field(default=["en"], min_length=1)
    time_zone: Annotated[str, AfterValidator(_known_zone)]
    holidays: list[date] = []


class Party(Part):
    """A controller, or a joint one (GDPR 26)."""

    name: Text
    address: list[Text] = Field(min_length=1)
    country: Country
    email: Email
    phone: Text | None = None


class Controller(Party):
    """Who is responsible, and who answers people (GDPR 13(1)(a), WA-24)."""

    role: Literal["controller", "joint controller"] = "controller"
    answers: Text
    joint: list[Party] = []
    operators_choice: Text | None = None


class Release(Part):
    """Which edition this file is."""

    version: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    date: date
    note: Text | None = None


class Age(Chosen):
    """Who may register, and what happens when a child becomes known (COPPA, GDPR 8).

    youngest: completed years; absent when the policy states none (actual knowledge of a child
    under `child_under` still acts). contest: time a locked person has before erasure.
    lock_within, erase_within: the limits the promise is checked against, from the arrival of the
    knowledge and from the end of the contest window. parent_answer: where a parent's consent
    counts, the time a parent has to answer, and staff then have to verify the answer; what we hold
    to ask them is deleted when it is over (16 CFR 312.5(c)(1)).
    """

    youngest: Annotated[int, Field(ge=1, le=21)] | None = None
    child_under: Annotated[int, Field(ge=1, le=21)] = 13
    minor_until: Annotated[int, Field(ge=1, le=21)] = 18
    minors_advice: Text | None = None
    contest: Period
    lock_within: Period
    erase_within: Period
    parental_consent: bool = False
    parent_answer: Period | None = None


class Staff(Chosen):
    """How those who work with people's data are bound (CC-16, CC-21): after which time an
    undertaking of confidentiality is signed again, and training repeated.
    """

    undertaking: Period = Field(default="2 years", validate_default=True)
    training: Period = Field(default="1 year", validate_default=True)


class Ground(Chosen):
    """Why data may outlive its purpose (GDPR 17(3)); `maximum` ends every use of the ground."""

    key: Key
    title: Text
    text: Text
    maximum: Period


LegalBasis = Literal[
    "consent",
    "contract",
    "legal obligation",
    "vital interests",
    "public task",
    "legitimate interests",
]


class Purpose(Part):
    """What data is used for, on which basis (GDPR 6(1))."""

    key: Key
    title: Text
    text: Text
    legal_basis: LegalBasis
    interest: Text | None = None
    optional: bool = False
    default: Literal["off", "on"] = "off"
    data: list[DottedKey] = []
    reading: Text | None = None


class CollectionPoint(Part):
    """Where people hand over data: which fields, for which purposes, under which words.

    Fields are named holding and field: `accounts.account.email`.
    """

    key: Key
    title: Text
    notice: Text
    required: list[DottedKey] = []
    optional: list[DottedKey] = []
    purposes: list[Key] = Field(min_length=1)


class Recipient(Chosen):
    """Who else gets data (GDPR 13(1)(e)); `agreement` says whether one must be in force."""

    key: Key
    name: Text
    role: Literal[
        "processor", "trusted party", "affiliate", "advertiser", "authority", "lawyer", "members"
    ]
    text: Text
    country: Country | None = None
    purposes: list[Key] = []
    figures_only: bool = False
    agreement: bool = False


class Transfer(Chosen):
    """Data leaving for another country (GDPR 44-49); declining has its stated result."""

    key: Key
    country: Country
    title: Text
    ask: Text
    mechanism: Literal["explicit consent", "adequacy", "standard clauses", "contract"]
    declined: Text
    withdrawn: Text


class MailCategory(Chosen):
    """Voluntary mail. Account mail and answers exist in every policy and always go.

    basis `consent`: nothing is sent without a standing yes. `opt-out`: sent until refused.
    """

    key: Key
    title: Text
    text: Text
    basis: Literal["consent", "opt-out"]
    purpose: Key
    frequency: Text | None = None


class Cookie(Chosen):
    """One cookie or storage key; `*` in the name stands for anything."""

    name: Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$")]
    title: Text
    provider: Text | None = None
    recipient: Key | None = None
    purpose: Key
    lifetime: Literal["session"] | Period
    party: Literal["first", "third"] = "first"
    kind: Literal["cookie", "local storage", "session storage", "beacon"] = "cookie"
    necessary: bool = False


class RetentionRule(Chosen):
    """How long rows of a holding stay, counted from one of its clocks, and what ends them.

    action: delete the row, anonymise it, archive it, or erase the whole person it is about.
    """

    holding: DottedKey
    clock: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]*$")]
    period: Period
    action: Literal["delete", "anonymise", "archive", "erase"] = "delete"
    purpose: Key | None = None
    ground: Key | None = None
    text: Text


RequestKind = Literal[
    "access",
    "portability",
    "correction",
    "deletion",
    "opt-out",
    "restriction",
    "objection",
    "cancellation",
    "invitee-removal",
    "child-report",
    "misuse-report",
    "lost-or-stolen",
    "inquiry",
    "parent",
]


class RequestRule(Chosen):
    """How a kind of request is answered: by when, approved by how many, with how long to undo."""

    kind: RequestKind
    deadline: Period
    extension: Period | None = None
    approvals: Annotated[int, Field(ge=0, le=2)] = 1
    undo: Period | None = None
    channels: list[Literal["privacy centre", "form", "e-mail", "letter", "phone"]] = Field(
        default=["privacy centre"], min_length=1
    )


class NoticeRule(Chosen):
    """How people learn of a changed policy (WA-21, WD-13, CC-31)."""

    channels: list[Literal["page", "site", "e-mail", "banner"]] = Field(min_length=1)
    period: Period | None = None
    applies: Literal["at once", "after the period", "new data at once, older after the period"]


class Features(Part):
    """Parts of the product a policy can switch off."""

    invitations: bool = False
    invitations_per_day: Annotated[int, Field(ge=1, le=1000)] = 10
    contributed_facts: bool = False
    outside_sources: list[Text] = []
    newsletter: bool = False
    visit_log: bool = False
    payments: bool = False


class Remark(Part):
    """A sentence people should read that promises nothing (limits, advice)."""

    title: Text
    text: Text


class Promise(Part):
    """One promise; `control` keeps it. Without one the board says "no check yet"."""

    id: PromiseId
    text: Text
    control: DottedKey | None = None
    reading: Text | None = None


class Document(Part):
    """A whole policy file."""

    format: Literal[1]
    site: Site
    controller: Controller
    release: Release
    age: Age
    notice: NoticeRule
    features: Features = Features()
    staff: Staff = Staff()
    purposes: list[Purpose] = Field(min_length=1)
    grounds: list[Ground] = []
    collection_points: list[CollectionPoint] = []
    recipients: list[Recipient] = []
    transfers: list[Transfer] = []
    mail_categories: list[MailCategory] = []
    cookies: list[Cookie] = []
    retention: list[RetentionRule] = []
    requests: list[RequestRule] = []
    remarks: list[Remark] = []
    promises: list[Promise] = Field(min_length=1)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The operator's time zone."""
        return ZoneInfo(self.site.time_zone)

    def purpose(self, key: str) -> Purpose | None:
        """The purpose with this key."""
        return next((p for p in self.purposes if p.key == key), None)

    def collection_point(self, key: str) -> CollectionPoint | None:
        """The collection point with this key."""
        return next((c for c in self.collection_points if c.key == key), None)

    def transfer(self, key: str) -> Transfer | None:
        """The transfer with this key."""
        return next((t for t in self.transfers if t.key == key), None)

    def mail_category(self, key: str) -> MailCategory | None:
        """The voluntary mail category with this key."""
        return next((m for m in self.mail_categories if m.key == key), None)

    def request_rule(self, kind: str) -> RequestRule | None:
        """How this kind of request is answered."""
        return next((r for r in self.requests if r.kind == kind), None)

    def rules_for(self, holding: str) -> list[RetentionRule]:
        """Every retention rule over this holding."""
        return [r for r in self.retention if r.holding == holding]
