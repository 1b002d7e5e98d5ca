"""Cards and passwords said to be lost or stolen."""

from __future__ import annotations

from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from datamap.models import Subject, new_id


class LossNotice(models.Model):
    """Somebody said that this person's password or card is in wrong hands (CC-26).

    The row comes first, with the address alone, so that the answer takes as long for every
    address; a worker then finds the person and acts (`acted_at`). An address nobody has leaves no
    row behind. `password`, `card`: what is lost. `token_hash`: of the link that was mailed.
    Until it is settled nobody signs in and the cards stay frozen; `done_at` is when everything
    that a confirmation asks for had happened.
    """

    class State(models.TextChoices):
        REPORTED = "reported", _("just reported")
        OPEN = "open", _("stopped for now")
        CONFIRMED = "confirmed", _("confirmed")
        UNDONE = "undone", _("taken back")

    UNSETTLED = (State.REPORTED, State.OPEN)

    class Route(models.TextChoices):
        LINK = "link", _("by the link we mailed")
        STAFF = "staff", _("by our staff")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.ForeignKey(
        Subject, null=True, on_delete=models.PROTECT, related_name="loss_notices"
    )
    address = models.BinaryField(_("address that was entered"), null=True)
    reference = models.CharField(max_length=20, unique=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.REPORTED)
    password = models.BooleanField(_("password lost"))
    card = models.BooleanField(_("card lost"))
    language = models.CharField(max_length=10, default="en")
    reported_at = models.DateTimeField()
    acted_at = models.DateTimeField(null=True)
    sessions_ended = models.PositiveIntegerField(default=0)
    cards_frozen = models.PositiveIntegerField(default=0)
    # Unique, so that "none" has to be null rather than empty.
    token_hash = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001
    link_until = models.DateTimeField(null=True)
    route = models.CharField(max_length=10, choices=Route.choices, blank=True)
    decided_by = models.UUIDField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject"], condition=Q(state="open"), name="accounts_loss_one_open"
            ),
            models.CheckConstraint(
                condition=Q(state="reported", subject__isnull=True, address__isnull=False)
                | ~Q(state="reported") & Q(subject__isnull=False, address__isnull=True),
                name="accounts_loss_names_somebody",
            ),
            models.CheckConstraint(
                condition=Q(state="reported") | Q(acted_at__isnull=False),
                name="accounts_loss_acted",
            ),
            models.CheckConstraint(
                condition=~Q(state="confirmed")
                | Q(confirmed_at__isnull=False, done_at__isnull=False) & ~Q(route=""),
                name="accounts_loss_confirmed_how",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["reported", "open"], closed_at__isnull=True)
                | Q(state__in=["confirmed", "undone"], closed_at__isnull=False),
                name="accounts_loss_closed_when_settled",
            ),
        ]
        indexes = [
            models.Index(fields=["closed_at"], name="accounts_loss_closed"),
            models.Index(
                fields=["reported_at"],
                condition=Q(state__in=["reported", "open"]),
                name="accounts_loss_unsettled",
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @classmethod
    def pauses(cls, subject_id: UUID) -> bool:
        """Whether nobody signs in as this person until a notice is settled."""
        return cls._pausing().filter(subject_id=subject_id).exists()

    @classmethod
    def pausing(cls, subject: str) -> models.Exists:
        """The same as a condition; subject: the outer query's path to the subject's id."""
        return models.Exists(cls._pausing().filter(subject_id=models.OuterRef(subject)))

    @classmethod
    def _pausing(cls) -> models.QuerySet[LossNotice]:
        return cls._default_manager.filter(state=cls.State.OPEN, password=True)
