"""Requests for a copy of one's data: to read it (GDPR 15) or to take it elsewhere (GDPR 20).

Both are answered with the same package: it holds a page to read and files for machines.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import prefetch_related_objects
from django.utils.translation import gettext as _

from accounts.models import User
from audit.log import SYSTEM, Actor
from audit.models import AuditEntry
from datamap.models import Subject
from datamap.same_person import selection
from policy import vocabulary
from policy.document import Document
from requests import explain, package_orders, rules, state, trail, wording
from requests.handling import Events, Handling, Shown, Work
from requests.models import OPEN, Package, Request, RequestEvent

# GDPR 12(5): what is excessive may be refused. A new copy a day is not; one an hour would be.
BETWEEN: Final = timedelta(days=1)
KINDS: Final = (Request.Kind.ACCESS, Request.Kind.PORTABILITY)
S = Request.State
Step = RequestEvent.Step
Ps = Package.State


class TooSoon(Exception):
    """A copy was made a moment ago; the next one can be asked for from `again_at` on."""

    def __init__(self, *, again_at: datetime) -> None:
        self.again_at = again_at
        super().__init__(f"the next copy can be asked for at {again_at.isoformat()}")


class NoAccount(Exception):
    """Packages are handed out to whoever is logged in, and this person has no account."""


class Copies(Handling):
    """Everything we hold about the person, in one package."""

    kinds = KINDS
    name = "access"
    point = "access-request"
    decision_answers = False

    def check_may_ask(self, *, subject: Subject, now: datetime) -> None:
        """Raises `NoAccount`, `TooSoon`."""
        if not User.objects.filter(subject=subject).exists():
            raise NoAccount
        again_at = next_at(subject_id=subject.pk)
        if again_at is not None and again_at > now:
            raise TooSoon(again_at=again_at)

    def set_off(self, request: Request, *, actor: Actor, now: datetime) -> dict[str, str | int]:
        """Order the package."""
        return {"package": str(package_orders.order(request=request, now=now).pk)}

    def call_off(self, request: Request, *, actor: Actor, now: datetime) -> None:
        """Take the order back. Raises `TooLate` once a worker has begun."""
        package_orders.cancel(request=request)

    def overtake(self, *, subject_id: UUID, erasure_id: UUID, at: datetime) -> None:
        """Nobody is left to hand a copy to, and nothing to copy."""
        open_ones = Request.objects.select_for_update().filter(
            subject_id=subject_id, kind__in=KINDS, state__in=OPEN
        )
        for request in open_ones:
            state.move(request_id=request.pk, to=S.EXPIRED, closed_at=at)
            trail.tell(request, Step.EXPIRED, at)
            trail.prove(request, SYSTEM, "requests.expired", at, erasure=str(erasure_id))

    def work(self, request: Request) -> Work:
        """Entries written so far, of about how many."""
        package = package_of(request)
        if package is None:
            return Work(begun=request.state == S.COMPLETED)
        begun = package.state != Ps.WAITING
        mark = f"{package.state}.{package.step}.{package.attempts}.{package.downloads}"
        if package.state != Ps.BUILDING or not package.rows_total:
            return Work(begun=begun, mark=mark)
        done = min(package.rows, package.rows_total)
        total = wording.amount(package.rows_total)
        return Work(
            begun=begun,
            done=done,
            total=package.rows_total,
            label=_("Entries written"),
            text=_("%(done)s of about %(total)s") % {"done": wording.amount(done), "total": total},
            mark=mark,
        )

    def headline(self, request: Request, *, work: Work, zone: ZoneInfo, now: datetime) -> str:
        """Where it stands."""
        package = package_of(request)
        if request.state == S.APPROVED:
            return _("Approved. Your copy is made next.")
        if request.state == S.IN_PROGRESS:
            if package is not None and package.state == Ps.FAILED:
                return _("Making your copy did not work this time. We try again by ourselves.")
            return _("Your copy is being made now.")
        if request.state == S.COMPLETED:
            if package is not None and is_ready(package, now) and package.expires_at is not None:
                until = wording.moment(package.expires_at, zone)
                return _("Your copy is ready. You can download it until %(until)s.") % {
                    "until": until
                }
            return _("Your copy was made and is no longer here. You can ask for a new one.")
        words = {
            S.DENIED: _("We can't do what you asked. The reason is below."),
            S.WITHDRAWN: _("You withdrew this request. No copy was made."),
            S.EXPIRED: _("This request ended when your data was deleted."),
        }
        return words[S(request.state)]

    def last_steps(
        self, request: Request, *, events: Events, work: Work, zone: ZoneInfo
    ) -> list[Shown]:
        """Approved, then made."""
        approved = Shown(_("Approved"), "todo")
        if Step.APPROVED in events:
            approved = Shown(_("Approved"), "done", wording.moment(events[Step.APPROVED].at, zone))
        title = _("Your copy is made")
        if Step.COMPLETED in events:
            made = Shown(title, "done", wording.moment(events[Step.COMPLETED].at, zone))
        elif request.state not in (S.APPROVED, S.IN_PROGRESS):
            made = Shown(title, "todo")
        else:
            made = Shown(title, "now", _being_made(package_of(request)))
        return [approved, made]

    def for_person(self, request: Request, *, document: Document, now: datetime) -> dict[str, Any]:
        """The package, as long as it can be downloaded."""
        package = package_of(request)
        there = package is not None and is_ready(package, now)
        return {"package": package if there else None}

    def for_reviewer(self, request: Request, *, now: datetime) -> dict[str, Any]:
        """What would be in the package, by count alone, and what speaks for its being them."""
        rows = explain.count_rows(subject_id=request.subject_id)
        kinds = [(vocabulary.staff_title(key), n) for key, n in rows.items()]
        return {
            "kinds": sorted(kinds),
            "total": sum(rows.values()),
            "facts": _to_look_at(request, rules.version_of(request).document.zone),
            "approve": _("Approve the copy"),
            "consequence": _(
                "The copy is made at once. The person is told by e-mail, logs in and downloads it. "
                "Nobody on the staff can open it."
            ),
        }


def package_of(request: Request) -> Package | None:
    """The request's newest package; one query however often it is asked."""
    if request.decided_at is None:
        return None
    prefetch_related_objects([request], "packages")
    return max(request.packages.all(), key=lambda package: package.ordered_at, default=None)


def is_ready(package: Package, now: datetime) -> bool:
    """Whether it can be downloaded: made, and not expired."""
    return package.state == Ps.READY and package.expires_at is not None and package.expires_at > now


def next_at(*, subject_id: UUID) -> datetime | None:
    """From when on the person may ask for another copy; None when they never had one, or when
    what they had was lost here.
    """
    latest = (
        Request.objects.filter(
            subject_id__in=selection(subject_id), kind__in=KINDS, state=S.COMPLETED
        )
        .exclude(packages__state=Ps.GONE)
        .order_by("-closed_at")
        .values_list("closed_at", flat=True)
        .first()
    )
    return latest + BETWEEN if latest is not None else None


def _being_made(package: Package | None) -> str:
    """What a worker is writing right now."""
    if package is None or package.state == Ps.WAITING:
        return _("Waits for its turn; this takes minutes at most.")
    if package.state != Ps.BUILDING or not package.step:
        return ""
    return _("Now: %(kind)s") % {"kind": vocabulary.holding_title(package.step)}


def _to_look_at(request: Request, zone: ZoneInfo) -> list[dict[str, str]]:
    """What a reviewer weighs before a person's data goes out: is it them who asked?"""
    facts = [{"term": _("Proved who they are"), "text": _("Not yet")}]
    if request.verified_at is not None:
        facts[0]["text"] = wording.moment(request.verified_at, zone)
    user = getattr(request.subject, "user", None)
    if user is not None:
        facts.append({"term": _("Account since"), "text": wording.day(user.date_joined, zone)})
    confirmed = (
        AuditEntry.objects.filter(subject_id=request.subject_id, verb="accounts.address-confirmed")
        .order_by("-at")
        .values_list("at", flat=True)
        .first()
    )
    if confirmed is not None:
        text = wording.moment(confirmed, zone)
        facts.append({"term": _("E-mail address confirmed last"), "text": text})
    locked = _("Yes: find out why before you approve") if request.subject.locked else _("No")
    facts.append({"term": _("Account locked"), "text": locked})
    facts.append({"term": _("Other requests"), "text": _others(request)})
    return facts


def _others(request: Request) -> str:
    """The person's other requests in words, newest first, five at most."""
    mine = Request.objects.filter(subject_id__in=selection(request.subject_id))
    others = mine.exclude(pk=request.pk)
    newest = list(others.order_by("-received_at")[:6])
    if not newest:
        return _("None")
    words = [f"{each.get_kind_display()}: {each.get_state_display()}" for each in newest[:5]]
    more = _("and more") if len(newest) > 5 else ""
    return "; ".join(filter(None, [*words, more]))
