"""Tables of what people chose, and of the mail that was let out: events, choices, messages."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from audit.models import AppendOnly
from datamap.models import Subject, new_id


class Kind(models.TextChoices):
    """What an event is about. Only the first three are choices a person can make and unmake."""

    PURPOSE = "purpose", _("use of data")
    MAIL = "mail", _("mail")
    TRANSFER = "transfer", _("transfer to another country")
    POLICY = "policy", _("the policy")
    NOTICE = "notice", _("a notice")
    COLLECTION = "collection", _("data handed over")


class Decision(models.TextChoices):
    """What happened. `acknowledged` (consent by use) is never `given` and no legal basis."""

    GIVEN = "given", _("said yes")
    RENEWED = "renewed", _("said yes again")
    REFUSED = "refused", _("said no")
    WITHDRAWN = "withdrawn", _("took the yes back")
    EXPIRED = "expired", _("the yes ran out")
    ACKNOWLEDGED = "acknowledged", _("read it")
    SUBMITTED = "submitted", _("handed data over")
    SHOWN = "shown", _("was told")


YES = frozenset({Decision.GIVEN, Decision.RENEWED})
CHOSEN = (Kind.PURPOSE, Kind.MAIL, Kind.TRANSFER)
ALLOWED: dict[str, frozenset[str]] = {
    **{
        kind: frozenset({*YES, Decision.REFUSED, Decision.WITHDRAWN, Decision.EXPIRED})
        for kind in CHOSEN
    },
    Kind.POLICY: frozenset({Decision.ACKNOWLEDGED}),
    Kind.NOTICE: frozenset({Decision.SHOWN, Decision.ACKNOWLEDGED}),
    Kind.COLLECTION: frozenset({Decision.SUBMITTED}),
}


def _allowed() -> Q:
    condition = Q()
    for kind, decisions in sorted(ALLOWED.items()):
        condition |= Q(kind=kind, decision__in=sorted(decisions))
    return condition


class Words(AppendOnly):
    """Exact words people were shown, stored once. They are the site's, the same for everybody.

    digest: SHA-256 in hex over the language, a line feed and the text, in UTF-8.
    """

    digest = models.CharField(primary_key=True, max_length=64)
    locale = models.CharField(max_length=16)
    text = models.TextField()

    class Meta(AppendOnly.Meta):
        abstract = False
        verbose_name_plural = "words"

    def __str__(self) -> str:
        return self.digest[:12]


class Event(AppendOnly):
    """One thing a person decided, handed over or was told, with the words on the page (GDPR 7(1)).

    Within one subject, kind and key, `at` never runs backwards: it is the order of commits.
    evidence: where it came from, an id such as the message whose link was used; never personal
    data. fields: what was handed over, as the policy names it (`accounts.account.email`).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # The composite index below starts with the subject.
    subject = models.ForeignKey(
        Subject, on_delete=models.PROTECT, related_name="events", db_index=False
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    key = models.CharField(max_length=100)
    decision = models.CharField(max_length=12, choices=Decision.choices)
    policy_digest = models.CharField(max_length=64)
    words = models.ForeignKey(Words, on_delete=models.PROTECT, db_column="words_digest")
    surface = models.CharField(max_length=40)
    locale = models.CharField(max_length=16)
    channel = models.CharField(max_length=20)
    evidence = models.CharField(max_length=200, blank=True)
    fields = models.JSONField(default=list)
    at = models.DateTimeField()

    class Meta(AppendOnly.Meta):
        abstract = False
        indexes = [
            models.Index(fields=["at"], name="consent_event_at"),
            # The ledger of one choice in its order; the checks look up "the last before".
            models.Index(fields=["subject", "kind", "key", "at"], name="consent_event_choice"),
        ]
        constraints = [
            models.CheckConstraint(condition=_allowed(), name="consent_event_decision_fits"),
            models.CheckConstraint(
                condition=Q(kind="collection") | Q(fields=[]), name="consent_event_fields_fit"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}: {self.decision}"


class Choice(models.Model):
    """Where a subject's decision on one thing stands: its newest event."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.ForeignKey(
        Subject, on_delete=models.PROTECT, related_name="choices", db_index=False
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    key = models.CharField(max_length=100)
    decision = models.CharField(max_length=12, choices=Decision.choices)
    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="choice")
    since = models.DateTimeField(help_text=_("When the newest event happened."))

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "kind", "key"], name="consent_choice_one_per_thing"
            ),
            models.CheckConstraint(condition=_allowed(), name="consent_choice_decision_fits"),
        ]
        indexes = [models.Index(fields=["kind", "key", "decision"], name="consent_choice_key")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}: {self.decision}"

    @property
    def is_yes(self) -> bool:
        """Whether it is a standing yes."""
        return self.decision in YES


class State(models.TextChoices):
    """Where a message is. The last four are final, and only they have no sealed contents."""

    HELD = "held", _("waits for a release")
    QUEUED = "queued", _("waits to be sent")
    SENDING = "sending", _("is being handed over")
    SENT = "sent", _("sent")
    UNCERTAIN = "uncertain", _("perhaps sent; never sent again")
    REFUSED = "refused", _("not sent: the choice says no")
    FAILED = "failed", _("could not be delivered")


FINAL = (State.SENT, State.UNCERTAIN, State.REFUSED, State.FAILED)
ALWAYS = ("account", "answer", "staff")
INVITATION = "invitation"  # to somebody who asked for nothing: once per address, over everybody


class Message(models.Model):
    """One message of the mail gate (`consent.mail`, `consent.delivery`).

    sealed: recipient, subject line and body, encrypted; dropped once the state is final.
    sent_at: the instant the choice was read under its lock, just before the words left; set
    with `sending` for the first time. ended_at: when the state became final.
    token_hash: SHA-256 of the token in the refusal link. decision: the ledger event the sending
    rests on, if there was one; it may have ended since, so it is no foreign key.
    policy_digest: the version in force when it was written, which its footer quotes.
    footer: what stood below the signature line in the bytes that left, tokens taken out.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.ForeignKey(
        Subject, on_delete=models.PROTECT, null=True, related_name="messages", db_index=False
    )
    category = models.CharField(max_length=60)
    template = models.CharField(max_length=80)
    template_digest = models.CharField(max_length=64)
    language = models.CharField(max_length=16)
    policy_digest = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=State.choices)
    address_hash = models.CharField(max_length=64)
    sealed = models.BinaryField(null=True)
    message_id = models.CharField(max_length=200, unique=True)
    token_hash = models.CharField(max_length=64, unique=True)
    footer = models.ForeignKey(
        Words, on_delete=models.PROTECT, null=True, db_column="footer_digest"
    )
    decision = models.UUIDField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    failure = models.CharField(max_length=40, blank=True)
    posted_at = models.DateTimeField()
    due_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(category__in=(*ALWAYS, INVITATION)) | Q(subject__isnull=False),
                name="consent_message_voluntary_has_subject",
            ),
            models.CheckConstraint(
                condition=Q(state__in=FINAL, sealed__isnull=True, ended_at__isnull=False)
                | (~Q(state__in=FINAL) & Q(sealed__isnull=False, ended_at__isnull=True)),
                name="consent_message_sealed_until_final",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=("sending", "sent", "uncertain")) | Q(sent_at__isnull=False),
                name="consent_message_sent_has_instant",
            ),
            models.CheckConstraint(
                condition=~Q(state="uncertain") | ~Q(category__in=ALWAYS),
                name="consent_message_only_voluntary_uncertain",
            ),
            # One that was refused never left.
            models.UniqueConstraint(
                fields=["address_hash"],
                condition=Q(category=INVITATION) & ~Q(state="refused"),
                name="consent_message_one_invitation",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], name="consent_message_due", condition=Q(state="queued")
            ),
            models.Index(
                fields=["lease_until"], name="consent_message_lease", condition=Q(state="sending")
            ),
            models.Index(fields=["subject", "category", "sent_at"], name="consent_message_subject"),
            models.Index(fields=["ended_at"], name="consent_message_ended"),
            models.Index(fields=["posted_at"], name="consent_message_posted"),
        ]

    def __str__(self) -> str:
        return f"{self.category} {self.state}"

    @property
    def is_voluntary(self) -> bool:
        """Whether it goes only where a choice or the policy's opt-out basis lets it."""
        return self.category not in (*ALWAYS, INVITATION)

    @property
    def is_unasked(self) -> bool:
        """Whether nobody waits for it: it can be stopped by one click, and is never sent twice."""
        return self.category not in ALWAYS
