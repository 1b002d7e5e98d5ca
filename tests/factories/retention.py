"""People with data in several rooms, and the means to compare whole tables."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from psycopg import sql

from accounts.models import AgeVerdict, Session, User
from policy.models import PolicyVersion
from retention.dependents import every_table
from retention.models import Brake, SweepRun
from tests.factories.policy import file_bytes

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


def make_person(
    name: str = "ada", *, now: datetime = NOW, sessions: int = 2, **fields: Any
) -> User:
    """A confirmed account with a passed age screen and running log-ins."""
    user = User.objects.create_user(
        f"{name}@example.com",
        "a long pass phrase",
        first_name=name.title(),
        last_name="Example",
        now=now,
        **{"unconfirmed_since": None, **fields},
    )
    AgeVerdict.objects.create(
        subject=user.subject,
        born_on=now.date() - timedelta(days=365 * 30),
        passed_at=now - timedelta(minutes=1),
        youngest=13,
        minor=False,
        policy_digest="0" * 64,
    )
    make_sessions(user, count=sessions, expire=now + timedelta(days=14), now=now)
    return user


def make_sessions(
    user: User | None, *, count: int, expire: datetime, now: datetime = NOW
) -> list[Session]:
    """Rows of the session table that end at `expire`."""
    return Session.objects.bulk_create(
        Session(
            session_key=secrets.token_hex(20),
            session_data="",
            user=user,
            expire_date=expire,
            created_at=now,
        )
        for _ in range(count)
    )


def table_digests(*, without: UUID | None = None) -> dict[str, tuple[int, str]]:
    """Table → number and digest of its rows, leaving out rows in whose text the id stands."""
    found = {}
    for model in every_table():
        table = model._meta.db_table
        query = sql.SQL("SELECT t::text FROM {} AS t WHERE t::text NOT LIKE %s ORDER BY 1").format(
            sql.Identifier(table)
        )
        with connection.cursor() as cursor:
            cursor.execute(query.as_string(None), [f"%{without}%" if without else ""])
            rows = [row[0] for row in cursor.fetchall()]
        found[table] = (len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest())
    return found


def make_version(
    *,
    period: str | None,
    effective_at: datetime,
    older_data_at: datetime | None = None,
    zone: str = "UTC",
) -> PolicyVersion:
    """A version whose only rule ends log-ins `period` after they expired; None: no such rule."""
    number = PolicyVersion.objects.count() + 1
    text = file_bytes().decode()
    head, *blocks = re.split(r"(?m)^(?=\[\[)", text)
    kept = [b for b in blocks if not b.startswith("[[retention]]")]
    if period is not None:
        kept.append(
            f'[[retention]]\nholding = "accounts.session"\nclock = "expired"\nperiod = "{period}"\n'
            'text = "Log-ins end."\n'
        )
    source = re.sub(r'(?m)^time_zone = ".*"$', f'time_zone = "{zone}"', head + "".join(kept))
    source += f"# version {number}\n"
    return PolicyVersion.objects.create(
        number=number,
        site="wecustomers",
        version=str(number),
        released_on=effective_at.date(),
        digest=hashlib.sha256(source.encode()).hexdigest(),
        filename="policy.toml",
        source=source,
        published_at=effective_at,
        effective_at=effective_at,
        older_data_at=older_data_at or effective_at,
        published_by_kind="system",
        material=True,
    )


def make_run(**fields: Any) -> SweepRun:
    """A sweep that has ended, without steps."""
    given = {"state": SweepRun.State.DONE, "started_at": NOW, "finished_at": NOW, **fields}
    return SweepRun.objects.create(policy_digest="0" * 64, **given)


def make_brake(**fields: Any) -> Brake:
    """A rule over log-ins that waits for a decision."""
    given = {"rows": 4_000, "table_rows": 5_000, "braked_at": NOW, **fields}
    return Brake.objects.create(
        holding="accounts.session", clock="expired", action="delete", digest="0" * 64, **given
    )
