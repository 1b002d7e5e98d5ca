"""What the demo's members do among each other, under each policy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from accounts import facts, invitations, visibility
from accounts.models import Fact, Invitation, Payment, Profile
from config.demo.society import PROFILES, society
from tests.factories.accounts import member
from tests.factories.policy import publish_file

POLICIES = sorted(Path("policies").glob("*.toml"))


@pytest.mark.parametrize("path", POLICIES, ids=lambda p: p.stem)
def test_members_do_what_the_policy_has(path: Path, db: None) -> None:
    document = publish_file(str(path)).document
    now = timezone.now()
    for email in PROFILES:
        member(email=email, now=now - timedelta(days=30))
    for moment, happen in sorted(society(document, now=now), key=lambda event: event[0]):
        happen(moment)
    with_photo = {part.key for part in visibility.offered(document)} & {"photo"}
    assert Profile.objects.exclude(photo="").count() == (len(PROFILES) if with_photo else 0)
    added = Fact.objects.count()
    assert added <= facts.offered(document) + bool(document.features.outside_sources)
    assert Invitation.objects.count() == invitations.offered(document)
    assert Payment.objects.count() == document.features.payments
