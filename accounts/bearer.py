"""Keys at the door of the API: who calls, and how often they may.

REST framework reads this module while its own views load, so it knows nothing of views.
"""

from __future__ import annotations

import ipaddress
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final
from uuid import UUID

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts import keys
from accounts.models import ApiKey, User

if TYPE_CHECKING:
    from rest_framework.views import APIView

WINDOW: Final = 60  # seconds


@dataclass(frozen=True)
class KeyCaller:
    """A call with a key; what `audit.api.Caller` asks for. key: never in a log or an answer."""

    key: ApiKey

    @property
    def key_id(self) -> UUID:
        """Names the key where it acted."""
        return self.key.pk

    @property
    def scopes(self) -> frozenset[str]:
        """What it was made for."""
        return frozenset(self.key.scopes)

    @property
    def subject_id(self) -> UUID | None:
        """Whose data it opens."""
        return keys.owner_of(self.key)


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer kept_…` (RFC 6750 2.1). No cookie counts, so no site forges calls."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, KeyCaller] | None:
        scheme, _space, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        now = timezone.now()
        key = keys.find(text=text.strip(), now=now)
        if key is None:
            raise exceptions.AuthenticationFailed(_("This key opens nothing."))
        keys.note_use(key=key, now=now)
        return key.user or AnonymousUser(), KeyCaller(key)

    def authenticate_header(self, request: Request) -> str:
        """RFC 6750 3: what is missing, or that the key was wrong."""
        given = "HTTP_AUTHORIZATION" in request.META
        return 'Bearer realm="kept"' + (', error="invalid_token"' if given else "")


class _Counted(BaseThrottle, ABC):
    """So many calls in each minute of the clock. One atomic count, shared by all processes."""

    before_key: ClassVar[bool]
    setting: ClassVar[str]

    def allow_request(self, request: Request, view: APIView) -> bool:
        who = self.who(request)
        most: int = getattr(settings, self.setting)
        if not most or not who:
            return True
        minute = int(time.time()) // WINDOW
        name = f"api:{self.setting}:{who}:{minute}"
        cache.add(name, 0, timeout=2 * WINDOW)
        try:
            return cache.incr(name) <= most
        except ValueError:  # it went in between
            return True

    def wait(self) -> float:
        """Seconds until the next minute begins."""
        return WINDOW - time.time() % WINDOW

    @abstractmethod
    def who(self, request: Request) -> str:
        """Whose calls are counted together; empty for nobody's."""


class PerAddress(_Counted):
    """Calls of one address, with a key or without."""

    before_key = True
    setting = "KEPT_API_CALLS_PER_ADDRESS"

    def who(self, request: Request) -> str:
        return network_of(get_adapter().get_client_ip(request._request))


class PerKey(_Counted):
    """Calls with one key, wherever they come from."""

    before_key = False
    setting = "KEPT_API_CALLS_PER_KEY"

    def who(self, request: Request) -> str:
        return request.auth.key_id.hex if isinstance(request.auth, KeyCaller) else ""


def network_of(address: str) -> str:
    """What counts as one caller: an IPv4 address, or the /64 that a household's IPv6 has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.IPv6Network((found, 64), strict=False).network_address)
    return str(found)
