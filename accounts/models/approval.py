"""Things that two people of the staff have to agree on."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models.handles import new_handle
from datamap.models import Subject, new_id


class Approval(models.Model):
    """One person of the staff asked for something; another one decides. See `accounts.approval`.

    what: key of the kind. about: the person it concerns, if any. details: ids and words of the
    kind's own, never personal data. digest: of what is approved; a decision names it, so that
    nobody approves what they did not see. note: why, encrypted.
    in_place_of: the absent person for whom a deputy decided. expires_at: no decision after it.
    """

    class Decision(models.TextChoices):
        NONE = "", _("waits")
        APPROVED = "approved", _("approved")
        REFUSED = "refused", _("refused")
        WITHDRAWN = "withdrawn", _("withdrawn")
        EXPIRED = "expired", _("expired")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    handle = models.CharField(max_length=32, unique=True, default=new_handle)
    what = models.CharField(max_length=60)
    about = models.ForeignKey(
        Subject, on_delete=models.PROTECT, null=True, related_name="approvals_about"
    )
    details = models.JSONField(default=dict)
    digest = models.CharField(max_length=64)
    note = models.BinaryField(null=True)
    asked_by = models.ForeignKey(
        Subject, on_delete=models.PROTECT, related_name="approvals_asked", db_index=False
    )
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True)
    decided_by = models.ForeignKey(
        Subject, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    decided_at = models.DateTimeField(null=True)
    in_place_of = models.ForeignKey(
        Subject, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(about__isnull=True) | ~Q(about=F("asked_by")),
                name="accounts_approval_not_for_oneself",
            ),
            models.CheckConstraint(
                condition=~Q(decision__in=["approved", "refused"])
                | (Q(decided_by__isnull=False) & ~Q(decided_by=F("asked_by"))),
                name="accounts_approval_by_another",
            ),
            models.CheckConstraint(
                condition=Q(about__isnull=True)
                | Q(decided_by__isnull=True)
                | ~Q(decided_by=F("about")),
                name="accounts_approval_not_on_oneself",
            ),
            models.CheckConstraint(
                condition=Q(decision="", decided_at__isnull=True)
                | (~Q(decision="") & Q(decided_at__isnull=False)),
                name="accounts_approval_decision_has_a_time",
            ),
            models.UniqueConstraint(
                fields=["what", "about"],
                condition=Q(decision="", about__isnull=False),
                name="accounts_approval_one_open",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="accounts_approval_end"),
            models.Index(
                fields=["asked_at"], condition=Q(decision=""), name="accounts_approval_waits"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.handle}"
