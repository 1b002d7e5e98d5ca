"""Who on the staff may do what: five roles, one table."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """What somebody does for the operator."""

    SUPPORT = "support", _("Support")
    REVIEWER = "reviewer", _("Reviewer")
    PRIVACY_ADMIN = "privacy_admin", _("Privacy administrator")
    AUDITOR = "auditor", _("Auditor")
    BILLING = "billing", _("Billing")


# Every permission of the staff console, with the roles that hold it. Superusers are not among
# them: keeping the machine running is no reason to read people's data (WD-12).
TABLE: dict[str, frozenset[Role]] = {
    "requests.view": frozenset({Role.SUPPORT, Role.REVIEWER, Role.PRIVACY_ADMIN, Role.AUDITOR}),
    "requests.review": frozenset({Role.REVIEWER, Role.PRIVACY_ADMIN}),
    "accounts.report_child": frozenset({Role.SUPPORT, Role.REVIEWER, Role.PRIVACY_ADMIN}),
    "accounts.find_person": frozenset({Role.SUPPORT, Role.REVIEWER, Role.PRIVACY_ADMIN}),
    "accounts.team": frozenset({Role.PRIVACY_ADMIN, Role.AUDITOR}),
    "accounts.appoint": frozenset({Role.PRIVACY_ADMIN}),
    "accounts.approvals": frozenset({Role.REVIEWER, Role.PRIVACY_ADMIN}),
    "accounts.same_person": frozenset({Role.REVIEWER, Role.PRIVACY_ADMIN}),
    "retention.children": frozenset({Role.REVIEWER, Role.PRIVACY_ADMIN}),
    "retention.view": frozenset({Role.PRIVACY_ADMIN, Role.AUDITOR}),
    "retention.sweep": frozenset({Role.PRIVACY_ADMIN}),
    "accounts.losses": frozenset({Role.SUPPORT, Role.PRIVACY_ADMIN}),
    "consent.opt_out": frozenset({Role.SUPPORT, Role.PRIVACY_ADMIN}),
    "audit.promises": frozenset({Role.REVIEWER, Role.PRIVACY_ADMIN, Role.AUDITOR}),
    "audit.log": frozenset({Role.PRIVACY_ADMIN, Role.AUDITOR}),
    "policy.publish": frozenset({Role.PRIVACY_ADMIN}),
}

ROLES: dict[str, frozenset[str]] = {
    role.value: frozenset(perm for perm, holders in TABLE.items() if role in holders)
    for role in Role
}

_ROOMS = frozenset({"datamap", "audit", "policy", "consent", "cookies"}) | frozenset(
    {"accounts", "retention", "disclosures", "requests"}
)
_MODEL_ACTIONS = ("add_", "change_", "delete_", "view_")


def is_personal_data_permission(perm: str) -> bool:
    """Whether the table above decides, rather than Django's rights on configuration tables.

    A permission of our rooms that is missing from the table is held by nobody.
    """
    room, _dot, action = perm.partition(".")
    return perm in TABLE or (room in _ROOMS and not action.startswith(_MODEL_ACTIONS))
