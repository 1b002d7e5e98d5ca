"""Inviting a friend: one message, whoever else invites them, and an answer that is theirs alone.

The dangers. A form that takes any address tells who is a member, who was invited before, who wants
to be left alone; and it is a way to flood strangers. The design:

- Inviting answers alike for every address but the inviter's own. The same rows are written each
  time and, where nothing may be sent, taken back in a savepoint: same statements, same hashes.
- One message per address, over all inviters and for as long as we have the record of it, is a
  unique constraint of the mail log. Further inviters are kept for the friend to see, unsent.
- Whether a message may still go is asked again at the instant it leaves (`may_leave`), under a
  lock that removing the address waits for.
- Nothing an inviter can read is about one address: they see counts by day (`Referral`).
- The address is never stored outside the sealed message; a keyed hash stands for it.
- The link accepts, but proves no address: who signs up confirms theirs as anybody does, and is
  joined with the inviter then. A forwarded invitation so opens nobody's account.

PROMISES WC-9, WC-10, WC-11.
"""

from __future__ import annotations

import re
import secrets
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.urls import reverse

from accounts import connections, suppressions
from accounts.models import Invitation, Referral, User
from audit.log import Actor, person, record
from consent import ledger, mail
from consent.ledger import Shown, lock_subject
from consent.models import INVITATION
from consent.tasks import send_mail
from datamap.dispatch import send_on_commit
from datamap.email import normalise_email
from datamap.encryption import keyed_hash
from datamap.models import Subject
from policy import current, vocabulary
from policy.document import Document

POINT: Final = "invitation"  # the policy's collection point
SHOWN_FOR: Final = timedelta(days=90)
FIELD: Final = "accounts.invitation.address_hash"
# A name that a mail program would make a link of, or that carries a message of its own.
NO_NAME: Final = re.compile(r"[@/\\]|www\.|\w\.\w{2}", re.IGNORECASE)


class InvitationRefused(Exception):
    """Nobody was invited, and nothing was written."""


class NotOffered(InvitationRefused):
    """The policy in force has no invitations."""


class MayNotInvite(InvitationRefused):
    """The account is not confirmed, or is locked or restricted."""


class NoName(InvitationRefused):
    """There is no name that could stand in a letter to a stranger."""


class OwnAddress(InvitationRefused):
    """It is the inviter's own address."""


class TooMany(InvitationRefused):
    """The person invited as many today as the policy allows; `most` says how many."""

    def __init__(self, *, most: int) -> None:
        self.most = most
        super().__init__(f"at most {most} invitations a day")


class Gone(LookupError):
    """The invitation was answered, removed or has ended, or its inviter left."""


def offered(document: Document) -> bool:
    """Whether this policy lets members invite people."""
    return document.features.invitations and document.collection_point(POINT) is not None


def has_invitations() -> bool:
    """Whether the policy in force lets members invite people; no without a policy."""
    try:
        return offered(current.document())
    except current.NoPolicy:
        return False


def invite(
    *, inviter: User, address: str, shown: Shown, actor: Actor, now: datetime, language: str = "en"
) -> None:
    """Invite whoever has this address; nobody learns whether a message goes.

    shown: the words at the form. Raises `NotOffered`, `MayNotInvite`, `NoName`, `OwnAddress`,
    `TooMany`, `ValidationError` for what is no address.
    """
    email = normalise_email(address)
    with transaction.atomic():
        document = current.fresh(now).document
        if not offered(document):
            raise NotOffered
        _check_inviter(inviter, email)
        day = now.astimezone(document.zone).date()
        _count(inviter.subject_id, day=day, most=document.features.invitations_per_day)
        ledger.submit(
            subject_id=inviter.subject_id,
            point=POINT,
            fields={FIELD},
            shown=shown,
            actor=actor,
            now=now,
        )
        facts = {"day": day.isoformat()}
        _record("accounts.invited", inviter.subject_id, actor=actor, now=now, **facts)
        _write(inviter, email, now=now, language=language)


def find(token: str) -> Invitation | None:
    """The open invitation whose link has this token; one query."""
    rows = Invitation.objects.select_related("inviter__user")
    return rows.filter(token_hash=mail.token_hash(token)).first()


def received(subject_id: UUID) -> QuerySet[Invitation]:
    """Invitations this person has not answered, newest first, with their inviters."""
    rows = Invitation.objects.filter(
        invitee=subject_id, accepted_at=None, inviter__user__isnull=False
    )
    return rows.select_related("inviter__user").order_by("-invited_at")


def accept(*, invitation_id: UUID, user: User, now: datetime) -> bool:
    """Join the signed-in person with who invited them; False when the two can't be connected.

    Either way the invitation is answered. Raises `Gone`, `OwnAddress`.
    """
    with transaction.atomic():
        invitation = _locked(invitation_id, user.subject_id)
        if invitation.inviter_id == user.subject_id:
            raise OwnAddress
        return _fulfil(invitation, user.subject_id, now=now)


def decline(*, invitation_id: UUID, user: User, now: datetime) -> bool:
    """Drop an invitation of the person's own, without telling the inviter; False, for it joins
    nobody. Raises `Gone`.
    """
    with transaction.atomic():
        invitation = _locked(invitation_id, user.subject_id)
        if invitation.invitee_id != user.subject_id:
            raise Gone
        invitation.delete()
        actor = person(user.subject_id)
        _record("accounts.invitation-declined", user.subject_id, actor=actor, now=now)
    return False


def joining(*, invitation_id: UUID, subject_id: UUID, now: datetime) -> None:
    """Note whose new account said yes to an invitation; it counts once they confirm their address.

    In the transaction that makes the account. An invitation that has gone meanwhile is none.
    """
    Invitation.objects.filter(pk=invitation_id, accepted_at=None).update(
        invitee_id=subject_id, accepted_at=now
    )


def joined(*, subject_id: UUID, now: datetime) -> None:
    """A person confirmed their address: invitations to it are theirs, and the one they said yes to
    joins them with its inviter. In the transaction of the confirming.
    """
    subject = Subject.objects.get(pk=subject_id)
    if subject.email:
        theirs = Invitation.objects.filter(address_hash=keyed_hash(subject.email), invitee=None)
        theirs.update(invitee=subject)
    for invitation in Invitation.objects.filter(invitee=subject, accepted_at__isnull=False):
        if invitation.inviter_id in (None, subject_id):
            invitation.delete()
        else:
            _fulfil(invitation, subject_id, now=now)


def may_leave(message_id: UUID, now: datetime) -> bool:
    """Whether the message of an invitation may go now: asked by the mail gate in the transaction
    that sends. The invitation's row stays locked until then, and removing it waits.
    """
    invitation = Invitation.objects.select_for_update().filter(message=message_id).first()
    if invitation is None or invitation.inviter_id is None:
        return False
    inviter = Subject.objects.get(pk=invitation.inviter_id)
    closed = inviter.locked or inviter.restricted or inviter.erased_at is not None
    if closed or not offered(current.fresh(now).document):
        return False
    return not suppressions.is_suppressed_hash(address_hash=invitation.address_hash)


def name_of(user: User) -> str:
    """What an invitation calls the inviter. Raises `NoName`."""
    name = user.get_full_name()
    if not name or NO_NAME.search(name):
        raise NoName
    return name


def counts(*, subject_id: UUID, now: datetime) -> list[Referral]:
    """How many the person invited lately, by day, newest first."""
    rows = Referral.objects.filter(inviter=subject_id, day__gte=(now - SHOWN_FOR).date())
    return list(rows.order_by("-day"))


def left_today(*, subject_id: UUID, document: Document, now: datetime) -> int:
    """How many invitations the person may still make today."""
    day = now.astimezone(document.zone).date()
    made = Referral.objects.filter(inviter=subject_id, day=day).values_list("made", flat=True)
    return max(0, document.features.invitations_per_day - sum(made))


def _check_inviter(inviter: User, email: str) -> None:
    """Locks the inviter's row first: their invitations are made one after the other."""
    subject = lock_subject(inviter.subject_id)
    closed = subject.locked or subject.restricted or subject.erased_at is not None
    if closed or inviter.unconfirmed_since is not None:
        raise MayNotInvite
    name_of(inviter)
    own = EmailAddress.objects.filter(user=inviter).values_list("email", flat=True)
    if email in {inviter.email, subject.email, *own}:
        raise OwnAddress


def _count(subject_id: UUID, *, day: date, most: int) -> None:
    """One more today. The inviter's row is locked. Raises `TooMany`."""
    today, _new = Referral.objects.get_or_create(inviter_id=subject_id, day=day)
    if not Referral.objects.filter(pk=today.pk, made__lt=most).update(made=F("made") + 1):
        raise TooMany(most=most)


def _write(inviter: User, email: str, *, now: datetime, language: str) -> None:
    """Message and invitation, both taken back where none may go, with as many statements."""
    address_hash, token = keyed_hash(email), secrets.token_urlsafe(24)
    suppressions.lock_address(address_hash)
    friend = Subject.objects.filter(email=email).first()
    unwanted = _is_unwanted(friend, email, inviter)
    used_up = mail.has_invitation(address_hash)
    with transaction.atomic():
        # A rehearsal goes nowhere, and meets no other message in the log.
        address = f"{token.lower()}@rehearsal.invalid" if used_up or unwanted else email
        keep = unwanted or not used_up
        message = _post(inviter, address, token, keep=keep, now=now, language=language)
        row = Invitation(
            inviter_id=inviter.subject_id, invitee=friend, address_hash=address_hash, invited_at=now
        )
        Invitation.objects.bulk_create([row], ignore_conflicts=True)
        if unwanted:
            transaction.set_rollback(True)
        elif message is not None:
            # Also where the same person invited the same friend before: this link is the newer.
            Invitation.objects.filter(inviter=row.inviter_id, address_hash=address_hash).update(
                message=message, token_hash=mail.token_hash(token), invited_at=now
            )
    if unwanted or message is None:
        # What a sent message costs after the commit; nothing has this id.
        send_on_commit(send_mail, str(uuid4()))


def _post(
    inviter: User, address: str, token: str, *, keep: bool, now: datetime, language: str
) -> UUID | None:
    """Store the message; none where it is not to be kept, after the same work."""
    try:
        with transaction.atomic():
            message = mail.post(
                category=INVITATION,
                template="invitation",
                context={
                    "inviter": name_of(inviter),
                    "link": _link("invitation", token),
                    "ends": _ends(now),
                },
                address=address,
                subject_id=None,
                removal=_link("invitation_remove", token),
                now=now,
                language=language,
            )
            if not keep:
                transaction.set_rollback(True)
    except IntegrityError:
        # The constraint's word counts, should the look before have been too early.
        return None
    return message.pk if keep else None


def _ends(now: datetime) -> str:
    """After what time an unanswered invitation ends, in words; empty where the policy is silent."""
    rules = current.fresh(now).document.rules_for("accounts.invitation")
    return vocabulary.period(rules[0].period) if rules else ""


def _link(name: str, token: str) -> str:
    return settings.SITE_URL + reverse(f"accounts:{name}", args=[token])


def _is_unwanted(friend: Subject | None, email: str, inviter: User) -> bool:
    """Whether no invitation may reach this address, now or later. Asks the same of every one."""
    ids = [friend.pk if friend is not None else uuid4()]
    reasons = [
        suppressions.is_suppressed(address=email),
        bool(connections.blocked_between(subject_ids=ids, viewer_id=inviter.subject_id)),
        bool(connections.connected_with(subject_ids=ids, viewer_id=inviter.subject_id)),
        friend is not None and (friend.locked or friend.restricted),
    ]
    return any(reasons)


def _locked(invitation_id: UUID, subject_id: UUID) -> Invitation:
    """The invitation, after both people, in the order everybody locks. Raises `Gone`."""
    found = Invitation.objects.filter(pk=invitation_id, inviter__isnull=False).first()
    if found is None or found.inviter_id is None:
        raise Gone
    for who in sorted({found.inviter_id, subject_id}):
        lock_subject(who)
    invitation = Invitation.objects.select_for_update().filter(pk=invitation_id).first()
    if invitation is None or invitation.inviter_id is None:
        raise Gone
    return invitation


def _fulfil(invitation: Invitation, subject_id: UUID, *, now: datetime) -> bool:
    """Join the two, count it for the day of the invitation, and forget the invitation."""
    inviter_id = invitation.inviter_id
    assert inviter_id is not None
    zone = current.fresh(now).document.zone
    day = invitation.invited_at.astimezone(zone).date()
    invitation.delete()
    actor = person(subject_id)
    try:
        connections.connect(
            one_id=inviter_id, other_id=subject_id, because_of="invitation", actor=actor, now=now
        )
    except connections.NotPossible:
        return False
    Referral.objects.filter(inviter=inviter_id, day=day, accepted__lt=F("made")).update(
        accepted=F("accepted") + 1
    )
    facts = {"day": day.isoformat()}
    _record("accounts.invitation-accepted", inviter_id, actor=actor, now=now, **facts)
    return True


def _record(verb: str, subject_id: UUID, *, actor: Actor, now: datetime, **facts: str) -> None:
    record(actor=actor, verb=verb, now=now, subject_id=subject_id, facts=facts)
