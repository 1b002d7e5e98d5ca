"""People who work for the operator, and what they owe before any page of the staff opens."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Value
from django.utils.translation import gettext_lazy as _

from accounts.models.handles import new_handle
from accounts.roles import Role
from datamap.models import Subject, new_id

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


class Duty(models.TextChoices):
    """What a member of staff must have in force."""

    UNDERTAKING = "undertaking", _("Undertaking of confidentiality")
    TRAINING = "training", _("Training in treating personal data")


class Undertaking(models.Model):
    """Somebody bound themselves to confidentiality (CC-16; GDPR 28(3)(b), 32(4)).

    words: what they signed, as it was shown. ends_at: from then on it has to be signed again.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="undertakings"
    )
    words = models.TextField()
    signed_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("signed_at")), name="accounts_undertaking_ends_later"
            )
        ]
        indexes = [models.Index(fields=["ends_at"], name="accounts_undertaking_end")]

    def __str__(self) -> str:
        return str(self.pk)


class Training(models.Model):
    """Somebody learnt how personal data is to be treated (CC-21); somebody else wrote it down.

    recorded_by: id of the user who did; none when it was done at the console.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="trainings"
    )
    course = models.CharField(_("course"), max_length=120)
    done_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    recorded_by = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("done_at")), name="accounts_training_ends_later"
            ),
            models.CheckConstraint(
                condition=Q(recorded_by__isnull=True) | ~Q(recorded_by=F("user")),
                name="accounts_training_by_another",
            ),
        ]
        indexes = [models.Index(fields=["ends_at"], name="accounts_training_end")]

    def __str__(self) -> str:
        return str(self.pk)


class Deputy(models.Model):
    """While somebody is away, another member of staff decides in their place.

    starts_at, ends_at: of the absence; ending it early brings `ends_at` forward.
    named_by: id of the user who named the deputy, most often the absent person.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    handle = models.CharField(max_length=32, unique=True, default=new_handle)
    member = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="deputies")
    deputy = models.ForeignKey(
        Subject, on_delete=models.PROTECT, null=True, related_name="stands_in_for"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    named_at = models.DateTimeField()
    named_by = models.UUIDField()

    class Meta:
        verbose_name_plural = "deputies"
        constraints = [
            models.CheckConstraint(
                condition=~Q(member=F("deputy")), name="accounts_deputy_is_another"
            ),
            models.CheckConstraint(
                condition=Q(ends_at__gte=F("starts_at")), name="accounts_deputy_ends_later"
            ),
        ]
        indexes = [models.Index(fields=["ends_at"], name="accounts_deputy_end")]

    def __str__(self) -> str:
        return str(self.pk)


def missing_duties(*, user: User, now: datetime) -> tuple[Duty, ...]:
    """What this member of staff has not in force; one query. Empty: the staff's pages open."""
    signed = Undertaking.objects.filter(user_id=user.pk, signed_at__lte=now, ends_at__gt=now)
    trained = Training.objects.filter(user_id=user.pk, done_at__lte=now, ends_at__gt=now)
    in_force = signed.values_list(Value(Duty.UNDERTAKING.value)).union(
        trained.values_list(Value(Duty.TRAINING.value))
    )
    held = {key for (key,) in in_force}
    return tuple(duty for duty in Duty if duty.value not in held)
