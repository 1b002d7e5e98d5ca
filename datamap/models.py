"""`Subject`: anybody about whom data is held, with an account or without."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q
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


class SubjectMerge(models.Model):
    """Two subjects held for one person, who has two addresses with us (`datamap.same_person`).

    An alias and nothing more: no row of either moves, so undoing it gives back exactly what was.
    It holds from `merged_at` until `undone_at`. reason: why staff held them for one, encrypted.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kept = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="+", db_index=False)
    merged = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="+", db_index=False)
    reason = models.BinaryField(null=True)
    merged_at = models.DateTimeField()
    merged_by = models.UUIDField()
    undone_at = models.DateTimeField(null=True)
    undone_by = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(kept=F("merged")), name="datamap_merge_of_two"),
            # A subject is merged into one other at most, so groups are trees and end somewhere.
            models.UniqueConstraint(
                fields=["merged"], condition=Q(undone_at=None), name="datamap_merge_once"
            ),
            models.CheckConstraint(
                condition=Q(undone_at=None, undone_by=None)
                | Q(undone_at__gte=F("merged_at"), undone_by__isnull=False),
                name="datamap_merge_undone_by_somebody",
            ),
        ]
        indexes = [
            # Whoever looks for the people of a group walks along both.
            models.Index(fields=["kept", "merged"], name="datamap_merge_kept"),
            models.Index(fields=["merged", "kept"], name="datamap_merge_merged"),
            models.Index(fields=["undone_at"], name="datamap_merge_undone"),
        ]

    def __str__(self) -> str:
        return str(self.id)
