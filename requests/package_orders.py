"""Packages are ordered, built by a worker, and answered with, once.

The danger. A build takes minutes and a worker can be killed at any instant: then nobody must wait
for ever, nobody may be told twice, no half a file may be handed out, and no file may be left that
no row knows of and no erasure finds.

The design.
- An order is a row; the queue only says "look". Workers claim a row under its request's lock, by a
  conditional update, for a lease of 20 seconds that is renewed while rows are written. Whoever
  finds a lease ended begins anew, under a new file name, and removes the old file.
- The name is in the row before the file exists. A file that no row names is an orphan
  (`requests.package_files`), whatever happened.
- Only the holder of the claim may end a build. The row's "ready", the request's end, the letter
  and the audit entry are one transaction, after the file is whole and on disk.
- A build that fails is tried again, later each time; it raises an alarm and never ends in silence.

GDPR 12(3), 15, 20; PROMISES WA-6.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import IO, Final
from uuid import UUID

import structlog
from celery import current_app
from django.db import transaction
from django.db.models import F, Q, QuerySet

from audit.log import SYSTEM
from datamap.dispatch import send_on_commit
from datamap.models import Subject
from policy import current
from requests import answers, rules, state, trail, wording
from requests.handling import TooLate
from requests.models import Package, Request, RequestEvent
from requests.package import Built, Progress, build, count, store
from retention.clock import RunningClock

log = structlog.get_logger(__name__)
TASK: Final = "requests.packages"
LIFE: Final = timedelta(days=14)  # how long a package can be downloaded
LEASE: Final = timedelta(seconds=20)
EVERY: Final = timedelta(seconds=0.5)  # between two notes of how far a build is
BUDGET: Final = timedelta(minutes=2)
ALARM_AFTER: Final = 5  # builds begun before people are told
FIRST_WAIT: Final = timedelta(seconds=5)
LONGEST_WAIT: Final = timedelta(hours=1)
S = Request.State
Step = RequestEvent.Step


class LeaseLost(RuntimeError):
    """Another worker has taken the package over, or it is no longer wanted."""


@dataclass
class Worked:
    """What one call did: packages made, and builds that failed or were lost to somebody else."""

    ready: list[UUID] = field(default_factory=list)
    failed: list[UUID] = field(default_factory=list)


def order(*, request: Request, now: datetime) -> Package:
    """Have a package made for an approved request, in the caller's transaction."""
    package = Package.objects.create(request=request, subject_id=request.subject_id, ordered_at=now)
    send_on_commit(current_app.tasks[TASK])
    return package


def cancel(*, request: Request) -> None:
    """Take an order back that nobody has begun. Raises `TooLate`."""
    orders = Package.objects.filter(request=request)
    orders.filter(state=Package.State.WAITING).delete()
    if orders.exists():
        raise TooLate


def work(*, now: datetime, budget: timedelta = BUDGET) -> Worked:
    """Build what is ordered until nothing is left or the budget is spent.

    Any number of workers may call this at once.
    """
    clock, worked = RunningClock(now), Worked()
    while clock.spent < budget:
        claimed = _claim(clock)
        if claimed is None:
            break
        try:
            claimed.finish(claimed.build())
        except (LeaseLost, state.WrongState) as error:
            log.warning("package lost", package=str(claimed.id), why=type(error).__name__)
            claimed.discard()
            worked.failed.append(claimed.id)
        except Exception as error:  # noqa: BLE001  one bad package must not stop the others
            claimed.failed(error=type(error).__name__)
            worked.failed.append(claimed.id)
        else:
            worked.ready.append(claimed.id)
    return worked


def _claim(clock: RunningClock) -> _Claimed | None:
    """The first order that is due and nobody works on."""
    now = clock.now()
    due = Package.objects.filter(
        _free(now),
        state__in=Package.OPEN,
        request__state__in=(S.APPROVED, S.IN_PROGRESS),
        request__undo_until__lte=now,
    )
    for package_id, request_id in due.order_by("ordered_at").values_list("pk", "request__pk")[:50]:
        claimed = _take(package_id, request_id, clock=clock)
        if claimed is not None:
            return claimed
    return None


def _take(package_id: UUID, request_id: UUID, *, clock: RunningClock) -> _Claimed | None:
    """Claim one order, request first: a withdrawal locks in that order, too."""
    now, token, name = clock.now(), uuid.uuid4(), store.new_name()
    with transaction.atomic():
        wanted = Request.objects.filter(pk=request_id, state__in=(S.APPROVED, S.IN_PROGRESS))
        request = wanted.select_for_update(skip_locked=True).first()
        mine = Package.objects.filter(_free(now), pk=package_id, state__in=Package.OPEN)
        package = mine.select_for_update(skip_locked=True).first() if request else None
        if request is None or package is None:
            return None
        mine.update(
            state=Package.State.BUILDING,
            claim=token,
            lease_until=now + LEASE,
            attempts=F("attempts") + 1,
            name=name,
            rows=0,
            step="",
        )
        if request.state == S.APPROVED:
            state.move(request_id=request.pk, to=S.IN_PROGRESS)
            trail.tell(request, Step.STARTED, now)
            trail.prove(request, SYSTEM, "requests.started", now)
    if package.name:
        _tidy(package.name)  # what a killed worker left
    return _Claimed(package_id, request, token, name, package.attempts + 1, clock)


def _free(now: datetime) -> Q:
    return Q(lease_until=None) | Q(lease_until__lte=now)


@dataclass
class _Claimed:
    """One order under our claim."""

    id: UUID
    request: Request
    token: UUID
    name: str
    attempt: int
    clock: RunningClock
    noted: timedelta = timedelta(0)

    def build(self) -> Built:
        """Write the file. Raises `LeaseLost`."""
        now, subject_id = self.clock.now(), self.request.subject_id
        self._note(rows_total=sum(count(subject_id=subject_id).values()))
        with store.create(self.name) as file:
            built = build(
                subject_id=subject_id,
                document=current.fresh(now).document,
                language=self.request.language,
                now=now,
                target=file,
                progress=self._pulse,
            )
            _sync(file)
        return built

    def finish(self, built: Built) -> None:
        """The package is whole: it is ready, the request is answered. Raises `LeaseLost`."""
        now = self.clock.now()
        expires_at = now + LIFE
        with transaction.atomic():
            Subject.objects.select_for_update().get(pk=self.request.subject_id)
            request = Request.objects.select_for_update().get(pk=self.request.pk)
            self._note(
                state=Package.State.READY,
                claim=None,
                lease_until=None,
                error="",
                rows=built.rows,
                step="",
                key=built.key,
                size=built.size,
                sha256=built.sha256,
                ready_at=now,
                expires_at=expires_at,
            )
            state.move(request_id=request.pk, to=S.COMPLETED, closed_at=now)
            trail.tell(request, Step.COMPLETED, now, until=expires_at)
            trail.prove(request, SYSTEM, "requests.completed", now, rows=built.rows)
            zone = rules.version_of(request).document.zone
            until = wording.moment(expires_at, zone)
            answers.post(
                request=request, template="access_ready", now=now, context={"until": until}
            )

    def failed(self, *, error: str) -> None:
        """Another time, later after each failure: after 5, 10, 20 … seconds."""
        told = log.error if self.attempt >= ALARM_AFTER else log.warning
        told("package failed", package=str(self.id), attempts=self.attempt, error=error)
        wait = min(FIRST_WAIT * 2 ** min(self.attempt - 1, 10), LONGEST_WAIT)
        self._mine().update(
            state=Package.State.FAILED,
            claim=None,
            lease_until=self.clock.now() + wait,
            name="",
            error=error,
        )
        self.discard()

    def discard(self) -> None:
        """Remove our file, unless the row still names it: a commit whose answer was lost with the
        connection looks like a failure and has made the package ready all the same.
        """
        if not Package.objects.filter(name=self.name).exists():
            _tidy(self.name)

    def _pulse(self, progress: Progress) -> None:
        """Say how far it is and keep the claim, twice a second at most. Raises `LeaseLost`."""
        if self.clock.spent - self.noted >= EVERY:
            self.noted = self.clock.spent
            self._note(
                rows=progress.rows, step=progress.holding, lease_until=self.clock.now() + LEASE
            )

    def _note(self, **fields: object) -> None:
        if not self._mine().update(**fields):
            raise LeaseLost

    def _mine(self) -> QuerySet[Package]:
        return Package.objects.filter(pk=self.id, claim=self.token)


def _tidy(name: str) -> None:
    """Remove a file that no row names any more. A folder that can't be written now, for which the
    build may have failed, is no reason to stop: such files are looked for again.
    """
    try:
        store.remove(name)
    except OSError as error:
        log.warning("package file left", error=type(error).__name__)


def _sync(file: IO[bytes]) -> None:
    """Onto the disk, where the storage is one: "ready" must survive the machine's end."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except (AttributeError, OSError):
        return  # a storage elsewhere keeps its own promise when the file is closed
