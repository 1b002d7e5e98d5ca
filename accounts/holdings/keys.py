"""Keys to the API."""

from django.utils.translation import gettext_lazy as _

from datamap.holding import Holding, Personal, Source
from datamap.registry import declare

declare(
    Holding(
        key="accounts.api_key",
        model="accounts.ApiKey",
        title=_("Your keys to the API"),
        staff_title=_("Keys to the API"),
        subject="user__subject",
        personal=(
            Personal("name", "user.content"),
            Personal("prefix", "user.authorization.credentials", source=Source.SITE),
            Personal("key_hash", "user.authorization.credentials", source=Source.SITE, secret=True),
            Personal("last_used_on", "user.behavior", source=Source.SITE),
        ),
        other=(
            "id",
            "user",
            "handle",
            "scopes: names of what the key may do",
            "created_at",
            "expires_at",
            "revoked_at",
        ),
        clocks={"expired": "expires_at"},
        removable=True,
    ),
)
