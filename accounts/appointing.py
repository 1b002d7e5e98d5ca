"""Appointing staff takes two people: the kind of approval that this room declares."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import approval, staff
from accounts.models import Approval, User
from accounts.roles import Role
from audit.log import staff as by_staff

KEY: Final = "accounts.appoint"


def ask(*, user: User, role: Role, by: User, now: datetime, note: str = "") -> Approval:
    """Ask that somebody be given a role. Raises what `approval.ask` does, and `NotConfirmed`."""
    if user.unconfirmed_since is not None:
        raise staff.NotConfirmed
    return approval.ask(
        what=KEY, about=user.subject, details={"role": str(role)}, by=by, now=now, note=note
    )


def _tell(asked: Approval) -> str:
    user = getattr(asked.about, "user", None)
    name = user.get_full_name() or user.email if user is not None else _("(erased)")
    return _("%(name)s becomes: %(role)s.") % {
        "name": name,
        "role": Role(asked.details["role"]).label,
    }


def _carry_out(asked: Approval, by: User, now: datetime) -> None:
    user = User.objects.select_related("subject").filter(subject=asked.about_id).first()
    if user is None or user.subject.locked or not user.is_active:
        raise approval.CantBeDone
    try:
        staff.appoint(user=user, role=Role(asked.details["role"]), actor=by_staff(by.pk), now=now)
    except staff.NotConfirmed:
        raise approval.CantBeDone from None


approval.declare(
    approval.Kind(
        key=KEY,
        title=gettext_lazy("A role on the staff"),
        ask="accounts.appoint",
        decide="accounts.approvals",
        tell=_tell,
        carry_out=_carry_out,
    )
)
