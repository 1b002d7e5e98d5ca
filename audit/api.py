"""What every room's part of the API shares: views with scopes, strict input, pages, refusals.

Answers and bodies are pydantic models, so that one declaration makes the JSON, the check of what
comes in, and the schema at /api/schema/. A body is read with a limit on its size and depth; an
unknown field is refused by its name, and a value of another type is never bent into shape.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar, runtime_checkable
from urllib.parse import urlencode
from uuid import UUID

import pydantic
from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict
from rest_framework import exceptions
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from datamap.never_stored import refused_parts

LARGEST_BODY: Final = 65_536  # bytes
DEEPEST_BODY: Final = 16
PER_PAGE: Final = 50
T = TypeVar("T")
Body = TypeVar("Body", bound=BaseModel)


class Answer(BaseModel):
    """A part of an answer. Unknown fields can't slip into one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Input(BaseModel):
    """A body. Fields that it does not name are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class WrongField(Answer):
    """One thing that is wrong. pointer: a JSON pointer into the body (RFC 6901), or `?name` for a
    parameter of the address.
    """

    pointer: str
    detail: str


class Problem(BaseModel):
    """Every error, as RFC 9457 wants it. Particular problems have further members."""

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "There is nothing at this address.",
                    "instance": "urn:uuid:6f2c1d3e-9a4b-4c5d-8e6f-7a8b9c0d1e2f",
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: list[WrongField] | None = None


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A particular problem that a program may want to tell from others.

    code: the last part of its `type`. text: what to do about it, for the docs page.
    """

    code: str
    status: int
    title: Any
    text: Any


_kinds: dict[str, Kind] = {}


def add_kind(kind: Kind) -> Kind:
    """Register a particular problem. Raises `ValueError` for a code used before."""
    if kind.code in _kinds:
        raise ValueError(f"two problems are called {kind.code!r}")
    _kinds[kind.code] = kind
    return kind


def kinds() -> list[Kind]:
    """Every particular problem there is, in the order of codes."""
    return [_kinds[code] for code in sorted(_kinds)]


class Refused(exceptions.APIException):
    """Answer with a particular problem. more: its further members."""

    def __init__(self, kind: Kind, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.kind, self.more, self.status_code = kind, more, kind.status


class TooLarge(exceptions.APIException):
    """The body has more bytes than `LARGEST_BODY`."""

    status_code = 413


class Invalid(exceptions.APIException):
    """Fields are wrong; each with its place and reason."""

    status_code = 400

    def __init__(self, errors: Sequence[WrongField]) -> None:
        super().__init__(_("Some fields are wrong. Nothing was changed."))
        self.errors = list(errors)


@runtime_checkable
class Caller(Protocol):
    """Who calls with a key: what it may do, and whose data it opens (none for the site's own)."""

    @property
    def key_id(self) -> UUID: ...
    @property
    def scopes(self) -> frozenset[str]: ...
    @property
    def subject_id(self) -> UUID | None: ...


class HasScope(BasePermission):
    """The key was made for what the view's `scopes` say for this method."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        caller = request.auth
        if not isinstance(caller, Caller):
            raise exceptions.NotAuthenticated(_("This address wants a key."))
        needed = getattr(view, "scopes", {}).get(_method(request))
        if needed and needed not in caller.scopes:
            told = _("This key was not made for “%(scope)s”.")
            raise Refused(NO_SCOPE, told % {"scope": needed}, scope=needed)
        return True


class OwnsData(HasScope):
    """Moreover, the key is a person's: the address is about that person's data."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        allowed = super().has_permission(request, view)
        caller: Any = request.auth
        if caller.subject_id is None:
            raise exceptions.PermissionDenied(_("This key is the site's own and opens no person."))
        return allowed


class IsSiteKey(HasScope):
    """Moreover, the key is the site's own: no person's key calls here."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        caller: Any = request.auth
        if isinstance(caller, Caller) and caller.subject_id is not None:
            raise exceptions.PermissionDenied(_("This address is for the site's own programs."))
        return super().has_permission(request, view)


class JsonBody(BaseParser):
    """JSON and nothing but: UTF-8, no name twice, no NaN, limited in size and depth."""

    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        raw = stream.read(LARGEST_BODY + 1)
        if len(raw) > LARGEST_BODY:
            told = _("The body is larger than %(n)d bytes.") % {"n": LARGEST_BODY}
            raise TooLarge(told)
        try:
            text = raw.decode("utf-8")
            found = json.loads(text, object_pairs_hook=_named_once, parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise exceptions.ParseError(_("The body is not JSON that we can read.")) from None
        _check(found, DEEPEST_BODY)
        return found


class ApiView(APIView):
    """Counts calls of an address before it looks at the key, so that guessing is limited, too."""

    parser_classes = [JsonBody]
    scopes: ClassVar[Mapping[str, str]] = {}

    def perform_authentication(self, request: Request) -> None:
        self._count(request, before_key=True)
        super().perform_authentication(request)

    def check_throttles(self, request: Request) -> None:
        self._count(request, before_key=False)

    def _count(self, request: Request, *, before_key: bool) -> None:
        for throttle in self.get_throttles():
            if getattr(throttle, "before_key", False) is not before_key:
                continue
            if not throttle.allow_request(request, self):
                self.throttled(request, throttle.wait() or 1)


class PublicView(ApiView):
    """For everybody, without a key. Caches may keep it but ask each time whether it is still so."""

    authentication_classes = []
    permission_classes = [AllowAny]

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        final: Any = super().finalize_response(request, response, *args, **kwargs)
        if final.status_code != 200:
            return final
        tag = revalidation(request._request)
        if isinstance(final, Response):
            final.add_post_render_callback(tag)
            return final
        return tag(final)


class OwnView(ApiView):
    """About the person whose key it is."""

    permission_classes = [OwnsData]

    @property
    def caller(self) -> Caller:
        """The key of this call."""
        caller: Any = self.request.auth
        assert isinstance(caller, Caller)  # HasScope made sure
        return caller

    @property
    def me(self) -> UUID:
        """The subject of the key's owner."""
        subject_id = self.caller.subject_id
        assert subject_id is not None  # OwnsData made sure
        return subject_id


class SiteView(ApiView):
    """For the site's own programs, with a key of the site's (`manage.py make_site_key`)."""

    permission_classes = [IsSiteKey]

    @property
    def caller(self) -> Caller:
        """The key of this call."""
        caller: Any = self.request.auth
        assert isinstance(caller, Caller)  # HasScope made sure
        return caller


def answer(body: BaseModel, status: int = 200) -> Response:
    """The model as JSON; times in UTC (RFC 3339)."""
    return Response(body.model_dump(mode="json"), status=status)


def revalidation(request: HttpRequest) -> Callable[[Any], HttpResponseBase]:
    """For a rendered answer: its tag, or "not modified" to whoever has it already."""

    def tagged(response: Any) -> HttpResponseBase:
        etag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
        response["ETag"] = etag
        response["Cache-Control"] = "public, no-cache"
        final = get_conditional_response(request, etag=etag, response=response)
        assert final is not None  # a response was given
        return final

    return tagged


def body_of(request: Request, model: type[Body]) -> Body:
    """The body as this model. Raises `Invalid`, and what reading it raises."""
    data = request.data
    never = [WrongField(pointer=_pointer(p), detail=told) for p, told in refused_parts(data)]
    if never:
        raise Invalid(never)
    try:
        return model.model_validate({} if data == {} else data)
    except pydantic.ValidationError as error:
        raise Invalid([_wrong(each) for each in error.errors(include_url=False)]) from None


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows of a long list, and the address of the next ones."""

    rows: list[T]
    next: str | None = field(default=None)


def page_of(
    request: Request,
    *,
    after: Callable[[Any], Iterable[T]],
    position: Callable[[T], Any],
) -> Page[T]:
    """A page of a list that is read by position, never by number: rows that come or go meanwhile
    move nothing. after: the rows behind a position, or all for None; lazy, sliced here. position:
    of a row, as JSON. Raises `Invalid` for a cursor we did not make.
    """
    strange = [name for name in request.query_params if name != "cursor"]
    if strange:
        told = _("There is no parameter of this name.")
        raise Invalid([WrongField(pointer=f"?{name}"[:100], detail=told) for name in strange])
    cursor = request.query_params.get("cursor")
    signer = Signer(salt=f"api.cursor:{request.path}")
    try:
        start = signer.unsign_object(cursor) if cursor is not None else None
    except (BadSignature, ValueError):
        told = _("Take the cursor from the `next` of an earlier page.")
        raise Invalid([WrongField(pointer="?cursor", detail=told)]) from None
    found: Any = after(start)
    rows = list(found[: PER_PAGE + 1])
    if len(rows) <= PER_PAGE:
        return Page(rows)
    rows = rows[:PER_PAGE]
    query = urlencode({"cursor": signer.sign_object(position(rows[-1]))})
    return Page(rows, f"{settings.SITE_URL}{request.path}?{query}")


def _method(request: Request) -> str:
    return "GET" if request.method == "HEAD" else str(request.method)


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _check(value: Any, depth: int) -> None:
    """No text that can't be stored or answered, nothing too deep."""
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise exceptions.ParseError(_("The body holds characters that no text has."))
        return
    if not isinstance(value, list | dict):
        return
    if depth == 0:
        raise exceptions.ParseError(_("The body is nested too deeply."))
    for each in value:
        _check(each, depth - 1)
        if isinstance(value, dict):
            _check(value[each], depth - 1)


def _pointer(path: Sequence[str | int]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(p).replace("~", "~0").replace("/", "~1")[:100] for p in path)


def _wrong(error: Any) -> WrongField:
    pointer = _pointer(error["loc"])
    context = error.get("ctx", {})
    words = {
        "missing": _("This field is required."),
        "extra_forbidden": _("There is no field of this name."),
        "bool_type": _("Write true or false."),
        "string_type": _("Write a text."),
        "string_pattern_mismatch": _("This does not have the right form."),
        "literal_error": _("Write one of: %(known)s.") % {"known": context.get("expected", "")},
        "model_type": _("Write an object with named fields."),
        "model_attributes_type": _("Write an object with named fields."),
    }
    told = words.get(error["type"], _("This value is not allowed here."))
    return WrongField(pointer=pointer, detail=told)


NO_SCOPE = add_kind(
    Kind(
        code="scope-missing",
        status=403,
        title=_("The key may not do this"),
        text=_("Make a key with the scope that the member `scope` names."),
    )
)
