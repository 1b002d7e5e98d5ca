"""Tables of how data ends: ticks, sweeps and their brakes, erasures, tombstones, child cases."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from audit.models import AuditEntry
from datamap.models import Subject, new_id
from retention.sweep_tables import Brake, DayTaken, SweepRun, SweepShift, SweepStep

__all__ = [
    "Brake",
    "ChildCase",
    "DayTaken",
    "Erasure",
    "ErasureStep",
    "SweepRun",
    "SweepShift",
    "SweepStep",
    "Tick",
    "Tombstone",
]


class Tick(models.Model):
    """When a recurring job is due next. Claimed by a conditional update, so several beats are safe.

    A worker that dies leaves `lease_until` behind; afterwards the job can be claimed again.
    """

    name = models.CharField(max_length=60, primary_key=True)
    due_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    claim = models.UUIDField(null=True)
    done_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class Erasure(models.Model):
    """A person whose data has to go: why, from when, by when, and how far it is.

    reason: a short key such as `request`, `child`, `period`.
    due_at: when it may begin; until then it can be cancelled (the undo window).
    deadline: by when it must be done, if a promise says so.
    claim, lease_until: which worker has it, and until when nobody else may take it.
    attempts: rounds that did not end in a clean verification.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("under way")
        VERIFYING = "verifying", _("being verified")
        DONE = "done", _("done")
        CANCELLED = "cancelled", _("cancelled")

    OPEN = (State.WAITING, State.RUNNING, State.VERIFYING)

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="erasures")
    reason = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    asked_by_kind = models.CharField(max_length=10, choices=AuditEntry.ActorKind.choices)
    asked_by = models.UUIDField(null=True)
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()
    deadline = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    claim = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject"],
                condition=Q(state__in=["waiting", "running", "verifying"]),
                name="retention_erasure_one_open",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "running", "verifying"], finished_at=None)
                | Q(state__in=["done", "cancelled"], finished_at__isnull=False),
                name="retention_erasure_finished_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["waiting"]) | Q(started_at=None),
                name="retention_erasure_waiting_not_started",
            ),
            models.CheckConstraint(
                condition=Q(deadline=None) | Q(deadline__gte=F("asked_at")),
                name="retention_erasure_deadline_ahead",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=Q(state__in=["waiting", "running", "verifying"]),
                name="retention_erasure_due",
            ),
            models.Index(fields=["finished_at"], name="retention_erasure_finished"),
        ]

    def __str__(self) -> str:
        return f"{self.reason}: {self.state}"


class ErasureStep(models.Model):
    """What one erasure took from one holding; `rows` grows in the removing transactions."""

    erasure = models.ForeignKey(Erasure, on_delete=models.CASCADE, related_name="steps")
    holding = models.CharField(max_length=100)
    position = models.PositiveIntegerField()
    rows = models.BigIntegerField(default=0)
    done = models.BooleanField(default=False)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["erasure", "holding"], name="retention_erasure_step_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.holding}: {self.rows}"


class Tombstone(models.Model):
    """What is left of an erased person: a random id, when, why, how many rows of each holding."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject_id = models.UUIDField(db_index=True)
    erasure_id = models.UUIDField(unique=True)
    at = models.DateTimeField(db_index=True)
    reason = models.CharField(max_length=40)
    rows = models.JSONField(default=dict, help_text=_("Holding and how many rows it lost."))

    def __str__(self) -> str:
        return f"{self.subject_id} {self.at:%Y-%m-%d}"


class ChildCase(models.Model):
    """Somebody turned out to be a child: from the knowledge to the release or the erasure.

    arrived_at: when the knowledge reached us, whoever read it later; all limits count from it.
    contest_until: until then the person can say that it is a mistake.
    erase_by: when everything must be gone, unless the case is released.
    told_at: when the person was written to. statement: what they wrote, encrypted.
    late_told_at: when staff were written to because a contested case was past `erase_by`.
    restricted_before: a restriction from before the case, which a release leaves standing.
    """

    class State(models.TextChoices):
        CONTEST = "contest", _("locked, may be contested")
        CONTESTED = "contested", _("contested, waits for a decision")
        RELEASED = "released", _("released")
        ERASING = "erasing", _("being erased")
        ERASED = "erased", _("erased")

    class Ground(models.TextChoices):
        NO_CHILD = "no-child", _("not a child")
        PARENT = "parent", _("a parent's consent was verified")

    OPEN = (State.CONTEST, State.CONTESTED, State.ERASING)

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    reference = models.CharField(max_length=32, unique=True, editable=False)
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="child_cases")
    state = models.CharField(max_length=10, choices=State.choices, default=State.CONTEST)
    arrived_at = models.DateTimeField()
    learned_at = models.DateTimeField()
    locked_at = models.DateTimeField()
    restricted_before = models.BooleanField(default=False, db_default=False)
    contest_until = models.DateTimeField()
    erase_by = models.DateTimeField()
    token_hash = models.CharField(  # noqa: DJ001  unique among those that have one
        max_length=64, null=True, unique=True, editable=False
    )
    told_at = models.DateTimeField(null=True)
    late_told_at = models.DateTimeField(null=True)
    statement = models.BinaryField(null=True)
    contested_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.UUIDField(null=True)
    ground = models.CharField(max_length=10, choices=Ground.choices, blank=True)
    decision = models.CharField(max_length=500, blank=True, help_text=_("The reason, in words."))
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject"],
                condition=Q(state__in=["contest", "contested", "erasing"]),
                name="retention_child_one_open",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["contest", "contested", "erasing"], closed_at=None)
                | Q(state__in=["released", "erased"], closed_at__isnull=False),
                name="retention_child_closed_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="released")
                | Q(decided_by__isnull=False, decided_at__isnull=False, ground__gt=""),
                name="retention_child_release_decided",
            ),
            models.CheckConstraint(
                condition=Q(arrived_at__lte=F("learned_at")),
                name="retention_child_arrived_first",
            ),
        ]
        indexes = [
            models.Index(
                fields=["contest_until"],
                condition=Q(state="contest"),
                name="retention_child_contest_ends",
            ),
            models.Index(fields=["closed_at"], name="retention_child_closed"),
        ]

    def __str__(self) -> str:
        return self.reference
