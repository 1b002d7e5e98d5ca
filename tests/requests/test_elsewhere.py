"""An erasure while the person is still logged in, and busy, in other browsers."""

from datetime import timedelta
from threading import Event as Signal
from threading import Thread
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Session, User
from datamap.models import Subject
from datamap.registry import holdings
from policy.models import PolicyVersion
from requests.models import Request
from retention import erase_worker
from retention.models import Erasure, Tombstone
from tests.factories.accounts import member, staff_member
from tests.factories.policy import publish_file
from tests.factories.requests import NOW, approved

PAGES = [
    "/privacy/",
    "/privacy/choices/",
    "/privacy/data/",
    "/privacy/requests/",
    "/privacy/delete/",
]
SWITCH = {"kind": "mail", "key": "service-news"}


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def left_of(subject_id: UUID) -> dict[str, int]:
    """Holding → rows that an erasure would still have to take."""
    counts = {h.key: h.rows_to_erase([subject_id]).count() for h in holdings()}
    return {key: count for key, count in counts.items() if count}


def test_other_browsers_are_logged_out_by_the_erasure(wecustomers: PolicyVersion) -> None:
    user, reviewer = member(), staff_member()
    laptop, phone, bystander = browser_of(user), browser_of(user), browser_of(reviewer)
    assert [laptop.get("/privacy/").status_code, phone.get("/privacy/").status_code] == [200, 200]
    request = approved(user, reviewer)
    erase_worker.work(now=NOW + timedelta(hours=3))
    request.refresh_from_db()
    assert request.state == "completed"
    for page in PAGES:
        response = phone.get(page)
        assert (response.status_code, "/accounts/login/" in response["Location"]) == (302, True)
    assert phone.post("/privacy/choices/", SWITCH).status_code == 302
    assert phone.post("/privacy/delete/").status_code == 302
    assert left_of(user.subject_id) == {}
    assert Request.objects.count() == 1
    assert not Session.objects.filter(user_id=user.pk).exists()
    assert bystander.get("/privacy/").status_code == 200


def test_a_claim_logs_out_before_anything_is_removed(wecustomers: PolicyVersion) -> None:
    user = member()
    phone = browser_of(user)
    approved(user, staff_member())
    Subject.objects.filter(pk=user.subject_id).update(locked=True)  # what claiming does first
    assert phone.get("/privacy/").status_code == 302
    assert phone.post("/privacy/choices/", SWITCH).status_code == 302
    assert left_of(user.subject_id)["accounts.account"] == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("largest", [1, 5_000])
def test_a_browser_that_never_stops_leaves_nothing_behind(
    transactional_db: None, largest: int
) -> None:
    publish_file()
    user, neighbour, reviewer = member(), member(), staff_member()
    busy, next_door = browser_of(user), browser_of(neighbour)
    approved(user, reviewer)
    started, ended, answers = Signal(), Signal(), list[int]()

    def keep_switching() -> None:
        turn = 0
        while not ended.is_set() or turn < 3:
            turn += 1
            data = SWITCH | ({"on": "on"} if turn % 2 else {})
            answers.append(busy.post("/privacy/choices/", data).status_code)
            started.set()
        connection.close()

    thread = Thread(target=keep_switching)
    thread.start()
    assert started.wait(20)
    try:
        for hour in range(1, 6):
            erase_worker.work(now=NOW + timedelta(hours=3 * hour), largest=largest)
            if Erasure.objects.get().state == Erasure.State.DONE:
                break
    finally:
        ended.set()
        thread.join(30)
    assert Erasure.objects.get().state == Erasure.State.DONE
    assert left_of(user.subject_id) == {}
    assert Tombstone.objects.filter(subject_id=user.subject_id).count() == 1
    assert Request.objects.get().state == "completed"
    assert set(answers) <= {302, 404}
    assert next_door.get("/privacy/").status_code == 200
