"""Roles, and what Django keeps about people who open its configuration pages."""

from django.utils.translation import gettext_lazy as _

from datamap.holding import Holding, Personal, Source
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
