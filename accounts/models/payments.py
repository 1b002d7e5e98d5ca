"""What people pay with, and for what it was used."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models.emergency import LossNotice
from accounts.models.handles import new_handle
from datamap.models import Subject, new_id


class PaymentCard(models.Model):
    """A card as its owner knows it: brand, last four digits, expiry; all encrypted.

    The full number is never here: what pays is the provider's token, in a table of its own.
    `token_hash` tells the same card again (a keyed hash). `used_at` is when it was last needed,
    empty while a payment with it is open. `frozen_at` stops it for now, `dropped_at` for good: its
    token is gone then, and the row only tells its owner so.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="payment_cards")
    handle = models.CharField(max_length=32, unique=True, default=new_handle)
    # Unique, so that "none" has to be null rather than empty.
    token_hash = models.CharField(max_length=64, null=True)  # noqa: DJ001
    brand = models.BinaryField(_("brand"))
    last_four = models.BinaryField(_("last four digits"))
    expires = models.BinaryField(_("good until"))
    added_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    frozen_at = models.DateTimeField(null=True)
    frozen_by = models.ForeignKey(
        LossNotice, null=True, on_delete=models.SET_NULL, related_name="frozen_cards"
    )
    dropped_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "token_hash"], name="accounts_payment_card_once"
            ),
            models.CheckConstraint(
                condition=Q(token_hash__isnull=True, dropped_at__isnull=False)
                | Q(token_hash__isnull=False, dropped_at__isnull=True),
                name="accounts_payment_card_dropped_is_bare",
            ),
        ]
        indexes = [
            models.Index(fields=["used_at"], name="accounts_payment_card_used"),
            models.Index(fields=["dropped_at"], name="accounts_payment_card_dropped"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class PaymentToken(models.Model):
    """What a payment is made with: the provider's token, encrypted.

    The runtime role has no right to read `sealed` (`config.grants`). A function of the database
    hands it out inside an open payment, and notes that (`accounts.payments.read_card`).
    """

    card = models.OneToOneField(
        PaymentCard, primary_key=True, on_delete=models.CASCADE, related_name="token"
    )
    sealed = models.BinaryField()

    def __str__(self) -> str:
        return str(self.pk)


class Payment(models.Model):
    """A transaction between a person and the site: while it is open, its card may be read.

    `reference` is the site's own name for it. It closes by itself at `open_until` at the latest.
    """

    class Kind(models.TextChoices):
        PURCHASE = "purchase", _("a purchase")
        REFUND = "refund", _("a refund")
        CHARGE_BACK = "charge-back", _("a charge-back")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="payments")
    card = models.ForeignKey(
        PaymentCard, null=True, on_delete=models.SET_NULL, related_name="payments"
    )
    reference = models.CharField(_("reference"), max_length=64, unique=True)
    kind = models.CharField(_("what for"), max_length=12, choices=Kind.choices)
    opened_at = models.DateTimeField()
    open_until = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(open_until__gt=F("opened_at")), name="accounts_payment_ends"
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True) | Q(closed_at__gte=F("opened_at")),
                name="accounts_payment_closed_after_opening",
            ),
        ]
        indexes = [
            models.Index(fields=["closed_at"], name="accounts_payment_closed"),
            models.Index(
                fields=["open_until"],
                condition=Q(closed_at__isnull=True),
                name="accounts_payment_open",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def is_open(self, now: datetime) -> bool:
        """Whether its card may be read at `now`."""
        return self.closed_at is None and self.opened_at <= now < self.open_until


class PaymentRead(models.Model):
    """That a card's token was handed out, for which payment: written by the database itself."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="payment_reads")
    card = models.ForeignKey(PaymentCard, null=True, on_delete=models.SET_NULL, related_name="+")
    payment = models.ForeignKey(Payment, null=True, on_delete=models.SET_NULL, related_name="reads")
    # The payment's id as the log names it, for when the payment's own period is over.
    payment_named = models.UUIDField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["at"], name="accounts_payment_read_at")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.payment_named}"
