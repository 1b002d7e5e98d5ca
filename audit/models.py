"""Tables of what happened: the log with its queue for sealing, evidence, staff access."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.db import models

from datamap.models import new_id


class AppendOnly(models.Model):
    """Rows that are written once. The runtime role has no right to change or remove them.

    written_by_database: only functions of the tables' owner write them, so the runtime role may
    not even add one.

    Grants are the first line (`config.grants` revokes UPDATE, DELETE and TRUNCATE on every
    subclass); the trigger is the second, for a session could switch triggers off.
    """

    written_by_database: ClassVar[bool] = False

    class Meta:
        abstract = True
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]


class AuditEntry(AppendOnly):
    """One thing that happened: who did what to which object, about whom, with which figures.

    `facts` hold ids and figures, never personal data. `leaf` is the digest of the entry's
    canonical form, see `audit.log`; it is what sealing builds its tree from.
    """

    class ActorKind(models.TextChoices):
        PERSON = "person"
        STAFF = "staff"
        SYSTEM = "system"
        VISITOR = "visitor"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=10, choices=ActorKind.choices)
    actor_id = models.UUIDField(null=True)
    verb = models.CharField(max_length=80)
    object_type = models.CharField(max_length=80, blank=True)
    object_id = models.CharField(max_length=80, blank=True)
    subject_id = models.UUIDField(null=True)
    facts = models.JSONField(default=dict)
    leaf = models.BinaryField(max_length=32)

    class Meta(AppendOnly.Meta):
        abstract = False
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["at"], name="audit_entry_at"),
            models.Index(fields=["subject_id", "at"], name="audit_entry_subject"),
            models.Index(fields=["verb", "at"], name="audit_entry_verb"),
            models.Index(fields=["object_type", "object_id"], name="audit_entry_object"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.verb}"


class Unsealed(models.Model):
    """Queue of entries that no seal covers yet, written in the entry's own transaction.

    Positions are given at sealing, never by id: parallel commits and rollbacks leave gaps.
    """

    entry = models.OneToOneField(AuditEntry, on_delete=models.PROTECT, primary_key=True)

    class Meta:
        verbose_name_plural = "unsealed"

    def __str__(self) -> str:
        return str(self.entry_id)


class Evidence(AppendOnly):
    """What one evaluation of one control found: figures and ids, never personal data."""

    class Outcome(models.TextChoices):
        KEPT = "kept"
        BROKEN = "broken"
        FAILED = "failed"  # the check itself could not be carried out

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    control = models.CharField(max_length=100)
    at = models.DateTimeField()
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    checked = models.BigIntegerField(help_text="How many things were looked at.")
    violations = models.BigIntegerField(help_text="How many of them break the promise.")
    violation_ids = models.JSONField(default=list, help_text="The first hundred ids.")
    figures = models.JSONField(default=dict)
    policy_digest = models.CharField(max_length=64, blank=True)
    milliseconds = models.PositiveIntegerField()

    class Meta(AppendOnly.Meta):
        abstract = False
        verbose_name_plural = "evidence"
        indexes = [models.Index(fields=["control", "-at"], name="audit_evidence_latest")]

    def __str__(self) -> str:
        return f"{self.control}: {self.outcome}"


class StaffAccess(AppendOnly):
    """A member of staff opened a page with a person's data, for this reason (WD-12)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    at = models.DateTimeField()
    staff_id = models.UUIDField()
    role = models.CharField(max_length=30)
    permission = models.CharField(max_length=80)
    subject_id = models.UUIDField(null=True)
    task = models.CharField(max_length=120, help_text="What the access was for: a request, a case.")
    reason = models.CharField(max_length=200)

    class Meta(AppendOnly.Meta):
        abstract = False
        verbose_name_plural = "staff accesses"
        indexes = [
            models.Index(fields=["at"], name="audit_access_at"),
            models.Index(fields=["subject_id", "at"], name="audit_access_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.permission}"


class Movement(AppendOnly):
    """Rows of a lasting table that came or went in one statement; see `audit.movements`.

    keys: sum of digests of their primary keys. refs: what the statement said it was for.
    named: digest of the subjects it named; strangers: rows that belonged to none of them.
    clocks: column → oldest and newest value, and how many rows had none.
    """

    class Kind(models.TextChoices):
        STATEMENT = "statement"
        OPENING = "opening"  # what was there when counting began
        SUM = "sum"  # of old statements

    class Way(models.TextChoices):
        CAME = "came"
        WENT = "went"

    written_by_database = True

    id = models.UUIDField(primary_key=True, editable=False)
    at = models.DateTimeField()
    of_table = models.CharField(max_length=63)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    way = models.CharField(max_length=4, choices=Way.choices)
    rows = models.BigIntegerField()
    keys = models.DecimalField(max_digits=40, decimal_places=0)
    reason = models.CharField(max_length=20, blank=True)
    refs = models.JSONField()
    named = models.CharField(max_length=64, blank=True)
    strangers = models.BigIntegerField()
    clocks = models.JSONField()

    class Meta(AppendOnly.Meta):
        abstract = False
        indexes = [
            models.Index(
                fields=["of_table"], include=["way", "rows", "keys"], name="audit_movement_sums"
            ),
            models.Index(
                fields=["of_table", "at"],
                condition=models.Q(kind="statement", way="went"),
                name="audit_movement_went",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.of_table} {self.way} {self.rows}"
