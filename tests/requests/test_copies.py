"""A request for a copy goes the way of all requests: one clean result, never on oneself."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from audit.log import SYSTEM, person
from audit.models import AuditEntry
from consent import mail
from consent.ledger import Shown
from consent.models import Event, Message
from datamap.models import Subject
from policy.models import PolicyVersion
from requests import copies, fulfil, intake, package_orders, review, state
from requests.models import Letter, Package, Request
from retention import erase, erase_worker
from tests.factories.accounts import member, staff_member
from tests.factories.policy import edited, publish_bytes, publish_file, relabelled
from tests.factories.requests import (
    NOW,
    approved,
    asked,
    copy_approved,
    copy_asked,
    copy_asked_with_link,
    copy_made,
)
from tests.requests.test_review import at_once

LATER = NOW + timedelta(hours=2)
DAY = timedelta(days=1)


def policy_with(rule: str) -> PolicyVersion:
    """The WeCustomers policy with another rule for requests of access."""
    old = 'kind = "access"\ndeadline = "1 month"\nextension = "2 months"\napprovals = 1'
    source = edited("policies/wecustomers.toml", (old, f'kind = "access"\n{rule}'))
    return publish_bytes(relabelled(source, "another rule"))


def test_request_for_a_copy_has_the_laws_clock_and_is_confirmed(
    wecustomers: PolicyVersion,
) -> None:
    user = member()
    request, token = copy_asked_with_link(user)
    assert (request.kind, request.state, request.approvals_needed) == ("access", "in_review", 1)
    assert request.due_at == datetime(2026, 4, 10, 12, 0, tzinfo=UTC)
    text = mail.text_of(Message.objects.get(template="access_received"))
    assert text.startswith(f"We got your request for a copy of your data ({request.name})\n")
    assert "by 10 April 2026" in text
    assert token in text
    assert AuditEntry.objects.get(verb="requests.received").facts == {
        "kind": "access",
        "channel": "privacy centre",
        "due_at": request.due_at.isoformat(),
        "policy": wecustomers.digest,
    }


def test_words_shown_stand_in_the_ledger(wecustomers: PolicyVersion) -> None:
    user = member()
    intake.open_request(
        subject=user.subject,
        kind="access",
        actor=person(user.subject_id),
        now=NOW,
        shown=Shown(text="A copy?", surface="copy"),
    )
    event = Event.objects.get(subject=user.subject, key="access-request")
    assert (event.decision, event.words.text) == ("submitted", "A copy?")


def test_asking_twice_shows_the_open_request_whatever_it_is_for(
    wecustomers: PolicyVersion,
) -> None:
    user = member()
    first = copy_asked(user)
    assert copy_asked_with_link(user, kind="portability") == (first, "")
    assert asked(user).kind == "deletion"
    assert Request.objects.count() == 2


def test_data_to_take_elsewhere_is_a_kind_of_its_own(wecustomers: PolicyVersion) -> None:
    user, reviewer = member(), staff_member()
    request = copy_asked(user, kind="portability")
    review.approve(request_id=request.pk, reviewer=reviewer, now=NOW)
    assert len(package_orders.work(now=NOW).ready) == 1
    request.refresh_from_db()
    assert (request.kind, request.state) == ("portability", "completed")


def test_approval_orders_one_package_and_writes_no_mail_yet(wecustomers: PolicyVersion) -> None:
    user, reviewer = member(), staff_member()
    request = copy_approved(user, reviewer)
    assert (request.state, request.decided_at, request.undo_until) == ("approved", NOW, NOW)
    package = Package.objects.get()
    assert (package.request_id, package.subject_id) == (request.pk, user.subject_id)
    assert (package.state, package.ordered_at) == ("waiting", NOW)
    assert list(Letter.objects.values_list("template", flat=True)) == ["access_received"]
    assert AuditEntry.objects.get(verb="requests.approved").facts == {
        "kind": "access",
        "package": str(package.pk),
    }


def test_undo_window_of_the_policy_is_waited_for(db: None) -> None:
    policy_with('deadline = "1 month"\napprovals = 1\nundo = "3 days"')
    copy_approved(member(), staff_member())
    assert package_orders.work(now=NOW + 2 * DAY).ready == []
    assert len(package_orders.work(now=NOW + 3 * DAY).ready) == 1


def test_policy_without_approvals_orders_at_once(db: None) -> None:
    policy_with('deadline = "1 month"\napprovals = 0')
    request = copy_asked(member())
    assert (request.state, Package.objects.count()) == ("approved", 1)
    text = mail.text_of(Message.objects.get(template="access_received"))
    assert "Nobody else has to agree." in text


def test_two_approvals_must_be_two_people(db: None) -> None:
    policy_with('deadline = "1 month"\napprovals = 2')
    request, first, second = copy_asked(member()), staff_member(), staff_member()
    assert review.approve(request_id=request.pk, reviewer=first, now=LATER).state == "in_review"
    with pytest.raises(review.AlreadyApproved):
        review.approve(request_id=request.pk, reviewer=first, now=LATER)
    assert Package.objects.count() == 0
    assert review.approve(request_id=request.pk, reviewer=second, now=LATER).state == "approved"
    assert Package.objects.count() == 1


def test_nobody_decides_on_their_own_copy(wecustomers: PolicyVersion) -> None:
    reviewer = staff_member()
    request = copy_asked(reviewer)
    with pytest.raises(review.OwnRequest):
        review.approve(request_id=request.pk, reviewer=reviewer, now=LATER)
    assert Package.objects.count() == 0


def test_denial_and_delay_are_told_with_their_reason(wecustomers: PolicyVersion) -> None:
    user, reviewer = member(), staff_member()
    request = copy_asked(user)
    review.extend(request_id=request.pk, reviewer=reviewer, reason="Very much.", now=LATER)
    assert "10 June 2026" in mail.text_of(Message.objects.get(template="access_extended"))
    denied = review.deny(
        request_id=request.pk, reviewer=reviewer, reason="We can't be sure it is you.", now=LATER
    )
    assert (denied.state, denied.closed_at) == ("denied", LATER)
    text = mail.text_of(Message.objects.get(template="access_denied"))
    assert "We can't be sure it is you." in text
    assert "complain to the data protection authority" in text
    # Denied is closed, and nothing was made: the person may ask again at once.
    assert copy_asked(user, now=LATER) != request


def test_withdrawn_in_review_can_not_be_approved(wecustomers: PolicyVersion) -> None:
    user, reviewer = member(), staff_member()
    request = copy_asked(user)
    review.withdraw(request_id=request.pk, actor=person(user.subject_id), now=LATER)
    assert Message.objects.filter(template="access_withdrawn").count() == 1
    with pytest.raises(state.WrongState) as refused:
        review.approve(request_id=request.pk, reviewer=reviewer, now=LATER)
    assert (refused.value.found, Package.objects.count()) == ("withdrawn", 0)


def test_withdrawal_before_a_worker_began_takes_the_order_back(
    wecustomers: PolicyVersion,
) -> None:
    user = member()
    request = copy_approved(user, staff_member())
    review.withdraw(request_id=request.pk, actor=person(user.subject_id), now=LATER)
    assert Package.objects.count() == 0
    assert package_orders.work(now=LATER).ready == []


def test_withdrawal_once_a_worker_began_is_too_late(wecustomers: PolicyVersion) -> None:
    user = member()
    request = copy_approved(user, staff_member())
    Package.objects.update(state="failed", attempts=1)
    with pytest.raises(review.TooLate):
        review.withdraw(request_id=request.pk, actor=person(user.subject_id), now=LATER)
    request.refresh_from_db()
    assert (request.state, Package.objects.count()) == ("approved", 1)


def test_next_copy_can_be_asked_for_after_a_day(wecustomers: PolicyVersion) -> None:
    user, reviewer = member(), staff_member()
    first = copy_made(user, reviewer)
    assert first.ready_at is not None
    with pytest.raises(copies.TooSoon) as refused:
        copy_asked(user, now=NOW + timedelta(hours=1))
    assert refused.value.again_at == first.ready_at + DAY
    assert Request.objects.count() == 1
    again = copy_asked(user, now=refused.value.again_at)
    assert again.pk != first.request_id


def test_copy_that_was_lost_here_does_not_count(wecustomers: PolicyVersion) -> None:
    user = member()
    copy_made(user, staff_member())
    Package.objects.update(state="gone")
    assert copy_asked(user, now=LATER).state == "in_review"


def test_people_without_an_account_are_told_so(wecustomers: PolicyVersion) -> None:
    invited = Subject.objects.create(email="friend@example.com", created_at=NOW)
    with pytest.raises(copies.NoAccount):
        intake.open_request(subject=invited, kind="access", actor=SYSTEM, now=NOW)
    assert Request.objects.count() == 0


def test_kind_nobody_handles_is_refused(wecustomers: PolicyVersion) -> None:
    with pytest.raises(fulfil.NotHandled):
        intake.open_request(subject=member().subject, kind="parent", actor=SYSTEM, now=NOW)
    assert fulfil.handled() == ("deletion", "access", "portability")


@pytest.mark.parametrize("how_far", ["in_review", "approved"])
def test_erasure_ends_an_open_request_and_its_order(
    wecustomers: PolicyVersion, how_far: str
) -> None:
    user, reviewer = member(), staff_member()
    request = copy_asked(user)
    if how_far == "approved":
        review.approve(request_id=request.pk, reviewer=reviewer, now=NOW)
    erase.start(subject_id=user.subject_id, reason="child", actor=SYSTEM, now=NOW)
    erase_worker.work(now=NOW)
    request.refresh_from_db()
    assert (request.state, request.closed_at is not None) == ("expired", True)
    assert Package.objects.count() == 0
    assert package_orders.work(now=LATER).ready == []
    assert AuditEntry.objects.filter(verb="requests.expired").count() == 1
    assert Message.objects.filter(template="access_ready").count() == 0


def test_deletion_and_copy_at_once_each_end_as_they_should(wecustomers: PolicyVersion) -> None:
    user, reviewer = member(), staff_member()
    package = copy_made(user, reviewer)
    deletion = approved(user, reviewer)
    erase_worker.work(now=NOW)
    deletion.refresh_from_db()
    assert deletion.state == "completed"
    assert package.request is not None
    package.request.refresh_from_db()
    assert package.request.state == "completed"
    assert Package.objects.count() == 0


# Two at the same instant ------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_reviewers_at_once_where_one_is_enough(transactional_db: None) -> None:
    publish_file()
    request, first, second = copy_asked(member()), staff_member(), staff_member()
    raised = at_once(
        lambda: review.approve(request_id=request.pk, reviewer=first, now=LATER),
        lambda: review.deny(request_id=request.pk, reviewer=second, reason="No.", now=LATER),
    )
    assert raised == ["", "WrongState"]
    request.refresh_from_db()
    assert request.state in ("approved", "denied")
    assert Package.objects.count() == (1 if request.state == "approved" else 0)


@pytest.mark.django_db(transaction=True)
def test_two_approvals_at_once_order_one_package(transactional_db: None) -> None:
    policy_with('deadline = "1 month"\napprovals = 2')
    request, first, second = copy_asked(member()), staff_member(), staff_member()
    raised = at_once(
        lambda: review.approve(request_id=request.pk, reviewer=first, now=LATER),
        lambda: review.approve(request_id=request.pk, reviewer=second, now=LATER),
    )
    assert raised == ["", ""]
    request.refresh_from_db()
    assert (request.state, Package.objects.count()) == ("approved", 1)


@pytest.mark.django_db(transaction=True)
def test_approval_and_withdrawal_at_once(transactional_db: None) -> None:
    publish_file()
    user, reviewer = member(), staff_member()
    request = copy_asked(user)
    raised = at_once(
        lambda: review.approve(request_id=request.pk, reviewer=reviewer, now=LATER),
        lambda: review.withdraw(request_id=request.pk, actor=person(user.subject_id), now=LATER),
    )
    assert raised in (["", ""], ["", "WrongState"])
    request.refresh_from_db()
    assert (request.state, Package.objects.count()) == ("withdrawn", 0)


@pytest.mark.django_db(transaction=True)
def test_withdrawal_and_worker_at_once_end_in_one_way(transactional_db: None) -> None:
    publish_file()
    user = member()
    request = copy_approved(user, staff_member())
    withdraw: Callable[[], object] = lambda: review.withdraw(  # noqa: E731  one of two acts
        request_id=request.pk, actor=person(user.subject_id), now=LATER
    )
    raised = at_once(withdraw, lambda: package_orders.work(now=LATER))
    request.refresh_from_db()
    if request.state == "withdrawn":
        assert (raised, Package.objects.count()) == (["", ""], 0)
    else:
        assert raised in (["", "TooLate"], ["", "WrongState"])
        assert (request.state, Package.objects.get().state) == ("completed", "ready")


@pytest.mark.django_db(transaction=True)
def test_asking_twice_at_once_stores_one(transactional_db: None) -> None:
    publish_file()
    user = member()
    assert at_once(lambda: copy_asked(user), lambda: copy_asked(user, kind="portability")) == [
        "",
        "",
    ]
    assert Request.objects.count() == 1
    assert Message.objects.filter(template="access_received").count() == 1
