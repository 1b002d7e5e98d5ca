"""One person with two subjects: who belongs together, asked by whatever acts for a person.

Somebody may have two addresses with us, and so two subjects. Once staff have made sure of it, the
two are one person's wherever it matters to that person: what is held, the package, the erasure,
the requests, and a no to mail. Every row stays where it is; only the question "whose is it?" has a
wider answer while a `SubjectMerge` holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import UUIDField
from django.db.models.expressions import RawSQL
from django.dispatch import Signal

# Indexes datamap_merge_kept and datamap_merge_merged. UNION, not UNION ALL: each subject once.
GROUP: Final = """
    WITH RECURSIVE one (id) AS (
        SELECT unnest(%s::uuid[])
        UNION
        SELECT pair.other FROM one JOIN (
            SELECT kept_id AS id, merged_id AS other FROM datamap_subjectmerge
            WHERE undone_at IS NULL
            UNION ALL
            SELECT merged_id, kept_id FROM datamap_subjectmerge WHERE undone_at IS NULL
        ) AS pair ON pair.id = one.id
    )
    SELECT id FROM one
"""

# Two subjects are no longer one person's, inside the transaction that says so. Arguments:
# subject_ids (frozenset of UUID, all that belonged together), since and at (aware datetimes, how
# long they did), actor.
split = Signal()


def same_person(subject_id: UUID) -> list[UUID]:
    """The subject and all others of the same person, the one asked for first; one query."""
    others = people([subject_id]) - {subject_id}
    return [subject_id, *sorted(others)]


def people(subject_ids: Iterable[UUID]) -> frozenset[UUID]:
    """These subjects and all others of the same persons; one query."""
    with connection.cursor() as cursor:
        cursor.execute(GROUP, [list(subject_ids)])
        return frozenset(found for (found,) in cursor.fetchall())


def selection(subject_id: UUID) -> RawSQL:
    """The same as a part of a query, for `subject_id__in=`."""
    return RawSQL(GROUP, [[subject_id]], output_field=UUIDField())  # noqa: S611  words of ours
