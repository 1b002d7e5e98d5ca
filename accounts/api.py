"""The API's part of this room: what a key says about itself, and how the schema describes it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import extend_schema
from pydantic import ConfigDict, Field
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.bearer import KeyAuthentication
from accounts.models import ApiKey
from audit.api import Answer, ApiView, HasScope, answer

SCHEME: Final = "key"  # its name in the schema


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # no types
    """The key in the schema, with the scope each call needs."""

    target_class = KeyAuthentication
    name = SCHEME

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "kept_…",
            "description": "A key from the page “API keys” of the privacy centre.",
        }

    def get_security_requirement(self, auto_schema: Any) -> dict[str, list[str]]:
        needed = auto_schema.view.scopes.get(auto_schema.method)
        return {SCHEME: [needed] if needed else []}


class OwnKey(Answer):
    """The key that is being used."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Shell",
                    "prefix": "kept_7m2q9xv4tk",
                    "scopes": ["choices:read"],
                    "created_at": "2026-03-02T09:30:00Z",
                    "expires_at": "2026-05-31T09:30:00Z",
                    "last_used_on": "2026-03-04",
                }
            ]
        }
    )

    name: str
    prefix: str = Field(description="The public part of the key.")
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_on: date | None = Field(description="A day and no more.")


class Me(ApiView):
    """What the key in use may do, and until when."""

    permission_classes = [HasScope]

    @extend_schema(operation_id="own_key", summary="The key in use", responses=OwnKey, tags=["me"])
    def get(self, request: Request) -> Response:
        """Answers for every key, whatever it was made for: the way to try one out."""
        key: ApiKey = request.auth.key
        return answer(
            OwnKey(
                name=key.name,
                prefix=f"kept_{key.prefix}",
                scopes=list(key.scopes),
                created_at=key.created_at,
                expires_at=key.expires_at,
                last_used_on=key.last_used_on,
            )
        )
