"""Erasing a person: whole, verified, once, and nobody else."""

from datetime import timedelta

import pytest

from accounts.models import AgeVerdict, Session, User
from audit.log import SYSTEM
from audit.models import AuditEntry
from datamap import registry
from datamap.models import Subject
from retention import erase
from retention.models import Erasure, ErasureStep, Tombstone
from tests.factories.retention import NOW, make_person, table_digests

pytestmark = pytest.mark.django_db


def test_erase_leaves_no_row_in_any_holding() -> None:
    ada = make_person()
    subject_id = ada.subject_id
    erasure = erase.start(subject_id=subject_id, reason="request", actor=SYSTEM, now=NOW)

    worked = erase.work(now=NOW)

    assert worked.done == [erasure.pk]
    assert worked.failed == []
    assert [h.key for h in registry.holdings() if h.rows_to_erase([subject_id]).exists()] == []
    erasure.refresh_from_db()
    assert erasure.state == Erasure.State.DONE
    subject = Subject.objects.get(pk=subject_id)
    assert subject.erased_at == erasure.finished_at
    assert subject.locked
    assert not User.objects.filter(email="ada@example.com").exists()
    stone = Tombstone.objects.get(subject_id=subject_id)
    assert stone.rows == {"accounts.account": 1, "accounts.age": 1, "accounts.session": 2, "datamap.subject": 1}
    assert AuditEntry.objects.filter(verb="retention.erased", subject_id=subject_id).count() == 1
