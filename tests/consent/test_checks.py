"""The controls of this room: kept on honest data, broken by each planted breach."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pgtrigger
import pytest
from django.conf import settings

from audit.control import Finding, controls, evaluate
from audit.log import person
from audit.models import Evidence
from consent import checks, delivery, ledger
from consent.models import Event, Message, Words
from consent.words import digest_of
from datamap.models import Subject
from policy import current
from policy.models import PolicyVersion
from tests.consent.conftest import policy_source
from tests.factories.consent import NOW, TRANSFER, decided, make_subject, posted, shown
from tests.factories.policy import publish_bytes, relabelled
from tests.plugins.smtp import Server

LATER = NOW + timedelta(hours=1)


def run(key: str, now: datetime = LATER) -> Finding:
    """What the control's check finds, stored and given back."""
    evidence = evaluate(control=controls()[key], now=now)
    assert evidence.outcome != Evidence.Outcome.FAILED, evidence.figures
    return Finding(evidence.checked, tuple(evidence.violation_ids), evidence.figures)


def send(now: datetime = NOW) -> None:
    delivery.deliver_due(clock=lambda: now, budget=timedelta(minutes=1))


def settled(message: Message, now: datetime = NOW, **changes: Any) -> Message:
    """The message as if it had left, round the gate."""
    left = {"state": "sent", "sealed": None, "sent_at": now, "ended_at": now}
    Message.objects.filter(pk=message.pk).update(**{**left, **changes})
    return message


def ask() -> str:
    transfer = current.document(NOW).transfer(TRANSFER)
    assert transfer is not None
    return transfer.ask


def agreed(**flags: Any) -> Subject:
    """A subject that said yes to the transfer's question."""
    subject = make_subject(**flags)
    decided(subject, "given", kind="transfer", key=TRANSFER, text=f"Before. {ask()} After.")
    return subject


# --- consent.transfer ---------------------------------------------------------------------------


def test_transfer_is_kept_when_everybody_agreed_to_its_question(policy: PolicyVersion) -> None:
    agreed()
    renewed = agreed()
    decided(renewed, "renewed", kind="transfer", key=TRANSFER, text=ask(), now=LATER)
    make_subject(locked=True, erased_at=NOW)
    assert run("consent.transfer") == Finding(2, (), {"leaving": 0})


def test_transfer_sees_who_never_agreed(policy: PolicyVersion) -> None:
    agreed()
    never, refused = make_subject(), make_subject()
    decided(refused, "refused", kind="transfer", key=TRANSFER, text=ask())
    found = run("consent.transfer")
    assert set(found.violations) == {str(never.pk), str(refused.pk)}


def test_transfer_sees_a_yes_to_other_words(policy: PolicyVersion) -> None:
    subject = make_subject()
    decided(subject, "given", kind="transfer", key=TRANSFER, text="Yes to everything?")
    assert run("consent.transfer").violations == (str(subject.pk),)


def test_transfer_sees_words_that_were_altered(policy: PolicyVersion) -> None:
    subject = agreed()
    with pgtrigger.ignore("consent.Words:append_only"):
        Words.objects.update(text=f"{ask()} And to much more.")
    assert run("consent.transfer").violations == (str(subject.pk),)


def test_transfer_accepts_the_question_of_the_version_it_was_asked_under(
    policy: PolicyVersion,
) -> None:
    agreed()
    source = relabelled(policy_source(), "2").replace(
        b"Do you \\\nagree", b"May we ask if you \\\nagree"
    )
    assert source != relabelled(policy_source(), "2")
    publish_bytes(source, now=NOW)
    assert run("consent.transfer", NOW + timedelta(days=60)).violations == ()


def test_transfer_gives_who_took_it_back_the_time_of_a_deletion(policy: PolicyVersion) -> None:
    subject = agreed(email="ada@example.com")
    event = decided(subject, "withdrawn", kind="transfer", key=TRANSFER, now=LATER)
    document = current.document(NOW)
    rule = document.request_rule("deletion")
    assert rule is not None
    end = rule.deadline.after(event.at, zone=document.zone)
    assert run("consent.transfer", end) == Finding(1, (), {"leaving": 1})
    found = run("consent.transfer", end + timedelta(seconds=1))
    assert found.violations == (str(subject.pk),)


# --- consent.voluntary-mail ---------------------------------------------------------------------


def test_voluntary_mail_is_kept_by_the_gate(policy: PolicyVersion, smtp: Server) -> None:
    yes, silent = make_subject(), make_subject()
    decided(yes, "given", key="digest")
    posted(yes.pk, category="digest")
    posted(silent.pk)
    posted(make_subject(minor=True).pk)
    posted(make_subject().pk, category="account", template="test_account")
    send()
    decided(yes, "withdrawn", key="digest", now=LATER)
    decided(silent, "refused", now=LATER)
    assert run("consent.voluntary-mail") == Finding(2, (), {})


@pytest.mark.parametrize("state", ["sent", "sending", "uncertain"])
def test_voluntary_mail_sees_a_message_after_a_no(policy: PolicyVersion, state: str) -> None:
    subject = make_subject()
    decided(subject, "given")
    decided(subject, "withdrawn")
    message = posted(subject.pk)
    Message.objects.filter(pk=message.pk).update(
        state=state,
        sent_at=LATER,
        **({} if state == "sending" else {"sealed": None, "ended_at": LATER}),
    )
    assert run("consent.voluntary-mail").violations == (str(message.pk),)


def test_voluntary_mail_sees_a_message_nobody_agreed_to(policy: PolicyVersion) -> None:
    message = settled(posted(make_subject().pk, category="digest"))
    assert run("consent.voluntary-mail").violations == (str(message.pk),)


def test_voluntary_mail_sees_a_category_the_policy_did_not_have(policy: PolicyVersion) -> None:
    subject = make_subject()
    decided(subject, "given")
    message = settled(posted(subject.pk), category="surprise")
    assert run("consent.voluntary-mail").violations == (str(message.pk),)


def test_voluntary_mail_sees_a_message_before_any_policy(policy: PolicyVersion) -> None:
    message = settled(posted(make_subject().pk), now=policy.effective_at - timedelta(seconds=1))
    assert run("consent.voluntary-mail").violations == (str(message.pk),)


def test_voluntary_mail_reads_the_ledger_not_the_current_row(policy: PolicyVersion) -> None:
    subject = make_subject()
    decided(subject, "refused")
    message = settled(posted(subject.pk), now=LATER)
    subject.choices.update(decision="given")
    assert run("consent.voluntary-mail").violations == (str(message.pk),)


# --- consent.account-mail -----------------------------------------------------------------------


@pytest.fixture
def approved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of approved templates of this test's own, holding the test's account template."""
    template = Path(__file__).parent / "templates" / "mail" / "test_account.txt"
    (tmp_path / "test_account.txt").write_bytes(template.read_bytes())
    listed = tmp_path / "approved.sha256"
    digest = checks.digest_of_file(template)
    listed.write_text(f"{digest}  test_account.txt\n")
    monkeypatch.setattr(checks, "APPROVED", listed)
    return listed


def account_message() -> Message:
    return posted(make_subject().pk, category="account", template="test_account")


def test_account_mail_is_kept_when_all_of_it_left(
    policy: PolicyVersion, smtp: Server, approved: Path
) -> None:
    account_message()
    send()
    account_message()  # waits, but not for long
    assert run("consent.account-mail") == Finding(2, (), {"turned_away": 0})


def test_account_mail_counts_what_a_recipients_server_turned_away(
    policy: PolicyVersion, smtp: Server, approved: Path
) -> None:
    smtp.mailbox.rcpt = "550 no such user"
    account_message()
    send()
    assert run("consent.account-mail") == Finding(1, (), {"turned_away": 1})


def test_account_mail_sees_what_never_left(policy: PolicyVersion, approved: Path) -> None:
    late = account_message()
    now = NOW + timedelta(hours=24, seconds=1)
    assert run("consent.account-mail", now).violations == (str(late.pk),)


@pytest.mark.parametrize(
    ("state", "failure"), [("refused", ""), ("failed", "smtp-450"), ("failed", "unreadable")]
)
def test_account_mail_sees_what_was_given_up(
    policy: PolicyVersion, approved: Path, state: str, failure: str
) -> None:
    message = settled(account_message(), state=state, failure=failure, sent_at=None)
    assert run("consent.account-mail").violations == (str(message.pk),)


def test_account_mail_sees_a_text_nobody_approved(policy: PolicyVersion, approved: Path) -> None:
    message = settled(account_message(), template_digest="0" * 64)
    assert run("consent.account-mail").violations == (str(message.pk),)


def test_account_mail_sees_an_approved_text_that_pulls_in_offers(
    policy: PolicyVersion, approved: Path
) -> None:
    message = settled(account_message())
    with (approved.parent / "test_account.txt").open("a") as template:
        template.write('{% include "mail/offer.txt" %}')
    assert run("consent.account-mail").violations == (str(message.pk),)


def test_every_mail_template_without_offers_is_approved_as_it_is() -> None:
    """After reading a changed template: `sha256sum NAME >> approved.sha256` in templates/mail.

    Texts of voluntary mail begin with `news` and are not on the list.
    """
    folder = Path(settings.BASE_DIR) / "templates" / "mail"
    other = [p for p in folder.glob("*.txt") if not p.name.startswith(("news", "footer"))]
    approved = checks.approved_digests()
    assert [p.name for p in other if checks.digest_of_file(p) not in approved] == []
    news = folder.glob("news*.txt")
    assert [p.name for p in news if checks.digest_of_file(p) in approved] == []


# --- consent.refusal-line -----------------------------------------------------------------------


def test_refusal_line_is_in_everything_that_left_and_works(
    policy: PolicyVersion, smtp: Server
) -> None:
    for category, template in [
        ("service-news", "test_news"),
        ("account", "test_account"),
        ("answer", "test_account"),
    ]:
        posted(make_subject().pk, category=category, template=template)
    posted(None, category="staff", template="test_account")
    send()
    before = (Subject.objects.count(), Message.objects.count(), Event.objects.count())
    assert run("consent.refusal-line") == Finding(4 + 4, (), {})
    assert (Subject.objects.count(), Message.objects.count(), Event.objects.count()) == before


@pytest.mark.parametrize(
    "footer",
    [
        "",
        "WeCustomers\nAddress to be filled in by the operator",
        "WeCustomers\n\nNo offers: (link)",
        "Address to be filled in by the operator\n\nNo offers: (link)",
    ],
)
def test_refusal_line_sees_a_message_that_left_without_it(
    policy: PolicyVersion, smtp: Server, footer: str
) -> None:
    posted(make_subject().pk)
    posted(make_subject().pk)
    send()
    message = Message.objects.order_by("-id").first()
    assert message is not None
    digest = digest_of(text=footer, locale="en")
    Words.objects.create(digest=digest, locale="en", text=footer)
    Message.objects.filter(pk=message.pk).update(footer=digest)
    assert run("consent.refusal-line").violations == (str(message.pk),)
    Message.objects.filter(pk=message.pk).update(footer=None)
    assert run("consent.refusal-line").violations == (str(message.pk),)


def test_refusal_line_sees_a_link_that_does_not_work(policy: PolicyVersion, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.consent.urls_without_refusal"
    assert run("consent.refusal-line").violations == (
        "link of account",
        "link of answer",
        "link of service-news",
        "link of digest",
    )


# --- consent.collection -------------------------------------------------------------------------


def handed_over(subject: Subject, *, point: str = "signup", now: datetime = NOW) -> Event:
    return ledger.submit(
        subject_id=subject.pk,
        point=point,
        fields={"accounts.account.email"},
        shown=shown("We need your address."),
        actor=person(subject.pk),
        now=now,
    )


def test_collection_is_kept_when_addresses_were_handed_over(policy: PolicyVersion) -> None:
    handed_over(make_subject(email="ada@example.com"))
    make_subject()  # no address, nothing to explain
    assert run("consent.collection") == Finding(1, (), {})


def test_collection_sees_an_address_from_nowhere(policy: PolicyVersion) -> None:
    subject = make_subject(email="ada@example.com")
    assert run("consent.collection").violations == (str(subject.pk),)


def test_collection_sees_an_address_that_was_there_before(policy: PolicyVersion) -> None:
    subject = make_subject(email="ada@example.com")
    handed_over(subject, now=NOW + timedelta(seconds=1))
    assert run("consent.collection").violations == (str(subject.pk),)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "back-door"},
        {"policy_digest": "0" * 64},
        {"fields": ["accounts.account.first_name"]},
        {"fields": ["accounts.account.email", "accounts.account.phone"]},
    ],
)
def test_collection_sees_a_point_or_field_the_policy_does_not_name(
    policy: PolicyVersion, change: dict[str, Any]
) -> None:
    subject = make_subject(email="ada@example.com")
    event = handed_over(subject)
    with pgtrigger.ignore("consent.Event:append_only"):
        Event.objects.filter(pk=event.pk).update(**change)
    assert run("consent.collection").violations == (str(subject.pk),)
