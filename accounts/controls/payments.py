"""What pays is read for an open payment of its owner, and ends with the account (WD-9, CC-24)."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, TextField
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _

from accounts import payments
from accounts.controls.never_stored import not_ciphertext, sealed_columns
from accounts.models import Payment, PaymentCard, PaymentRead, PaymentToken
from audit.control import Control, Finding, Sort, declare
from audit.log import SYSTEM
from audit.models import AuditEntry
from datamap.models import Subject
from policy import current

# Reads end with their own period, so entries of the log are matched for as long as any keeps them.
LOOKED_BACK = timedelta(days=90)
HOLDINGS = ("accounts.payment_card", "accounts.payment_token")


def payment_reads(now: datetime) -> Finding:
    """Each time a token was handed out, a payment of that person was open, by the log's own entries
    of its opening and closing; nothing was handed out that the log does not know; nobody but the
    function can read; and a reading without an open payment is refused and logged (WD-9).
    """
    reads = PaymentRead.objects.all()
    violations = [f"read:{pk}" for pk in _outside_a_payment(reads)]
    violations += [f"unlogged:{pk}" for pk in _unlogged(reads)]
    violations += [f"unnoted:{pk}" for pk in _unnoted(now)]
    violations += _too_many_rights()
    checked = reads.count() + 1
    if current.document(now).features.payments:
        violations += _tried_out(now)
        checked += 1
    return Finding.of(checked=checked, violations=violations, reads=reads.count())


def card_data(now: datetime) -> Finding:
    """Cards are ciphertext; none outlives its owner's data, a card that was cancelled, or a payment
    that nobody closed (CC-24). No hold keeps cards here, so after closing there are none.
    """
    columns = list(sealed_columns(of=HOLDINGS))
    violations = list(not_ciphertext(columns))
    gone = PaymentCard.objects.filter(subject__erased_at__isnull=False)
    violations += [f"outlived:{pk}" for pk in gone.values_list("pk", flat=True)]
    dropped = PaymentToken.objects.filter(card__dropped_at__isnull=False)
    violations += [f"cancelled:{pk}" for pk in dropped.values_list("card_id", flat=True)]
    late = now - timedelta(hours=1)
    forgotten = Payment.objects.filter(closed_at=None, open_until__lt=late)
    violations += [f"forgotten:{pk}" for pk in forgotten.values_list("pk", flat=True)]
    if not current.document(now).features.payments:
        found = PaymentCard.objects.values_list("pk", flat=True)
        violations += [f"not foreseen:{pk}" for pk in found]
    return Finding.of(checked=PaymentCard.objects.count() + len(columns), violations=violations)


def _outside_a_payment(reads: Any) -> Any:
    """Reads that no payment of that person covers, as the log tells of payments."""
    of_payment = AuditEntry.objects.filter(
        object_type=Payment._meta.label_lower, object_id=OuterRef("named")
    )
    opened = of_payment.filter(
        verb="accounts.payment-opened",
        subject_id=OuterRef("subject_id"),
        at__lte=OuterRef("at"),
        at__gt=OuterRef("at") - payments.LONGEST_OPEN,
    )
    closed = of_payment.filter(verb="accounts.payment-closed", at__lte=OuterRef("at"))
    named = reads.annotate(named=_text("payment_named"))
    # Closed in the very instant is open still: the log's times are the callers'.
    closed = closed.exclude(at=OuterRef("at"))
    return named.filter(~Q(Exists(opened)) | Q(Exists(closed))).values_list("pk", flat=True)


def _unlogged(reads: Any) -> Any:
    entry = AuditEntry.objects.annotate(note=KT("facts__note")).filter(
        verb="accounts.card-read",
        object_id=OuterRef("named"),
        note=OuterRef("own"),
        at=OuterRef("at"),
    )
    named = reads.annotate(named=_text("payment_named"), own=_text("pk"))
    return named.filter(~Exists(entry)).values_list("pk", flat=True)


def _unnoted(now: datetime) -> Any:
    """Entries of the log that say "read", of which the database itself noted nothing."""
    noted = PaymentRead.objects.annotate(named=_text("payment_named")).filter(
        named=OuterRef("object_id"), at=OuterRef("at")
    )
    erased = Subject.objects.filter(pk=OuterRef("subject_id"), erased_at__isnull=False)
    entries = AuditEntry.objects.filter(verb="accounts.card-read", at__gt=now - LOOKED_BACK)
    return entries.filter(~Exists(noted), ~Exists(erased)).values_list("pk", flat=True)


def _text(column: str) -> Any:
    return Cast(F(column), TextField())


def _too_many_rights() -> list[str]:
    """Whether the runtime role could read tokens past the function; or is not apart at all."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = %s", [settings.RUNTIME_ROLE])
        if cursor.fetchone() is None:
            return ["rights: no runtime role"]
        cursor.execute(
            "SELECT has_column_privilege(%s, %s, 'sealed', 'SELECT')",
            [settings.RUNTIME_ROLE, PaymentToken._meta.db_table],
        )
        (may,) = cursor.fetchone()
    return ["rights: the runtime role reads tokens"] if may else []


def _tried_out(now: datetime) -> list[str]:
    """A card of nobody's, read once its payment is closed: refused, and the log says so."""
    subject = Subject.objects.create(created_at=now)
    card = payments.keep_card(
        subject=subject,
        token=secrets.token_urlsafe(24),
        brand="probe",
        last_four="0000",
        expires="2099-12",
        actor=SYSTEM,
        now=now,
    )
    payment = payments.open_payment(
        subject=subject,
        reference=f"probe-{secrets.token_hex(12)}",
        kind="purchase",
        card=card,
        actor=SYSTEM,
        now=now,
    )
    payments.close_payment(reference=payment.reference, actor=SYSTEM, now=now)
    try:
        payments.read_card(reference=payment.reference, actor=SYSTEM, now=now)
    except payments.Refused:
        refusals = AuditEntry.objects.filter(
            verb="accounts.card-refused", object_id=str(payment.pk), subject_id=subject.pk
        )
        return [] if refusals.exists() else ["probe: the refusal is not in the log"]
    return ["probe: a closed payment read its card"]


declare(
    Control(
        key="accounts.payment-reads",
        sentence=_("What pays is read only inside an open payment of its owner."),
        how=_(
            "The database notes each time it hands out what pays. For each of them the log must "
            "tell of a payment of the same person that was open at that moment. Then we open a "
            "payment of nobody's, close it and try to read its card: that has to be refused, and "
            "the log has to say so."
        ),
        sort=Sort.PROBE,
        check=payment_reads,
    ),
    Control(
        key="accounts.card-data",
        sentence=_("Cards lie encrypted and end with the account, or when they are cancelled."),
        how=_(
            "Every stored value of every card must be ciphertext. A card whose owner's data was "
            "erased, a cancelled card that could still be charged, or a payment left open breaks "
            "the promise."
        ),
        sort=Sort.QUERY,
        check=card_data,
    ),
)
