"""A parent who is asked for a child, and what they said."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models.handles import new_handle
from datamap.models import Subject, new_id

FORGET = "NEW.address = NULL; NEW.address_hash = ''; NEW.code_hash = ''; RETURN NEW;"


class Guardianship(models.Model):
    """A parent who is asked whether we may hold a child's data. The row goes when that is over.

    subject: the child. guardian: the parent, a subject with or without an account; empty once the
    parent is erased, which takes the address along. address: where we write to, encrypted.
    `answer_until` is when the row goes if nothing has come of it by then.
    `token_hash` opens the parent's page, together with a short-lived code sent to the same address.
    method, contact: how the parent wants to prove that they are one, and what we need for that
    (a number to call, say), encrypted and dropped with the decision.
    disclosure: the second, separate consent: others may get the data (16 CFR 312.5(a)(2)).
    words_digest: the exact words on the page when they agreed (`consent.Words`).
    verified_by: the user of staff who made sure, by then without any papers left.
    """

    class State(models.TextChoices):
        ASKED = "asked", _("asked")
        AGREED = "agreed", _("agreed, not verified yet")
        VERIFIED = "verified", _("agreed and verified")

    class Method(models.TextChoices):
        FORM = "form", _("A signed form, by post or e-mail")
        CALL = "call", _("A telephone call")
        VIDEO = "video", _("A video call")
        PAYMENT = "payment", _("A payment by card, announced to the holder")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    handle = models.CharField(max_length=32, unique=True, default=new_handle)
    subject = models.OneToOneField(Subject, on_delete=models.PROTECT, related_name="guardianship")
    guardian = models.ForeignKey(Subject, on_delete=models.PROTECT, null=True, related_name="wards")
    address = models.BinaryField(null=True)
    address_hash = models.CharField(max_length=64, blank=True, db_index=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASKED)
    asked_at = models.DateTimeField()
    answer_until = models.DateTimeField(null=True)
    token_hash = models.CharField(max_length=64, unique=True)
    code_hash = models.CharField(max_length=64, blank=True)
    code_sent_at = models.DateTimeField(null=True)
    code_tries = models.PositiveSmallIntegerField(default=0)
    agreed_at = models.DateTimeField(null=True)
    method = models.CharField(max_length=10, choices=Method.choices, blank=True)
    contact = models.BinaryField(null=True)
    words_digest = models.CharField(max_length=64, blank=True)
    disclosure = models.BooleanField(default=False)
    verified_at = models.DateTimeField(null=True)
    verified_by = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state="verified", answer_until=None)
                | Q(state__in=["asked", "agreed"], answer_until__gt=F("asked_at")),
                name="accounts_guardian_waits_till_an_end",
            ),
            models.CheckConstraint(
                condition=Q(state="asked", agreed_at=None, method="", disclosure=False)
                | Q(state__in=["agreed", "verified"], agreed_at__isnull=False, method__gt=""),
                name="accounts_guardian_agreed_somehow",
            ),
            models.CheckConstraint(
                condition=Q(state="verified", verified_at__gte=F("agreed_at"), contact=None)
                & Q(verified_by__isnull=False)
                | Q(state__in=["asked", "agreed"], verified_at=None, verified_by=None),
                name="accounts_guardian_verified_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(guardian__isnull=False) | Q(address=None, address_hash=""),
                name="accounts_guardian_erased_has_no_address",
            ),
            models.CheckConstraint(
                condition=~Q(guardian=F("subject")), name="accounts_guardian_is_another"
            ),
        ]
        indexes = [
            models.Index(
                fields=["answer_until"],
                condition=Q(answer_until__isnull=False),
                name="accounts_guardian_waiting",
            ),
        ]
        triggers = [
            # The erasure of a parent empties the reference, and knows of nothing else here.
            pgtrigger.Trigger(
                name="forget_guardian",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("guardian_id"),  # type: ignore[no-untyped-call]  # no types
                condition=pgtrigger.Q(old__guardian__isnull=False, new__guardian__isnull=True),
                func=FORGET,
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def discloses(self) -> bool:
        """Whether a verified parent lets others get the child's data."""
        return self.state == self.State.VERIFIED and self.disclosure
