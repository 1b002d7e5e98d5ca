"""How evidence and counts grow old without growing large.

Every piece of evidence is kept for ninety days. Of older days one piece per control stays, the
worst of its day, so that no broken promise is thinned out of sight; after six years that goes,
too, with the log that it rests on (GDPR 5(1)(e)). Both through the function that alone may end
evidence (`audit.append_only`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from audit import movements
from audit.append_only import EVIDENCE, expire

ALL_KEPT = timedelta(days=90)
ONE_A_DAY = timedelta(days=6 * 365)
CHUNK = 5000
# A day on the server's clock: the history only needs one piece for each.
_SURPLUS = """
    SELECT id FROM (
        SELECT id, row_number() OVER (
            PARTITION BY control, date_trunc('day', at AT TIME ZONE 'UTC')
            ORDER BY array_position(ARRAY['broken', 'failed', 'kept'], outcome::text), at DESC
        ) AS place
        FROM audit_evidence WHERE at < %(thin)s AND at >= %(gone)s
    ) AS ranked WHERE place > 1
    LIMIT %(chunk)s
"""
_GONE = "SELECT id FROM audit_evidence WHERE at < %(gone)s LIMIT %(chunk)s"


def thin(*, now: datetime) -> int:
    """Let old evidence go, in short transactions, and add old movements up; rows that went."""
    # The function's floor looks at the server's clock: a moment's difference must not matter.
    when = {"thin": now - ALL_KEPT - timedelta(hours=1), "gone": now - ONE_A_DAY}
    went = 0
    for query in (_SURPLUS, _GONE):
        while ids := _ids(query, when):
            with transaction.atomic():
                went += expire(EVIDENCE, ids)
    return went + movements.add_up()


def _ids(query: str, when: dict[str, datetime]) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(query, {**when, "chunk": CHUNK})
        return [row[0] for row in cursor.fetchall()]
