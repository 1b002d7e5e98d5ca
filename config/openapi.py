"""The API described: the OpenAPI document, and its pages without any outside host."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any, Final

from csp.decorators import csp_replace, csp_update
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from markdown_it import MarkdownIt

from audit.access import scopes, site_scopes
from audit.api import LARGEST_BODY, Problem, kinds

MEDIA_TYPE: Final = "application/problem+json"
NOTHING: Final = {"$ref": "#/components/schemas/Nothing"}
GUIDE: Final = settings.BASE_DIR / "docs" / "api.md"
_PLAIN: Final[dict[int, str]] = {
    400: "Something in the body or the address is wrong; `errors` names each place.",
    401: "No key, or one that opens nothing (any more).",
    403: "The key may not do this.",
    404: "There is nothing at this address, or not for this person.",
    405: "The address does not know this method.",
    406: "There is no answer in a form that `Accept` allows.",
    413: f"The body has more than {LARGEST_BODY} bytes.",
    415: "The body is not `application/json`.",
    429: "Too many calls in this minute.",
    500: "Something went wrong here.",
    503: "Not now: no policy is published yet, or the database is away.",
}
_TITLES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@require_safe
def schema(request: HttpRequest) -> HttpResponseBase:
    """The OpenAPI document as JSON, made once per process and language."""
    text, etag = _drawn(get_language() or "en", settings.SITE_URL)
    response = HttpResponse(text, content_type="application/vnd.oai.openapi+json;version=3.1")
    response["ETag"] = etag
    response["Cache-Control"] = "public, no-cache"
    patch_vary_headers(response, ["Accept-Language"])
    found = get_conditional_response(request, etag=etag, response=response)
    assert found is not None  # a response was given
    return found


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The guide and every call, readable without a script."""
    context = {
        "guide": _guide(),
        "operations": operations(document()),
        "kinds": kinds(),
        "scopes": scopes().values(),
        "site_scopes": site_scopes().values(),
    }
    return render(request, "api/docs.html", context)


# Swagger UI writes style elements and HTML strings of its own; it gets the rest of the policy, on a
# page that shows nobody's data. Scripts are still ours alone, and no other host is asked.
@csp_replace({"require-trusted-types-for": None, "trusted-types": None})
@csp_update({"style-src": ["'unsafe-inline'"]})
@require_safe
def explorer(request: HttpRequest) -> HttpResponse:
    """Swagger UI from our own files, to try calls out."""
    return render(request, "api/explorer.html")


def document() -> dict[str, Any]:
    """The OpenAPI document in the active language."""
    found: dict[str, Any] = json.loads(_drawn(get_language() or "en", settings.SITE_URL)[0])
    return found


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Write into the schema what holds for every call: its errors, the key, who to write to."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    _put(schemas, Problem)
    result["components"]["responses"] = {f"Problem{n}": _response(n) for n in _PLAIN}
    for path in result["paths"].values():
        for operation in path.values():
            _add_errors(operation)
    result["servers"] = [{"url": settings.SITE_URL}]
    result["info"]["description"] = (
        "The privacy policy in force, and a person's own choices and requests. "
        "Times are UTC (RFC 3339), names snake_case, errors problem details (RFC 9457). "
        "No CORS header is ever sent: the API is for programs, not for pages of other sites."
    )
    return result


def operations(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Every call in a few words, in the order of the schema, for the docs page."""
    rows = []
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            key: dict[str, list[str]] = next(iter(operation.get("security", [])), {})
            rows.append(
                {
                    "id": operation["operationId"],
                    "method": method.upper(),
                    "path": path,
                    "summary": operation["summary"],
                    "text": operation.get("description", ""),
                    "needs_key": bool(key),
                    "scope": next(iter(key.get("key", [])), ""),
                    "example": _example(found, operation),
                }
            )
    return rows


def _add_errors(operation: dict[str, Any]) -> None:
    numbers = {404, 405, 406, 429, 500, 503}
    if any(operation.get("security", [])):
        numbers |= {401, 403}
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        # A body without any field may as well be left out.
        operation["requestBody"]["required"] = content["schema"] != NOTHING
        numbers |= {400, 413, 415}
    if any(p["in"] == "query" for p in operation.get("parameters", [])):
        numbers.add(400)
    answers = operation["responses"]
    for number in sorted(numbers):
        answers.setdefault(str(number), {"$ref": f"#/components/responses/Problem{number}"})
    if "200" in answers:
        answers["200"]["description"] = answers["200"]["description"] or operation["summary"]
    for answer in answers.values():
        content = answer.get("content", {})
        reference = {"$ref": "#/components/schemas/Problem"}
        if content.get("application/json", {}).get("schema") == reference:
            content[MEDIA_TYPE] = content.pop("application/json")
    operation["responses"] = dict(sorted(answers.items()))


def _response(number: int) -> dict[str, Any]:
    example = {
        "type": "about:blank",
        "title": _TITLES[number],
        "status": number,
        "detail": _PLAIN[number],
        "instance": "urn:uuid:6f2c1d3e-9a4b-4c5d-8e6f-7a8b9c0d1e2f",
    }
    schema = {"$ref": "#/components/schemas/Problem"}
    found: dict[str, Any] = {
        "description": _PLAIN[number],
        "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
    }
    headers = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
    if name := headers.get(number):
        found["headers"] = {name: {"schema": {"type": "string"}}}
    return found


def _put(schemas: dict[str, Any], model: Any) -> None:
    drawn = model.model_json_schema(
        ref_template="#/components/schemas/{model}", mode="serialization"
    )
    schemas.update(drawn.pop("$defs", {}))
    schemas[model.__name__] = drawn


def _example(found: dict[str, Any], operation: dict[str, Any]) -> str:
    """The first example of the good answer, as indented JSON."""
    content = operation["responses"].get("200", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    name = reference.rpartition("/")[2]
    examples = found["components"]["schemas"].get(name, {}).get("examples", [])
    return json.dumps(examples[0], indent=2, ensure_ascii=False) if examples else ""


@cache
def _drawn(language: str, site: str) -> tuple[str, str]:
    """The document's text and tag, made once for a language and the address it names."""
    generator: Any = SchemaGenerator  # it has no types
    found = generator().get_schema(request=None, public=True)
    text = json.dumps(found, indent=1, ensure_ascii=False)
    return text, f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


@cache
def _guide() -> SafeString:
    """docs/api.md as HTML: our own file, raw HTML in it switched off. Its title is the page's."""
    _title, _newline, text = GUIDE.read_text(encoding="utf-8").partition("\n")
    drawn: str = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    # Wide ones scroll, and must do so from the keyboard.
    drawn = drawn.replace("<pre>", '<pre tabindex="0">')
    found: SafeString = mark_safe(drawn)  # noqa: S308  drawn from our own file, HTML off
    return found
