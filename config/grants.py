"""Rights of the runtime role: everything it needs, and no way to change what is append-only."""

from typing import Any

import structlog
from django.apps import AppConfig, apps
from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from audit.models import AppendOnly
from datamap import registry

log = structlog.get_logger(__name__)


def append_only_tables() -> list[str]:
    """The tables of all installed models that subclass `audit.models.AppendOnly`."""
    models = apps.get_models(include_auto_created=True)
    return sorted(m._meta.db_table for m in models if issubclass(m, AppendOnly))


def written_by_database() -> list[str]:
    """Append-only tables that only functions of their owner add to."""
    models = [m for m in apps.get_models() if issubclass(m, AppendOnly)]
    return sorted(m._meta.db_table for m in models if m.written_by_database)


def bound_columns() -> dict[str, list[str]]:
    """Table → the columns it has besides those that only a function of its owner may read."""
    bound = [(h, {p.name for p in h.personal if p.bound}) for h in registry.holdings()]
    return {
        holding.model_class._meta.db_table: [
            str(field.column)
            for field in holding.model_class._meta.concrete_fields
            if field.name not in names
        ]
        for holding, names in bound
        if names
    }


def after_migrate(
    sender: AppConfig, *, using: str = "default", plan: Any = None, **kwargs: Any
) -> None:
    """Grants once per `migrate`: the signal comes for every app, ours is the last room."""
    if sender.name == "config":
        grant_runtime_role(using=using)


def grant_runtime_role(*, using: str = "default") -> bool:
    """Grant `settings.RUNTIME_ROLE` its rights; False (and a log line) where one role does all."""
    connection = connections[using]
    role = settings.RUNTIME_ROLE
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", [role]
        )
        owner, exists = cursor.fetchone()
    if not role or not exists or owner == role:
        log.warning("grants.single_role", role=role or None, exists=exists)
        return False
    _grant(connection, role)
    return True


def _grant(connection: BaseDatabaseWrapper, role: str) -> None:
    existing = set(connection.introspection.table_names())
    name = sql.Identifier(role)
    everything = [
        "GRANT USAGE ON SCHEMA public TO {}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}",
        # Who may say which migrations ran decides what /readyz believes.
        "REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {}",
    ]
    statements = [sql.SQL(text).format(name) for text in everything]
    for table in append_only_tables():
        if table in existing:
            revoke = sql.SQL("REVOKE UPDATE, DELETE, TRUNCATE ON {} FROM {}")
            statements.append(revoke.format(sql.Identifier(table), name))
    for table in written_by_database():
        if table in existing:
            revoke = sql.SQL("REVOKE INSERT ON {} FROM {}")
            statements.append(revoke.format(sql.Identifier(table), name))
    for table, columns in bound_columns().items():
        if table in existing:
            statements += _without_bound(table, columns, name)
    with connection.cursor() as cursor:
        for reader in _readers(cursor):
            statements.append(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(reader, name))
        for statement in statements:
            cursor.execute(statement.as_string())


def _without_bound(table: str, columns: list[str], role: sql.Identifier) -> list[sql.Composed]:
    """A right to read the table is one to read every column, so it goes first."""
    known = sql.Identifier(table)
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    return [
        sql.SQL("REVOKE SELECT ON {} FROM {}").format(known, role),
        sql.SQL("GRANT SELECT ({}) ON {} TO {}").format(listed, known, role),
    ]


def _readers(cursor: Any) -> list[sql.SQL]:
    """The functions that hand out what is bound, as the database names them."""
    cursor.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc p"
        " JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = 'public' AND p.proname LIKE 'kept\\_read\\_%'"
    )
    return [sql.SQL(signature) for (signature,) in cursor.fetchall()]
