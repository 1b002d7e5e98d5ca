"""Tables of the sweep: runs, their steps, who works at them, brakes, what a day took."""

from __future__ import annotations

import secrets
import uuid

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from datamap.models import new_id


def new_reference() -> str:
    """What a row is called in an address: 96 random bits."""
    return secrets.token_urlsafe(12)


class SweepRun(models.Model):
    """One pass over the rules of the policy, shared by any number of workers.

    state: an open run is `running` while somebody works at it and `paused` while nobody does.
    reference: its name in addresses; runs from before there were names have none.
    """

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        PAUSED = "paused", _("out of time, goes on")
        DONE = "done", _("done")
        BRAKED = "braked", _("done, but for what waits for an administrator")
        FAILED = "failed", _("done with errors")
        LEFT = "left", _("left to a newer one")

    OPEN = (State.RUNNING, State.PAUSED)

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    reference = models.CharField(  # noqa: DJ001  unique among those that have one
        max_length=24, null=True, unique=True, editable=False, default=new_reference
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    dry_run = models.BooleanField(default=False)
    only = models.CharField(max_length=100, blank=True, help_text=_("One holding, or all."))
    policy_digest = models.CharField(max_length=64)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["-started_at"], name="retention_run_latest")]
        constraints = [
            models.UniqueConstraint(
                fields=["only"],
                condition=Q(dry_run=False, state__in=["running", "paused"]),
                name="retention_run_one_open",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["running", "paused"], finished_at=None)
                | Q(state__in=["done", "braked", "failed", "left"], finished_at__isnull=False),
                name="retention_run_ended_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M} {self.state}"


class Brake(models.Model):
    """A rule that would take more of a table in a day than it may; see `retention.brake`.

    digest: which rule, as published; a changed rule is another one. rows: how many were due when
    it was last looked at, `table_rows` of how many. allowance, taken: what a release lets go, and
    what of that has gone. released_until: an unused release lapses then.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waits for a decision")
        STOPPED = "stopped", _("stays stopped")
        RELEASED = "released", _("let go, once")
        USED = "used", _("let go and carried out")
        LAPSED = "lapsed", _("no longer needed")

    OPEN = (State.WAITING, State.STOPPED, State.RELEASED)

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    reference = models.CharField(max_length=24, unique=True, editable=False, default=new_reference)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    holding = models.CharField(max_length=100)
    clock = models.CharField(max_length=60)
    action = models.CharField(max_length=10)
    digest = models.CharField(max_length=64)
    rows = models.BigIntegerField()
    table_rows = models.BigIntegerField()
    oldest = models.DateTimeField(null=True)
    braked_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.UUIDField(null=True)
    reason = models.CharField(max_length=200, blank=True, help_text=_("Why, in words."))
    allowance = models.BigIntegerField(default=0)
    taken = models.BigIntegerField(default=0)
    released_until = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["holding", "clock", "action"],
                condition=Q(state__in=["waiting", "stopped", "released"]),
                name="retention_brake_one_open",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["stopped", "released", "used"])
                | Q(decided_by__isnull=False, decided_at__isnull=False, reason__gt=""),
                name="retention_brake_decided",
            ),
            models.CheckConstraint(
                condition=Q(taken__lte=F("allowance")), name="retention_brake_within_allowance"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "stopped", "released"], closed_at=None)
                | Q(state__in=["used", "lapsed"], closed_at__isnull=False),
                name="retention_brake_closed_has_time",
            ),
        ]
        indexes = [models.Index(fields=["closed_at"], name="retention_brake_closed")]

    def __str__(self) -> str:
        return f"{self.holding} {self.clock}: {self.state}"


class SweepStep(models.Model):
    """What one run did for one rule. Counts grow in the transactions of the chunks themselves.

    since, until: the clock values that are due, both included; `since` null means from the start.
    rows: rows of the holding treated, or in a dry run, that would be.
    with_them: rows of other tables that went with them.
    due_rows, table_rows: rows due when the step was judged, and all there were; a table that has
    few rows due is not counted.
    braked: nothing (more) was taken, or in a dry run, would be. brake: which brake holds the step,
    or lets it go by its release.
    workers: how many shifts have worked at it.
    oldest: earliest clock value found, from which the lag is told.
    longest_ms: longest transaction, in milliseconds.
    error: why nothing was done, in words, or the class of an exception; never its text.
    """

    run = models.ForeignKey(SweepRun, on_delete=models.CASCADE, related_name="steps")
    dry_run = models.BooleanField(default=False, db_default=False)
    holding = models.CharField(max_length=100)
    clock = models.CharField(max_length=60)
    action = models.CharField(max_length=10)
    rule_digest = models.CharField(max_length=64)
    policy_digest = models.CharField(max_length=64)
    since = models.DateTimeField(null=True)
    until = models.DateTimeField()
    judged_at = models.DateTimeField(null=True)
    due_rows = models.BigIntegerField(null=True)
    table_rows = models.BigIntegerField(null=True)
    braked = models.BooleanField(default=False, db_default=False)
    brake = models.ForeignKey(Brake, null=True, on_delete=models.SET_NULL, related_name="steps")
    workers = models.PositiveIntegerField(default=0, db_default=0)
    rows = models.BigIntegerField(default=0)
    with_them = models.BigIntegerField(default=0)
    chunks = models.PositiveIntegerField(default=0)
    longest_ms = models.PositiveIntegerField(default=0)
    oldest = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "holding", "clock", "action", "until"],
                name="retention_step_once_per_run",
            ),
        ]
        indexes = [
            # The newest step of a rule is one index step away, however long the history.
            models.Index(
                fields=["holding", "clock", "-id"],
                condition=Q(dry_run=False),
                name="retention_step_latest",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.holding} {self.clock}: {self.rows}"


class SweepShift(models.Model):
    """One worker's time at a run: which step it is at, and until when it counts as alive.

    rows: what it took; grows in the transactions of the chunks themselves.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(SweepRun, on_delete=models.CASCADE, related_name="shifts")
    step = models.ForeignKey(SweepStep, null=True, on_delete=models.SET_NULL, related_name="shifts")
    joined_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    left_at = models.DateTimeField(null=True)
    rows = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.joined_at:%Y-%m-%d %H:%M} {self.rows}"


class DayTaken(models.Model):
    """How many rows all sweeps took from one table on one day of the policy's calendar.

    gone: those of them that are no longer in the table. allowed: how many may be taken that day.
    """

    table = models.CharField(max_length=63)
    day = models.DateField()
    taken = models.BigIntegerField(default=0)
    gone = models.BigIntegerField(default=0)
    allowed = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["table", "day"], name="retention_day_once"),
        ]

    def __str__(self) -> str:
        return f"{self.table} {self.day}: {self.taken}"
