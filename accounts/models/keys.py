"""Keys to the API."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models.handles import new_handle
from accounts.models.users import User
from datamap.models import new_id


class ApiKey(models.Model):
    """A key to the API. What the person holds is shown once; the table has only its digest.

    `user` is whose data the key opens; a key without one is the site's own and opens nobody's.
    `prefix` is the public part by which the row is found, `handle` names the row in URLs.
    `last_used_on` is a day and no more, so that the row does not become a log of habits.
    `expires_at` is when it ends; taking the key back brings it forward.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(
        User, null=True, on_delete=models.CASCADE, related_name="api_keys", db_index=False
    )
    handle = models.CharField(max_length=32, unique=True, default=new_handle)
    name = models.CharField(_("name"), max_length=60)
    prefix = models.CharField(max_length=12, unique=True)
    key_hash = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField()
    last_used_on = models.DateField(null=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(key_hash__regex=r"^[0-9a-f]{64}$"), name="accounts_api_key_hashed"
            ),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True) | Q(expires_at__lte=models.F("revoked_at")),
                name="accounts_api_key_revoked_has_ended",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "created_at"], name="accounts_api_key_user"),
            models.Index(fields=["expires_at"], name="accounts_api_key_ended"),
        ]

    def __str__(self) -> str:
        return self.prefix

    def is_live(self, now: datetime) -> bool:
        """Whether it opens anything at `now`, as far as the key itself says."""
        return self.expires_at > now
