"""Versions of the policy: immutable, numbered in the order of publication."""

from __future__ import annotations

import hashlib

from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audit.models import AppendOnly, AuditEntry
from datamap.models import new_id
from policy.document import Document
from policy.reading import parse

_documents: dict[str, Document] = {}


class PolicyVersion(AppendOnly):
    """One publication of a policy file: its exact text, and what it changed.

    `number` counts publications. In force at an instant is the highest number whose
    `effective_at` has come: a later publication also replaces one that still waits.
    `older_data_at` is when it binds data collected before `effective_at` (CC-31); the same
    instant unless the notice rule says otherwise.
    `changes` compare it with `compared_with`, the version in force when it was published.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    number = models.PositiveIntegerField(unique=True)
    site = models.CharField(max_length=60)
    version = models.CharField(max_length=40, help_text=_("The label the operator gave it."))
    released_on = models.DateField()
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of the file, in hex."))
    filename = models.CharField(max_length=200)
    source = models.TextField(help_text=_("The file, byte for byte."))
    published_at = models.DateTimeField()
    effective_at = models.DateTimeField()
    older_data_at = models.DateTimeField()
    published_by_kind = models.CharField(max_length=10, choices=AuditEntry.ActorKind.choices)
    published_by = models.UUIDField(null=True)
    compared_with = models.ForeignKey("self", null=True, on_delete=models.PROTECT)
    changes = models.JSONField(default=list)
    material = models.BooleanField()

    class Meta(AppendOnly.Meta):
        abstract = False
        ordering = ["-number"]
        constraints = [
            models.CheckConstraint(
                condition=Q(effective_at__gte=F("published_at")),
                name="policy_version_effective_after_published",
            ),
            models.CheckConstraint(
                condition=Q(older_data_at__gte=F("effective_at")),
                name="policy_version_older_data_after_effective",
            ),
            models.CheckConstraint(
                condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="policy_version_digest_hex"
            ),
        ]
        indexes = [
            models.Index(fields=["digest"], name="policy_version_digest"),
            models.Index(fields=["version"], name="policy_version_label"),
        ]

    def __str__(self) -> str:
        return f"{self.site} {self.version}"

    def get_absolute_url(self) -> str:
        """The page of this version, by its digest: a label can name another site's version."""
        return reverse("policy:version", args=[self.digest])

    @property
    def document(self) -> Document:
        """The file's contents, read once per process and digest."""
        if self.digest not in _documents:
            _documents[self.digest] = parse(self.source.encode(), filename=self.filename)
        return _documents[self.digest]

    @property
    def actual_digest(self) -> str:
        """The digest of the stored text as it is now; differs from `digest` if it was altered."""
        return hashlib.sha256(self.source.encode()).hexdigest()
