"""People who work for the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.roles import Role

if TYPE_CHECKING:
    from accounts.models.users import User


class StaffMember(models.Model):
    """A person who works for the operator, and as what."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="staff_member"
    )
    role = models.CharField(max_length=30, choices=Role.choices)
    since = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(role__in=Role.values), name="accounts_staff_role_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.user_id}"

    @classmethod
    def of(cls, user: User) -> StaffMember | None:
        """The user's row, from the relation that log-in already loaded."""
        try:
            return user.staff_member
        except cls.DoesNotExist:
            return None
