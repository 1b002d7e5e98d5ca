"""Whatever is sent below /api/: a clear problem, nothing changed, nothing told, never a 500."""

from __future__ import annotations

import io
import json
import logging
import re
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from audit.api import DEEPEST_BODY, LARGEST_BODY
from policy.models import PolicyVersion
from tests.factories.accounts import member
from tests.factories.api import caller, made, with_key
from tests.factories.retention import table_digests

NEWS = "/api/v1/me/choices/mail/service-news/"
REQUESTS = "/api/v1/me/requests/"


@pytest.fixture(autouse=True)
def no_counts(settings: Any) -> None:
    cache.clear()
    settings.KEPT_API_CALLS_PER_KEY = settings.KEPT_API_CALLS_PER_ADDRESS = 0


@pytest.fixture
def user(wecustomers: PolicyVersion) -> User:
    return member()


@pytest.fixture
def program(user: User) -> Client:
    found = caller(user)
    found.get("/api/v1/me/")  # the day of the last use is noted
    return found


def problem(answer: Any, status: int) -> dict[str, Any]:
    """The answer's body, which must be a problem of RFC 9457."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert "no-store" in answer["Cache-Control"]
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert {type(body[name]) for name in ("type", "title", "detail")} == {str}
    assert body["instance"].replace("-", "") == f"urn:uuid:{answer['X-Request-ID']}"
    assert not [name for name in answer.headers if name.startswith("Access-Control")]
    return body


JSON = "application/json"
BAD: list[tuple[str, bytes, str, int, str]] = [
    ("no JSON", b"{", JSON, 400, ""),
    ("empty", b"", JSON, 400, "/on"),
    ("nothing", b"null", JSON, 400, ""),
    ("list", b"[true]", JSON, 400, ""),
    ("text", b'"on"', JSON, 400, ""),
    ("number", b"1", JSON, 400, ""),
    ("two values", b"{} {}", JSON, 400, ""),
    ("trailing", b'{"on": true,}', JSON, 400, ""),
    ("single quotes", b"{'on': true}", JSON, 400, ""),
    ("not a number", b'{"on": NaN}', JSON, 400, ""),
    ("infinite", b'{"on": -Infinity}', JSON, 400, ""),
    ("huge number", b'{"on": ' + b"9" * 60_000 + b"}", JSON, 400, ""),
    ("huge exponent", b'{"on": 1e99999}', JSON, 400, "/on"),
    ("twice", b'{"on": true, "on": false}', JSON, 400, ""),
    ("missing", b'{"words_digest": null}', JSON, 400, "/on"),
    ("unknown", b'{"on": false, "channel": "letter"}', JSON, 400, "/channel"),
    ("unknown name", '{"on": false, "a/b~ü": 1}'.encode(), JSON, 400, "/a~1b~0ü"),
    ("yes", b'{"on": "yes"}', JSON, 400, "/on"),
    ("one", b'{"on": 1}', JSON, 400, "/on"),
    ("null", b'{"on": null}', JSON, 400, "/on"),
    ("object", b'{"on": {}}', JSON, 400, "/on"),
    ("short digest", b'{"on": true, "words_digest": "ab"}', JSON, 400, "/words_digest"),
    ("digest is a number", b'{"on": true, "words_digest": 7}', JSON, 400, "/words_digest"),
    ("NUL", b'{"on": true, "words_digest": "\\u0000"}', JSON, 400, ""),
    ("NUL in a name", b'{"on": true, "\\u0000": 1}', JSON, 400, ""),
    ("surrogate", b'{"on": true, "words_digest": "\\ud800"}', JSON, 400, ""),
    ("surrogate name", b'{"\\ud800": true}', JSON, 400, ""),
    ("not UTF-8", b'{"on": "\xff\xfe"}', JSON, 400, ""),
    ("UTF-16", '{"on": true}'.encode("utf-16"), JSON, 400, ""),
    ("byte order mark", '\ufeff{"on": true}'.encode(), JSON, 400, ""),
    ("deep list", b"[" * 30_000 + b"]" * 30_000, JSON, 400, ""),
    ("deep object", b'{"on":' * 5000 + b"1" + b"}" * 5000, JSON, 400, ""),
    ("a little too deep", b"[" * (DEEPEST_BODY + 2) + b"]" * (DEEPEST_BODY + 2), JSON, 400, ""),
    ("too large", b'{"on": "' + b"x" * LARGEST_BODY + b'"}', JSON, 413, ""),
    ("a megabyte", b'{"on": "' + b"x" * 1_100_000 + b'"}', JSON, 413, ""),
    ("form", b"on=true", "application/x-www-form-urlencoded", 415, ""),
    ("multipart", b"--x\r\nnothing", "multipart/form-data; boundary=x", 415, ""),
    ("plain", b'{"on": false}', "text/plain", 415, ""),
    ("XML", b"<on/>", "application/xml", 415, ""),
    ("no type", b'{"on": false}', "", 415, ""),
    ("nonsense type", b'{"on": false}', "x" * 300, 415, ""),
    ("almost", b'{"on": false}', "application/json-patch+json", 415, ""),
]


@pytest.mark.parametrize(
    ("body", "kind", "status", "pointer"), [b[1:] for b in BAD], ids=[b[0] for b in BAD]
)
def test_bad_body_is_refused_with_its_place(
    program: Client, body: bytes, kind: str, status: int, pointer: str
) -> None:
    before = table_digests()
    told = problem(program.generic("PUT", NEWS, body, content_type=kind), status)
    if pointer:
        assert pointer in [error["pointer"] for error in told["errors"]]
    assert table_digests() == before


def test_charset_and_case_of_the_type_do_not_matter(program: Client) -> None:
    kind = "Application/JSON; charset=UTF-8"
    assert program.generic("PUT", NEWS, '{"on": false}', content_type=kind).status_code == 200


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(["on", "words_digest", "kind", "key", "", "__proto__"]) | st.text()


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(body=values | st.dictionaries(names, values, max_size=4))
def test_no_body_at_all_breaks_or_allows_anything(program: Client, body: Any) -> None:
    text = json.dumps(body)
    for method, address in (("PUT", NEWS), ("POST", REQUESTS)):
        answer = program.generic(method, address, text, content_type=JSON)
        if isinstance(body, dict) and body.get("on") is False and set(body) <= {"on"}:
            continue
        assert 400 <= answer.status_code < 500, (body, answer.content)
        problem(answer, answer.status_code)


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "X"]
)
@pytest.mark.parametrize(
    "address",
    ["/api/", "/api/v1/", "/api/v2/policy/", "/api/v1/policy", "/api/x", "/api/%00/", "/api/v1/ü"],
)
def test_unknown_addresses_are_problems(
    wecustomers: PolicyVersion, address: str, method: str
) -> None:
    answer = Client(enforce_csrf_checks=True).generic(method, address)
    if method == "HEAD":
        assert (answer.status_code, answer.content) == (404, b"")
    else:
        told = problem(answer, 404)
        assert ("end with a slash" in told["detail"]) is not address.endswith("/")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_public_addresses_are_for_looking(wecustomers: PolicyVersion, method: str) -> None:
    answer = Client(enforce_csrf_checks=True).generic(method, "/api/v1/policy/")
    problem(answer, 405)
    assert "GET" in answer["Allow"]
    assert "POST" not in answer["Allow"]


def test_preflight_of_another_site_gets_no_leave(program: Client) -> None:
    asks = {"origin": "https://evil.example", "access-control-request-method": "PUT"}
    problem(program.options(NEWS, headers=asks), 405)
    simple = program.get(NEWS, headers={"origin": "https://evil.example"})
    assert not [name for name in simple.headers if name.startswith("Access-Control")]


def test_only_json_can_be_asked_for(wecustomers: PolicyVersion, client: Client) -> None:
    for accept in ("application/xml", "text/html", "image/*"):
        problem(client.get("/api/v1/policy/", headers={"accept": accept}), 406)
    for accept in ("*/*", "application/*", "text/html, application/json;q=0.5"):
        assert client.get("/api/v1/policy/", headers={"accept": accept}).status_code == 200
    assert client.get("/api/v1/policy/?format=xml").status_code == 200


@pytest.mark.parametrize(
    "query", ["cursor=", "cursor=x", "cursor=%00", "cursor=%ff", "cursor=1:2:3", "page=2", "x"]
)
def test_bad_parameters_are_named(program: Client, query: str) -> None:
    for address in ("/api/v1/policy/versions/", REQUESTS, f"{NEWS}history/"):
        told = problem(program.get(f"{address}?{query}"), 400)
        name = query.partition("=")[0]
        assert [error["pointer"] for error in told["errors"]] == [f"?{name}"]


def test_foreign_host_gets_a_problem(wecustomers: PolicyVersion) -> None:
    client = Client(raise_request_exception=False)
    problem(client.get("/api/v1/policy/", headers={"host": "evil.example"}), 400)


def test_failure_tells_nothing_and_its_log_holds_no_key(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = made(user).text
    program, heard = with_key(text), io.StringIO()

    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError(f"secret of {user.email} {text}")

    monkeypatch.setattr("consent.ledger.standing", fail)
    stream = logging.getLogger().handlers[0]
    handler = logging.StreamHandler(heard)
    handler.setFormatter(stream.formatter)
    logging.getLogger().addHandler(handler)
    try:
        told = problem(program.get("/api/v1/me/choices/"), 500)
        problem(with_key(text[:-1] + "-").get("/api/v1/me/choices/"), 401)
    finally:
        logging.getLogger().removeHandler(handler)
    assert "RuntimeError" not in json.dumps(told)
    assert user.email not in json.dumps(told)
    assert "api/v1/me/choices" in heard.getvalue() or "RuntimeError" in heard.getvalue()
    assert not re.search(r"kept_|example\.com|secret", heard.getvalue())


def test_database_that_is_away_is_told_as_a_503(
    program: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("connection to server at 192.0.2.7 failed")

    monkeypatch.setattr("accounts.keys.find", fail)
    answer = program.get("/api/v1/me/choices/")
    assert "192.0.2.7" not in json.dumps(problem(answer, 503))
    assert answer["Retry-After"] == "5"


def test_sessions_and_forgery_mean_nothing(user: User) -> None:
    """A browser that is signed in can't be made to decide: no cookie is looked at."""
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    before = table_digests()
    problem(browser.put(NEWS, {"on": False}, content_type=JSON), 401)
    assert table_digests() == before
