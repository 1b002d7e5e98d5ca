"""People with an account: members, minors, staff, and their browsers."""

from __future__ import annotations

import itertools
import secrets
from datetime import UTC, date, datetime, timedelta
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal.auth import WebAuthn
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client
from django.urls import reverse
from fido2.cose import ES256, CoseKey
from fido2.utils import sha256, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

from accounts.models import User
from accounts.registration import Application, confirm_address, open_account
from accounts.roles import Role
from accounts.screen import AgePass, Judgement, judge
from accounts.staff import appoint, set_authenticator_secret
from accounts.undertakings import record_training, sign
from audit.log import SYSTEM
from policy import current

PASSWORD = "seven small grey geese"
TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
BORN = date(1990, 5, 17)
JOINED = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
FOR_EVER = datetime(2999, 1, 1, tzinfo=UTC)
_numbers = itertools.count(1)


def application(*, now: datetime = JOINED, born_on: date = BORN, **fields: Any) -> Application:
    """What an ordinary adult fills in, agreeing to every transfer the policy asks about."""
    version = current.fresh(now)
    transfers = {t.key: t.ask for t in version.document.transfers}
    point = version.document.collection_point("signup")
    assert point is not None
    judged = judge(born_on, document=version.document, now=now)
    given: dict[str, Any] = {
        "email": f"person{next(_numbers)}@example.com",
        "password": PASSWORD,
        "first_name": "Robin",
        "last_name": "Example",
        "fields": frozenset(point.required),
        "words": point.notice,
        "transfers": transfers,
        "age_pass": AgePass(
            born_on=born_on,
            passed_at=now - timedelta(minutes=4),
            policy_digest=version.digest,
            advised_at=now - timedelta(minutes=3) if judged is Judgement.MINOR else None,
        ),
    }
    return Application(**{**given, **fields})


def member(
    *, now: datetime = JOINED, born_on: date = BORN, confirmed: bool = True, **fields: Any
) -> User:
    """Somebody who signed up through the age screen and, by default, confirmed the address."""
    user = open_account(application=application(now=now, born_on=born_on, **fields), now=now)
    if confirmed:
        address = EmailAddress.objects.get(user=user)
        assert confirm_address(email_address=address, now=now + timedelta(minutes=5))
    return User.objects.select_related("subject").get(pk=user.pk)


def minor(*, now: datetime = JOINED, years: int = 15, **fields: Any) -> User:
    """A member of that age on the day of joining."""
    return member(now=now, born_on=date(now.year - years, 1, 15), **fields)


def staff_member(
    role: Role | str = Role.REVIEWER,
    *,
    now: datetime = JOINED,
    totp: bool = True,
    duties: bool = True,
    **fields: Any,
) -> User:
    """A member with a role and, by default, an authenticator app with `TOTP_SECRET`.

    duties: whether undertaking and training are in force, for as long as tests run.
    """
    user = member(now=now, **fields)
    appoint(user=user, role=Role(role), actor=SYSTEM, now=now)
    if duties:
        bind(user, now=now)
    if totp:
        set_authenticator_secret(user=user, secret=TOTP_SECRET)
    return User.objects.select_related("subject", "staff_member").get(pk=user.pk)


def bind(user: User, *, now: datetime = JOINED, until: datetime = FOR_EVER) -> None:
    """Give a member of staff both duties: the signed undertaking and the training."""
    sign(user=user, words="I keep it secret.", until=until, now=now)
    record_training(
        user=user, course="Data protection", done_at=now, until=until, actor=SYSTEM, now=now
    )


def security_key(user: User, name: str = "Blue key") -> Authenticator:
    """A passkey as the browser once told of it; its private half is thrown away."""
    made = ec.generate_private_key(ec.SECP256R1()).public_key()
    id_of_key = secrets.token_bytes(16)
    public: CoseKey = ES256.from_cryptography_key(made)  # type: ignore[no-untyped-call]  # fido2
    credential = AttestedCredentialData.create(Aaguid.NONE, id_of_key, public)
    # Somebody was there, and the data of a new key follow (WebAuthn 6.1).
    flags = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.AT
    told = AuthenticatorData.create(sha256(b"localhost"), flags, 0, credential)
    attestation = AttestationObject.create("none", told, {})
    client_data = CollectedClientData.create("webauthn.create", b"x" * 16, "http://localhost")
    data = {
        "id": websafe_encode(id_of_key),
        "rawId": websafe_encode(id_of_key),
        "type": "public-key",
        "response": {
            "clientDataJSON": websafe_encode(client_data),
            "attestationObject": websafe_encode(attestation),
        },
        "clientExtensionResults": {},
    }
    return WebAuthn.add(user, name, data).instance


def log_in(client: Client, user: User, password: str = PASSWORD) -> Client:
    """Through the log-in page, with the password; staff then still lack their second factor."""
    response = client.post(reverse("account_login"), {"login": user.email, "password": password})
    assert response.status_code == 302, response.status_code
    return client


def prove_second_factor(client: Client, user: User) -> Client:
    """Make the client's session one whose second factor was proved, without waiting for codes."""
    client.force_login(user)
    session = client.session
    session["account_authentication_methods"] = [{"method": "mfa", "at": 0, "type": "totp"}]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    return client


def reauthenticated(client: Client, user: User) -> Client:
    """Log in and give the password once more, as sensitive pages ask."""
    client.force_login(user)
    response = client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    assert response.status_code == 302, response.status_code
    return client
