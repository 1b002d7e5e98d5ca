"""What people said about their own data: that it is still right, or that they changed it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from datamap.models import Subject, new_id


class Confirmation(models.Model):
    """The last word of a person on one datum of theirs, without the datum.

    `holding` and `field` name it as the data map does, `row` is the random name that the row has
    in addresses. What the person said before is in the log.
    """

    class Said(models.TextChoices):
        RIGHT = "right", _("it is right")
        CORRECTED = "corrected", _("corrected")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.ForeignKey(
        Subject, on_delete=models.PROTECT, related_name="confirmations", db_index=False
    )
    holding = models.CharField(max_length=100)
    field = models.CharField(max_length=63)
    row = models.CharField(max_length=32)
    said = models.CharField(max_length=10, choices=Said.choices)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "holding", "row", "field"], name="accounts_confirmation_once"
            ),
            models.CheckConstraint(
                condition=Q(said__in=["right", "corrected"]), name="accounts_confirmation_said"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.holding}.{self.field} {self.said}"
