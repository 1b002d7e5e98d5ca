"""What the tests of this room share: a policy, mail templates of their own, and the gate."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from policy.models import PolicyVersion
from tests.factories.policy import file_bytes, publish_bytes

MORE = b"""
[[mail_categories]]
key = "digest"
title = "The weekly digest"
text = "What was new this week."
basis = "consent"
purpose = "service-news"

[[purposes]]
key = "suggestions"
title = "Suggestions"
text = "To suggest people you may know."
legal_basis = "legitimate interests"
interest = "Members who find each other."
optional = true
default = "on"
"""


def policy_source() -> bytes:
    """WeCustomers with a category by consent and a purpose that is on until refused.

    Its promises name no controls, for those of other rooms are other tests' business.
    """
    return re.sub(rb"(?m)^control = .*\n", b"", file_bytes()) + MORE


@pytest.fixture
def policy(db: None) -> PolicyVersion:
    """That policy in force."""
    return publish_bytes(policy_source())


@pytest.fixture(autouse=True)
def letters(settings: Any) -> None:
    """The templates under tests/consent/templates come first, and the gate is in force."""
    templates = copy.deepcopy(settings.TEMPLATES)
    templates[0]["DIRS"].insert(0, Path(__file__).parent / "templates")
    settings.TEMPLATES = templates
    # Django's test runner puts a mailbox of its own in the place of every backend.
    settings.EMAIL_BACKEND = "consent.mail_backend.GateBackend"
