"""Posting: what the gate takes, and what a message looks like on the wire."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes
from email.message import Message as Parsed
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.template import TemplateDoesNotExist
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from audit.models import AuditEntry
from consent import delivery, letter, mail
from consent.mail_backend import NotThroughTheGate
from consent.models import Message
from consent.options import options
from datamap.encryption import keyed_hash
from policy import current
from policy.document import Document
from policy.models import PolicyVersion
from tests.factories.consent import NOW, make_subject, posted
from tests.plugins.smtp import Server


def sent(smtp: Server) -> tuple[bytes, Parsed]:
    """The one message that arrives when everything due is sent: its bytes, and parsed plainly."""
    tally = delivery.deliver_due(clock=lambda: NOW, budget=timedelta(minutes=1))
    assert dict(tally) == {"sent": 1}
    (raw,) = smtp.mailbox.taken
    return raw, message_from_bytes(raw)


def test_post_stores_words_and_address_sealed(policy: PolicyVersion) -> None:
    subject = make_subject()
    message = posted(subject.pk, address=" Ada@EXAMPLE.com ")
    assert (message.state, message.due_at, message.attempts) == ("queued", NOW, 0)
    assert message.address_hash == keyed_hash("ada@example.com")
    assert message.policy_digest == policy.digest
    row = Message.objects.filter(pk=message.pk).values_list().get()
    assert not any("ada@example.com" in str(value) for value in row)
    assert not any("new service" in str(value) for value in row)
    text = mail.text_of(message)
    assert text.startswith("News for Ada\n\nHello Ada,\n\nthere is a new service.\n\n-- \n")


def test_post_schedules_its_sending_for_after_the_commit(
    policy: PolicyVersion, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    subject = make_subject()
    with django_capture_on_commit_callbacks() as callbacks:
        posted(subject.pk)
        held = posted(subject.pk, category="answer", template="test_account", held=True)
    assert len(callbacks) == 1
    with django_capture_on_commit_callbacks() as callbacks:
        mail.release(held.pk, NOW)
    assert len(callbacks) == 1


def test_policy_without_invitations_has_no_mail_for_them(clickandchat: PolicyVersion) -> None:
    with pytest.raises(mail.UnknownCategory) as raised:
        posted(None, category="invitation")
    assert "invitation" not in raised.value.known


def test_invitation_without_anybody_behind_it_is_refused_when_it_would_leave(
    policy: PolicyVersion, smtp: Server
) -> None:
    message = posted(None, category="invitation")
    assert delivery.deliver_one(message.pk, clock=lambda: NOW) == {"refused": 1}
    assert smtp.mailbox.taken == []


def test_invitation_s_footer_removes_the_address(policy: PolicyVersion) -> None:
    removal = "https://kept.example/invitations/token/remove/"
    message = mail.post(
        category="invitation",
        template="test_news",
        context={"name": "Ada"},
        address="ada@example.com",
        subject_id=None,
        removal=removal,
        now=NOW,
    )
    footer = mail.text_of(message).rpartition("\n-- \n")[2]
    assert f"nobody can invite you again: {removal}" in footer
    assert "admin@wecustomers.com" in footer


@pytest.mark.parametrize("category", ["service-new", "", "Invitation"])
def test_post_refuses_unknown_categories(policy: PolicyVersion, category: str) -> None:
    with pytest.raises(mail.UnknownCategory) as raised:
        posted(make_subject().pk, category=category)
    fixed = ["account", "answer", "staff", "invitation"]
    assert raised.value.known == [*fixed, "service-news", "digest"]
    assert Message.objects.count() == 0


def test_post_refuses_voluntary_mail_to_nobody(policy: PolicyVersion) -> None:
    with pytest.raises(mail.NobodyToAsk):
        posted(None)
    assert posted(None, category="staff", template="test_account").subject_id is None


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com, eve@example.com",
        "ada@example.com\x00",
        "Ada <ada@example.com>",
        "a" * 250 + "@example.com",
    ],
)
def test_post_refuses_what_is_no_single_address(policy: PolicyVersion, address: str) -> None:
    with pytest.raises(ValidationError):
        posted(make_subject().pk, address=address)
    assert Message.objects.count() == 0


@pytest.mark.parametrize(
    "address",
    [
        "ada+news@example.com",
        "o'hara@example.com",
        "ada@bücher.example",
        '"ada@home"@example.com',
        '"a,b;c<d>"@example.com',
        "!#$%&'*+-/=?^_`{|}~@example.com",
        f"{'a' * 64}@{'b' * 63}.{'c' * 63}.example",
    ],
)
def test_odd_but_valid_addresses_arrive(policy: PolicyVersion, smtp: Server, address: str) -> None:
    posted(make_subject().pk, address=address)
    sent(smtp)
    assert smtp.mailbox.recipients == [address.replace("bücher", "xn--bcher-kva")]


def test_post_refuses_templates_that_make_no_letter(policy: PolicyVersion) -> None:
    subject = make_subject()
    with pytest.raises(letter.BadTemplate):
        posted(subject.pk, template="test_without_subject")
    with pytest.raises(TemplateDoesNotExist):
        posted(subject.pk, template="no_such_template")
    with pytest.raises(TypeError, match="not SimpleNamespace"):
        posted(subject.pk, context={"name": SimpleNamespace(secret="x")})


def test_lazy_texts_and_figures_are_plain(policy: PolicyVersion) -> None:
    message = posted(make_subject().pk, context={"name": gettext_lazy("You")})
    assert mail.text_of(message).startswith("News for You\n")


def test_voluntary_mail_on_the_wire(policy: PolicyVersion, smtp: Server) -> None:
    message = posted(make_subject().pk)
    raw, parsed = sent(smtp)
    body = parsed.get_payload(decode=True)
    assert isinstance(body, bytes)
    text = body.decode("utf-8").replace("\r\n", "\n")
    (link,) = set(re.findall(r"http\S+/unsubscribe/\S+/", text))
    assert dict(parsed.items()) == {
        "From": "WeCustomers <privacy@localhost>",
        "To": "ada@example.com",
        "Reply-To": "admin@wecustomers.com",
        "Subject": "News for Ada",
        "Date": "Tue, 03 Mar 2026 12:00:00 +0000",
        "Message-ID": message.message_id,
        "Auto-Submitted": "auto-generated",
        "Content-Language": "en",
        "List-Unsubscribe": f"<{link}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "quoted-printable",
        "MIME-Version": "1.0",
    }
    assert raw.count(b"\r\nList-Unsubscribe: <http") == 1
    assert re.fullmatch(r"<[0-9a-f-]{36}@localhost>", message.message_id)
    assert max(len(line) for line in raw.split(b"\r\n\r\n", 1)[1].split(b"\r\n")) <= 76
    assert text == (
        "Hello Ada,\n\nthere is a new service.\n\n-- \nWeCustomers\n"
        "Address to be filled in by the operator\n\n"
        f"No more of this mail, or no offers at all: {link}\n"
    )


@pytest.mark.parametrize("category", ["account", "answer"])
def test_other_mail_has_the_refusal_line_and_no_list_headers(
    policy: PolicyVersion, smtp: Server, category: str
) -> None:
    posted(make_subject().pk, category=category, template="test_account")
    _, parsed = sent(smtp)
    body = parsed.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert "List-Unsubscribe" not in parsed
    assert b"No offers from us, please: http://localhost:8000/unsubscribe/" in body


def test_mail_to_nobody_known_says_where_to_write(policy: PolicyVersion, smtp: Server) -> None:
    posted(None, category="staff", template="test_account")
    _, parsed = sent(smtp)
    body = parsed.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert b"No offers from us, please? Write to admin@wecustomers.com." in body


NASTY = "Ada\r\nBcc: eve@example.com\r\n\r\nBuy this\x0b\x0c\x85\u2028now\x00"


def test_the_last_mail_promises_no_other_and_names_an_address(
    policy: PolicyVersion, smtp: Server
) -> None:
    posted(make_subject().pk, category="answer", template="test_account", last=True)
    _, parsed = sent(smtp)
    body = parsed.get_payload(decode=True)
    assert isinstance(body, bytes)
    words = body.decode()
    assert "no message like it follows" in words
    assert f"write to {policy.document.controller.email}" in words
    assert "will still come" not in words
    assert "/unsubscribe/" not in words


def test_a_held_message_is_dropped_with_its_words_and_once(policy: PolicyVersion) -> None:
    held = posted(make_subject().pk, category="answer", template="test_account", held=True)
    assert mail.drop(held.pk, NOW) is True
    held.refresh_from_db()
    assert (held.state, held.sealed, held.ended_at) == ("refused", None, NOW)
    assert (mail.drop(held.pk, NOW), mail.release(held.pk, NOW)) == (False, False)


def test_a_released_message_is_not_dropped(policy: PolicyVersion) -> None:
    held = posted(make_subject().pk, category="answer", template="test_account", held=True)
    mail.release(held.pk, NOW)
    assert mail.drop(held.pk, NOW) is False
    held.refresh_from_db()
    assert (held.state, held.sealed is not None) == ("queued", True)


def test_nobody_writes_headers_or_paragraphs_through_their_name(
    policy: PolicyVersion, smtp: Server
) -> None:
    posted(make_subject().pk, context={"name": NASTY})
    raw, parsed = sent(smtp)
    assert parsed["Bcc"] is None
    assert parsed["Subject"] == "News for Ada Bcc: eve@example.com Buy this now"
    assert b"\r\nBcc" not in raw
    assert smtp.mailbox.recipients == ["ada@example.com"]


@given(name=st.text(max_size=300))
def test_a_subject_is_one_line_whatever_a_name_holds(name: str) -> None:
    line = letter._one_line(f"News for {name}")
    assert line.splitlines() == [line]
    assert line.isprintable() or "\x00" not in line


def test_long_and_foreign_subjects_survive(policy: PolicyVersion, smtp: Server) -> None:
    name = "Žofie Nováková 王小明 " * 20
    posted(make_subject().pk, context={"name": name})
    sent(smtp)
    (message,) = smtp.mailbox.messages
    assert message["Subject"] == f"News for {name}".strip()[:200].strip()


def test_html_characters_are_not_escaped_in_text(policy: PolicyVersion) -> None:
    message = posted(make_subject().pk, context={"name": "O'Hara & <Sons>"})
    assert mail.text_of(message).startswith("News for O'Hara & <Sons>\n")


def test_mail_round_the_gate_is_refused_and_reported(db: None) -> None:
    with pytest.raises(NotThroughTheGate) as raised:
        send_mail("Hello", "Words", None, ["ada@example.com", "eve@example.com"])
    assert (raised.value.messages, raised.value.recipients) == (1, 2)
    with pytest.raises(NotThroughTheGate):
        send_mail("Hello", "Words", None, ["ada@example.com"], fail_silently=True)
    entries = AuditEntry.objects.filter(verb="consent.mail-round-the-gate").order_by("id")
    assert [entry.facts for entry in entries] == [
        {"messages": 1, "recipients": 2},
        {"messages": 1, "recipients": 1},
    ]


def test_options_are_what_the_policy_leaves_to_people(policy: PolicyVersion) -> None:
    document: Document = current.document(NOW)
    found = {(o.kind.value, o.key): o.on_without_choice for o in options(document)}
    assert found == {
        ("transfer", "united-states"): False,
        ("mail", "service-news"): True,
        ("mail", "digest"): False,
        ("purpose", "contributed-facts"): False,
        ("purpose", "matching-advertising"): False,
        ("purpose", "suggestions"): True,
    }
