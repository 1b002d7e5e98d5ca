"""Inviting an address that can't exist, and removing it as a stranger does; all rolled back."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse

from accounts.controls import probes
from accounts.models import Invitation, Suppression, User
from consent import mail
from consent.models import Message
from datamap.encryption import keyed_hash
from datamap.models import new_id
from policy import current

LINK: Final = re.compile(r"https?://\S+/invitations/[\w-]+/remove/")
# Whatever inviting and removing write. Their keys sort by time, so only new rows are read.
WRITTEN: Final = (
    "accounts_invitation",
    "accounts_suppression",
    "accounts_referral",
    "consent_message",
    "consent_event",
    "audit_auditentry",
)


def removing(*, now: datetime) -> list[str]:
    """What goes wrong, in words; nothing is tried where the policy has no invitations."""
    if not current.fresh(now).document.features.invitations:
        return []
    stranger, began = f"{secrets.token_hex(16)}@probe.invalid", new_id()
    answer = _invite(_member(now), stranger)
    path = _link(stranger)
    if path is None:
        return ["no message with a link was written"]
    wrong = _press(path, stranger)
    wrong += [f"the address is in {table}" for table in WRITTEN if _is_in(table, stranger, began)]
    if _invite(_member(now), stranger) != answer:
        wrong.append("inviting it again answers otherwise")
    if _open(stranger).exists() or _invitations(stranger):
        wrong.append("it can be invited again")
    return wrong


def _member(now: datetime) -> Client:
    """The browser of a member who may invite."""
    email = f"{secrets.token_hex(16)}@probe.invalid"
    user = User.objects.create_user(
        email, first_name="Probe", last_name="Example", now=now, unconfirmed_since=None
    )
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
    client = probes.browser()
    client.force_login(user)
    return client


def _invite(client: Client, address: str) -> tuple[int, str]:
    response = client.post(reverse("accounts:invitations"), {"email": address})
    return response.status_code, response.headers.get("Location", "")


def _press(path: str, stranger: str) -> list[str]:
    """Look, then press the button, as a mail program or a browser without cookies would."""
    wrong, browser = [], probes.browser()
    if browser.get(path).status_code != 200 or not _invitations(stranger):
        wrong.append("looking does not leave everything as it is")
    pressed = browser.post(path)
    if pressed.status_code != 200 or pressed.cookies:
        wrong.append(f"removing answers {pressed.status_code}")
    if _invitations(stranger) or _open(stranger).exists():
        wrong.append("the invitation is still there")
    if not Suppression.objects.filter(address_hash=keyed_hash(stranger)).exists():
        wrong.append("nothing keeps it removed")
    return wrong


def _link(stranger: str) -> str | None:
    message = _open(stranger).first()
    found = LINK.search(mail.text_of(message)) if message is not None else None
    return urlsplit(found[0]).path if found else None


def _open(stranger: str) -> QuerySet[Message]:
    return Message.objects.filter(address_hash=keyed_hash(stranger), sealed__isnull=False)


def _invitations(stranger: str) -> int:
    return Invitation.objects.filter(address_hash=keyed_hash(stranger)).count()


def _is_in(table: str, text: str, began: UUID) -> bool:
    """Whether a row written since holds the text in any column."""
    statement = f"SELECT EXISTS (SELECT FROM {table} t WHERE id >= %s AND t::text LIKE %s)"  # noqa: S608  our own words
    with connection.cursor() as cursor:
        cursor.execute(statement, [began, f"%{text}%"])
        return bool(cursor.fetchone()[0])
