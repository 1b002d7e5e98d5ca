"""`Subject`: anybody about whom data is held, with an account or without."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7


def new_id() -> uuid.UUID:
    """A primary key that sorts by creation. Never put it into a URL: it tells the time."""
    return uuid7()


class Subject(models.Model):
    """A person, user or not. After erasure the row stays as a bare random id.

    `locked`, `restricted` and `minor` are set by higher rooms and obeyed by lower ones:
    locked means no log-in and nothing shown, restricted means no processing beyond storage
    (GDPR 18), minor means private defaults (WC-16).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # Unique, so that "none" has to be null rather than empty.
    email = models.CharField(  # noqa: DJ001
        _("e-mail address"),
        max_length=320,
        null=True,
        blank=True,
        help_text=_("Proved address, normalised; none until the person confirmed it."),
    )
    external_id = models.CharField(  # noqa: DJ001
        _("the site's own id"), max_length=200, null=True, blank=True
    )
    locked = models.BooleanField(default=False)
    restricted = models.BooleanField(default=False)
    minor = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="datamap_subject_email_unique"),
            models.UniqueConstraint(fields=["external_id"], name="datamap_subject_external_unique"),
            models.CheckConstraint(
                condition=Q(email__isnull=True) | Q(email__regex=r"^[^\s\x00]+@[^\s@A-Z\x00]+$"),
                name="datamap_subject_email_normalised",
            ),
            models.CheckConstraint(
                condition=Q(erased_at__isnull=True)
                | Q(email__isnull=True, external_id__isnull=True),
                name="datamap_subject_erased_is_bare",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
