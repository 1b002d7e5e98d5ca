"""What this room holds: requests, whose texts end with the person, and the proof of them."""

from django.utils.translation import gettext_lazy as _

from datamap.holding import Erasing, Holding, Personal, Source
from datamap.registry import declare

declare(
    Holding(
        key="requests.request",
        model="requests.Request",
        title=_("What you asked us"),
        subject="subject",
        personal=(
            Personal("words", "user.content.private", contents="what the person wrote, encrypted"),
            Personal(
                "reason",
                "user.content.private",
                source=Source.SITE,
                contents="why a request was denied, as told to the person, encrypted",
            ),
            Personal(
                "extension_reason",
                "user.content.private",
                source=Source.SITE,
                contents="why an answer needed more time, as told to the person, encrypted",
            ),
        ),
        other=(
            "id",
            "reference",
            "subject",
            "kind",
            "channel",
            "state",
            "language",
            "policy_digest",
            "received_at",
            "verified_at",
            "due_at",
            "extended_at",
            "claimed_by",
            "claimed_at",
            "approvals_needed",
            "decision",
            "decided_at",
            "undo_until",
            "erasure",
            "answer_id",
            "closed_at",
        ),
        clocks={"received": "received_at", "closed": "closed_at"},
        erasing=Erasing.ANONYMISE,
        blank={"words": None, "reason": None, "extension_reason": None},
    ),
    Holding(
        key="requests.event",
        model="requests.RequestEvent",
        title=_("The steps of your requests"),
        subject="request__subject",
        personal=(Personal("step", "user.behavior", source=Source.SITE),),
        other=("id", "request", "at", "until"),
        clocks={"written": "at"},
        erasing=Erasing.KEEP,
        ground="accountability",
    ),
    Holding(
        key="requests.approval",
        model="requests.Approval",
        title=_("Who approved your requests"),
        subject="request__subject",
        personal=(Personal("reviewer", "user.unique_id.pseudonymous", source=Source.SITE),),
        other=("id", "request", "subject", "at"),
        clocks={"written": "at"},
        erasing=Erasing.KEEP,
        ground="accountability",
        also=("reviewer",),
    ),
    Holding(
        key="requests.link",
        model="requests.StatusLink",
        title=_("Links to the state of your requests"),
        subject="request__subject",
        personal=(
            Personal(
                "token_hash", "user.authorization.credentials", source=Source.SITE, secret=True
            ),
        ),
        other=("id", "request", "created_at", "expires_at"),
        clocks={"expired": "expires_at"},
        erasing=Erasing.KEEP,
        ground="accountability",
    ),
    Holding(
        key="requests.letter",
        model="requests.Letter",
        title=_("Digests of our answers to your requests"),
        subject="request__subject",
        personal=(Personal("text_digest", "user.unique_id.pseudonymous", source=Source.SITE),),
        other=("id", "request", "message_id", "template", "has_copies_notice", "at"),
        clocks={"written": "at"},
        erasing=Erasing.KEEP,
        ground="accountability",
    ),
)
