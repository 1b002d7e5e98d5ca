"""Cards, payments, and cards or passwords said to be lost."""

from django.utils.translation import gettext_lazy as _

from datamap.holding import Holding, Personal, Source
from datamap.registry import declare

PAYMENTS = "payments"

declare(
    Holding(
        key="accounts.payment_card",
        model="accounts.PaymentCard",
        title=_("Your cards for paying"),
        staff_title=_("Cards for paying"),
        subject="subject",
        personal=(
            Personal("brand", "user.payment", source=Source.OUTSIDE),
            Personal("last_four", "user.financial", source=Source.OUTSIDE),
            Personal("expires", "user.financial", source=Source.OUTSIDE),
            Personal("token_hash", "user.unique_id.pseudonymous", source=Source.SITE, secret=True),
        ),
        other=(
            "id",
            "subject",
            "handle",
            "added_at",
            "used_at",
            "frozen_at",
            "frozen_by",
            "dropped_at",
        ),
        clocks={"used": "used_at", "dropped": "dropped_at"},
        feature=PAYMENTS,
    ),
    Holding(
        key="accounts.payment_token",
        model="accounts.PaymentToken",
        title=_("What the payment company pays with"),
        staff_title=_("Tokens of the payment company"),
        subject="card__subject",
        personal=(
            Personal("sealed", "user.financial", source=Source.OUTSIDE, secret=True, bound=True),
        ),
        other=("card",),
        feature=PAYMENTS,
    ),
    Holding(
        key="accounts.payment",
        model="accounts.Payment",
        title=_("Your payments"),
        staff_title=_("Payments"),
        subject="subject",
        personal=(
            Personal("reference", "user.payment", source=Source.OUTSIDE),
            Personal("kind", "user.payment", source=Source.OUTSIDE),
        ),
        other=("id", "subject", "card", "opened_at", "open_until", "closed_at"),
        clocks={"closed": "closed_at"},
        feature=PAYMENTS,
    ),
    Holding(
        key="accounts.payment_read",
        model="accounts.PaymentRead",
        title=_("When your card was used"),
        staff_title=_("Uses of cards"),
        subject="subject",
        personal=(Personal("payment_named", "user.payment", source=Source.SITE),),
        other=("id", "subject", "card", "payment", "at"),
        clocks={"at": "at"},
        feature=PAYMENTS,
    ),
    Holding(
        key="accounts.loss_notice",
        model="accounts.LossNotice",
        title=_("That your password or card was reported lost"),
        staff_title=_("Passwords and cards reported lost"),
        subject="subject",
        personal=(
            Personal("address", "user.contact.email", source=Source.OTHER_PERSON, secret=True),
            Personal("password", "user.authorization", source=Source.OTHER_PERSON),
            Personal("card", "user.payment", source=Source.OTHER_PERSON),
            Personal("token_hash", "user.authorization", source=Source.SITE, secret=True),
        ),
        other=(
            "id",
            "subject",
            "reference",
            "state",
            "language",
            "reported_at",
            "acted_at",
            "sessions_ended",
            "cards_frozen",
            "link_until",
            "route",
            "decided_by",
            "confirmed_at",
            "done_at",
            "closed_at",
        ),
        clocks={"closed": "closed_at"},
    ),
)
