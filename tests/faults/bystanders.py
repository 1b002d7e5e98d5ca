"""People and things that no work is about: their rows stay the same to the last byte."""

from __future__ import annotations

from tests.faults.site import Site

MARK = "b0000000"
# Whole tables that nothing of all this may touch.
# What the controls found, which may name anybody's rows.
ABOUT = "audit_evidence"
UNTOUCHED = ("policy_policyversion", "django_migrations", "auth_group", "accounts_staffmember")


def digests(site: Site) -> dict[str, tuple[int, str]]:
    """Table → number and digest of the rows in which a bystander's mark stands."""
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> %s"
    found = {}
    for (table,) in site.sql(tables, ABOUT):
        which = "true" if table in UNTOUCHED else f"t::text LIKE '%%{MARK}%%'"
        ((count, digest),) = site.sql(
            "SELECT count(*), md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), ''))"
            f" FROM {table} t WHERE {which} AND 0 = %s",
            0,
        )
        if count:
            found[str(table)] = (int(count), str(digest))
    return found
