"""What makes one kind of request different from another: the questions every kind answers.

The way of a request is the same for all kinds (`intake`, `review`, `state`): it comes in, its
clock runs, people approve or deny it, the person may take it back, it ends. A kind says what is
its own in one class: what an approval sets off, until when that can be called off, and its words.
`requests.fulfil` lists the classes; a new kind is one more entry there, a folder of two template
parts, `templates/requests/<name>/`, and letters, `templates/mail/<name>_*.txt`:
`received`, `denied`, `extended`, `withdrawn` and those that the kind posts itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from audit.log import Actor
from datamap.models import Subject
from policy.document import Document
from requests.models import Request, RequestEvent

Events = Mapping[str, RequestEvent]


class TooLate(Exception):
    """What was asked for has begun, or an extension comes after the first period."""


@dataclass(frozen=True)
class Shown:
    """One step as components/steps.html draws it: done, now, failed or todo."""

    title: str
    state: str
    note: str = ""


@dataclass(frozen=True)
class Work:
    """How far carrying out is. begun: it can't be taken back any more. done, total: whatever the
    bar counts; no bar without a total. label, text: what is counted, and how far, in words.
    mark: changes with anything else that the page shows of it.
    """

    begun: bool = False
    done: int = 0
    total: int = 0
    label: str = ""
    text: str = ""
    mark: str = ""


class Handling(ABC):
    """One kind of request, or several that are handled alike.

    kinds: of a person, at most one request of these is open. name: of its folder and its letters.
    point: the policy's collection point whose notice people read before they ask.
    decision_answers: whether an approval answers the person and stops the legal clock, or only
    what it sets off does.
    """

    kinds: tuple[str, ...]
    name: str
    point: str
    decision_answers: bool

    def check_may_ask(self, *, subject: Subject, now: datetime) -> None:
        """Raise the kind's own exception when the person may not ask right now."""
        return

    @abstractmethod
    def set_off(self, request: Request, *, actor: Actor, now: datetime) -> dict[str, str | int]:
        """Begin, or plan, what was just approved; in the approval's transaction, under its locks.
        Returns facts for the audit entry.
        """

    def check_may_withdraw(self, request: Request, *, now: datetime) -> None:
        """Raise the kind's own exception when an open request can't be taken back right now."""
        return

    @abstractmethod
    def call_off(self, request: Request, *, actor: Actor, now: datetime) -> None:
        """Undo what `set_off` planned, in the withdrawal's transaction. Raises `TooLate`."""

    def overtake(self, *, subject_id: UUID, erasure_id: UUID, at: datetime) -> None:
        """The person was erased: end their open requests of this kind, in that transaction."""
        return

    @abstractmethod
    def work(self, request: Request) -> Work:
        """How far carrying out is; one query at most."""

    @abstractmethod
    def headline(self, request: Request, *, work: Work, zone: ZoneInfo, now: datetime) -> str:
        """Where an approved or closed request stands, in one sentence."""

    @abstractmethod
    def last_steps(
        self, request: Request, *, events: Events, work: Work, zone: ZoneInfo
    ) -> list[Shown]:
        """What comes after the decision, step by step."""

    @abstractmethod
    def for_person(self, request: Request, *, document: Document, now: datetime) -> dict[str, Any]:
        """What `<name>/status.html` shows beside the steps."""

    @abstractmethod
    def for_reviewer(self, request: Request, *, now: datetime) -> dict[str, Any]:
        """What `<name>/case.html` shows to whoever decides; `approve` and `consequence` are the
        words of the button and what it sets off.
        """
