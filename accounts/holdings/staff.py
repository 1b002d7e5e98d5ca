"""Roles, and what Django keeps about people who open its configuration pages."""

from django.utils.translation import gettext_lazy as _

from datamap.holding import Erasing, Holding, Personal, Source
from datamap.registry import declare, declare_impersonal

declare(
    Holding(
        key="accounts.staff",
        model="accounts.StaffMember",
        title=_("Your role on the staff"),
        staff_title=_("Roles on the staff"),
        subject="user__subject",
        personal=(Personal("role", "user.job_title", source=Source.SITE),),
        other=("id", "user", "since"),
    ),
    Holding(
        key="accounts.undertaking",
        model="accounts.Undertaking",
        title=_("Your undertakings of confidentiality"),
        staff_title=_("Undertakings of confidentiality"),
        subject="user__subject",
        personal=(Personal("signed_at", "user.job_title"),),
        other=("id", "user", "words: what was signed, without names", "ends_at"),
        clocks={"expired": "ends_at"},
    ),
    Holding(
        key="accounts.training",
        model="accounts.Training",
        title=_("Your training in treating personal data"),
        staff_title=_("Training of the staff"),
        subject="user__subject",
        personal=(
            Personal("course", "user.job_title", source=Source.OTHER_PERSON),
            Personal("done_at", "user.job_title", source=Source.OTHER_PERSON),
            Personal("recorded_by", "user.unique_id.pseudonymous", source=Source.SITE),
        ),
        other=("id", "user", "ends_at", "recorded_at"),
        clocks={"expired": "ends_at"},
    ),
    Holding(
        key="accounts.deputy",
        model="accounts.Deputy",
        title=_("Who decides in your place while you are away"),
        staff_title=_("Deputies of absent staff"),
        subject="member",
        personal=(
            Personal("deputy", "user.unique_id.pseudonymous"),
            Personal("named_by", "user.unique_id.pseudonymous", source=Source.SITE),
            Personal("starts_at", "user.job_title"),
            Personal("ends_at", "user.job_title"),
        ),
        other=("id", "handle", "member", "named_at"),
        also=("deputy",),
        clocks={"expired": "ends_at"},
    ),
    Holding(
        key="accounts.approval",
        model="accounts.Approval",
        title=_("What two people of the staff decided about you"),
        staff_title=_("Decisions of two people"),
        subject="about",
        personal=(
            Personal("about", "user.unique_id.pseudonymous", source=Source.SITE),
            Personal(
                "note",
                "user.content.private",
                source=Source.OTHER_PERSON,
                contents="why it was asked for, in words of the staff, encrypted",
            ),
            Personal("asked_by", "user.unique_id.pseudonymous", source=Source.SITE),
            Personal("decided_by", "user.unique_id.pseudonymous", source=Source.SITE),
            Personal("in_place_of", "user.unique_id.pseudonymous", source=Source.SITE),
        ),
        other=(
            "id",
            "handle",
            "what",
            "details: ids, and words of the kind's own",
            "digest",
            "asked_at",
            "expires_at",
            "decision",
            "decided_at",
        ),
        clocks={"expired": "expires_at"},
        erasing=Erasing.ANONYMISE,
        blank={"note": None},
    ),
    Holding(
        key="accounts.admin_log",
        model="admin.LogEntry",
        title=_("What you changed on the configuration pages"),
        staff_title=_("Changes on the configuration pages"),
        subject="user__subject",
        personal=(
            Personal("object_repr", "system.operations", source=Source.SITE),
            Personal(
                "object_id",
                "system.operations",
                source=Source.SITE,
                contents="the key of a row of configuration",
            ),
            Personal(
                "change_message",
                "system.operations",
                source=Source.SITE,
                contents="names of the fields changed",
            ),
        ),
        other=("id", "action_time", "user", "content_type", "action_flag"),
    ),
    Holding(
        key="accounts.group",
        model="accounts.User_groups",
        title=_("Groups for the configuration pages"),
        subject="user__subject",
        personal=(Personal("group", "user.job_title", source=Source.SITE),),
        other=("id", "user"),
    ),
    Holding(
        key="accounts.permission",
        model="accounts.User_user_permissions",
        title=_("Rights on the configuration pages"),
        subject="user__subject",
        personal=(Personal("permission", "user.job_title", source=Source.SITE),),
        other=("id", "user"),
    ),
)

declare_impersonal("auth.Permission", "id", "name", "content_type", "codename")
declare_impersonal("auth.Group", "id", "name")
declare_impersonal("auth.Group_permissions", "id", "group", "permission")
declare_impersonal("contenttypes.ContentType", "id", "app_label", "model")
