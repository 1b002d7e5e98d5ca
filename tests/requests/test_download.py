"""The pages of a copy: asking, following, downloading; and who does not get in."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from audit.models import AuditEntry
from policy.models import PolicyVersion
from requests import desk, package_orders, review
from requests.models import Package, Request, RequestEvent
from retention.clock import RunningClock
from tests.factories.accounts import (
    PASSWORD,
    member,
    prove_second_factor,
    reauthenticated,
    staff_member,
)
from tests.factories.requests import copy_approved, copy_asked, copy_asked_with_link, copy_made

COPY = "/privacy/data/copy/"


@pytest.fixture
def owner(wecustomers: PolicyVersion) -> User:
    return member()


@pytest.fixture
def ready(owner: User) -> Package:
    """The owner's copy, made just now."""
    return copy_made(owner, staff_member(), now=timezone.now())


def address(package: Package) -> str:
    assert package.request is not None
    return reverse("requests:package", args=[package.request.reference])


# Asking -----------------------------------------------------------------------------------------


def test_data_page_offers_the_copy_beside_deletion(client: Client, owner: User) -> None:
    client.force_login(owner)
    text = client.get(reverse("requests:data")).content.decode()
    assert f'href="{COPY}"' in text
    assert f'href="{reverse("requests:delete")}"' in text


def test_copy_page_says_what_happens_and_asks_nothing_yet(client: Client, owner: User) -> None:
    client.force_login(owner)
    response = client.get(COPY)
    text = response.content.decode()
    assert response["Cache-Control"] == "private, no-store"
    for words in ("A person here makes sure that it is you", "for 14 days", "in it, only a link"):
        assert words in text
    assert Request.objects.count() == 0


def test_asking_needs_a_fresh_proof_and_goes_on_after_it(client: Client, owner: User) -> None:
    client.force_login(owner)
    response = client.post(COPY, {"kind": "access"})
    assert response["Location"].startswith(reverse("account_reauthenticate"))
    assert Request.objects.count() == 0
    response = client.post(response["Location"], {"password": PASSWORD})
    request = Request.objects.get()
    assert response["Location"] == reverse("requests:own", args=[request.reference])
    assert (request.kind, request.subject_id) == ("access", owner.subject_id)


@pytest.mark.parametrize("kind", ["", "deletion", "parent", "x" * 3000, "a\x00b"])
def test_asking_for_what_is_not_offered_names_the_field(
    client: Client, owner: User, kind: str
) -> None:
    response = reauthenticated(client, owner).post(COPY, {"kind": kind})
    assert response.status_code == 422
    assert "Choose one of the two." in response.content.decode()
    assert Request.objects.count() == 0


def test_asking_again_shows_the_open_one_and_then_when_the_next_is_possible(
    client: Client, owner: User
) -> None:
    reauthenticated(client, owner)
    first = client.post(COPY, {"kind": "portability"})["Location"]
    assert client.post(COPY, {"kind": "access"})["Location"] == first
    assert "You have asked for a copy already" in client.get(COPY).content.decode()
    request = Request.objects.get()
    review.approve(request_id=request.pk, reviewer=staff_member(), now=timezone.now())
    package_orders.work(now=timezone.now())
    assert client.post(COPY, {"kind": "access"})["Location"] == COPY
    text = client.get(COPY).content.decode()
    assert "You can ask for the next one from" in text
    assert "Ask for my copy" not in text


# Following --------------------------------------------------------------------------------------


def test_status_page_shows_what_is_being_written_and_how_far(client: Client, owner: User) -> None:
    request, token = copy_asked_with_link(owner, now=timezone.now())
    review.approve(request_id=request.pk, reviewer=staff_member(), now=timezone.now())
    url = reverse("requests:status", args=[token])
    assert "Your copy is made next." in client.get(url).content.decode()
    claimed = package_orders._claim(RunningClock(timezone.now()))
    assert claimed is not None
    Package.objects.update(rows=41, rows_total=100, step="consent.event")
    page = client.get(url)
    text = page.content.decode()
    assert "41 of about 100" in text
    assert "Now: What you decided, and the words you saw" in text
    assert '<progress id="work"' in " ".join(text.split())
    assert 'hx-trigger="every 4s"' in text
    assert "Withdraw my request" not in text
    poll = page.context["poll_url"]
    assert client.get(poll, headers={"HX-Request": "true"}).status_code == 204
    Package.objects.update(rows=60)
    assert "60 of about 100" in client.get(poll, headers={"HX-Request": "true"}).content.decode()


def test_status_page_leads_to_the_download_and_stops_asking(
    client: Client, owner: User, ready: Package
) -> None:
    assert ready.request is not None
    client.force_login(owner)
    own = reverse("requests:own", args=[ready.request.reference])
    text = client.get(own).content.decode()
    assert address(ready) in text
    assert "hx-get" not in text
    Package.objects.update(expires_at=timezone.now(), ready_at=timezone.now() - timedelta(days=14))
    text = client.get(own).content.decode()
    assert address(ready) not in text
    assert "no longer here" in text
    assert COPY in text


# Downloading ------------------------------------------------------------------------------------


def test_download_is_the_package_counted_and_proved(
    client: Client, owner: User, ready: Package
) -> None:
    reauthenticated(client, owner)
    assert "Not yet." in client.get(address(ready)).content.decode()
    response = client.post(address(ready))
    content = response.getvalue()
    assert response["Content-Type"] == "application/zip"
    assert response["Cache-Control"] == "private, no-store"
    assert response["X-Robots-Tag"] == "noindex, noarchive"
    assert response["Content-Length"] == str(len(content)) == str(ready.size)
    assert ready.request is not None
    filename = f'attachment; filename="wecustomers-{ready.request.name}.zip"'
    assert response["Content-Disposition"] == filename
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert "README.txt" in archive.namelist()
    ready.refresh_from_db()
    assert (ready.downloads, ready.last_downloaded_at is not None) == (1, True)
    entry = AuditEntry.objects.get(verb="requests.package-downloaded")
    assert (entry.subject_id, entry.facts["package"]) == (owner.subject_id, str(ready.pk))
    client.post(address(ready)).getvalue()
    text = " ".join(client.get(address(ready)).content.decode().split())
    assert "2 times, last on" in text
    assert "everything we know about you" in text


def test_download_needs_a_fresh_proof(client: Client, owner: User, ready: Package) -> None:
    client.force_login(owner)
    for method in ("get", "post"):
        response: Any = getattr(client, method)(address(ready))
        assert response["Location"].startswith(reverse("account_reauthenticate"))
    ready.refresh_from_db()
    assert ready.downloads == 0
    client.session.flush()
    client.force_login(owner)
    page = client.post(client.get(address(ready))["Location"], {"password": PASSWORD})
    assert page["Location"] == address(ready)
    assert client.get(address(ready)).status_code == 200


def test_proof_that_ran_out_on_the_page_is_asked_for_and_the_download_begins(
    client: Client, owner: User, ready: Package
) -> None:
    client.force_login(owner)
    response: Any = client.post(address(ready))
    response = client.post(response["Location"], {"password": PASSWORD})
    assert len(response.getvalue()) == ready.size
    ready.refresh_from_db()
    assert ready.downloads == 1


def test_visitors_and_other_people_do_not_get_it(
    client: Client, owner: User, ready: Package
) -> None:
    assert client.get(address(ready))["Location"].startswith(reverse("account_login"))
    reauthenticated(client, member())
    assert client.get(address(ready)).status_code == 404
    assert client.post(address(ready)).status_code == 404
    ready.refresh_from_db()
    assert ready.downloads == 0


@pytest.mark.parametrize("role", ["reviewer", "privacy_admin", "support", "auditor"])
def test_staff_never_get_somebodys_package(
    client: Client, owner: User, ready: Package, role: str
) -> None:
    staff = staff_member(role)
    reauthenticated(prove_second_factor(client, staff), staff)
    assert client.get(address(ready)).status_code == 404
    assert client.post(address(ready)).status_code == 404
    ready.refresh_from_db()
    assert ready.downloads == 0


def test_link_from_the_mail_opens_the_status_and_not_the_package(
    client: Client, owner: User, wecustomers: PolicyVersion
) -> None:
    request, token = copy_asked_with_link(owner, now=timezone.now())
    review.approve(request_id=request.pk, reviewer=staff_member(), now=timezone.now())
    package_orders.work(now=timezone.now())
    assert "Your copy is ready." in client.get(f"/requests/{token}/").content.decode()
    assert client.get(f"/requests/{token}/package/").status_code == 404
    assert client.post(f"/requests/{token}/package/").status_code == 404


def test_expired_package_is_refused_before_any_sweep(
    client: Client, owner: User, ready: Package
) -> None:
    reauthenticated(client, owner)
    now = timezone.now()
    Package.objects.update(ready_at=now - timedelta(days=14), expires_at=now)
    assert client.get(address(ready)).status_code == 404
    page = client.post(address(ready), follow=True)
    assert b"This copy is no longer here." in page.content
    assert Package.objects.get().downloads == 0


def test_package_that_is_not_made_yet_can_not_be_downloaded(client: Client, owner: User) -> None:
    request = copy_approved(owner, staff_member(), now=timezone.now())
    reauthenticated(client, owner)
    url = reverse("requests:package", args=[request.reference])
    assert client.get(url).status_code == 404
    assert client.post(url)["Location"] == reverse("requests:own", args=[request.reference])


@pytest.mark.parametrize("harm", ["missing", "altered", "empty", "key"])
def test_file_that_can_not_be_read_is_said_to_be_gone(
    client: Client, owner: User, ready: Package, packages_folder: Path, harm: str
) -> None:
    path = packages_folder / ready.name
    if harm == "missing":
        path.unlink()
    elif harm == "altered":
        raw = bytearray(path.read_bytes())
        raw[40] ^= 1
        path.write_bytes(raw)
    elif harm == "empty":
        path.write_bytes(b"")
    else:
        Package.objects.update(key=b"nonsense")
    page = reauthenticated(client, owner).post(address(ready), follow=True)
    assert b"This copy is no longer here." in page.content
    ready.refresh_from_db()
    assert (ready.state, ready.downloads) == ("gone", 0)
    # What was lost here is made again without waiting for a day.
    assert b"Ask for my copy" in client.get(COPY).content


def test_file_that_can_not_be_read_just_now_is_not_given_up(
    client: Client, owner: User, ready: Package, packages_folder: Path
) -> None:
    path = packages_folder / ready.name
    whole = path.read_bytes()
    path.unlink()
    path.mkdir()  # no rights would stop the superuser
    page = reauthenticated(client, owner).post(address(ready), follow=True)
    assert "we can&#x27;t read it just now" in page.content.decode()
    ready.refresh_from_db()
    assert (ready.state, ready.downloads) == ("ready", 0)
    path.rmdir()
    path.write_bytes(whole)
    answer: Any = client.post(address(ready))
    assert zipfile.ZipFile(io.BytesIO(answer.getvalue())).testzip() is None
    answer.close()


# The desk ---------------------------------------------------------------------------------------


@pytest.fixture
def desk_client(client: Client, wecustomers: PolicyVersion) -> Client:
    return prove_second_factor(client, staff_member())


def test_case_shows_counts_and_what_to_look_at_but_no_contents(
    desk_client: Client, owner: User
) -> None:
    request = copy_asked(owner, now=timezone.now())
    response = desk_client.get(reverse("requests:case", args=[request.reference]))
    text = response.content.decode()
    assert ("Accounts", 1) in response.context["kinds"]
    assert response.context["total"] == sum(rows for _title, rows in response.context["kinds"])
    terms = [fact["term"] for fact in response.context["facts"]]
    assert terms == [
        "Proved who they are",
        "Account since",
        "E-mail address confirmed last",
        "Account locked",
        "Other requests",
    ]
    assert "Approve the copy" in text
    assert owner.email not in text


def test_reviewer_approves_a_copy_on_the_page(desk_client: Client, owner: User) -> None:
    request = copy_asked(owner, now=timezone.now())
    desk_client.post(reverse("requests:approve", args=[request.reference]))
    request.refresh_from_db()
    assert (request.state, Package.objects.get().state) == ("approved", "waiting")
    text = desk_client.get(reverse("requests:case", args=[request.reference])).content.decode()
    assert "Your copy is made next." in text
    assert "package/" not in text


def test_clock_of_a_copy_runs_until_it_is_made(desk_client: Client, owner: User) -> None:
    now = timezone.now()
    request = copy_approved(owner, staff_member(), now=now)
    Request.objects.update(received_at=now - timedelta(days=40), due_at=now - timedelta(days=9))
    page = desk_client.get(reverse("requests:desk"), {"show": "approved"})
    assert [line.clock.state for line in page.context["lines"]] == ["late"]
    assert desk.waiting(now=now) == (0, 1)
    package_orders.work(now=now)
    page = desk_client.get(reverse("requests:desk"), {"show": "closed"})
    assert [line.request.pk for line in page.context["lines"]] == [request.pk]
    assert desk.waiting(now=now) == (0, 0)


# Work -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 3])
def test_pages_ask_as_much_for_three_as_for_one(
    client: Client, owner: User, ready: Package, rows: int
) -> None:
    assert ready.request is not None
    for _row in range(rows):
        RequestEvent.objects.create(request=ready.request, step="claimed", at=timezone.now())
    reauthenticated(client, owner)
    counted = {}
    for name, url in (
        ("own", reverse("requests:own", args=[ready.request.reference])),
        ("package", address(ready)),
        ("copy", COPY),
    ):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url).status_code == 200
        counted[name] = len(queries)
    # Three of the package's are allauth's questions for ways to prove oneself.
    assert counted == {"own": 5, "package": 7, "copy": 4}


@pytest.mark.parametrize("others", [1, 3])
def test_case_asks_as_much_for_three_other_requests_as_for_one(
    desk_client: Client, owner: User, others: int
) -> None:
    for _other in range(others):
        done = copy_asked(owner, now=timezone.now() - timedelta(days=9))
        Request.objects.filter(pk=done.pk).update(state="withdrawn", closed_at=timezone.now())
    request = copy_asked(owner, now=timezone.now())
    url = reverse("requests:case", args=[request.reference])
    desk_client.get(url)
    with CaptureQueriesContext(connection) as queries:
        desk_client.get(url)
    assert len(queries) == 11, [query["sql"][:120] for query in queries.captured_queries]
