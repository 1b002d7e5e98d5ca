"""Demo people: one for every role, with log-ins that can be told again at any time.

Passwords and second-factor secrets are derived from this installation's encryption key, so they
are stored nowhere, and `demo --json` prints the same ones tomorrow.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from allauth.account.models import EmailAddress
from django.db import transaction

from accounts import staff, undertakings
from accounts.age import age_on
from accounts.forms.signup import SignupForm
from accounts.models import User
from accounts.registration import Application, confirm_address, open_account
from accounts.roles import Role
from accounts.screen import AgePass, Judgement, judge
from audit.log import SYSTEM
from datamap.encryption import keyed_hash
from policy.document import Document
from policy.models import PolicyVersion

MOMENT = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class DemoPerson:
    """Somebody of the demo. `age` in years; none means grown up under any policy."""

    role: str
    email: str
    first_name: str
    last_name: str
    age: int = 34
    staff_role: Role | None = None

    @property
    def password(self) -> str:
        """Long enough for the password rules, the same on every call."""
        return f"demo-{keyed_hash(f'demo password {self.email}')[:16]}"

    @property
    def totp_secret(self) -> str:
        """Base-32 secret of the second factor, empty for people who are not staff."""
        if self.staff_role is None:
            return ""
        digest = bytes.fromhex(keyed_hash(f"demo totp {self.email}"))
        return base64.b32encode(digest[:20]).decode()

    def born_on(self, now: datetime) -> date:
        """A birth date that makes this person `age` years old for half a year more."""
        month = (now.month + 5) % 12 + 1
        return date(now.year - self.age - (1 if month > now.month else 0), month, 15)


def cast(document: Document) -> list[DemoPerson]:
    """One person for each role. The teen is as young as this policy allows somebody to be, and
    missing where nobody under age may register.
    """
    everybody = [
        DemoPerson(
            role="person", email="person@example.com", first_name="Robin", last_name="Member"
        )
    ]
    youngest = max(document.age.youngest or document.age.child_under, 15)
    if youngest < document.age.minor_until:
        everybody.append(
            DemoPerson(
                role="teen",
                email="teen@example.com",
                first_name="Kim",
                last_name="Young",
                age=youngest,
            )
        )
    for role, email, staff_role in (
        ("support", "support@example.com", Role.SUPPORT),
        ("reviewer", "reviewer@example.com", Role.REVIEWER),
        ("second reviewer", "reviewer2@example.com", Role.REVIEWER),
        ("privacy admin", "admin@example.com", Role.PRIVACY_ADMIN),
        ("auditor", "auditor@example.com", Role.AUDITOR),
        ("billing", "billing@example.com", Role.BILLING),
    ):
        everybody.append(
            DemoPerson(
                role=role,
                email=email,
                first_name=role.title(),
                last_name="Desk",
                staff_role=staff_role,
            )
        )
    return everybody


def join(
    demo_person: DemoPerson,
    *,
    version: PolicyVersion,
    now: datetime,
    confirmed: bool = True,
    refuses: frozenset[str] = frozenset(),
) -> User:
    """Let somebody sign up as the sign-up page would: through its form, under this version.

    refuses: keys of mail categories they say no to.
    """
    application = _application(demo_person, version=version, now=now, refuses=refuses)
    with transaction.atomic():
        user = open_account(application=application, now=now)
        if confirmed:
            address = EmailAddress.objects.get(user=user)
            confirm_address(email_address=address, now=now)
            user.refresh_from_db()
        if demo_person.staff_role is not None:
            staff.appoint(user=user, role=demo_person.staff_role, actor=SYSTEM, now=now)
            staff.set_authenticator_secret(user=user, secret=demo_person.totp_secret)
            bind(user, version=version, now=now)
    return user


def bind(user: User, *, version: PolicyVersion, now: datetime) -> None:
    """Let a member of staff sign the undertaking, and write down their training."""
    document = version.document
    undertakings.sign(
        user=user,
        words=undertakings.words(document),
        until=undertakings.undertaking_end(document=document, start=now),
        now=now,
    )
    undertakings.record_training(
        user=user,
        course="Data protection at work",
        done_at=now,
        until=undertakings.training_end(document=document, start=now),
        actor=SYSTEM,
        now=now,
    )


def _application(
    demo_person: DemoPerson, *, version: PolicyVersion, now: datetime, refuses: frozenset[str]
) -> Application:
    document = version.document
    born_on = demo_person.born_on(now)
    judged = judge(born_on, document=document, now=now)
    minor = judged is Judgement.MINOR
    data = {
        "first_name": demo_person.first_name,
        "last_name": demo_person.last_name,
        "email": demo_person.email,
        "password": demo_person.password,
        **{f"transfer-{t.key}": "yes" for t in document.transfers},
        **{
            f"mail-{c.key}": "on"
            for c in document.mail_categories
            # On an opt-out basis the box is the refusal; to minors and on consent it is the yes.
            if (c.basis == "consent" or minor) != (c.key in refuses)
        },
    }
    form = SignupForm(data, document=document, minor=minor)
    if not form.is_valid():
        raise ValueError(f"the demo can't sign up under this policy: {form.errors.as_json()}")
    return Application(
        email=form.cleaned_data["email"],
        password=form.cleaned_data["password"],
        first_name=form.cleaned_data.get("first_name", ""),
        last_name=form.cleaned_data.get("last_name", ""),
        fields=form.filled,
        words=form.words,
        age_pass=_age_pass(born_on, version=version, now=now, minor=minor),
        transfers=form.agreed,
        mail=form.mail,
        may_mail=False,
    )


def _age_pass(
    born_on: date, *, version: PolicyVersion, now: datetime, minor: bool
) -> AgePass | None:
    """What the age screen would have given; none where the policy has no such screen."""
    youngest = version.document.age.youngest
    if youngest is None:
        return None
    assert age_on(born_on, now.date()) >= youngest
    return AgePass(
        born_on=born_on,
        passed_at=now - 2 * MOMENT,
        policy_digest=version.digest,
        advised_at=now - MOMENT if minor else None,
    )
