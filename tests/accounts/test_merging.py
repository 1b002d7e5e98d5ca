"""Two subjects held for one person, everywhere it matters, and taken apart without a trace."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import approval, merging
from accounts.models import Approval, User
from accounts.roles import Role
from audit import errands
from audit.log import SYSTEM, person
from audit.models import AuditEntry, StaffAccess
from consent import checks, ledger
from consent.ledger import Shown
from consent.mail import post, text_of
from consent.models import Kind, Message, State
from datamap.models import Subject, SubjectMerge
from datamap.registry import holdings
from datamap.same_person import same_person
from policy import current
from policy.models import PolicyVersion
from requests import explain
from requests.models import Package, Request
from requests.package import build, store
from requests.package.vault import read, unwrap
from retention import erase, erase_worker
from retention.models import Erasure
from tests.factories.accounts import (
    member,
    prove_second_factor,
    reauthenticated,
    staff_member,
)
from tests.factories.requests import approved, asked, copy_made

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _policy(wecustomers: PolicyVersion) -> None:
    pass


def merged(kept: User, other: User, *, now: datetime = NOW) -> SubjectMerge:
    """Two members held for one person, as two reviewers agreed."""
    waiting = merging.ask(
        kept=kept.subject, merged=other.subject, reason="Both answered.", by=staff_member(), now=now
    )
    approval.approve(handle=waiting.handle, seen=waiting.digest, by=staff_member(), now=now)
    return SubjectMerge.objects.filter(kept=kept.subject).latest("merged_at")


def titles(user: User) -> dict[str, int]:
    return {
        held.title: held.rows
        for held in explain.held_about(
            subject_id=user.subject_id, document=current.fresh(NOW).document
        )
    }


# --- agreeing -----------------------------------------------------------------------------------


def test_nothing_changes_before_a_second_person_agrees() -> None:
    ada, eva = member(), member()
    reviewer, second = staff_member(), staff_member(Role.PRIVACY_ADMIN)
    waiting = merging.ask(
        kept=ada.subject, merged=eva.subject, reason="Both answered.", by=reviewer, now=NOW
    )
    assert same_person(ada.subject_id) == [ada.subject_id]
    with pytest.raises(approval.OwnAffair):
        approval.approve(handle=waiting.handle, seen=waiting.digest, by=reviewer, now=NOW)
    approval.approve(handle=waiting.handle, seen=waiting.digest, by=second, now=NOW)
    assert set(same_person(ada.subject_id)) == {ada.subject_id, eva.subject_id}
    told = Message.objects.filter(template="account_same_person")
    assert set(told.values_list("subject_id", flat=True)) == {ada.subject_id, eva.subject_id}
    for message in told:
        own = ada if message.subject_id == ada.subject_id else eva
        other = eva if own is ada else ada
        assert other.email not in text_of(message)
    entries = AuditEntry.objects.filter(verb="accounts.subjects-merged")
    assert dict(entries.values_list("subject_id", "facts__other")) == {
        ada.subject_id: str(eva.subject_id),
        eva.subject_id: str(ada.subject_id),
    }


def test_nobody_agrees_about_themselves() -> None:
    """Neither end of the pair asks or decides, also who is only the other address."""
    ada, reviewer = member(), staff_member()
    with pytest.raises(approval.OwnAffair):
        merging.ask(kept=ada.subject, merged=reviewer.subject, reason="x", by=reviewer, now=NOW)
    waiting = merging.ask(
        kept=ada.subject, merged=reviewer.subject, reason="x", by=staff_member(), now=NOW
    )
    with pytest.raises(approval.OwnAffair):
        approval.approve(handle=waiting.handle, seen=waiting.digest, by=reviewer, now=NOW)
    waiting.refresh_from_db()
    assert waiting.decision == ""
    assert not SubjectMerge.objects.exists()


def test_pairs_that_make_no_sense_are_refused() -> None:
    ada, eva, gone = member(), member(), member()
    reviewer = staff_member()
    erase.start(subject_id=gone.subject_id, reason="request", actor=SYSTEM, now=NOW)
    erase_worker.work(now=NOW)
    gone.subject.refresh_from_db()
    with pytest.raises(merging.SameSubject):
        merging.ask(kept=ada.subject, merged=ada.subject, reason="x", by=reviewer, now=NOW)
    with pytest.raises(merging.Gone):
        merging.ask(kept=ada.subject, merged=gone.subject, reason="x", by=reviewer, now=NOW)
    merged(ada, eva)
    with pytest.raises(merging.SameSubject):
        merging.ask(kept=eva.subject, merged=ada.subject, reason="x", by=reviewer, now=NOW)


def test_whole_groups_come_together_and_apart() -> None:
    """Who is held together with two others stays with one of them when the other leaves."""
    ada, eva, ida = member(), member(), member()
    merged(ada, eva)
    merged(ida, eva)
    everybody = {ada.subject_id, eva.subject_id, ida.subject_id}
    assert set(same_person(eva.subject_id)) == everybody
    with pytest.raises(merging.NotMerged):
        merging.undo(subject=eva.subject, other=ida.subject, by=staff_member(), now=NOW + DAY)
    merging.undo(subject=ida.subject, by=staff_member(), now=NOW + DAY)
    assert same_person(ida.subject_id) == [ida.subject_id]
    assert set(same_person(ada.subject_id)) == {ada.subject_id, eva.subject_id}


# --- what follows it ----------------------------------------------------------------------------


def test_what_is_held_and_the_copy_are_of_both() -> None:
    ada, eva, stranger = member(), member(), member()
    alone = titles(ada)
    merged(ada, eva)
    assert titles(ada)["Your account"] == alone["Your account"] + 1
    assert titles(eva)["Your account"] == 2
    assert titles(stranger)["Your account"] == 1

    file = io.BytesIO()
    built = build(
        subject_id=ada.subject_id,
        document=current.fresh(NOW).document,
        language="en",
        now=NOW,
        target=file,
        progress=lambda _progress: None,
    )
    file.seek(0)
    archive = zipfile.ZipFile(io.BytesIO(b"".join(read(file, unwrap(built.key)))))
    whole = json.loads(archive.read("data.json"))
    text = json.dumps(whole)
    assert eva.email in text
    assert ada.email in text
    assert "Both answered." in text
    assert stranger.email not in text
    assert str(stranger.subject_id) not in text


def test_requests_of_both_are_the_persons_own(client: Client) -> None:
    ada, eva = member(), member()
    theirs = asked(eva, now=timezone.now())
    reauthenticated(client, ada)
    page = reverse("requests:own", args=[theirs.reference])
    assert client.get(page).status_code == 404
    merged(ada, eva, now=timezone.now())
    assert client.get(page).status_code == 200
    assert theirs.name.encode() in client.get(reverse("requests:list")).content
    merging.undo(subject=ada.subject, by=staff_member(), now=timezone.now())
    assert client.get(page).status_code == 404


def test_erasing_one_erases_both_and_is_told_when_both_are_gone() -> None:
    ada, eva, stranger = member(), member(), member()
    merged(ada, eva)
    request = approved(eva, staff_member(), now=NOW)
    assert request.undo_until is not None
    along = Erasure.objects.get(subject=ada.subject)
    assert (along.reason, along.due_at) == ("same-person", request.undo_until)
    erase_worker.work(now=request.undo_until)
    request.refresh_from_db()
    assert request.state == Request.State.COMPLETED
    erased = Subject.objects.exclude(erased_at=None).values_list("pk", flat=True)
    assert set(erased) == {ada.subject_id, eva.subject_id}
    assert not User.objects.filter(pk__in=[ada.pk, eva.pk]).exists()
    assert User.objects.filter(pk=stranger.pk).exists()
    assert SubjectMerge.objects.get().reason is None


def test_erasure_does_not_end_before_that_of_the_other_subject() -> None:
    """A worker that has only one of the two goes on with it, and tells nobody that all is gone."""
    ada, eva = member(), member()
    merged(ada, eva)
    erasure = erase.start(subject_id=ada.subject_id, reason="request", actor=SYSTEM, now=NOW)
    along = Erasure.objects.get(subject=eva.subject)
    Erasure.objects.filter(pk=along.pk).update(lease_until=NOW + DAY)  # somebody else has it
    worked = erase_worker.work(now=NOW)
    assert worked.done == []
    erasure.refresh_from_db()
    assert (erasure.state, erasure.error) == (Erasure.State.RUNNING, "same person")
    later = NOW + 2 * DAY
    erase_worker.work(now=later)
    assert set(Erasure.objects.values_list("state", flat=True)) == {Erasure.State.DONE}


def test_taking_a_request_back_spares_both() -> None:
    ada, eva = member(), member()
    merged(ada, eva)
    erasure = erase.start(
        subject_id=ada.subject_id, reason="request", actor=SYSTEM, now=NOW, due_at=NOW + DAY
    )
    erase.cancel(erasure_id=erasure.pk, actor=person(ada.subject_id), now=NOW)
    assert set(Erasure.objects.values_list("state", flat=True)) == {Erasure.State.CANCELLED}


def test_erasure_that_has_begun_for_one_is_not_taken_back_for_the_other() -> None:
    ada, eva = member(), member()
    merged(ada, eva)
    erasure = erase.start(
        subject_id=ada.subject_id, reason="request", actor=SYSTEM, now=NOW, due_at=NOW + DAY
    )
    Erasure.objects.filter(subject=eva.subject).update(state="running", started_at=NOW)
    with pytest.raises(erase.AlreadyBegun):
        erase.cancel(erasure_id=erasure.pk, actor=person(ada.subject_id), now=NOW)


def say(user: User, word: str, *, now: datetime) -> None:
    category = current.fresh(now).document.mail_categories[0].key
    act = ledger.say_yes if word == "yes" else ledger.say_no
    act(
        subject_id=user.subject_id,
        kind=Kind.MAIL,
        key=category,
        shown=Shown("May we?", surface="choices"),
        actor=person(user.subject_id),
        now=now,
    )


def may_write(user: User) -> bool:
    document = current.fresh(NOW).document
    return ledger.may(
        subject_id=user.subject_id,
        kind=Kind.MAIL,
        key=document.mail_categories[0].key,
        document=document,
    )


@pytest.mark.parametrize(
    ("first", "second", "allowed"),
    [
        ("yes", "yes", (True, True)),
        ("yes", "no", (False, False)),
        ("no", "yes", (False, False)),
        ("no", "no", (False, False)),
    ],
)
def test_no_under_one_address_counts_for_both(
    first: str, second: str, allowed: tuple[bool, bool]
) -> None:
    ada, eva = member(), member()
    say(ada, first, now=NOW)
    say(eva, second, now=NOW)
    before = (first == "yes", second == "yes")
    assert (may_write(ada), may_write(eva)) == before
    merged(ada, eva)
    assert (may_write(ada), may_write(eva)) == allowed
    merging.undo(subject=ada.subject, by=staff_member(), now=NOW + DAY)
    assert (may_write(ada), may_write(eva)) == before


def test_control_reports_mail_against_a_no_under_the_other_address() -> None:
    """Planted: a message that left to one address after the other one had said no (WC-18)."""
    ada, eva = member(), member()
    say(ada, "yes", now=NOW - DAY)
    say(eva, "no", now=NOW - DAY)
    message = post(
        category=current.fresh(NOW).document.mail_categories[0].key,
        template="news",
        context={"title": "News", "name": "Ada"},
        address=ada.email,
        subject_id=ada.subject_id,
        now=NOW,
    )
    left = Message.objects.filter(pk=message.pk)
    left.update(state=State.SENT, sent_at=NOW + 2 * DAY, ended_at=NOW + 2 * DAY, sealed=None)
    assert checks.voluntary_mail(NOW + 3 * DAY).violations == ()
    merged(ada, eva, now=NOW + DAY)
    assert checks.voluntary_mail(NOW + 3 * DAY).violations == (str(message.pk),)
    left.update(sent_at=NOW + DAY / 2)  # before anybody knew
    assert checks.voluntary_mail(NOW + 3 * DAY).violations == ()


# --- undoing ------------------------------------------------------------------------------------


def rows_of(user: User) -> dict[str, list[Any]]:
    return {
        h.key: sorted(map(str, h.rows_of([user.subject_id]).values_list("pk", flat=True)))
        for h in holdings()
        if h.key not in ("audit.entry", "consent.mail", "accounts.approval", "datamap.same_person")
    }


def test_split_gives_back_exactly_what_was() -> None:
    ada, eva = member(), member()
    before = rows_of(ada), rows_of(eva)
    row = merged(ada, eva)
    merging.undo(subject=eva.subject, by=staff_member(), now=NOW + DAY)
    assert (rows_of(ada), rows_of(eva)) == before
    row.refresh_from_db()
    assert (row.undone_at, row.reason) == (NOW + DAY, None)
    assert Message.objects.filter(template="account_same_person_undone").count() == 2
    assert AuditEntry.objects.filter(verb="accounts.subjects-split").count() == 2
    with pytest.raises(merging.NotMerged):
        merging.undo(subject=eva.subject, by=staff_member(), now=NOW + DAY)


def test_split_calls_off_what_was_set_off_for_the_other() -> None:
    """Ada asked to be erased; Eva never did, and was held for her by mistake."""
    ada, eva = member(), member()
    merged(ada, eva)
    request = approved(ada, staff_member(), now=NOW)
    merging.undo(subject=eva.subject, by=staff_member(), now=NOW + timedelta(hours=1))
    states = dict(Erasure.objects.values_list("subject_id", "state"))
    assert states == {ada.subject_id: "waiting", eva.subject_id: "cancelled"}
    assert request.undo_until is not None
    erase_worker.work(now=request.undo_until)
    assert not User.objects.filter(pk=ada.pk).exists()
    assert User.objects.filter(pk=eva.pk).exists()


def test_copies_made_for_both_are_gone_after_a_split(
    django_capture_on_commit_callbacks: Any,
) -> None:
    ada, eva, reviewer = member(), member(), staff_member()
    merged(ada, eva)
    package = copy_made(ada, reviewer, now=NOW + DAY)
    assert store.packages().exists(package.name)
    with django_capture_on_commit_callbacks(execute=True):
        merging.undo(subject=eva.subject, by=reviewer, now=NOW + 2 * DAY)
    package.refresh_from_db()
    assert (package.state, package.key) == (Package.State.GONE, None)
    assert not store.packages().exists(package.name)


# --- the page -----------------------------------------------------------------------------------


def test_staff_ask_and_undo_on_the_page(client: Client) -> None:
    ada, eva = member(), member()
    prove_second_factor(client, staff_member(Role.REVIEWER))
    url = reverse("accounts:same_person")
    asked_for = {"merge-kept": ada.email, "merge-merged": eva.email, "merge-reason": "Answered."}
    assert client.post(url, asked_for).status_code == 302
    waiting = Approval.objects.get()
    assert set(StaffAccess.objects.values_list("subject_id", flat=True)) == {
        ada.subject_id,
        eva.subject_id,
    }
    tasks = StaffAccess.objects.values_list("task", "subject_id", "at")
    for task, subject_id, at in tasks:
        assert subject_id is not None
        errands.require_open(task=task, subject_id=subject_id, at=at)
    assert errands.open_tasks(subject_id=eva.subject_id, now=timezone.now()) == [
        f"same-person:{waiting.handle}.merged"
    ]
    approval.approve(
        handle=waiting.handle, seen=waiting.digest, by=staff_member(), now=timezone.now()
    )
    assert errands.open_tasks(subject_id=eva.subject_id, now=timezone.now()) == []
    undo = {
        "split": "yes",
        "split-address": eva.email,
        "split-other": ada.email,
        "split-reason": "x",
    }
    assert client.post(url, undo).status_code == 302
    assert SubjectMerge.objects.exclude(undone_at=None).count() == 1
    assert StaffAccess.objects.count() == 4
    assert client.post(url, undo).status_code == 422


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.AUDITOR, Role.BILLING])
def test_page_is_closed_to_other_roles(client: Client, role: Role) -> None:
    prove_second_factor(client, staff_member(role))
    assert client.get(reverse("accounts:same_person")).status_code == 403


def test_address_nobody_has_is_said_and_written_down(client: Client) -> None:
    prove_second_factor(client, staff_member())
    asked_for = {
        "merge-kept": "nobody@example.com",
        "merge-merged": member().email,
        "merge-reason": "x",
    }
    answer = client.post(reverse("accounts:same_person"), asked_for)
    assert answer.status_code == 422
    assert list(answer.context["merge_form"].errors) == ["kept"]
    assert StaffAccess.objects.get().subject_id is None
    assert not Approval.objects.exists()


@pytest.mark.parametrize("field", ["merge-kept", "merge-merged", "merge-reason"])
@pytest.mark.parametrize("value", ["", "x" * 600_000, "a@b\x00.test"])
def test_bad_input_names_the_field(client: Client, field: str, value: str) -> None:
    prove_second_factor(client, staff_member())
    good = {
        "merge-kept": member().email,
        "merge-merged": member().email,
        "merge-reason": "Answered.",
    }
    answer = client.post(reverse("accounts:same_person"), {**good, field: value})
    assert answer.status_code == 422
    assert list(answer.context["merge_form"].errors) == [field.removeprefix("merge-")]
    assert not Approval.objects.exists()


def test_decider_reads_both_addresses_masked() -> None:
    ada, eva = member(), member()
    waiting = merging.ask(
        kept=ada.subject, merged=eva.subject, reason="x", by=staff_member(), now=NOW
    )
    sentence = approval.kind_of(waiting).tell(waiting)
    assert sentence.startswith("p…@example.com and p…@example.com are one person")
    assert ada.email not in sentence


def test_tasks_of_others_are_never_found() -> None:
    assert merging.spans(["", "x", "none", "x.kept", "x.other", f"{UUID(int=1)}.kept"]) == {}
