"""The room's promises, and what breaks them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import clear_url_caches, path
from django.utils import timezone

from audit import control
from audit.control import Finding
from audit.models import Evidence
from config import urls as site_urls
from consent.letter import Letter as Written
from consent.models import Message
from datamap.models import Subject, new_id
from policy.models import PolicyVersion
from requests import package_orders, review, rules
from requests.models import Letter, Request
from tests.factories.accounts import member, staff_member
from tests.factories.policy import edited, publish_bytes, relabelled
from tests.factories.requests import (
    NOW,
    asked,
    copy_approved,
    copy_asked,
    copy_made,
    erased,
)


def check(key: str, now: datetime | None = None) -> Evidence:
    """The probe opens pages of this very moment, so that is its time."""
    return control.evaluate(control=control.controls()[key], now=now or timezone.now())


def plain_page(request: HttpRequest) -> HttpResponse:
    """A page somebody added and forgot to mark."""
    return HttpResponse("personal")


# WC-7 -------------------------------------------------------------------------------------------


def test_notice_and_headers_are_kept(wecustomers: PolicyVersion) -> None:
    erased(member(), staff_member())
    found = check("requests.deletion-notice")
    assert (found.outcome, found.violation_ids) == ("kept", [])
    # The three confirmations, and the one the probe itself gets.
    assert found.figures["confirmations"] == 4
    assert found.figures["pages"] > 8


def test_probe_leaves_nothing_behind(wecustomers: PolicyVersion) -> None:
    before = (Subject.objects.count(), Message.objects.count(), Request.objects.count())
    check("requests.deletion-notice")
    assert (Subject.objects.count(), Message.objects.count(), Request.objects.count()) == before


@pytest.fixture
def forgotten_page(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """A page below a personal path, unmarked, on a site that lost its middleware."""
    kept = [name for name in settings.MIDDLEWARE if name != "config.middleware.personal_pages"]
    settings.MIDDLEWARE = kept
    added = path("privacy/forgotten/", plain_page)
    monkeypatch.setattr(site_urls, "urlpatterns", [added, *site_urls.urlpatterns])
    clear_url_caches()
    yield
    monkeypatch.undo()
    clear_url_caches()


def test_page_without_headers_breaks_the_promise(
    wecustomers: PolicyVersion, forgotten_page: None
) -> None:
    found = check("requests.deletion-notice")
    assert found.outcome == "broken"
    assert "page privacy/forgotten/" in found.violation_ids
    assert "page privacy/data/" not in found.violation_ids


def test_waiting_confirmation_without_the_notice_breaks_the_promise(
    wecustomers: PolicyVersion,
) -> None:
    asked(member())
    message = Message.objects.get()
    words = Written.unseal(bytes(message.sealed or b""))
    bare = type(words)(**{**words.__dict__, "body": "Deleted."})
    Message.objects.update(sealed=bare.seal())
    found = check("requests.deletion-notice")
    assert found.violation_ids == [f"message {message.pk}"]


def test_sent_confirmation_without_proof_breaks_the_promise(wecustomers: PolicyVersion) -> None:
    asked(member())
    message = Message.objects.get()
    Message.objects.update(state="sent", sealed=None, sent_at=NOW, ended_at=NOW)
    assert check("requests.deletion-notice").outcome == "kept"
    Letter.objects.update(has_copies_notice=False)
    assert check("requests.deletion-notice").violation_ids == [f"message {message.pk}"]
    Letter.objects.all().delete()
    assert check("requests.deletion-notice").violation_ids == [f"message {message.pk}"]


def test_message_that_is_gone_still_counts_by_what_it_said(wecustomers: PolicyVersion) -> None:
    asked(member())
    message = Message.objects.get()
    Message.objects.all().delete()
    assert check("requests.deletion-notice").outcome == "kept"
    Letter.objects.update(has_copies_notice=False)
    assert check("requests.deletion-notice").violation_ids == [f"message {message.pk}"]


# GDPR 12(3) -------------------------------------------------------------------------------------


def test_answers_in_time_are_kept(wecustomers: PolicyVersion) -> None:
    erased(member(), staff_member())
    asked(member())
    found = check("requests.deadlines", NOW + timedelta(days=20))
    assert (found.outcome, found.checked) == ("kept", 2)
    assert found.figures == {"slowest_days": 20.0}


def test_undecided_past_its_deadline_breaks_the_promise(wecustomers: PolicyVersion) -> None:
    request = asked(member())
    # Somebody moved the deadline that is stored; the check does not believe it.
    Request.objects.update(due_at=request.due_at + timedelta(days=300))
    assert check("requests.deadlines", request.due_at).outcome == "kept"
    late = check("requests.deadlines", request.due_at + timedelta(seconds=1))
    assert (late.outcome, late.violation_ids) == ("broken", [str(request.pk)])


def test_deadline_reckoned_too_late_breaks_the_promise(
    wecustomers: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = asked(member()).due_at
    much_later = right + timedelta(days=300)
    monkeypatch.setattr(rules, "due_at", lambda **kwargs: much_later)
    lax = asked(member())
    assert lax.due_at == much_later
    assert str(lax.pk) in check("requests.deadlines", right + timedelta(seconds=1)).violation_ids


def test_late_answer_breaks_the_promise(wecustomers: PolicyVersion) -> None:
    request, reviewer = asked(member()), staff_member()
    late = request.due_at + timedelta(hours=1)
    review.deny(request_id=request.pk, reviewer=reviewer, reason="No.", now=late)
    found = check("requests.deadlines", late)
    assert found.violation_ids == [str(request.pk)]


def test_extension_counts_only_when_told_in_time(wecustomers: PolicyVersion) -> None:
    request, reviewer = asked(member()), staff_member()
    review.extend(request_id=request.pk, reviewer=reviewer, reason="Much.", now=NOW)
    later = request.due_at + timedelta(days=30)
    assert check("requests.deadlines", later).outcome == "kept"
    Request.objects.update(extended_at=request.due_at + timedelta(seconds=1))
    assert check("requests.deadlines", later).violation_ids == [str(request.pk)]


def test_request_under_an_unknown_policy_breaks_the_promise(wecustomers: PolicyVersion) -> None:
    request = asked(member())
    Request.objects.update(policy_digest="0" * 64)
    assert check("requests.deadlines", NOW).violation_ids == [str(request.pk)]


def test_deadline_of_a_later_policy_breaks_the_promise(wecustomers: PolicyVersion) -> None:
    """A slower version published since binds nothing that had arrived; nor does its digest."""
    request = asked(member())
    slower = edited(
        "policies/wecustomers.toml",
        ('kind = "deletion"\ndeadline = "1 month"', 'kind = "deletion"\ndeadline = "46 days"'),
    )
    later = publish_bytes(relabelled(slower, "slower"), now=NOW + timedelta(hours=1))
    after = request.due_at + timedelta(days=2)
    assert later.effective_at < after < request.received_at + timedelta(days=46)
    assert check("requests.deadlines", after).violation_ids == [str(request.pk)]
    Request.objects.update(policy_digest=later.digest, due_at=after + timedelta(days=99))
    assert check("requests.deadlines", after).violation_ids == [str(request.pk)]
    # And in time, but under a policy that was not in force.
    assert check("requests.deadlines", NOW).violation_ids == [str(request.pk)]


def test_arrival_moved_breaks_the_promise(wecustomers: PolicyVersion) -> None:
    request = asked(member())
    moved = request.received_at + timedelta(days=20)
    Request.objects.update(received_at=moved, due_at=moved + timedelta(days=31))
    late = request.due_at + timedelta(seconds=1)
    assert check("requests.deadlines", request.due_at).outcome == "kept"
    assert check("requests.deadlines", late).violation_ids == [str(request.pk)]


def test_request_that_the_log_does_not_know_breaks_the_promise(
    wecustomers: PolicyVersion,
) -> None:
    request = asked(member())
    copy = Request.objects.get(pk=request.pk)
    Request.objects.filter(pk=request.pk).update(state="withdrawn", closed_at=NOW)
    copy.pk, copy.reference = new_id(), "0" * 12
    copy.save(force_insert=True)
    assert check("requests.deadlines", NOW).violation_ids == [str(copy.pk)]


def test_findings_hold_no_addresses(wecustomers: PolicyVersion) -> None:
    user = member()
    asked(user)
    finding = control.controls()["requests.deletion-notice"].check(timezone.now())
    assert isinstance(finding, Finding)
    assert user.email not in repr(finding)


def test_copy_is_answered_when_it_is_ready_not_when_it_is_approved(
    wecustomers: PolicyVersion,
) -> None:
    """WA-6."""
    request = copy_approved(member(), staff_member())
    late = request.due_at + timedelta(seconds=1)
    assert check("requests.deadlines", request.due_at).outcome == "kept"
    assert check("requests.deadlines", late).violation_ids == [str(request.pk)]
    package_orders.work(now=NOW)
    assert check("requests.deadlines", late).outcome == "kept"


def test_copy_nobody_was_told_of_breaks_the_promise(wecustomers: PolicyVersion) -> None:
    """The request says "completed"; the check looks for the letter."""
    package = copy_made(member(), staff_member())
    assert package.request is not None
    late = package.request.due_at + timedelta(seconds=1)
    assert check("requests.deadlines", late).outcome == "kept"
    Letter.objects.filter(template="access_ready").delete()
    assert check("requests.deadlines", late).violation_ids == [str(package.request_id)]
    Request.objects.update(state="expired")
    assert check("requests.deadlines", late).outcome == "kept"


def test_denied_copy_is_answered_by_the_denial(wecustomers: PolicyVersion) -> None:
    request = copy_asked(member())
    review.deny(request_id=request.pk, reviewer=staff_member(), reason="No.", now=NOW)
    assert check("requests.deadlines", request.due_at + timedelta(days=9)).outcome == "kept"
