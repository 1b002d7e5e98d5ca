"""Making an account, confirming its address.

Two dangers. A form that answers differently for an address it knows tells strangers who is a
member: so a known address gets the same work, on a made-up address, in a savepoint that is rolled
back, and its owner gets a mail. And an account made by somebody else with your address: so
nothing is opened to it before the link in the mail was used, and whoever sets a new password by
mail takes it over.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.translation import get_language

from accounts import invitations, signals
from accounts.keys import revoke_all
from accounts.models import AgeVerdict, User
from accounts.screen import AgePass, Judgement, judge
from accounts.sessions import end_all
from audit.log import person, record
from consent import ledger
from consent.ledger import Shown
from consent.mail import post
from consent.options import option
from datamap.models import Subject
from policy import current
from policy.models import PolicyVersion


@dataclass(frozen=True, kw_only=True)
class Application:
    """What somebody asks for at sign-up. Fields are cleaned, the address is normalised.

    fields: the collection point's names of what was filled in (`accounts.account.email`).
    words: the exact words of the form. transfers: transfer key → words of its question, all
    agreed to. mail: category key → (whether they want it, words); only those decided about.
    may_mail: False when this address got too many of these mails lately. invitation: the one that
    led here, as its link said.
    """

    email: str
    password: str
    first_name: str = ""
    last_name: str = ""
    fields: frozenset[str]
    words: str
    age_pass: AgePass | None
    transfers: Mapping[str, str] = field(default_factory=dict)
    mail: Mapping[str, tuple[bool, str]] = field(default_factory=dict)
    locale: str = "en"
    may_mail: bool = True
    invitation: UUID | None = None


class SignupRefused(Exception):
    """No account was made, and nothing was written."""


class NotOldEnough(SignupRefused):
    """The pass does not hold under the policy in force; nothing was written."""


class PassOutdated(SignupRefused):
    """No pass, one from another version of the policy, or advice not yet seen: screen again."""


class TransferDeclined(SignupRefused):
    """A transfer this site depends on was not agreed to; nothing was written."""

    def __init__(self, *, key: str) -> None:
        self.key = key
        super().__init__(f"transfer {key!r} was declined")


def register(*, application: Application, now: datetime) -> None:
    """Make the account, or send its owner a mail when there is one; nobody can tell which.

    Raises `NotOldEnough`, `PassOutdated`, `TransferDeclined`, `policy.current.NoPolicy`.
    """
    with transaction.atomic():
        version = current.fresh(now)
        _check(application, version=version, now=now)
        owner = User.objects.filter(email=application.email).first()
        made = _create(application, version=version, now=now, known=owner is not None)
        if made is None:
            owner = owner or User.objects.filter(email=application.email).first()
            _tell_owner(application, owner=owner, now=now)
        else:
            _ask_to_confirm(application, user=made, now=now)


def open_account(*, application: Application, now: datetime) -> User:
    """The account of a free address, unconfirmed, in the caller's transaction and without mail.

    Raises as `register`, and `IntegrityError` for a known address.
    """
    with transaction.atomic():
        version = current.fresh(now)
        _check(application, version=version, now=now)
        user = _write(application, version=version, now=now, email=application.email)
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
    return user


def confirm_address(*, email_address: EmailAddress, now: datetime, keep: str = "") -> bool:
    """Take the proof that an address is its account's own; False when it can't be.

    The subject gets the address; one without an account that held it (a subscriber, somebody who
    once asked) hands it over together with its refusals, which stay refusals. An address that
    takes the place of another ends what was opened with that one: log-ins elsewhere (keep: the
    browser's key of the one to leave) and keys to the API; and the old address is told.
    """
    email = email_address.email
    with transaction.atomic():
        user = User.objects.select_for_update(of=("self",), no_key=True).get(
            pk=email_address.user_id
        )
        subject = Subject.objects.select_for_update(no_key=True).get(pk=user.subject_id)
        others = Subject.objects.select_for_update(no_key=True).filter(email=email)
        other = others.exclude(pk=subject.pk).first()
        taken = User.objects.filter(email=email).exclude(pk=user.pk).exists() or (
            EmailAddress.objects.filter(email=email, verified=True).exclude(user=user).exists()
        )
        if taken or subject.locked or subject.erased_at or (other and other.locked):
            return False
        if other is not None:
            _hand_over(other, to=subject, now=now)
        if user.unconfirmed_since is None and user.email != email:
            _leave_old_address(user, keep=keep, now=now)
        _prove(user, subject, email_address, now=now)
    return True


def _check(application: Application, *, version: PolicyVersion, now: datetime) -> None:
    """The age once more, under the version in force and at this moment; then the transfers."""
    document, age_pass = version.document, application.age_pass
    if document.age.youngest is not None:
        if age_pass is None:
            raise PassOutdated
        if judge(age_pass.born_on, document=document, now=now) is Judgement.TOO_YOUNG:
            raise NotOldEnough
        then = judge(age_pass.born_on, document=document, now=age_pass.passed_at)
        if then is Judgement.TOO_YOUNG or age_pass.policy_digest != version.digest:
            raise PassOutdated
        advice = document.age.minors_advice
        if then is Judgement.MINOR and advice and age_pass.advised_at is None:
            raise PassOutdated
    for transfer in document.transfers:
        asked = transfer.mechanism == "explicit consent"
        if asked and transfer.key not in application.transfers:
            raise TransferDeclined(key=transfer.key)


def _create(
    application: Application, *, version: PolicyVersion, now: datetime, known: bool
) -> User | None:
    """The new user; none for a known address, after the same work on a made-up one."""
    made_up = f"{secrets.token_hex(16)}@rehearsal.invalid"
    email = made_up if known else application.email
    try:
        with transaction.atomic():
            user = _write(application, version=version, now=now, email=email)
            if known:
                transaction.set_rollback(True)
    except IntegrityError:
        # Somebody else was faster with the same address: it is known now.
        return None
    return None if known else user


def _write(application: Application, *, version: PolicyVersion, now: datetime, email: str) -> User:
    """User, subject, verdict, ledger events, audit entry and signal."""
    age_pass, document = application.age_pass, version.document
    judged = judge(age_pass.born_on, document=document, now=now) if age_pass else None
    user = User.objects.create_user(
        email,
        application.password,
        first_name=application.first_name,
        last_name=application.last_name,
        minor=judged is Judgement.MINOR,
        now=now,
    )
    if age_pass is not None:
        _write_age(age_pass, user=user, version=version, minor=judged is Judgement.MINOR)
    _write_choices(application, user=user, now=now)
    if application.invitation is not None:
        invitations.joining(
            invitation_id=application.invitation, subject_id=user.subject_id, now=now
        )
    record(
        actor=person(user.subject_id),
        verb="accounts.created",
        now=now,
        object=user,
        subject_id=user.subject_id,
        facts={"policy": version.digest, "minor": judged is Judgement.MINOR},
    )
    signals.account_created.send(sender=User, subject_id=user.subject_id, user_id=user.pk, now=now)
    return user


def _write_age(age_pass: AgePass, *, user: User, version: PolicyVersion, minor: bool) -> None:
    """The verdict, and the events of the screen and the advice at the times they were shown."""
    AgeVerdict.objects.create(
        subject_id=user.subject_id,
        born_on=age_pass.born_on,
        passed_at=age_pass.passed_at,
        youngest=version.document.age.youngest,
        minor=minor,
        policy_digest=version.digest,
    )
    point = version.document.collection_point("age-screen")
    actor = person(user.subject_id)
    if point is not None:
        ledger.submit(
            subject_id=user.subject_id,
            point=point.key,
            fields={"accounts.age.born_on"},
            shown=Shown(point.notice, surface="age-screen"),
            actor=actor,
            now=age_pass.passed_at,
        )
    advice = version.document.age.minors_advice
    if age_pass.advised_at and advice:
        ledger.note_shown(
            subject_id=user.subject_id,
            key="minors-advice",
            shown=Shown(advice, surface="age-advice"),
            actor=actor,
            now=age_pass.advised_at,
        )


def _write_choices(application: Application, *, user: User, now: datetime) -> None:
    """What was handed over and decided, each with the words that were shown for it."""
    actor = person(user.subject_id)

    def shown(words: str) -> Shown:
        return Shown(words, surface="signup", locale=application.locale)

    ledger.submit(
        subject_id=user.subject_id,
        point="signup",
        fields=application.fields,
        shown=shown(application.words),
        actor=actor,
        now=now,
    )
    for key, words in application.transfers.items():
        ledger.say_yes(
            subject_id=user.subject_id,
            kind="transfer",
            key=key,
            shown=shown(words),
            actor=actor,
            now=now,
        )
    for key, (wanted, words) in application.mail.items():
        ledger.decide(
            subject_id=user.subject_id,
            kind="mail",
            key=key,
            decision="given" if wanted else "refused",
            shown=shown(words),
            actor=actor,
            now=now,
        )


def _ask_to_confirm(application: Application, *, user: User, now: datetime) -> None:
    # Outside the savepoint: its one statement balances the rollback a known address costs.
    address = EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
    _post(
        "account_email_confirmation_signup",
        application,
        subject_id=user.subject_id,
        context={"activate_url": confirmation_url(address)},
        now=now,
    )


def _tell_owner(application: Application, *, owner: User | None, now: datetime) -> None:
    _post(
        "account_account_already_exists",
        application,
        subject_id=owner.subject_id if owner else None,
        context={
            "login_url": absolute(reverse("account_login")),
            "password_reset_url": absolute(reverse("account_reset_password")),
        },
        now=now,
    )


def _post(
    template: str,
    application: Application,
    *,
    subject_id: UUID | None,
    context: dict[str, str],
    now: datetime,
) -> None:
    if application.may_mail:
        post(
            category="account",
            template=template,
            context=context,
            address=application.email,
            subject_id=subject_id,
            now=now,
            language=application.locale,
        )


def confirmation_url(address: EmailAddress) -> str:
    """The link that proves an address."""
    key = EmailConfirmationHMAC(address).key
    return absolute(reverse("account_confirm_email", args=[key]))


def absolute(path: str) -> str:
    """The path on this site, never on a host that a request named."""
    return f"{settings.SITE_URL}{path}"


def _hand_over(other: Subject, *, to: Subject, now: datetime) -> None:
    """Give the address of a subject without an account to the account's; refusals go along."""
    Subject.objects.filter(pk=other.pk).update(email=None)
    mine, document = ledger.standing(to.pk), current.fresh(now).document
    for (kind, key), choice in ledger.standing(other.pk).items():
        is_no = choice.decision in ("refused", "withdrawn") and (kind, key) not in mine
        # What the policy no longer offers can't be refused any more, nor need it be.
        if is_no and option(document, kind=kind, key=key) is not None:
            words = choice.event.words
            ledger.say_no(
                subject_id=to.pk,
                kind=kind,
                key=key,
                shown=Shown(words.text, surface="address-confirmed", locale=words.locale),
                actor=person(to.pk),
                now=now,
            )
    record(
        actor=person(to.pk),
        verb="accounts.address-handed-over",
        now=now,
        object=to,
        subject_id=to.pk,
        facts={"from": str(other.pk)},
    )


def _leave_old_address(user: User, *, keep: str, now: datetime) -> None:
    """End what the old address opened, and say there that it counts no more."""
    end_all(user_id=user.pk, now=now, but=keep)
    revoke_all(user=user, actor=person(user.subject_id), now=now)
    post(
        category="account",
        template="account_email_changed",
        context={},
        address=user.email,
        subject_id=user.subject_id,
        now=now,
        language=get_language() or "en",
    )


def _prove(user: User, subject: Subject, address: EmailAddress, *, now: datetime) -> None:
    """One verified address, the same on subject, user and allauth's table."""
    subject.email = address.email
    subject.save(update_fields=["email"])
    user.email, user.unconfirmed_since = address.email, None
    user.save(update_fields=["email", "unconfirmed_since"])
    EmailAddress.objects.filter(user=user).exclude(pk=address.pk).delete()
    address.verified = address.primary = True
    address.save()
    record(
        actor=person(subject.pk),
        verb="accounts.address-confirmed",
        now=now,
        object=user,
        subject_id=subject.pk,
    )
    signals.address_confirmed.send(sender=User, subject_id=subject.pk, now=now)
