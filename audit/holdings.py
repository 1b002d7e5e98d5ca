"""What this room holds: entries about people by random id only, kept as proof (GDPR 5(2))."""

from django.utils.translation import gettext_lazy as _

from datamap.holding import Erasing, Holding, Personal, Source
from datamap.registry import declare, declare_impersonal

declare(
    Holding(
        key="audit.entry",
        model="audit.AuditEntry",
        title=_("The log of what happened"),
        subject="subject_id",
        personal=(
            Personal("subject_id", "user.unique_id.pseudonymous", source=Source.SITE),
            Personal("actor_id", "user.unique_id.pseudonymous", source=Source.SITE),
        ),
        other=(
            "id",
            "at",
            "actor_kind",
            "verb",
            "object_type",
            "object_id",
            "facts: ids and figures",
            "leaf",
        ),
        clocks={"written": "at"},
        erasing=Erasing.KEEP,
        ground="accountability",
    ),
    Holding(
        key="audit.access",
        model="audit.StaffAccess",
        title=_("When staff read your data, and why"),
        staff_title=_("When staff read somebody's data, and why"),
        subject="subject_id",
        personal=(
            Personal("subject_id", "user.unique_id.pseudonymous", source=Source.SITE),
            Personal("staff_id", "user.unique_id.pseudonymous", source=Source.SITE),
        ),
        other=("id", "at", "role", "permission", "task", "reason"),
        clocks={"written": "at"},
        erasing=Erasing.KEEP,
        ground="accountability",
    ),
)
declare_impersonal("audit.Unsealed", "entry")
declare_impersonal(
    "audit.Evidence",
    "id",
    "control",
    "at",
    "outcome",
    "checked",
    "violations",
    "violation_ids: random ids of rows",
    "figures: counts and durations",
    "policy_digest",
    "milliseconds",
)
declare_impersonal(
    "audit.Movement",
    "id",
    "at",
    "of_table",
    "kind",
    "way",
    "rows",
    "keys",
    "reason",
    "refs: random ids of erasures, entries of the log, digests of rules",
    "named",
    "strangers",
    "clocks: earliest and latest times of rows, without the rows",
)
