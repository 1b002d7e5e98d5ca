"""Invitations, addresses that nobody may invite, and counts of both without addresses.

No address is stored here: an invited one is known by its keyed hash, and its plain text stands
only in the sealed message until that is sent (GDPR 5(1)(c); PROMISES WC-10, WC-11).
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models.handles import new_handle
from datamap.models import Subject, new_id


class Invitation(models.Model):
    """Somebody gave us the address of a friend. It belongs to the friend, not to the inviter:
    whoever invites must not learn whether the address is known, removed or never written to.

    handle: names the row in URLs. inviter: empty once they were erased; then nobody is left to
    join. invitee: who the address belongs to, as far as we know. accepted_at: they said yes and
    still have to confirm their own address. token_hash, message: of the one message that went out;
    empty where another invitation to the address had used it up.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    inviter = models.ForeignKey(
        Subject, on_delete=models.PROTECT, null=True, related_name="invitations_made"
    )
    invitee = models.ForeignKey(
        Subject, on_delete=models.PROTECT, null=True, related_name="invitations"
    )
    handle = models.CharField(max_length=32, unique=True, default=new_handle)
    address_hash = models.CharField(max_length=64)
    # Unique, so that "none" has to be null rather than empty.
    token_hash = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001
    message = models.UUIDField(null=True, unique=True)
    invited_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["inviter", "address_hash"], name="accounts_invitation_once_each"
            ),
            models.CheckConstraint(
                condition=Q(address_hash__regex=r"^[0-9a-f]{64}$"),
                name="accounts_invitation_hashed",
            ),
            models.CheckConstraint(
                condition=Q(accepted_at__isnull=True) | Q(invitee__isnull=False),
                name="accounts_invitation_accepted_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(token_hash__isnull=True) | Q(message__isnull=False),
                name="accounts_invitation_token_was_mailed",
            ),
        ]
        indexes = [
            models.Index(fields=["address_hash"], name="accounts_invitation_address"),
            models.Index(fields=["invited_at"], name="accounts_invitation_invited"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Suppression(models.Model):
    """An address that nobody may invite, as a keyed hash, until its period ends or its owner
    lifts it.

    key_version: which key made the hash (`datamap.encryption.hash_version`); without that key it
    recognises nothing. subject: whose address it is, as far as we know.
    """

    class Basis(models.TextChoices):
        LINK = "link", _("by the link in an invitation")
        FORM = "form", _("by the form, proved by mail")
        DESK = "desk", _("asked of us in another way")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.ForeignKey(
        Subject, on_delete=models.PROTECT, null=True, related_name="suppressions"
    )
    address_hash = models.CharField(max_length=64)
    key_version = models.CharField(max_length=12)
    basis = models.CharField(max_length=10, choices=Basis.choices)
    removed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["address_hash", "key_version"], name="accounts_suppression_once"
            ),
            models.CheckConstraint(
                condition=Q(address_hash__regex=r"^[0-9a-f]{64}$"),
                name="accounts_suppression_hashed",
            ),
        ]
        indexes = [models.Index(fields=["removed_at"], name="accounts_suppression_removed")]

    def __str__(self) -> str:
        return str(self.pk)


class Referral(models.Model):
    """How many invitations one person made on one day of the operator's calendar, and how many of
    those were accepted. Stays when the addresses are gone, for it holds none (WC-10).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    inviter = models.ForeignKey(
        Subject, on_delete=models.PROTECT, related_name="referrals", db_index=False
    )
    day = models.DateField(_("day"))
    made = models.PositiveIntegerField(_("invitations made"), default=0)
    accepted = models.PositiveIntegerField(_("invitations accepted"), default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["inviter", "day"], name="accounts_referral_one_a_day"),
            models.CheckConstraint(
                condition=Q(accepted__lte=models.F("made")), name="accounts_referral_fits"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.made}/{self.accepted}"
