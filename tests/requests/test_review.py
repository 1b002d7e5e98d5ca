"""Deciding: one clean result, whoever comes at the same instant, and never on oneself."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from audit.log import SYSTEM, person
from audit.models import AuditEntry
from consent import mail
from consent.models import Message
from datamap.encryption import decrypt
from policy.models import PolicyVersion
from requests import review, state, wording
from requests.models import Approval, Letter, Request
from retention import erase, erase_worker
from retention.models import Erasure, Tombstone
from tests.factories.accounts import member, staff_member
from tests.factories.policy import edited, publish_bytes, relabelled
from tests.factories.requests import NOW, approved, asked, erased

LATER = NOW + timedelta(hours=2)


def policy_with(rule: str) -> PolicyVersion:
    """The WeCustomers policy with another rule for deletions."""
    old = 'kind = "deletion"\ndeadline = "1 month"\nextension = "2 months"\napprovals = 1'
    source = edited("policies/wecustomers.toml", (old, f'kind = "deletion"\n{rule}'))
    return publish_bytes(relabelled(source, "another rule"))


def two_approvals() -> PolicyVersion:
    return policy_with('deadline = "1 month"\nextension = "2 months"\napprovals = 2')


def week_to_undo() -> PolicyVersion:
    return policy_with('deadline = "1 month"\napprovals = 1\nundo = "7 days"')


def test_approval_plans_the_erasure_and_writes_both_mails(db: None) -> None:
    week_to_undo()
    user, reviewer = member(), staff_member()
    request = review.approve(request_id=asked(user).pk, reviewer=reviewer, now=LATER)
    assert (request.state, request.decision, request.decided_at) == ("approved", "approved", LATER)
    assert request.undo_until == LATER + timedelta(days=7)
    assert request.erasure is not None
    assert (request.erasure.due_at, request.erasure.state) == (request.undo_until, "waiting")
    told = Message.objects.get(template="deletion_approved")
    assert told.state == "queued"
    assert "Deleting begins on 17 Mar 2026, 10:00." in mail.text_of(told)
    waits = Message.objects.get(template="deletion_done")
    assert "no message like it follows" in mail.text_of(waits)
    assert "will still come" not in mail.text_of(waits)
    assert (waits.state, waits.pk) == ("held", request.answer_id)
    assert wording.copies_notice() in mail.text_of(waits)
    assert set(Letter.objects.values_list("template", "has_copies_notice")) == {
        ("deletion_received", True),
        ("deletion_approved", True),
        ("deletion_done", True),
    }


def test_approved_request_ends_with_nothing_left_and_its_answer_on_the_way(
    wecustomers: PolicyVersion,
) -> None:
    user, reviewer = member(), staff_member()
    request = erased(user, reviewer)
    assert (request.state, request.closed_at is not None) == ("completed", True)
    assert [e.step for e in request.events.order_by("id")][-2:] == ["approved", "completed"]
    assert not User.objects.filter(pk=user.pk).exists()
    assert Tombstone.objects.filter(subject_id=user.subject_id).count() == 1
    assert request.answer_id is not None
    assert Message.objects.get(pk=request.answer_id).state == "queued"
    assert all(step.rows == 0 for step in erase.preview(subject_id=user.subject_id))
    verbs = AuditEntry.objects.filter(subject_id=user.subject_id, verb__startswith="requests.")
    assert sorted(verbs.values_list("verb", flat=True)) == [
        "requests.approval_given",
        "requests.approved",
        "requests.completed",
        "requests.received",
    ]


def test_nobody_decides_on_themselves(wecustomers: PolicyVersion) -> None:
    reviewer = staff_member()
    request = asked(reviewer)
    acts: list[Callable[[], object]] = [
        lambda: review.approve(request_id=request.pk, reviewer=reviewer, now=LATER),
        lambda: review.claim(request_id=request.pk, reviewer=reviewer, now=LATER),
        lambda: review.deny(request_id=request.pk, reviewer=reviewer, reason="No.", now=LATER),
        lambda: review.extend(request_id=request.pk, reviewer=reviewer, reason="No.", now=LATER),
    ]
    for act in acts:
        with pytest.raises(review.OwnRequest):
            act()
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.create(
            request=request, subject=request.subject, reviewer=reviewer.subject, at=LATER
        )
    request.refresh_from_db()
    assert (request.state, request.claimed_by) == ("in_review", None)


def test_two_approvals_must_be_two_people(db: None) -> None:
    two_approvals()
    user, first, second = member(), staff_member(), staff_member()
    request = asked(user)
    assert review.approve(request_id=request.pk, reviewer=first, now=LATER).state == "in_review"
    with pytest.raises(review.AlreadyApproved):
        review.approve(request_id=request.pk, reviewer=first, now=LATER)
    assert Erasure.objects.count() == 0
    done = review.approve(request_id=request.pk, reviewer=second, now=LATER)
    assert done.state == "approved"
    assert Erasure.objects.count() == 1
    assert request.approvals.count() == 2


def test_denial_tells_reason_complaint_and_court(wecustomers: PolicyVersion) -> None:
    user, reviewer = member(), staff_member()
    reason = "A court ordered us to keep this account."
    request = review.deny(
        request_id=asked(user).pk, reviewer=reviewer, reason=f" {reason}\n", now=LATER
    )
    assert (request.state, request.decision, request.closed_at) == ("denied", "denied", LATER)
    assert request.reason is not None
    assert decrypt(bytes(request.reason)) == reason
    assert reason.encode() not in bytes(request.reason)
    text = mail.text_of(Message.objects.get(template="deletion_denied"))
    assert reason in text
    assert "complain to the data protection authority" in text
    assert "go to court" in text
    facts = AuditEntry.objects.get(verb="requests.denied").facts
    assert facts == {"kind": "deletion"}
    # Denied is closed: the person may ask again.
    assert asked(user, now=LATER) != request


@pytest.mark.parametrize("reason", ["", "  \n", "nul\x00byte", "x" * 4001, "x" * 1_000_000])
def test_denial_without_a_fit_reason_changes_nothing(
    wecustomers: PolicyVersion, reason: str
) -> None:
    request, reviewer = asked(member()), staff_member()
    with pytest.raises(review.ReasonMissing):
        review.deny(request_id=request.pk, reviewer=reviewer, reason=reason, now=LATER)
    request.refresh_from_db()
    assert request.state == "in_review"


def test_extension_is_told_once_and_in_the_first_period(wecustomers: PolicyVersion) -> None:
    request, reviewer = asked(member()), staff_member()
    longer = review.extend(request_id=request.pk, reviewer=reviewer, reason="Many rows.", now=LATER)
    assert longer.due_at == datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
    assert "10 June 2026" in mail.text_of(Message.objects.get(template="deletion_extended"))
    with pytest.raises(review.TooLate):
        review.extend(request_id=request.pk, reviewer=reviewer, reason="Again.", now=LATER)


def test_extension_after_the_first_period_is_refused(wecustomers: PolicyVersion) -> None:
    request, reviewer = asked(member()), staff_member()
    with pytest.raises(review.TooLate):
        review.extend(request_id=request.pk, reviewer=reviewer, reason="Late.", now=request.due_at)


def test_claim_keeps_others_away_until_released(wecustomers: PolicyVersion) -> None:
    request, first, second = asked(member()), staff_member(), staff_member()
    assert review.claim(request_id=request.pk, reviewer=first, now=LATER).claimed_at == LATER
    with pytest.raises(review.AlreadyClaimed):
        review.claim(request_id=request.pk, reviewer=second, now=LATER)
    with pytest.raises(review.AlreadyClaimed):
        review.release(request_id=request.pk, reviewer=second, now=LATER)
    review.release(request_id=request.pk, reviewer=first, now=LATER)
    assert review.claim(request_id=request.pk, reviewer=second, now=LATER).claimed_by_id == (
        second.subject_id
    )


def test_withdrawn_in_review_can_not_be_approved(wecustomers: PolicyVersion) -> None:
    user, reviewer = member(), staff_member()
    request = asked(user)
    review.withdraw(request_id=request.pk, actor=person(user.subject_id), now=LATER)
    with pytest.raises(state.WrongState) as refused:
        review.approve(request_id=request.pk, reviewer=reviewer, now=LATER)
    assert refused.value.found == "withdrawn"
    assert (Approval.objects.count(), Erasure.objects.count()) == (0, 0)


def test_withdrawal_inside_the_undo_window_calls_everything_off(db: None) -> None:
    week_to_undo()
    user, reviewer = member(), staff_member()
    request = approved(user, reviewer)
    done = review.withdraw(request_id=request.pk, actor=person(user.subject_id), now=LATER)
    assert (done.state, done.closed_at) == ("withdrawn", LATER)
    assert Erasure.objects.get().state == "cancelled"
    held = Message.objects.get(template="deletion_done")
    assert (held.state, held.sealed) == ("refused", None)
    erase_worker.work(now=NOW + timedelta(days=30))
    assert User.objects.filter(pk=user.pk).exists()


def test_withdrawal_once_erasing_began_is_too_late(wecustomers: PolicyVersion) -> None:
    user, reviewer = member(), staff_member()
    request = approved(user, reviewer)
    Erasure.objects.update(state="running", started_at=LATER)
    with pytest.raises(review.TooLate):
        review.withdraw(request_id=request.pk, actor=person(user.subject_id), now=LATER)
    request.refresh_from_db()
    assert request.state == "approved"


def test_withdrawal_does_not_stop_what_another_reason_set_off(db: None) -> None:
    week_to_undo()
    user, reviewer = member(), staff_member()
    erase.start(subject_id=user.subject_id, reason="child", actor=SYSTEM, now=NOW, due_at=LATER)
    request = approved(user, reviewer)
    with pytest.raises(review.TooLate):
        review.withdraw(request_id=request.pk, actor=person(user.subject_id), now=NOW)
    assert Erasure.objects.get().state == "waiting"


def test_approval_after_the_erasure_finds_the_request_completed(
    wecustomers: PolicyVersion,
) -> None:
    user, reviewer = member(), staff_member()
    request = asked(user)
    erase.start(subject_id=user.subject_id, reason="child", actor=SYSTEM, now=NOW)
    erase_worker.work(now=NOW)
    with pytest.raises(state.WrongState) as refused:
        review.approve(request_id=request.pk, reviewer=reviewer, now=LATER)
    assert refused.value.found == "completed"


def test_cancelled_elsewhere_the_approved_erasure_is_planned_anew(db: None) -> None:
    week_to_undo()
    user, reviewer = member(), staff_member()
    erase.start(subject_id=user.subject_id, reason="child", actor=SYSTEM, now=NOW, due_at=LATER)
    request = approved(user, reviewer)
    assert request.erasure_id is not None
    erase.cancel(erasure_id=request.erasure_id, actor=SYSTEM, now=NOW)
    request.refresh_from_db()
    assert request.erasure is not None
    assert (request.erasure.reason, request.erasure.state) == ("request", "waiting")
    assert request.erasure.due_at == request.undo_until


def test_progress_is_noted_when_erasing_began(wecustomers: PolicyVersion) -> None:
    from requests import fulfil

    request = approved(member(), staff_member())
    assert fulfil.follow(now=LATER) == 0
    Erasure.objects.update(state="running", started_at=NOW)
    assert fulfil.follow(now=LATER) == 1
    request.refresh_from_db()
    assert request.state == "in_progress"
    assert request.events.get(step="started").at == NOW
    assert fulfil.follow(now=LATER) == 0


# Two at the same instant ------------------------------------------------------------------------


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Run the acts in threads that start together; the names of what they raised, sorted."""
    barrier, outcomes = Barrier(len(acts)), []

    def run(act: Callable[[], object]) -> None:
        try:
            barrier.wait(timeout=10)
            act()
        except Exception as error:
            outcomes.append(type(error).__name__)
        else:
            outcomes.append("")
        finally:
            connection.close()

    threads = [Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return sorted(outcomes)


@pytest.mark.django_db(transaction=True)
def test_two_approvals_at_once_count_as_two(transactional_db: None) -> None:
    two_approvals()
    request, first, second = asked(member()), staff_member(), staff_member()
    raised = at_once(
        lambda: review.approve(request_id=request.pk, reviewer=first, now=LATER),
        lambda: review.approve(request_id=request.pk, reviewer=second, now=LATER),
    )
    assert raised == ["", ""]
    request.refresh_from_db()
    assert (request.state, request.approvals.count()) == ("approved", 2)
    assert Message.objects.filter(template="deletion_approved").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_reviewers_at_once_where_one_is_enough(transactional_db: None) -> None:
    from tests.factories.policy import publish_file

    publish_file()
    request, first, second = asked(member()), staff_member(), staff_member()
    raised = at_once(
        lambda: review.approve(request_id=request.pk, reviewer=first, now=LATER),
        lambda: review.deny(request_id=request.pk, reviewer=second, reason="No.", now=LATER),
    )
    assert raised == ["", "WrongState"]
    request.refresh_from_db()
    approved_one = request.state == "approved"
    assert Erasure.objects.count() == (1 if approved_one else 0)
    assert request.state in ("approved", "denied")


@pytest.mark.django_db(transaction=True)
def test_approval_and_withdrawal_at_once(transactional_db: None) -> None:
    week_to_undo()
    user, reviewer = member(), staff_member()
    request = asked(user)
    raised = at_once(
        lambda: review.approve(request_id=request.pk, reviewer=reviewer, now=LATER),
        lambda: review.withdraw(request_id=request.pk, actor=person(user.subject_id), now=LATER),
    )
    # Approved first, it was withdrawn inside the undo window; withdrawn first, nothing to approve.
    assert raised in (["", ""], ["", "WrongState"])
    request.refresh_from_db()
    assert request.state == "withdrawn"
    assert not Erasure.objects.filter(state__in=Erasure.OPEN).exists()


@pytest.mark.django_db(transaction=True)
def test_reviewers_who_approve_each_other_at_once_do_not_wait_for_ever(
    transactional_db: None,
) -> None:
    week_to_undo()
    first, second = staff_member(), staff_member()
    of_first, of_second = asked(first), asked(second)
    raised = at_once(
        lambda: review.approve(request_id=of_first.pk, reviewer=second, now=LATER),
        lambda: review.approve(request_id=of_second.pk, reviewer=first, now=LATER),
    )
    assert raised == ["", ""]
    assert Request.objects.filter(state="approved").count() == 2


@pytest.mark.django_db(transaction=True)
def test_asking_twice_at_once_stores_one(transactional_db: None) -> None:
    week_to_undo()
    user = member()
    assert at_once(lambda: asked(user), lambda: asked(user)) == ["", ""]
    assert Request.objects.count() == 1
    assert Message.objects.filter(template="deletion_received").count() == 1
