"""The staff: who has a role, who stands in for whom, and their second factor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from allauth.mfa.totp.internal.auth import TOTP
from django.db import transaction
from django.db.models import Q

from accounts.models import Deputy, StaffMember, User
from accounts.roles import ROLES, Role
from accounts.sessions import end_all
from accounts.undertakings import NotStaff as NotStaff
from accounts.undertakings import Standing, standing
from audit.log import Actor, record
from audit.log import staff as by_staff
from datamap.encryption import keyed_hash

LONGEST_ABSENCE: Final = timedelta(days=190)


class NotConfirmed(ValueError):
    """Nobody becomes staff whose address is not confirmed."""


class LastAdmin(ValueError):
    """Without a privacy administrator nobody could appoint another one."""


class OwnRole(PermissionError):
    """Nobody decides on their own role."""


class BadAbsence(ValueError):
    """An absence ends after it begins, is not over, and lasts no longer than `LONGEST_ABSENCE`."""


class OneselfAsDeputy(ValueError):
    """Nobody stands in for themselves."""


@dataclass(frozen=True)
class Colleague:
    """One line of the team. handle: names them in URLs."""

    user: User
    member: StaffMember
    handle: str
    standing: Standing

    @property
    def is_bound(self) -> bool:
        """Whether both duties are in force, so that the staff's pages open."""
        return None not in (self.standing.undertaking, self.standing.training)


def appoint(*, user: User, role: Role, actor: Actor, now: datetime) -> StaffMember:
    """Give a user a role on the staff console, instead of any they had.

    Their sessions end, so that the next log-in proves the second factor. On the pages two people
    agree before (`accounts.appointing`). Raises `NotConfirmed`.
    """
    if user.unconfirmed_since is not None:
        raise NotConfirmed
    with transaction.atomic():
        member, _created = StaffMember.objects.update_or_create(
            user=user, defaults={"role": role}, create_defaults={"role": role, "since": now}
        )
        end_all(user_id=user.pk, now=now)
        record(
            actor=actor,
            verb="accounts.appointed",
            now=now,
            object=member,
            subject_id=user.subject_id,
            facts={"role": str(role)},
        )
    user.staff_member = member
    return member


def dismiss(*, user: User, by: User, now: datetime) -> None:
    """Take somebody's role away and end their sessions. One person is enough: it can be undone.

    Raises `OwnRole`, `LastAdmin`, `NotStaff`.
    """
    if user.pk == by.pk:
        raise OwnRole
    with transaction.atomic():
        rows = StaffMember.objects.select_for_update().order_by("pk")
        everybody = {member.user_id: member for member in rows}
        member = everybody.get(user.pk)
        if member is None:
            raise NotStaff
        admins = [m for m in everybody.values() if m.role == Role.PRIVACY_ADMIN]
        if admins == [member]:
            raise LastAdmin
        record(
            actor=by_staff(by.pk),
            verb="accounts.dismissed",
            now=now,
            object=member,
            subject_id=user.subject_id,
            facts={"role": member.role},
        )
        end_all(user_id=user.pk, now=now)
        of_theirs = Q(member=user.subject_id) | Q(deputy=user.subject_id)
        Deputy.objects.filter(of_theirs, starts_at__gt=now).delete()
        Deputy.objects.filter(of_theirs, ends_at__gt=now).update(ends_at=now)
        member.delete()


def name_deputy(
    *, member: User, deputy: User, starts_at: datetime, ends_at: datetime, by: User, now: datetime
) -> Deputy:
    """Let somebody of the staff decide in another's place while that one is away.

    Raises `BadAbsence`, `NotStaff`, `OneselfAsDeputy`.
    """
    if not starts_at < ends_at or ends_at <= now or ends_at - starts_at > LONGEST_ABSENCE:
        raise BadAbsence
    if not (member.is_staff_member and deputy.is_staff_member):
        raise NotStaff
    if deputy.pk == member.pk:
        raise OneselfAsDeputy
    with transaction.atomic():
        named = Deputy.objects.create(
            member_id=member.subject_id,
            deputy_id=deputy.subject_id,
            starts_at=starts_at,
            ends_at=ends_at,
            named_at=now,
            named_by=by.pk,
        )
        _record_deputy(named, by, "accounts.deputy-named", now)
    return named


def end_deputy(*, handle: str, by: User, now: datetime) -> bool:
    """End a substitution that one named or that is one's own; whether there was one."""
    with transaction.atomic():
        mine = Q(member=by.subject_id) | Q(named_by=by.pk) | Q(deputy=by.subject_id)
        named = (
            Deputy.objects.select_for_update().filter(mine, handle=handle, ends_at__gt=now).first()
        )
        if named is None:
            return False
        named.ends_at = max(now, named.starts_at)
        named.save(update_fields=["ends_at"])
        _record_deputy(named, by, "accounts.deputy-ended", now)
    return True


def deputies_of(*, user: User, now: datetime) -> list[Deputy]:
    """Substitutions of this person that are not over, theirs and those they stand in for."""
    either = Q(member=user.subject_id) | Q(deputy=user.subject_id)
    rows = Deputy.objects.filter(either, ends_at__gt=now)
    return list(rows.select_related("member__user", "deputy__user").order_by("starts_at", "pk"))


def stands_in_for(*, user: User, now: datetime) -> list[tuple[User, UUID]]:
    """Whom this person stands in for at this instant, and who arranged it; one query.

    Only for people who still have a role: a deputy has what the absent person has, and no more.
    """
    rows = Deputy.objects.filter(
        deputy=user.subject_id,
        starts_at__lte=now,
        ends_at__gt=now,
        member__user__staff_member__isnull=False,
    ).select_related("member__user__staff_member", "member__user__subject")
    return [(row.member.user, row.named_by) for row in rows]


def may(user: User, permission: str) -> bool:
    """Whether the user's own role holds this."""
    return permission in ROLES.get(user.staff_role, frozenset())


def team(*, now: datetime) -> list[Colleague]:
    """Everybody with a role, by role and name; three queries."""
    rows = StaffMember.objects.select_related("user__subject").order_by("role", "user__last_name")
    members = list(rows)
    found = standing(user_ids=[m.user_id for m in members], now=now)
    return [Colleague(m.user, m, handle_of(m.user_id), found[m.user_id]) for m in members]


def colleague(*, handle: str, now: datetime) -> Colleague | None:
    """The one of the team with this handle."""
    return next((each for each in team(now=now) if each.handle == handle), None)


def handle_of(user_id: UUID) -> str:
    """A name for URLs that tells nothing: a keyed hash of the id."""
    return keyed_hash(f"staff {user_id}")[:32]


def set_authenticator_secret(*, user: User, secret: str) -> None:
    """Enrol an authenticator app by its secret (base 32), where nobody can scan a picture."""
    TOTP.activate(user, secret)


def _record_deputy(named: Deputy, by: User, verb: str, now: datetime) -> None:
    record(
        actor=by_staff(by.pk),
        verb=verb,
        now=now,
        object=named,
        subject_id=named.member_id,
        facts={
            "deputy": str(named.deputy_id),
            "from": named.starts_at.isoformat(),
            "until": named.ends_at.isoformat(),
        },
    )
