"""What others said about somebody, and where they had it from."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models.handles import new_handle
from datamap.models import Subject, new_id


class Fact(models.Model):
    """One thing about a person (`subject`) that did not come from them (WC-12, GDPR 14).

    contributor: the member who told it; none for outside sources, or once that member was erased.
    source: where it comes from: for a member's fact in their own words, for an outside one exactly
    as the policy names the source.
    cause: what came before the row: for a member's fact the ledger event of handing it over, for
    an outside one the entry of the log about its delivery. Just an id: proofs end first.
    announced_at, announcement: when the person was written to, and the message's id.
    audience: who sees it once the person accepted it, as the parts of a profile are seen.
    on_file: an outside source the policy declares as an exception: nobody is shown it, and the
    person is told but does not decide about it.
    """

    class Origin(models.TextChoices):
        MEMBER = "member", _("another member")
        OUTSIDE = "outside", _("an outside source")

    class State(models.TextChoices):
        WAITING = "waiting", _("waits for your answer")
        ACCEPTED = "accepted", _("accepted")
        ON_FILE = "on file", _("kept on file")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.ForeignKey(
        Subject, on_delete=models.PROTECT, related_name="facts", db_index=False
    )
    contributor = models.ForeignKey(
        Subject,
        null=True,
        on_delete=models.PROTECT,
        related_name="facts_contributed",
        verbose_name=_("who told it"),
    )
    handle = models.CharField(max_length=32, unique=True, default=new_handle)
    origin = models.CharField(_("from"), max_length=8, choices=Origin.choices)
    source = models.CharField(_("source"), max_length=200)
    text = models.CharField(_("what was said"), max_length=500)
    state = models.CharField(_("state"), max_length=8, choices=State.choices)
    audience = models.CharField(_("seen by"), max_length=11, default="nobody")
    cause = models.UUIDField()
    received_at = models.DateTimeField(_("received"))
    accepted_at = models.DateTimeField(_("accepted on"), null=True)
    announced_at = models.DateTimeField(_("told to you"), null=True)
    announcement = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(source="") & ~Q(text=""), name="accounts_fact_says_something"
            ),
            models.CheckConstraint(
                condition=Q(origin="member") | Q(contributor__isnull=True),
                name="accounts_fact_outside_has_no_member",
            ),
            models.CheckConstraint(
                condition=Q(state="accepted", accepted_at__isnull=False)
                | (~Q(state="accepted") & Q(accepted_at__isnull=True)),
                name="accounts_fact_accepted_has_time",
            ),
            models.CheckConstraint(
                condition=Q(audience="nobody")
                | Q(state="accepted", audience__in=("connections", "members", "everyone")),
                name="accounts_fact_seen_once_accepted",
            ),
            models.CheckConstraint(
                condition=~Q(state="on file") | Q(origin="outside"),
                name="accounts_fact_on_file_is_outside",
            ),
            models.CheckConstraint(
                condition=Q(announced_at__isnull=True, announcement__isnull=True)
                | Q(announced_at__isnull=False, announcement__isnull=False),
                name="accounts_fact_announced_by_message",
            ),
        ]
        indexes = [
            models.Index(fields=["subject", "state", "received_at"], name="accounts_fact_subject"),
            models.Index(fields=["received_at"], name="accounts_fact_received"),
            models.Index(
                fields=["subject"],
                name="accounts_fact_unannounced",
                condition=Q(announced_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)
