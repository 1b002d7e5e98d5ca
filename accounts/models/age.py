"""How old somebody said to be."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from datamap.models import Subject, new_id


class AgeVerdict(models.Model):
    """How old somebody said to be, and that they were old enough when they said it.

    `youngest` is the limit then in force (none: the policy states none), `policy_digest` the
    version it came from. `passed_at` is empty where no screen was passed and the date was learnt
    later. A correction replaces `born_on` and is marked, so that no wrong date stays (GDPR 16).
    `grown_at`: when we wrote to a minor that they had come of age; their careful settings stay
    until they end them themselves.
    """

    class Source(models.TextChoices):
        SCREEN = "screen", _("age screen")
        PERSON = "person", _("corrected by the person")
        STAFF = "staff", _("entered by staff")
        OTHER = "other", _("learnt otherwise")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.OneToOneField(Subject, on_delete=models.PROTECT, related_name="age_verdict")
    born_on = models.DateField()
    passed_at = models.DateTimeField(null=True)
    youngest = models.PositiveSmallIntegerField(null=True)
    minor = models.BooleanField()
    policy_digest = models.CharField(max_length=64)
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.SCREEN)
    corrected_at = models.DateTimeField(null=True)
    grown_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(passed_at__isnull=False) | Q(corrected_at__isnull=False),
                name="accounts_age_learnt_sometime",
            ),
            models.CheckConstraint(
                condition=Q(source="screen") | Q(corrected_at__isnull=False),
                name="accounts_age_correction_has_time",
            ),
        ]
        indexes = [
            models.Index(fields=["passed_at"], name="accounts_age_passed"),
            models.Index(fields=["born_on"], name="accounts_age_born"),
            models.Index(
                fields=["born_on"], condition=Q(minor=True), name="accounts_age_of_minors"
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)
