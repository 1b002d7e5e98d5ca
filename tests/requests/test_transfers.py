"""Whoever takes back the consent to a transfer leaves, as the policy says."""

from audit.log import person
from consent import ledger
from consent.ledger import Shown
from policy.models import PolicyVersion
from requests.models import Request
from tests.factories.accounts import member
from tests.factories.requests import NOW


def test_withdrawn_transfer_opens_a_deletion_request(wecustomers: PolicyVersion) -> None:
    user = member()
    assert Request.objects.count() == 0
    ledger.say_no(
        subject_id=user.subject_id,
        kind="transfer",
        key="united-states",
        shown=Shown(text="Take it back?", surface="choices"),
        actor=person(user.subject_id),
        now=NOW,
    )
    request = Request.objects.get()
    assert (request.subject_id, request.kind, request.state) == (
        user.subject_id,
        "deletion",
        "in_review",
    )


def test_withdrawn_mail_opens_nothing(wecustomers: PolicyVersion) -> None:
    user = member()
    for act in (ledger.say_yes, ledger.say_no):
        act(
            subject_id=user.subject_id,
            kind="mail",
            key="service-news",
            shown=Shown(text="News?", surface="choices"),
            actor=person(user.subject_id),
            now=NOW,
        )
    assert Request.objects.count() == 0
