"""Staff reading: which person an open task is about, and what the person sees of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.roles import Role
from audit import errands
from audit.models import StaffAccess
from datamap import same_person

NO_TASK: Final = "search:none"


@dataclass(frozen=True)
class Fact:
    """A line about a person, as components/facts.html draws it."""

    term: str
    text: str
    href: str = ""


@dataclass(frozen=True)
class Line:
    """One reading, as the person sees it: no name."""

    access: StaffAccess
    role: str
    task: str


def find(*, email: str, number: str, now: datetime) -> tuple[User | None, str]:
    """The person with this address if a task of this number about them is open, and the task.

    number: as people write it, with dashes or without. The same queries whether the address is
    known or not.
    """
    user = User.objects.select_related("subject").filter(email=email).first()
    nobody = uuid4()
    wanted = _bare(number)
    for task in errands.open_tasks(subject_id=user.subject_id if user else nobody, now=now):
        if user is not None and _bare(task.partition(":")[2]) == wanted:
            return user, task
    return None, NO_TASK


def card(*, user: User, now: datetime) -> list[Fact]:
    """What staff see of somebody they look up for a task."""
    subject = user.subject
    states = [
        words
        for words, holds in (
            (_("address not confirmed"), user.unconfirmed_since is not None),
            (_("locked"), subject.locked),
            (_("only stored, not used"), subject.restricted),
            (_("a minor"), subject.minor),
        )
        if holds
    ]
    tasks = errands.open_tasks(subject_id=subject.pk, now=now)
    return [
        Fact(_("Name"), user.get_full_name() or _("none given")),
        Fact(_("E-mail address"), user.email),
        Fact(_("State"), ", ".join(states) or _("nothing special")),
        Fact(_("Open tasks"), ", ".join(f"{errands.title_of(t)} {_number(t)}" for t in tasks)),
    ]


def of_person(*, subject_id: UUID) -> QuerySet[StaffAccess]:
    """Every time staff read this person's data, newest first; under each of their addresses."""
    own = same_person.selection(subject_id)
    return StaffAccess.objects.filter(subject_id__in=own).order_by("-at", "-id")


def line(access: StaffAccess) -> Line:
    """One reading in words; no query."""
    roles = {role.value: str(role.label) for role in Role}
    role = roles.get(access.role, _("staff"))
    return Line(access, role, f"{errands.title_of(access.task)} {_number(access.task)}".strip())


def _number(task: str) -> str:
    """The number of a task, where people know it; ids of our own tell them nothing."""
    reference = task.partition(":")[2]
    return reference if 0 < len(reference) <= 12 and reference.isalnum() else ""


def _bare(number: str) -> str:
    return number.replace("-", "").replace(" ", "").casefold()
