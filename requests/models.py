"""Tables of what people ask: the request, its steps, who approved it, links, letters, packages."""

from __future__ import annotations

import secrets
from typing import Final

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from datamap.models import Subject, new_id
from retention.models import Erasure

# Crockford's letters and digits: none is mistaken for another when read out on the phone.
LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
OPEN: Final = ("received", "verifying", "in_review", "approved", "in_progress")
CLOSED: Final = ("completed", "denied", "withdrawn", "expired")


def new_reference() -> str:
    """A random name for a request, 60 bits: it tells no time and no number of requests."""
    return "".join(secrets.choice(LETTERS) for _position in range(12))


class Request(models.Model):
    """Something a person asked, its clock and its answer.

    received_at: when it arrived in the outside world; the legal clock starts there (GDPR 12(3)).
    due_at: by when it must be answered; moved once, by an extension told within the first period.
    words, reason, extension_reason: free text, encrypted; the person's, the answer's, the delay's.
    policy_digest: the version whose rule set deadline, approvals and undo window.
    answer_id: the mail that waits for the erasure's end.
    """

    class Kind(models.TextChoices):
        ACCESS = "access", _("Copy of one's data")
        PORTABILITY = "portability", _("Data to take elsewhere")
        CORRECTION = "correction", _("Correction")
        DELETION = "deletion", _("Delete everything")
        OPT_OUT = "opt-out", _("Opt-out")
        RESTRICTION = "restriction", _("Restriction")
        OBJECTION = "objection", _("Objection")
        CANCELLATION = "cancellation", _("Cancellation")
        INVITEE_REMOVAL = "invitee-removal", _("Removal of an invited person")
        CHILD_REPORT = "child-report", _("Report about a child")
        MISUSE_REPORT = "misuse-report", _("Report of misuse")
        LOST_OR_STOLEN = "lost-or-stolen", _("Lost or stolen access")
        INQUIRY = "inquiry", _("Question")
        PARENT = "parent", _("A parent's request")

    class Channel(models.TextChoices):
        PRIVACY_CENTRE = "privacy centre", _("privacy centre")
        FORM = "form", _("form")
        EMAIL = "e-mail", _("e-mail")
        LETTER = "letter", _("letter")
        PHONE = "phone", _("phone")

    class State(models.TextChoices):
        RECEIVED = "received", _("Received")
        VERIFYING = "verifying", _("Being verified")
        IN_REVIEW = "in_review", _("In review")
        APPROVED = "approved", _("Approved")
        IN_PROGRESS = "in_progress", _("In progress")
        COMPLETED = "completed", _("Completed")
        DENIED = "denied", _("Denied")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        EXPIRED = "expired", _("Expired")

    class Decision(models.TextChoices):
        NONE = "", _("None yet")
        APPROVED = "approved", _("Approved")
        DENIED = "denied", _("Denied")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    reference = models.CharField(max_length=12, unique=True, default=new_reference, editable=False)
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="requests")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    channel = models.CharField(max_length=20, choices=Channel.choices)
    state = models.CharField(max_length=20, choices=State.choices, default=State.RECEIVED)
    language = models.CharField(max_length=10, default="en")
    policy_digest = models.CharField(max_length=64)
    received_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField()
    extended_at = models.DateTimeField(null=True)
    claimed_by = models.ForeignKey(
        Subject, on_delete=models.PROTECT, null=True, related_name="claimed_requests"
    )
    claimed_at = models.DateTimeField(null=True)
    approvals_needed = models.PositiveSmallIntegerField()
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True)
    decided_at = models.DateTimeField(null=True)
    undo_until = models.DateTimeField(null=True)
    erasure = models.ForeignKey(
        Erasure, on_delete=models.SET_NULL, null=True, related_name="requests"
    )
    answer_id = models.UUIDField(null=True)
    closed_at = models.DateTimeField(null=True)
    words = models.BinaryField(null=True)
    reason = models.BinaryField(null=True)
    extension_reason = models.BinaryField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "kind"],
                condition=Q(state__in=OPEN),
                name="requests_one_open_per_kind",
            ),
            models.CheckConstraint(
                condition=Q(state__in=OPEN, closed_at__isnull=True)
                | Q(state__in=CLOSED, closed_at__isnull=False),
                name="requests_closed_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(decision="", decided_at__isnull=True)
                | Q(decision__in=["approved", "denied"], decided_at__isnull=False),
                name="requests_decision_has_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["approved", "in_progress"])
                | Q(decision="approved", undo_until__isnull=False),
                name="requests_approved_has_a_decision",
            ),
            models.CheckConstraint(
                condition=~Q(state="denied") | Q(decision="denied"),
                name="requests_denied_has_a_decision",
            ),
            models.CheckConstraint(
                condition=Q(claimed_by__isnull=True, claimed_at__isnull=True)
                | Q(claimed_by__isnull=False, claimed_at__isnull=False),
                name="requests_claim_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(due_at__gt=F("received_at")), name="requests_due_after_arrival"
            ),
            models.CheckConstraint(
                condition=Q(claimed_by__isnull=True) | ~Q(claimed_by=F("subject")),
                name="requests_nobody_claims_their_own",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "due_at"], name="requests_desk"),
            models.Index(fields=["received_at"], name="requests_arrival"),
            models.Index(fields=["subject", "-received_at"], name="requests_of_subject"),
            models.Index(fields=["closed_at"], name="requests_closed"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The reference as people read it: K7QF-2M9X-04TB."""
        return "-".join(self.reference[i : i + 4] for i in range(0, len(self.reference), 4))

    @property
    def title(self) -> str:
        """What was asked, said to the person who asked; staff read `get_kind_display`."""
        asks_for_copy = self.kind == self.Kind.ACCESS
        return str(_("A copy of your data")) if asks_for_copy else self.get_kind_display()

    @property
    def is_open(self) -> bool:
        """Whether it still waits for its end."""
        return self.state in OPEN


class RequestEvent(models.Model):
    """A step of a request, as the person sees it; never changed, gone only with its request.

    A trigger refuses updates. Rows may be deleted, because a retention period must be able to end
    them; the proof of what happened is the audit log. `until`: the time the step names.
    """

    class Step(models.TextChoices):
        RECEIVED = "received", _("We got your request")
        VERIFIED = "verified", _("You confirmed it is you")
        CLAIMED = "claimed", _("A person reads it")
        EXTENDED = "extended", _("We need more time")
        APPROVAL = "approval", _("One of two people approved")
        APPROVED = "approved", _("Approved")
        DENIED = "denied", _("Denied")
        WITHDRAWN = "withdrawn", _("You withdrew it")
        STARTED = "started", _("We began")
        COMPLETED = "completed", _("Done")
        EXPIRED = "expired", _("Expired")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    request = models.ForeignKey(Request, on_delete=models.CASCADE, related_name="events")
    step = models.CharField(max_length=12, choices=Step.choices)
    at = models.DateTimeField()
    until = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["at"], name="requests_event_at")]
        triggers = [pgtrigger.Protect(name="no_update", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.step}"


class Approval(models.Model):
    """One reviewer's yes. `subject` repeats the request's, so that the table itself can refuse
    a person's approval of their own request.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    request = models.ForeignKey(Request, on_delete=models.CASCADE, related_name="approvals")
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="+")
    reviewer = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="approvals_given")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["request", "reviewer"], name="requests_one_approval_each"
            ),
            models.CheckConstraint(
                condition=~Q(reviewer=F("subject")), name="requests_nobody_approves_their_own"
            ),
        ]
        indexes = [models.Index(fields=["at"], name="requests_approval_at")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.request_id}"


class StatusLink(models.Model):
    """A way to a request's status page without an account, sent by mail.

    Each mail carries a link of its own, so that no token has to be kept: only its SHA-256 is.
    It ends by a rule of its own, long before the request does.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    request = models.ForeignKey(Request, on_delete=models.SET_NULL, null=True, related_name="links")
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="requests_link_expiry")]

    def __str__(self) -> str:
        return str(self.id)


class Letter(models.Model):
    """What is proved about a mail sent for a request after its text is gone (WC-7).

    has_copies_notice: read off the finished text as stored for sending, not off its template.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    request = models.ForeignKey(Request, on_delete=models.CASCADE, related_name="letters")
    message_id = models.UUIDField(unique=True)
    template = models.CharField(max_length=60)
    text_digest = models.CharField(max_length=64)
    has_copies_notice = models.BooleanField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["at"], name="requests_letter_at")]

    def __str__(self) -> str:
        return f"{self.template} {self.message_id}"


class Package(models.Model):
    """A copy of somebody's data, made for one request: ordered, built by a worker, downloaded.

    The row comes first and the file second: `name` is stored before the file exists, so a file
    that no row names belongs to nobody (`requests.package_files.remove_orphans`).
    claim, lease_until: which worker builds it, and until when nobody else may; after a failure,
    until when it waits. attempts: builds that were begun.
    rows, rows_total, step: how far the build is: rows written and expected, holding being written.
    size, sha256: of the archive as it is downloaded, in bytes and hex. key: of the file, wrapped.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        BUILDING = "building", _("being made")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed, tried again")
        GONE = "gone", _("no longer there")

    OPEN = (State.WAITING, State.BUILDING, State.FAILED)

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # Emptied when the request's own period ends: the package ends by a rule of its own.
    request = models.ForeignKey(
        Request, on_delete=models.SET_NULL, null=True, related_name="packages"
    )
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="packages")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    ordered_at = models.DateTimeField()
    claim = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=100, blank=True)
    rows = models.BigIntegerField(default=0)
    rows_total = models.BigIntegerField(default=0)
    step = models.CharField(max_length=100, blank=True)
    name = models.CharField(max_length=100, blank=True)
    key = models.BinaryField(null=True)
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    ready_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    downloads = models.PositiveIntegerField(default=0)
    last_downloaded_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["request"],
                condition=Q(state__in=["waiting", "building", "failed", "ready"]),
                name="requests_package_one_per_request",
            ),
            models.CheckConstraint(
                condition=~Q(state="building") | Q(claim__isnull=False, lease_until__isnull=False),
                name="requests_package_building_is_claimed",
            ),
            models.CheckConstraint(
                condition=~Q(state="ready")
                | Q(
                    name__gt="",
                    key__isnull=False,
                    sha256__gt="",
                    ready_at__isnull=False,
                    expires_at__gt=F("ready_at"),
                ),
                name="requests_package_ready_is_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="requests_package_expiry"),
            models.Index(fields=["name"], name="requests_package_name"),
            models.Index(
                fields=["ordered_at"],
                condition=Q(state__in=["waiting", "building", "failed"]),
                name="requests_package_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.state}"
