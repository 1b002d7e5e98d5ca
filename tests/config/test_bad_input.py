"""Whatever is sent to any address by whomever: a clear answer, nothing changed, never a 500."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.age import report_child
from accounts.models import User
from accounts.roles import Role
from audit.log import SYSTEM
from consent import mail
from consent.models import Message
from datamap.models import Subject
from policy.models import PolicyVersion
from requests import review
from requests.models import Request
from retention.models import ChildCase
from tests.factories.accounts import JOINED, PASSWORD, member, prove_second_factor, staff_member
from tests.factories.requests import asked_with_link
from tests.factories.retention import table_digests

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
NASTY = (
    "\x00",
    "a\x00b",
    "x" * 3000,
    "../../etc/passwd",
    "é\u202e",
    "%00",
    "' OR 1=1 --",
    "-1",
    "{{7*7}}",
)
# What reading leaves behind: log-ins, and that staff looked.
TRACES = {"accounts_session", "audit_staffaccess"}
# Django's own, for superusers, and the help of the API's schema.
FOREIGN = ("admin/", "dev/")


def patterns(
    found: list[URLPattern | URLResolver] | None = None, prefix: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """Every address of the site as a template with %s, and the names of its arguments."""
    for each in get_resolver().url_patterns if found is None else found:
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from patterns(each.url_patterns, route)
        else:
            names = re.findall(r"<(?:[^:>]+:)?([^>]+)>", route)
            plain = re.sub(r"\(\?P<[^>]+>[^()]*\)|<[^>]+>", "%s", route)
            yield re.sub(r"\[[^\]]*\]\+?|[\^$\\]|\\Z", "", plain), names


@dataclass
class World:
    """Two people with something in every room, two reviewers, and what names belong to Ada."""

    ada: User
    eve: User
    reviewer: User
    names: dict[str, list[str]] = field(default_factory=dict)

    def addresses(self, *, nasty: bool) -> Iterator[str]:
        for template, names in patterns():
            if template.startswith(FOREIGN):
                continue
            choices = [list(NASTY) if nasty else self.names.get(n, ["x"]) for n in names]
            for values in itertools.product(*choices) if not nasty else zip(*choices, strict=True):
                yield "/" + template % tuple(quote(v, safe="") for v in values)
            if nasty and not names:
                yield "/" + template


@pytest.fixture
def world(wecustomers: PolicyVersion) -> World:
    cache.clear()
    ada, eve, kim = member(), member(), member()
    reviewer = staff_member(Role.REVIEWER)
    request, token = asked_with_link(ada)
    report_child(subject=kim.subject, source="parent", actor=SYSTEM, now=JOINED, arrived_at=JOINED)
    case = ChildCase.objects.get()
    held = Message.objects.get(template="deletion_received")
    links = re.findall(r"/unsubscribe/([\w-]+)/", mail.text_of(held))
    return World(
        ada,
        eve,
        reviewer,
        {
            "reference": [request.reference, case.reference],
            "token": [token, links[0]],
            "which": [wecustomers.digest, wecustomers.version],
            "key": ["united-states", "service-news", "accounts.age-screen"],
            "kind": ["mail", "transfer", "purpose", "policy"],
            "handle": [s.handle for s in ada.sessions.all()] or ["x"],
            "control": ["accounts.age-screen"],
            "uidb36": [str(ada.pk)],
            "pk": [str(ada.pk)],
        },
    )


def browser(world: World, role: str, **options: Any) -> Client:
    client = Client(raise_request_exception=False, **options)
    if role == "eve":
        client.force_login(world.eve)
    if role == "reviewer":
        prove_second_factor(client, world.reviewer)
    return client


def stored() -> dict[str, tuple[int, str]]:
    return {name: rows for name, rows in table_digests().items() if name not in TRACES}


def test_the_walk_knows_every_address() -> None:
    templates = {template for template, _ in patterns()}
    assert {"", "privacy/delete/", "staff/requests/%s/approve/", "unsubscribe/%s/"} <= templates
    assert not [t for t in templates if re.search(r"[()<>^$\\?]", t) and not t.startswith(FOREIGN)]


@pytest.mark.parametrize("role", ["nobody", "eve", "reviewer"])
def test_looking_changes_nothing_and_no_method_breaks(world: World, role: str) -> None:
    client, before, broken = browser(world, role), stored(), []
    for address in world.addresses(nasty=False):
        for method in METHODS:
            if method != "POST":
                response = client.generic(method, address)
                if response.status_code >= 500:
                    broken.append((method, address, response.status_code))
    assert broken == []
    assert stored() == before


@pytest.mark.parametrize("role", ["nobody", "eve", "reviewer"])
def test_nasty_addresses_are_not_found(world: World, role: str) -> None:
    client, before, broken = browser(world, role), stored(), []
    queries = ("", "?page=%00&next=%00&show=%00&seen=%00", "?page=x&page=-1&next[]=1&%ff=%fe")
    for address, query in itertools.product(world.addresses(nasty=True), queries):
        response = client.get(address + query)
        if response.status_code >= 500:
            broken.append((address + query, response.status_code))
    assert broken == []
    assert stored() == before


FIELDS = (
    "email", "login", "password", "password1", "password2", "first_name", "last_name", "day",
    "month", "year", "kind", "key", "on", "reason", "deny-reason", "extend-reason", "statement",
    "confirm-reason", "parent-reason", "read-reason", "source", "arrived_at", "reference", "code",
    "next", "scope", "transfer-united-states", "mail-service-news", "state", "holding",
    "action_add", "email_remove", "remember", "id", "subject", "oldpassword",
)  # fmt: skip


def bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name of a way to misuse a form, and the arguments of the POST."""
    for name, value in (
        ("nul", "a\x00b"),
        ("long", "x" * 40_000),
        ("number", "-1"),
        ("date", "31"),
        ("markup", "<script>{{7*7}}"),
        ("surrogate", "\ud83d\x1f"),
        ("state", "completed"),
    ):
        text = "&".join(f"{f}={quote(value, errors='surrogatepass')}" for f in FIELDS)
        yield name, {"data": text, "content_type": "application/x-www-form-urlencoded"}
    arrays = "&".join(f"{f}={v}&{f}[]={v}&{f}[x]={v}" for f in FIELDS for v in ("1", "2"))
    yield "arrays", {"data": arrays, "content_type": "application/x-www-form-urlencoded"}
    yield (
        "not utf-8",
        {
            "data": b"&".join(f.encode() + b"=%ff%fe\xff" for f in FIELDS),
            "content_type": "application/x-www-form-urlencoded",
        },
    )
    yield (
        "charset",
        {
            "data": b"email=x",
            "content_type": "application/x-www-form-urlencoded; charset=nonsense",
        },
    )
    yield (
        "megabyte",
        {
            "data": b"statement=" + b"x" * 1_100_000,
            "content_type": "application/x-www-form-urlencoded",
        },
    )
    yield (
        "many fields",
        {
            "data": b"a=1&" * 2000,
            "content_type": "application/x-www-form-urlencoded",
        },
    )
    yield "json", {"data": b'{"kind": [1', "content_type": "application/json"}
    yield (
        "multipart",
        {"data": b"--x\r\nnothing", "content_type": "multipart/form-data; boundary=x"},
    )
    yield "no boundary", {"data": b"x", "content_type": "multipart/form-data"}


def is_a_button(address: str) -> bool:
    """Whether being pressed is all that is asked, or any words at all are a reason. Tests of their
    own press these.
    """
    plain = (
        "approve",
        "check",
        "claim",
        "delete",
        "dry-run",
        "end",
        "logout",
        "release",
        "withdraw",
    )
    reasoned = ("deny", "extend", "confirm", "parent")
    last = address.rstrip("/").rpartition("/")[2]
    return last in (*plain, *reasoned) or "/unsubscribe/" in address


@pytest.mark.parametrize("role", ["nobody", "eve", "reviewer"])
def test_no_form_breaks_or_stores_rubbish(world: World, role: str) -> None:
    client, before, broken = browser(world, role), stored(), []
    addresses = [a for a in world.addresses(nasty=False) if not is_a_button(a)]
    for name, body in bodies():
        for address in addresses:
            response = client.generic("POST", address, **body)
            if response.status_code >= 500:
                broken.append((name, address, response.status_code))
    assert broken == []
    assert {table for table, rows in stored().items() if rows != before[table]} == set()


def test_without_the_token_of_the_form_no_button_acts(world: World) -> None:
    for role in ("nobody", "eve", "reviewer"):
        client, before = browser(world, role, enforce_csrf_checks=True), stored()
        answers = {}
        for address in world.addresses(nasty=False):
            # The mail program's button: the token in its address is the proof (RFC 8058).
            if "/unsubscribe/" not in address:
                answers[address] = client.post(address).status_code
        # 401: the API wants a key, and takes no cookie for one.
        closed = (302, 401, 403, 404, 405, 429)
        assert [a for a, status in answers.items() if status not in closed] == []
        assert stored() == before


def test_eve_reaches_nothing_of_adas(world: World) -> None:
    client, before = browser(world, "eve"), stored()
    request = Request.objects.get(subject=world.ada.subject)
    for address in (
        f"/privacy/requests/{request.reference}/",
        f"/privacy/requests/{request.reference}/withdraw/",
        f"/privacy/devices/{world.names['handle'][0]}/end/",
    ):
        assert {client.get(address).status_code, client.post(address).status_code} <= {404, 405}
    for address in (a for a in world.addresses(nasty=False) if a.startswith("/staff/")):
        statuses = {client.get(address).status_code, client.post(address).status_code}
        # 404: the address has no room for that name. 405: the hub takes no POST.
        assert statuses <= {403, 404, 405}, address
    assert stored() == before


def test_reviewer_decides_about_others_and_never_about_herself(world: World) -> None:
    request, _ = asked_with_link(world.reviewer)
    client, before = browser(world, "reviewer"), stored()
    for act in ("approve", "deny", "extend", "claim"):
        reason = {"deny-reason": "Because.", "extend-reason": "Because."}
        client.post(f"/staff/requests/{request.reference}/{act}/", reason)
    assert stored() == before


@pytest.mark.parametrize("role", ["nobody", "eve", "reviewer"])
def test_rubbish_in_cookies_is_no_cookie(world: World, role: str) -> None:
    pages = ("/accounts/age/", "/accounts/signup/", "/accounts/login/", "/privacy/", "/staff/")
    for name in ("session", "csrf", "age-pass", "messages", "django_language"):
        client = browser(world, role)
        for value in ("", "x", "\x7f", "x" * 3900, '"', "é", "a:b:c", "=;=", "{}"):
            client.cookies[name] = value
            statuses = {client.get(page).status_code for page in pages}
            assert max(statuses) < 500, (name, value, statuses)


@pytest.mark.parametrize("language", ["", "x" * 5000, "en;q=x", "\x7f", "zz-ZZ-zz,*;q=9", "../x"])
def test_any_accepted_language_gets_a_page(wecustomers: PolicyVersion, language: str) -> None:
    client = Client(headers={"accept-language": language}, raise_request_exception=False)
    assert [client.get(p).status_code for p in ("/", "/policy/", "/accounts/age/")] == [200] * 3


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost:8000@evil.example", "a\x00b", "x y", ""]
)
def test_foreign_hosts_get_no_page(wecustomers: PolicyVersion, host: str) -> None:
    client = Client(raise_request_exception=False)
    for page in ("/", "/accounts/login/", "/accounts/password/reset/"):
        assert client.get(page, HTTP_HOST=host).status_code == 400


@pytest.mark.parametrize(
    "header", ["X-Forwarded-Host", "X-Forwarded-Server", "Forwarded", "X-Host"]
)
def test_no_header_puts_another_host_into_mail(world: World, header: str) -> None:
    client = Client(headers={header: "evil.example"})
    client.post("/accounts/password/reset/", {"email": world.ada.email})
    message = Message.objects.latest("posted_at")
    assert message.template.startswith("account_password_reset")
    assert "evil.example" not in mail.text_of(message)


TARGETS = ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:x", "\t//x")


@pytest.mark.parametrize("where", ["login", "reauthenticate", "logout"])
def test_nobody_is_sent_away_by_next(world: World, where: str) -> None:
    address = f"/accounts/{where}/"
    for target in TARGETS:
        form = {"login": world.eve.email, "password": PASSWORD, "next": target}
        asks = [("GET", address, {"next": target}), ("POST", address, form)]
        for method, to, data in [*asks, ("POST", f"{address}?next={quote(target)}", form)]:
            client = browser(world, "nobody" if where == "login" else "eve")
            response = client.get(to, data) if method == "GET" else client.post(to, data)
            assert response.status_code < 500
            place = response.get("Location", "/")
            assert re.match(r"/(?![/\\])", place), place


def test_second_press_changes_nothing_more(world: World) -> None:
    client = browser(world, "reviewer")
    request = Request.objects.get(subject=world.ada.subject)
    for act in ("claim", "approve"):
        client.post(f"/staff/requests/{request.reference}/{act}/")
        once = stored()
        client.post(f"/staff/requests/{request.reference}/{act}/")
        assert stored() == once
    for act in ("deny", "extend", "claim", "release"):
        client.post(
            f"/staff/requests/{request.reference}/{act}/",
            {"deny-reason": "No.", "extend-reason": "Later."},
        )
    request.refresh_from_db()
    assert request.decision == Request.Decision.APPROVED
    assert request.state in (Request.State.APPROVED, Request.State.IN_PROGRESS)
    assert not Message.objects.filter(template="deletion_denied").exists()


def test_reasons_are_kept_as_text(world: World) -> None:
    request = Request.objects.get(subject=world.ada.subject)
    review.deny(
        request_id=request.pk,
        reviewer=world.reviewer,
        reason="<script>alert(1)</script>{{ 7*7 }}",
        now=JOINED,
    )
    client = Client()
    client.force_login(world.ada)
    page = client.get(f"/privacy/requests/{request.reference}/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}" in page
    assert "<script>alert" not in page
    assert Subject.objects.filter(pk=world.ada.subject_id, erased_at=None).exists()
