"""The people other tests rely on are real ones."""

from accounts.models import AgeVerdict
from policy.models import PolicyVersion
from tests.factories.accounts import member, minor, staff_member


def test_member_is_confirmed_with_subject_address_and_verdict(wecustomers: PolicyVersion) -> None:
    user = member()
    assert user.subject.email == user.email
    assert user.unconfirmed_since is None
    assert AgeVerdict.objects.get(subject=user.subject).policy_digest == wecustomers.digest


def test_minor_has_private_defaults(wecustomers: PolicyVersion) -> None:
    assert minor().subject.minor is True


def test_staff_member_has_the_role(wecustomers: PolicyVersion) -> None:
    assert staff_member("auditor").staff_role == "auditor"
