"""Which controls are due, and the tick that sends them out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from audit.control import controls
from audit.models import Evidence
from policy import evaluation, tasks
from policy.models import PolicyVersion
from tests.factories.policy import file_bytes, publish_bytes, relabelled

KEY = "policy.versions"


def test_a_control_is_due_without_evidence_and_again_when_it_grows_old(policy_of: Any) -> None:
    version, now = policy_of("clickandchat"), timezone.now()
    assert KEY in evaluation.due(version=version, now=now)
    assert evaluation.evaluate_if_due(key=KEY, version=version, now=now) is not None
    half = controls()[KEY].every * evaluation.DUE_AT
    assert KEY not in evaluation.due(version=version, now=now + half - timedelta(seconds=1))
    assert KEY in evaluation.due(version=version, now=now + half)


def test_evaluate_if_due_does_nothing_twice(policy_of: Any) -> None:
    version, now = policy_of("clickandchat"), timezone.now()
    for _ in range(2):
        evaluation.evaluate_if_due(key=KEY, version=version, now=now)
    assert Evidence.objects.filter(control=KEY).count() == 1


def test_a_new_version_makes_every_control_due(wecustomers: PolicyVersion) -> None:
    now = timezone.now()
    evaluation.evaluate(version=wecustomers, now=now)
    assert evaluation.due(version=wecustomers, now=now) == []
    second = publish_bytes(relabelled(file_bytes() + b"#\n", "2"), now=now)
    assert set(evaluation.due(version=second, now=now)) == set(evaluation.controls_in_force(second))


def test_the_tick_sends_what_is_due(
    policy_of: Any, django_capture_on_commit_callbacks: Any, settings: Any
) -> None:
    version = policy_of("clickandchat")
    settings.CELERY_TASK_ALWAYS_EAGER = True
    count = len(evaluation.controls_in_force(version))
    with django_capture_on_commit_callbacks() as callbacks:
        assert tasks.check_promises() == count
    assert len(callbacks) == count


def test_the_tick_does_nothing_without_a_policy(db: None) -> None:
    assert tasks.check_promises() == 0


def test_a_task_for_a_control_no_longer_in_force_does_nothing(wecustomers: PolicyVersion) -> None:
    tasks.check_promise("policy.versions")
    assert not Evidence.objects.filter(control="policy.versions").exists()
