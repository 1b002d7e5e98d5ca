"""The schema is complete and true: every real answer, error and example is what it declares."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from accounts.models import User
from audit.access import scopes, site_scopes
from audit.api import kinds
from config import openapi
from policy.models import PolicyVersion
from tests.factories.accounts import member
from tests.factories.api import caller
from tests.factories.consent import decided
from tests.factories.payments import site_program
from tests.factories.policy import PUBLISHED_AT, file_bytes, publish_bytes, relabelled
from tests.factories.profiles import handle_of
from tests.factories.requests import asked

ROOT = "urn:schema"


@pytest.fixture(autouse=True)
def no_counts(settings: Any) -> None:
    cache.clear()
    settings.KEPT_API_CALLS_PER_KEY = settings.KEPT_API_CALLS_PER_ADDRESS = 0


@pytest.fixture
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Client().get("/api/schema/").content)
    return found


@pytest.fixture
def user(wecustomers: PolicyVersion) -> User:
    return member()


def validator(schema: dict[str, Any], pointer: str) -> Draft202012Validator:
    """Checks what stands at a JSON pointer of the schema."""
    resource = Resource.from_contents(schema, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource(ROOT, resource)
    return Draft202012Validator(
        {"$ref": f"{ROOT}#{pointer}"}, registry=registry, format_checker=FormatChecker()
    )


def component(reference: str) -> str:
    return reference.removeprefix("#")


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_schema_is_valid_without_a_warning() -> None:
    out = StringIO()
    call_command(
        "spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", stdout=out
    )
    assert json.loads(out.getvalue())["openapi"] == "3.1.0"


def test_schema_is_revalidated_and_needs_no_query(
    client: Client, django_assert_num_queries: Any, db: None
) -> None:
    first = client.get("/api/schema/")
    with django_assert_num_queries(0):
        again = client.get("/api/schema/", headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "Set-Cookie" not in first


def test_every_address_of_the_api_is_in_the_schema(schema: dict[str, Any]) -> None:
    def walk(patterns: list[Any], prefix: str = "") -> Iterator[str]:
        for each in patterns:
            route = prefix + str(each.pattern)
            if isinstance(each, URLResolver):
                yield from walk(each.url_patterns, route)
            elif isinstance(each, URLPattern) and route.startswith("api/v1/"):
                yield "/" + re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", route)

    assert sorted(walk(get_resolver().url_patterns)) == sorted(schema["paths"])


def test_every_call_says_what_it_needs_and_how_it_fails(schema: dict[str, Any]) -> None:
    declared = set(scopes()) | set(site_scopes())
    used = set()
    for path, _method, operation in operations(schema):
        own = path.startswith("/api/v1/me/") or "site" in operation["tags"]
        needs = [list(each) for each in operation["security"]]
        assert needs == ([["key"]] if own else [[]]), path
        for each in operation["security"]:
            used |= set(each.get("key", []))
        asked = {s for each in operation["security"] for s in each.get("key", [])}
        assert asked <= (set(site_scopes()) if "site" in operation["tags"] else set(scopes()))
        wanted = {"404", "405", "406", "429", "500", "503"}
        wanted |= {"401", "403"} if own else set()
        wanted |= {"400", "413", "415"} if "requestBody" in operation else set()
        assert wanted <= set(operation["responses"]), path
        assert all(operation[name] for name in ("operationId", "summary", "description", "tags"))
        assert all(
            p.get("description") or "enum" in p["schema"] for p in operation.get("parameters", [])
        )
    assert used == declared


def test_every_example_is_what_the_schema_declares(schema: dict[str, Any]) -> None:
    found = 0
    for name, declared in schema["components"]["schemas"].items():
        for example in declared.get("examples", []):
            validator(schema, f"/components/schemas/{name}").validate(example)
            found += 1
    for response in schema["components"]["responses"].values():
        content = response["content"]["application/problem+json"]
        validator(schema, "/components/schemas/Problem").validate(content["example"])
        found += 1
    assert found > 20
    for path, _method, operation in operations(schema):
        content = operation["responses"].get("200", {}).get("content", {})
        reference = content.get("application/json", {}).get("schema", {}).get("$ref")
        if reference and not reference.endswith(("/Policy", "/PromiseState")):
            declared = schema["components"]["schemas"][reference.rpartition("/")[2]]
            assert declared["examples"], path


def test_answers_admit_no_undeclared_field(schema: dict[str, Any]) -> None:
    open_ones = [
        name
        for name, declared in schema["components"]["schemas"].items()
        if declared["type"] == "object" and declared.get("additionalProperties") is not False
    ]
    assert open_ones == ["Problem"]  # particular problems have members of their own


def test_every_real_answer_is_what_the_schema_declares(
    wecustomers: PolicyVersion, user: User, schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.api.PER_PAGE", 1)  # so that `next` is there, too
    publish_bytes(relabelled(file_bytes(), "2"), now=PUBLISHED_AT + timedelta(days=1))
    decided(user.subject, "given", now=timezone.now())
    decided(user.subject, "withdrawn", now=timezone.now())
    request = asked(user, now=timezone.now())
    values = {
        "which": wecustomers.digest, "promise_id": "WC-9", "kind": "mail", "key": "service-news",
        "reference": request.reference, "handle": handle_of(user),
    }  # fmt: skip
    public = {"values": {"about": "x"}, "audiences": {"about": "everyone"}}
    bodies = {
        "decide": {"on": False},
        "ask": {"kind": "deletion"},
        "withdraw": {},
        "change_own_profile": public,
        "invite": {"email": "friend@example.com"},
    }
    wanted = {"ask": 403, "invite": 202}
    program = caller(user)
    last = sorted(operations(schema), key=lambda each: each[2]["operationId"] == "withdraw")
    for path, method, operation in last:
        name = operation["operationId"]
        if "site" in operation["tags"]:
            wanted[name] = 403  # a person's key
        body = json.dumps(bodies[name]) if name in bodies else ""
        answer = program.generic(
            method.upper(), path.format(**values), body, content_type="application/json"
        )
        assert answer.status_code == wanted.get(name, 200), (name, answer.content)
        declared = operation["responses"][str(answer.status_code)]
        if "$ref" in declared:
            declared = schema["components"]["responses"][declared["$ref"].rpartition("/")[2]]
        kind = answer["Content-Type"]
        assert kind in declared["content"], name
        if kind == "application/toml":
            continue
        pointer = component(declared["content"][kind]["schema"]["$ref"])
        validator(schema, pointer).validate(answer.json())
        assert not re.search(r"\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d", answer.content.decode()), name


def test_real_answers_about_payments_are_what_the_schema_declares(
    clickandchat: PolicyVersion, schema: dict[str, Any]
) -> None:
    shop = site_program(now=timezone.now())
    opening = schema["components"]["schemas"]["NewPayment"]["examples"][0]
    opening["email"] = member().email
    for name, path, body in (
        ("open_payment", "", opening),
        ("read_card", "A-2026-00017/card/", {}),
        ("close_payment", "A-2026-00017/close/", {}),
        ("read_card", "A-2026-00017/card/", {}),
    ):
        answer = shop.post(f"/api/v1/payments/{path}", body, content_type="application/json")
        (operation,) = [o for _p, _m, o in operations(schema) if o["operationId"] == name]
        declared = operation["responses"][str(answer.status_code)]["content"]
        pointer = component(declared[answer["Content-Type"]]["schema"]["$ref"])
        validator(schema, pointer).validate(answer.json())


def test_real_errors_are_what_the_schema_declares(user: User, schema: dict[str, Any]) -> None:
    program = caller(user, "choices:read", "choices:write")
    news = "/api/v1/me/choices/mail/service-news/"
    json_type = "application/json"
    answers = {
        400: program.generic("PUT", news, "{}", content_type=json_type),
        401: Client().get(news),
        403: program.get("/api/v1/me/requests/"),
        404: program.get("/api/v1/me/choices/mail/unknown/"),
        405: program.delete(news),
        406: program.get(news, headers={"accept": "text/html"}),
        409: program.generic("PUT", news, '{"on": true}', content_type=json_type),
        413: program.generic("PUT", news, " " * 70_000, content_type=json_type),
        415: program.generic("PUT", news, "x", content_type="text/plain"),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        validator(schema, "/components/schemas/Problem").validate(answer.json())
        assert answer["Content-Type"] == "application/problem+json"


def test_docs_page_names_every_call_problem_and_scope(
    wecustomers: PolicyVersion, client: Client, schema: dict[str, Any]
) -> None:
    page = client.get("/api/docs/").content.decode()
    for path, method, operation in operations(schema):
        assert f"{method.upper()} {path}" in page
        assert f'id="{operation["operationId"]}"' in page
    for kind in kinds():
        assert f'id="{kind.code}"' in page
    for scope in (*scopes(), *site_scopes()):
        assert f"<code>{scope}</code>" in page
    assert "First call" in page
    assert 'href="/api/schema/"' in page


def test_guide_names_every_problem_scope_and_address(schema: dict[str, Any]) -> None:
    guide = openapi.GUIDE.read_text(encoding="utf-8")
    assert [k.code for k in kinds() if f"`{k.code}`" not in guide] == []
    known = (*scopes(), *site_scopes())
    assert [s for s in known if f"`{s}`" not in guide] == []
    for path in (
        "/api/v1/policy/",
        "/api/v1/promises/",
        "/api/v1/data-map/",
        "/api/v1/me/choices/",
    ):
        assert path in guide
        assert path in schema["paths"]
