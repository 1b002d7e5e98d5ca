"""Addresses that nobody may invite: removed by their owner, known only by a keyed hash (WC-11).

The danger. Whoever wants to be forgotten has to be remembered just enough not to be invited again.
And a removal that races an invitation, or a message on its way, would come too late.

The design.
- Removing deletes every invitation to the address, takes unsent messages back, and leaves one row:
  a keyed hash, the version of its key, how it was asked, when. A retention rule ends it.
- Inviting and removing take the same advisory lock of the address (`lock_address`), so one of them
  sees the other's work. A message asks once more at the instant it leaves (`accounts.invitations`),
  under a lock that removing waits for.
- Who has no link asks with a form. The answer goes to the address itself and is the same for every
  address; nothing happens before the link in it is used. Lifting works alike, so that nobody can
  open an address for invitations but its owner.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.core import signing
from django.db import connection, transaction
from django.db.models import QuerySet
from django.urls import reverse

from accounts.models import Invitation, Suppression
from audit.log import Actor, record
from consent import mail
from consent.models import INVITATION
from datamap.email import normalise_email
from datamap.encryption import hash_version, keyed_hash, keyed_hashes

PROOF_LIVES: Final = timedelta(days=1)
SALT: Final = "accounts.suppressions"


class Wish(enum.StrEnum):
    """What the owner of an address wants."""

    REMOVE = "remove"
    LIFT = "lift"


class BadProof(ValueError):
    """The link was not made by us, or is too old."""


@dataclass(frozen=True)
class Proof:
    """What a mailed link stands for. hashes: of the address, to remove it; rows: to lift."""

    wish: Wish
    hashes: tuple[str, ...] = ()
    rows: tuple[UUID, ...] = ()


def lock_address(address_hash: str) -> None:
    """Wait for whoever else invites or removes this address, until the transaction ends."""
    with connection.cursor() as cursor:
        # 60 of its bits; another address with the same ones only waits a little.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(address_hash[:15], 16)])


def is_suppressed(*, address: str) -> bool:
    """Whether nobody may invite this normalised address, under any key of ours; one query."""
    return _of(address).exists()


def is_suppressed_hash(*, address_hash: str) -> bool:
    """The same of a hash under the key in use."""
    rows = Suppression.objects.filter(address_hash=address_hash, key_version=hash_version())
    return rows.exists()


def remove(
    *,
    address_hash: str,
    basis: Suppression.Basis,
    actor: Actor,
    now: datetime,
    subject_id: UUID | None = None,
) -> int:
    """Forget an address and see to it that nobody invites it again; how many invitations went.

    Removing twice changes nothing. address_hash: `datamap.encryption.keyed_hash` of the normalised
    address. subject_id: whose address it is, where that is known.
    """
    with transaction.atomic():
        lock_address(address_hash)
        unsent = mail.take_back(category=INVITATION, address_hash=address_hash, now=now)
        # Waits for a message that is leaving right now; see `invitations.may_leave`.
        gone, _by_table = Invitation.objects.filter(address_hash=address_hash).delete()
        kept = Suppression(
            subject_id=subject_id,
            address_hash=address_hash,
            key_version=hash_version(),
            basis=basis,
            removed_at=now,
        )
        Suppression.objects.bulk_create([kept], ignore_conflicts=True)
        record(
            actor=actor,
            verb="accounts.invitee-removed",
            now=now,
            subject_id=subject_id,
            facts={"invitations": gone, "unsent": unsent, "basis": str(basis)},
        )
    return gone


def remove_address(*, address: str, basis: Suppression.Basis, actor: Actor, now: datetime) -> int:
    """The same for an address as somebody wrote it. Raises `ValidationError`."""
    address_hash = keyed_hash(normalise_email(address))
    return remove(address_hash=address_hash, basis=basis, actor=actor, now=now)


def lift(*, rows: tuple[UUID, ...], actor: Actor, now: datetime) -> bool:
    """Let an address be invited again; False when nothing stood in the way any more."""
    with transaction.atomic():
        lifted, _by_table = Suppression.objects.filter(pk__in=rows).delete()
        if lifted:
            record(actor=actor, verb="accounts.suppression-lifted", now=now)
    return bool(lifted)


def ask(*, address: str, wish: Wish, now: datetime, language: str = "en") -> None:
    """Mail the owner of an address the link that does what they want.

    The same for every address. Raises `ValidationError`.
    """
    email = normalise_email(address)
    link = reverse("accounts:invitation_proved", args=[_token(email, wish)])
    mail.post(
        category="answer",
        template=f"invitation_{wish}",
        context={"link": settings.SITE_URL + link},
        address=email,
        subject_id=None,
        now=now,
        language=language,
    )


def read(token: str) -> Proof:
    """What a mailed link stands for. Raises `BadProof`."""
    try:
        told = signing.loads(token, salt=SALT, max_age=PROOF_LIVES)
    except signing.BadSignature:
        raise BadProof from None
    wish = Wish(told["wish"])
    if wish is Wish.REMOVE:
        return Proof(wish, hashes=(told["hash"],))
    return Proof(wish, rows=tuple(UUID(row) for row in told["rows"]))


def carry_out(*, proof: Proof, actor: Actor, now: datetime) -> None:
    """Do what the link stands for; doing it twice changes nothing."""
    for address_hash in proof.hashes:
        remove(address_hash=address_hash, basis=Suppression.Basis.FORM, actor=actor, now=now)
    if proof.rows:
        lift(rows=proof.rows, actor=actor, now=now)


def _token(email: str, wish: Wish) -> str:
    """Signed, without the address. A link that lifts names the row, so it works once; where there
    is nothing to lift it names one that does not exist, so that both look alike.
    """
    told: dict[str, object] = {"wish": str(wish)}
    found = list(_of(email).values_list("pk", flat=True))
    if wish is Wish.LIFT:
        told["rows"] = [str(row) for row in found or [uuid4()]]
    else:
        told["hash"] = keyed_hash(email)
    return signing.dumps(told, salt=SALT)


def _of(email: str) -> QuerySet[Suppression]:
    hashes = keyed_hashes(email)
    return Suppression.objects.filter(
        address_hash__in=hashes.values(), key_version__in=hashes.keys()
    )
