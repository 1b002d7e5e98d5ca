"""A life on the site that leaves something in every table, and the words by which it is known.

Whoever adds a kind of data adds a line here: `tests/journeys/test_trace.py` says which are missing.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from accounts import (
    approval,
    connections,
    correctable,
    corrections,
    emergency,
    facts,
    keys,
    merging,
    payments,
    staff,
    suppressions,
)
from accounts.models import LossNotice, Suppression, User
from accounts.password_reset import ask_for_reset
from accounts.roles import Role
from accounts.screen import AgePass
from accounts.staff import appoint, set_authenticator_secret
from audit.log import SYSTEM, person
from consent import ledger, mail
from consent.ledger import Shown
from consent.models import Kind, Message
from datamap.encryption import keyed_hash
from policy import current
from policy.document import Document
from requests import package_orders, review
from requests.models import Package, Request
from tests.factories.accounts import (
    BORN,
    PASSWORD,
    bind,
    log_in,
    member,
    prove_second_factor,
    security_key,
    staff_member,
)
from tests.factories.facts import delivered, lets_others, told
from tests.factories.guardians import asked, locked_child
from tests.factories.invitations import invite
from tests.factories.payments import kept_card, opened
from tests.factories.profiles import WORDS, connect, photo, set_profile
from tests.factories.requests import asked_with_link, copy_asked

NAME = ("Zaphira", "Quillfeather")
EMAIL = "zaphira.quillfeather@example.com"
OTHER_EMAIL = "z.quillfeather.work@example.com"
NEXT_EMAIL = "zaphira.married@example.com"
CARD_TOKEN = "tok_zaphira_0a1b2c3d4e5f"
TOTP_SECRET = "MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U"  # hers alone
NOTE = "Their answers came from either address."
SECOND = timedelta(seconds=1)
# How long before `now` that life begins; a policy has to be in force by then.
SPAN = 75 * SECOND
# A token in a link: at least 128 bits, in letters of base 64 and what signing puts between them.
TOKEN = re.compile(r"https?://[^\s/]+/\S*?([\w:-]{20,})/?(?=\s)")


@dataclass
class Life:
    """Somebody who used everything there is.

    words: what must be nowhere once they are erased. sealed: what never stands anywhere in clear.
    """

    user: User
    other: User
    reviewer: User
    words: set[str] = field(default_factory=set)
    sealed: set[str] = field(default_factory=set)

    @property
    def subject_ids(self) -> list[str]:
        """Both subjects."""
        return [str(self.user.subject_id), str(self.other.subject_id)]


def lived(*, now: datetime, server: str = "") -> Life:
    """Live that life, all of it a while before `now`. server: name the browser calls the site."""
    joined = now - 12 * SECOND
    document = current.fresh(now).document
    life = Life(
        user=somebody(email=EMAIL, first_name=NAME[0], last_name=NAME[1], now=joined),
        other=somebody(email=OTHER_EMAIL, first_name=NAME[0], last_name=NAME[1], now=joined),
        reviewer=_staff(Role.REVIEWER, now=joined),
    )
    life.words |= {*NAME, EMAIL, OTHER_EMAIL, "zaphira.quillfeather"}
    life.sealed.add(PASSWORD)
    _losses(life, now)
    _profile(life, now)
    _people(life, now)
    _facts(life, now)
    _choices(life, document, now)
    if document.features.invitations:
        _invitations(life, now)
    if document.features.payments:
        _payments(life, now)
    if document.age.parental_consent:
        _as_a_parent(life, now)
    _corrections(life, now)
    _work(life, now)
    _log_ins(life, now, server)
    _one_person(life, now)
    _requests(life, now, server)
    _mail(life)
    life.words |= life.sealed - {NOTE}  # which is about others
    return life


def _log_ins(life: Life, now: datetime, server: str) -> None:
    """Sessions, every second factor, a key, a forgotten password, an address that waits."""
    browser = log_in(_browser(server), life.user)
    security_key(life.user, "Zaphira's key")
    set_authenticator_secret(user=life.user, secret=TOTP_SECRET)
    codes = RecoveryCodes.activate(life.user).generate_codes()
    made = keys.make(
        user=life.user,
        name="Zaphira's shell",
        scopes=["choices:read"],
        life=keys.LIVES[0],
        actor=person(life.user.subject_id),
        now=now - 5 * SECOND,
    )
    ask_for_reset(email=EMAIL, now=now - 5 * SECOND, language="en")
    waiting = EmailAddress.objects.create(user=life.user, email=NEXT_EMAIL)
    confirmation = EmailConfirmation.create(waiting)
    life.words |= {NEXT_EMAIL, confirmation.key}
    life.sealed |= {browser.cookies[settings.SESSION_COOKIE_NAME].value}
    life.sealed |= {made.text, TOTP_SECRET, *codes}


def _profile(life: Life, now: datetime) -> None:
    """A profile seen by everybody, with a second photo in place of the first."""
    values = {k: v for k, v in WORDS.items() if k not in ("first_name", "last_name")}
    for colour in ("teal", "plum"):
        set_profile(
            life.user,
            values=values,
            audiences=dict.fromkeys([*values, "photo"], "everyone"),
            photo=photo(colour),
            now=now - 4 * SECOND,
        )
    life.words |= {*values.values(), life.user.subject.profile.photo}
    life.sealed |= {values["phone"], values["address"], values["postcode"]}


def _people(life: Life, now: datetime) -> None:
    """Connected, asking, asked, blocking and blocked."""
    me, actor = life.user.subject_id, person(life.user.subject_id)
    at = now - 3 * SECOND
    connect(life.user, somebody(now=at), now=at)
    connect(somebody(now=at), life.user, now=at)
    for asker, asked_one in ((life.user, somebody(now=at)), (somebody(now=at), life.user)):
        connections.ask(
            asker_id=asker.subject_id,
            asked_id=asked_one.subject_id,
            actor=person(asker.subject_id),
            now=at,
        )
    other = somebody(now=at)
    connections.block(blocker_id=me, blocked_id=other.subject_id, actor=actor, now=at)
    third = somebody(now=at)
    connections.block(
        blocker_id=third.subject_id, blocked_id=me, actor=person(third.subject_id), now=at
    )


def _facts(life: Life, now: datetime) -> None:
    """Told by a friend, told of a friend, brought by an outside source."""
    document, friend = current.fresh(now).document, somebody(now=now - 3 * SECOND)
    connect(life.user, friend, now=now - 3 * SECOND)
    if facts.offered(document):
        told(friend.subject_id, life.user.subject_id, now=now - SECOND, text="Keeps axolotls.")
        lets_others(friend.subject_id, now=now - 2 * SECOND)
        told(life.user.subject_id, friend.subject_id, now=now - SECOND, text="Whistles.")
        life.words.add("axolotls")
    for source in document.features.outside_sources[:1]:
        delivered(life.user.subject_id, source=source, now=now - SECOND, text="Won at quoits.")
        life.words.add("quoits")


def _choices(life: Life, document: Document, now: datetime) -> None:
    """A no to each kind of mail."""
    for category in document.mail_categories:
        ledger.say_no(
            subject_id=life.user.subject_id,
            kind=Kind.MAIL,
            key=category.key,
            shown=Shown("May we?", surface="choices"),
            actor=person(life.user.subject_id),
            now=now - 3 * SECOND,
        )


def _invitations(life: Life, now: datetime) -> None:
    """Inviting, being invited, and wanting no invitation at one's other address."""
    invite(life.user, "zaphiras.friend@example.com", now=now - 3 * SECOND)
    invite(somebody(now=now - 3 * SECOND), EMAIL, now=now - 2 * SECOND)
    suppressions.remove(
        address_hash=keyed_hash(OTHER_EMAIL),
        subject_id=life.other.subject_id,
        basis=Suppression.Basis.LINK,
        actor=SYSTEM,
        now=now - SECOND,
    )


def _payments(life: Life, now: datetime) -> None:
    """A card, an open payment, and a look at what pays it."""
    card = kept_card(life.user, token=CARD_TOKEN, now=now - 3 * SECOND)
    opened(life.user, card=card, reference="Z-1", now=now - 2 * SECOND)
    payments.read_card(reference="Z-1", actor=SYSTEM, now=now - SECOND)
    payments.close_payment(reference="Z-1", actor=SYSTEM, now=now)
    life.sealed.add(CARD_TOKEN)


def _as_a_parent(life: Life, now: datetime) -> None:
    """Named as the parent of a child."""
    child = locked_child("kim", now=now - 3 * SECOND)
    asked(child, now=now - 2 * SECOND, address=OTHER_EMAIL)


def _corrections(life: Life, now: datetime) -> None:
    """What one gave is still right."""
    me = life.user.subject_id
    document = current.fresh(now).document
    for entry in correctable.entries(subject_id=me, document=document)[:3]:
        corrections.confirm(
            subject_id=me, key=entry.holding.key, ref=entry.ref, actor=person(me), now=now - SECOND
        )


def _work(life: Life, now: datetime) -> None:
    """Once on the staff, with all that belongs to it, and on the configuration pages."""
    colleague = _staff(Role.REVIEWER, now=now - 9 * SECOND)
    appoint(user=life.user, role=Role.REVIEWER, actor=SYSTEM, now=now - 8 * SECOND)
    bind(life.user, now=now - 8 * SECOND)
    for away, deputy in ((life.user, colleague), (colleague, life.user)):
        staff.name_deputy(
            member=away,
            deputy=deputy,
            starts_at=now,
            ends_at=now + timedelta(days=1),
            by=away,
            now=now - SECOND,
        )
    approval.ask(
        what="accounts.same-person",
        about=somebody(now=now - SECOND).subject,
        details={"merged": str(somebody(now=now - SECOND).subject_id)},
        by=life.user,
        now=now - SECOND,
        note=NOTE,
    )
    life.sealed.add(NOTE)
    life.user.groups.add(Group.objects.create(name="Editors"))
    permission = Permission.objects.first()
    assert permission is not None
    life.user.user_permissions.add(permission)
    LogEntry.objects.create(user=life.user, action_flag=2, object_repr="Zaphira's row")


def _one_person(life: Life, now: datetime) -> None:
    """Both addresses are held for one person's."""
    waiting = merging.ask(
        kept=life.user.subject,
        merged=life.other.subject,
        reason=f"Zaphira: {NOTE}",
        by=life.reviewer,
        now=now - SECOND,
    )
    approval.approve(
        handle=waiting.handle, seen=waiting.digest, by=_staff(now=now - SECOND), now=now
    )


def _requests(life: Life, now: datetime, server: str) -> None:
    """A copy that was made, after a reviewer had looked at the case."""
    request = copy_asked(life.user, now=now)
    desk = prove_second_factor(_browser(server), life.reviewer)
    assert desk.get(reverse("requests:case", args=[request.reference])).status_code == 200
    review.approve(request_id=request.pk, reviewer=life.reviewer, now=now)
    package_orders.work(now=now)
    made = request.packages.filter(state=Package.State.READY)
    while not made.exists():  # a worker of a running site has it
        time.sleep(0.2)
    life.words.add(made.get().name)


def ask_for_deletion(life: Life, *, now: datetime) -> Request:
    """Asked for and approved; the caller lets the workers work, or waits for them."""
    request, token = asked_with_link(life.other, now=now)
    life.words.add(token)
    return review.approve(request_id=request.pk, reviewer=life.reviewer, now=now)


def _losses(life: Life, now: datetime) -> None:
    """A password was lost, and found again."""
    notice = emergency.lock_out(
        subject=life.user.subject,
        password=True,
        card=False,
        reported_at=now,
        actor=SYSTEM,
        now=now,
    )
    emergency.undo(
        notice_id=notice.pk, route=LossNotice.Route.STAFF, decider=life.reviewer, now=now
    )


def somebody(*, now: datetime, **fields: Any) -> User:
    """A member who answered the age question a moment ago."""
    return member(now=now, age_pass=_age_pass(now), **fields)


def _staff(role: Role = Role.REVIEWER, *, now: datetime) -> User:
    return staff_member(role, now=now, age_pass=_age_pass(now))


def _age_pass(now: datetime) -> AgePass:
    digest = current.fresh(now).digest
    at = now - SECOND
    return AgePass(born_on=BORN, passed_at=at, policy_digest=digest, advised_at=None)


def _browser(server: str) -> Client:
    return Client(SERVER_NAME=server) if server else Client()


def _mail(life: Life) -> None:
    """Every token that was mailed to either address."""
    mine = Message.objects.filter(subject_id__in=life.subject_ids)
    for message in mine:
        life.sealed |= set(TOKEN.findall(mail.text_of(message) + "\n"))
    assert len(life.sealed) > 20
