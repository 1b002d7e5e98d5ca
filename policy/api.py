"""The policy for programs: versions, promises and the data map. For everybody, without a key.

The same data as the pages, from the same memory: no query. Counts from one to nine are hidden as
on the public board.
"""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api import PublicView, answer, page_of
from policy import board, current, datapage
from policy.answers import (
    DataMap,
    Policy,
    Promises,
    PromiseState,
    VersionPage,
    kept_of,
    policy_of,
    promise_of,
    version_of,
)
from policy.models import PolicyVersion

WHICH = OpenApiParameter(
    "which",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    description="The digest of a version, or its label: then the newest of that name.",
)
CURSOR = OpenApiParameter(
    "cursor",
    OpenApiTypes.STR,
    OpenApiParameter.QUERY,
    description="Where the page begins; taken from the `next` of the page before.",
)


class PolicyView(PublicView):
    """The policy in force."""

    @extend_schema(
        operation_id="policy", summary="The policy in force", responses=Policy, tags=["policy"]
    )
    def get(self, request: Request) -> Response:
        """Everything it says, in the structure of the policy file."""
        return answer(policy_of(current.in_force()))


class VersionsView(PublicView):
    """All versions."""

    @extend_schema(
        operation_id="policy_versions",
        summary="Every version, newest first",
        parameters=[CURSOR],
        responses=VersionPage,
        tags=["policy"],
    )
    def get(self, request: Request) -> Response:
        """Coming versions are among them as soon as they are published."""
        in_force = current.in_force()
        page = page_of(
            request,
            after=lambda number: [
                v for v in current.versions() if number is None or v.number < number
            ],
            position=lambda v: v.number,
        )
        results = [version_of(v, in_force) for v in page.rows]
        return answer(VersionPage(results=results, next=page.next))


class VersionView(PublicView):
    """One version."""

    @extend_schema(
        operation_id="policy_version",
        summary="One version",
        parameters=[WHICH],
        responses=Policy,
        tags=["policy"],
    )
    def get(self, request: Request, which: str) -> Response:
        """By its digest or its label."""
        return answer(policy_of(_find(which)))


class SourceView(PublicView):
    """One version's bytes."""

    @extend_schema(
        operation_id="policy_version_source",
        summary="The file as it was published, byte for byte",
        parameters=[WHICH],
        responses={
            (200, "application/toml"): OpenApiResponse(
                OpenApiTypes.STR, description="The file. Its SHA-256 is the version's digest."
            )
        },
        tags=["policy"],
    )
    def get(self, request: Request, which: str) -> HttpResponseBase:
        """Hash it, and compare it with the version's digest."""
        chosen = _find(which)
        response = HttpResponse(chosen.source.encode(), content_type="application/toml")
        name = f"{chosen.site}-{chosen.digest[:12]}.toml"
        response["Content-Disposition"] = f'inline; filename="{name}"'
        return response

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """There is one form of it, whatever the caller would rather have."""
        return super().perform_content_negotiation(request, force=True)


class PromisesView(PublicView):
    """The promise board."""

    @extend_schema(
        operation_id="promises",
        summary="Every promise, and whether it is kept",
        responses=Promises,
        tags=["promises"],
    )
    def get(self, request: Request) -> Response:
        """A promise without a recent check is not evaluated, never kept."""
        version = current.in_force()
        lines = board.lines(version=version, now=timezone.now())
        results = [promise_of(line) for line in lines]
        states: tuple[Any, ...] = ("kept", "broken", "not_evaluated", "no_check")
        tally = {state: sum(r.state == state for r in results) for state in states}
        return answer(Promises(policy_digest=version.digest, tally=tally, results=results))


class PromiseView(PublicView):
    """One promise."""

    @extend_schema(
        operation_id="promise",
        summary="One promise",
        parameters=[
            OpenApiParameter(
                "promise_id",
                OpenApiTypes.STR,
                OpenApiParameter.PATH,
                description="Its id in the policy, such as `WC-9`.",
            )
        ],
        responses=PromiseState,
        tags=["promises"],
    )
    def get(self, request: Request, promise_id: str) -> Response:
        """As it stands on the board."""
        lines = board.lines(version=current.in_force(), now=timezone.now())
        line = next((each for each in lines if each.promise.id == promise_id), None)
        if line is None:
            raise Http404
        return answer(promise_of(line))


class DataMapView(PublicView):
    """The data map."""

    @extend_schema(
        operation_id="data_map",
        summary="Every kind of data this site can hold",
        responses=DataMap,
        tags=["data map"],
    )
    def get(self, request: Request) -> Response:
        """Deleting, counting and copying a person's data go by the same list."""
        version = current.in_force()
        kept = [kept_of(entry) for entry in datapage.offered(version.document)]
        return answer(DataMap(policy_digest=version.digest, results=kept))


def _find(which: str) -> PolicyVersion:
    """By digest, or by label (the newest of that name). Raises Http404."""
    for version in current.versions():
        if which in (version.digest, version.version):
            return version
    raise Http404
