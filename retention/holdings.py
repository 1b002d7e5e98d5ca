"""What this room holds about people: random ids, times and counts, and what a child wrote."""

from django.utils.translation import gettext_lazy as _

from datamap.holding import Erasing, Holding, Personal, Source
from datamap.registry import declare, declare_impersonal

declare(
    Holding(
        key="retention.erasure",
        model="retention.Erasure",
        title=_("That your data was to be erased, and when it was"),
        subject="subject",
        personal=(Personal("subject", "user.unique_id.pseudonymous", source=Source.SITE),),
        other=(
            "id",
            "reason",
            "state",
            "asked_by_kind",
            "asked_by",
            "asked_at",
            "due_at",
            "deadline",
            "started_at",
            "finished_at",
            "claim",
            "lease_until",
            "attempts",
            "error",
        ),
        clocks={"finished": "finished_at"},
        erasing=Erasing.KEEP,
        ground="accountability",
    ),
    Holding(
        key="retention.tombstone",
        model="retention.Tombstone",
        title=_("What is left after an erasure: a random number, the day, and counts"),
        subject="subject_id",
        personal=(Personal("subject_id", "user.unique_id.pseudonymous", source=Source.SITE),),
        other=("id", "erasure_id", "at", "reason", "rows: holdings and counts"),
        clocks={"written": "at"},
        erasing=Erasing.KEEP,
        ground="accountability",
    ),
    Holding(
        key="retention.child_case",
        model="retention.ChildCase",
        title=_("That you were thought to be a child, and what you said about it"),
        subject="subject",
        personal=(
            Personal("subject", "user.unique_id.pseudonymous", source=Source.SITE),
            Personal(
                "statement",
                "user.content.private",
                contents="what the person wrote against it, encrypted",
            ),
            Personal("token_hash", "user.authorization", source=Source.SITE, secret=True),
        ),
        other=(
            "id",
            "reference",
            "state",
            "arrived_at",
            "learned_at",
            "locked_at",
            "restricted_before",
            "contest_until",
            "erase_by",
            "told_at",
            "contested_at",
            "decided_at",
            "decided_by",
            "ground",
            "decision",
            "closed_at",
        ),
        clocks={"closed": "closed_at"},
        erasing=Erasing.ANONYMISE,
        # The times stay: they prove that the limits were kept.
        blank={"statement": None, "token_hash": None},
    ),
)
declare_impersonal("retention.ErasureStep", "id", "erasure", "holding", "position", "rows", "done")
declare_impersonal("retention.Tick", "name", "due_at", "lease_until", "claim", "done_at")
declare_impersonal(
    "retention.SweepRun",
    "id",
    "state",
    "dry_run",
    "only",
    "policy_digest",
    "started_at",
    "finished_at",
)
declare_impersonal(
    "retention.SweepStep",
    "id",
    "run",
    "holding",
    "clock",
    "action",
    "rule_digest",
    "policy_digest",
    "since",
    "until",
    "rows",
    "with_them",
    "chunks",
    "longest_ms",
    "oldest",
    "error",
    "finished_at",
)
