"""The two commands show what they would do, ask, and then do just that."""

import builtins
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Session, User
from datamap.models import Subject
from policy.models import PolicyVersion
from retention.models import Erasure
from tests.factories.retention import make_person, make_sessions

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.fixture
def old_session(wecustomers: PolicyVersion) -> Session:
    (session,) = make_sessions(None, count=1, expire=timezone.now() - timedelta(days=2))
    return session


def test_sweep_dry_run_counts_and_changes_nothing(old_session: Session) -> None:
    assert "1  rows would go" in run("sweep", "--holding", "accounts.session", "--dry-run")
    assert Session.objects.count() == 1


def test_sweep_asks_and_takes_only_yes(
    old_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtins, "input", lambda prompt: "y")
    with pytest.raises(CommandError, match="nothing was changed"):
        run("sweep")
    assert Session.objects.count() == 1
    monkeypatch.setattr(builtins, "input", lambda prompt: "yes")
    assert "1  rows gone" in run("sweep", "--holding", "accounts.session")
    assert Session.objects.count() == 0


def test_sweep_names_the_holdings_there_are(wecustomers: PolicyVersion) -> None:
    with pytest.raises(CommandError, match=r"accounts\.session"):
        run("sweep", "--holding", "nothing", "--yes")


def test_sweep_without_a_policy_says_what_to_do(db: None) -> None:
    with pytest.raises(CommandError, match="publish_policy"):
        run("sweep", "--yes")


def test_erase_dry_run_shows_the_steps_and_changes_nothing(wecustomers: PolicyVersion) -> None:
    ada = make_person()
    shown = run("erase", str(ada.subject_id), "--reason", "test", "--dry-run")
    assert "1  delete     accounts.account" in shown
    assert not Erasure.objects.exists()
    assert User.objects.filter(pk=ada.pk).exists()


def test_erase_erases_and_verifies(wecustomers: PolicyVersion) -> None:
    ada = make_person()
    assert "erased and verified" in run("erase", str(ada.subject_id), "--reason", "test", "--yes")
    assert not User.objects.exists()
    assert Subject.objects.get().erased_at is not None


def test_erase_of_nobody_says_so(db: None) -> None:
    with pytest.raises(CommandError, match="no subject"):
        run("erase", str(uuid4()), "--reason", "test", "--yes")
