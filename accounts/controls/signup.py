"""Signing up takes nothing but what the policy names."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _
from psycopg import sql

from accounts.controls.spans import before_any_policy, opened_in
from accounts.models import User
from audit.control import Control, Finding, Sort, declare
from consent.models import Event
from policy.eras import Era, eras

# Columns of the account's table that no form fills; everything else must be in the policy.
MADE_BY_THE_SITE = frozenset(
    {
        "id",
        "subject_id",
        "is_active",
        "is_staff",
        "is_superuser",
        "date_joined",
        "unconfirmed_since",
        "last_login",
    }
)


def signup_fields(now: datetime) -> Finding:
    """Columns filled in the account's table ⊆ what the policy of its day names (WC-1).

    What somebody filled in later, at a point of the policy then in force that names it, is no
    breach: their own entry in the ledger shows it, judged by the file that the entry names.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s",
            [User._meta.db_table],
        )
        columns = {row[0] for row in cursor.fetchall()} - MADE_BY_THE_SITE
    found: list[UUID] = list(before_any_policy(now))
    known = eras(now)
    for era in known:
        point = era.version.document.collection_point("signup")
        named = {*point.required, *point.optional} if point else set()
        for column in sorted(columns):
            if f"accounts.account.{column}" not in named:
                found += _filled(column, era, known)
    return Finding.of(checked=User.objects.count(), violations=sorted(set(found)))


def _filled(column: str, era: Era, known: list[Era]) -> Iterable[UUID]:
    """Accounts of the era in which a column has a value; by its name in the database."""
    field = next((f for f in User._meta.concrete_fields if f.column == column), None)
    if field is not None:
        empty = Q(**{f"{field.name}__isnull": True}) | Q(**{field.name: ""})
        filled = User.objects.filter(opened_in(era)).exclude(empty)
        return filled.exclude(_given_later(column, known)).values_list("pk", flat=True)
    # A column our models do not know: whatever is in it was not foreseen.
    query = sql.SQL(
        "SELECT id FROM {} WHERE {} IS NOT NULL AND date_joined >= %s"
        " AND date_joined < coalesce(%s, 'infinity'::timestamptz)"
    ).format(sql.Identifier(User._meta.db_table), sql.Identifier(column))
    with connection.cursor() as cursor:
        cursor.execute(query.as_string(None), [era.since, era.until])
        return [row[0] for row in cursor.fetchall()]


def _given_later(column: str, known: list[Era]) -> Exists:
    """Whether the person handed the value over at a point that names it, by the ledger."""
    name = f"accounts.account.{column}"
    naming = Q(pk__in=[])
    for era in known:
        for point in era.version.document.collection_points:
            if name in point.required or name in point.optional:
                naming |= Q(policy_digest=era.version.digest, key=point.key)
    return Exists(
        Event.objects.filter(
            naming,
            subject=OuterRef("subject"),
            kind="collection",
            decision="submitted",
            fields__contains=[name],
        )
    )


declare(
    Control(
        key="accounts.signup-fields",
        sentence=_("Signing up fills in nothing but what the policy names for it."),
        how=_("Every column of every account is compared with the policy of the day it opened."),
        sort=Sort.QUERY,
        check=signup_fields,
    ),
)
