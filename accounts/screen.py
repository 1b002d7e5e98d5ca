"""The age screen's two cookies: the passing token, and the mark that stops a second try.

The danger: a child who is told "too young" goes back and enters another year; and a list of
refused children would be data about children. So nothing is stored here. Who is refused gets a
signed cookie that ends with the browser and holds no date. Who passes gets an encrypted token for
half an hour; the account is made from it, and everything in it is judged again then.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import Enum

from django.conf import settings
from django.core.signing import Signer
from django.http import HttpRequest, HttpResponseBase

from accounts.age import age_on, today
from datamap.encryption import Unreadable, decrypt, encrypt
from policy.document import Document

PASS_COOKIE = "age-pass"  # noqa: S105  a name
BLOCK_COOKIE = "age-block"
LIFETIME = timedelta(minutes=30)
FORMAT = "kept-age-pass-1"
LONGEST_TOKEN = 2000
_SALT = "accounts.screen.block"


@dataclass(frozen=True)
class AgePass:
    """What a passed screen says.

    advised_at: when a minor was shown the advice to ask a parent; none before that.
    """

    born_on: date
    passed_at: datetime
    policy_digest: str
    advised_at: datetime | None = None

    def advised(self, now: datetime) -> AgePass:
        """The same, once the advice was shown; the first showing counts."""
        return self if self.advised_at else replace(self, advised_at=now)


class Judgement(Enum):
    """What a birth date means under a policy."""

    TOO_YOUNG = "too young"
    MINOR = "minor"
    GROWN = "grown"


def needed(document: Document) -> bool:
    """Whether this policy has an age screen at all."""
    return document.age.youngest is not None


def judge(born_on: date, *, document: Document, now: datetime) -> Judgement:
    """What this birth date means at `now`, on the operator's calendar."""
    years = age_on(born_on, today(document, now))
    if document.age.youngest is not None and years < document.age.youngest:
        return Judgement.TOO_YOUNG
    return Judgement.MINOR if years < document.age.minor_until else Judgement.GROWN


def seal(age_pass: AgePass) -> str:
    """The pass as an encrypted token."""
    parts = {
        "format": FORMAT,
        "born": age_pass.born_on.isoformat(),
        "passed": age_pass.passed_at.isoformat(),
        "policy": age_pass.policy_digest,
        "advised": age_pass.advised_at.isoformat() if age_pass.advised_at else None,
    }
    return encrypt(json.dumps(parts)).decode("ascii")


def unseal(token: str, *, now: datetime) -> AgePass | None:
    """The pass in a token; none when it is forged, foreign, damaged or over."""
    if not token.isascii() or len(token) > LONGEST_TOKEN:
        return None
    try:
        parts = json.loads(decrypt(token.encode("ascii")))
        if parts["format"] != FORMAT:
            return None
        age_pass = AgePass(
            born_on=date.fromisoformat(parts["born"]),
            passed_at=datetime.fromisoformat(parts["passed"]),
            policy_digest=str(parts["policy"]),
            advised_at=datetime.fromisoformat(parts["advised"]) if parts["advised"] else None,
        )
        is_running = timedelta(0) <= now - age_pass.passed_at < LIFETIME
    except (Unreadable, ValueError, KeyError, TypeError):
        return None
    return age_pass if is_running else None


def pass_of(request: HttpRequest, *, now: datetime) -> AgePass | None:
    """The valid pass this browser carries."""
    return unseal(request.COOKIES.get(PASS_COOKIE, ""), now=now)


def remember_pass(response: HttpResponseBase, age_pass: AgePass, *, now: datetime) -> None:
    """Give the browser its pass for what is left of the half hour."""
    response.set_cookie(
        PASS_COOKIE,
        seal(age_pass),
        max_age=max(int((age_pass.passed_at + LIFETIME - now).total_seconds()), 1),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def forget_pass(response: HttpResponseBase) -> None:
    """Take the pass back, once it was used or must not count."""
    response.delete_cookie(PASS_COOKIE, samesite="Lax")


def is_blocked(request: HttpRequest) -> bool:
    """Whether this browser was refused. A mark with a broken signature counts, too: whoever
    edits it was given one.
    """
    return BLOCK_COOKIE in request.COOKIES


def block(response: HttpResponseBase) -> None:
    """Stop a second try until the browser is closed; no date, no id, nothing on our side."""
    forget_pass(response)
    response.set_cookie(
        BLOCK_COOKIE,
        Signer(salt=_SALT).sign("1"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
