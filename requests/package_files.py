"""The files of packages end with their rows, and files that no row names end, too.

A package's row names its file before the file is made. So the order of two questions decides what
is an orphan: first which files there are, then which of their names have a row. A file without
one lost it (a worker died between file and row, or the person was erased meanwhile). Without its
row it is unreadable, so it may lie for an hour: two sites that share a folder by mistake read
so in the log before anything is lost.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import transaction
from django.dispatch import receiver

from datamap.same_person import split
from requests.models import Package
from requests.package import store

log = structlog.get_logger(__name__)
CHUNK: Final = 1000
PATIENCE: Final = timedelta(hours=1)
# As `store.new_name` makes them: what else lies in that folder is not ours to delete.
OURS: Final = re.compile(r"[0-9a-f]{32}\.kept")


def delete_files(ids: list[Any]) -> None:
    """Delete what lies outside these rows of `requests.package`, just before they go."""
    names = Package.objects.filter(pk__in=ids).exclude(name="").values_list("name", flat=True)
    for name in names:
        store.remove(name)


@receiver(split, dispatch_uid="requests.split")
def forget_joint_copies(
    *, subject_ids: frozenset[UUID], since: datetime, at: datetime, **kwargs: Any
) -> None:
    """They are two people after all: what was copied while they were held for one goes at once,
    and what is being copied is begun anew.
    """
    theirs = Package.objects.filter(subject_id__in=subject_ids)
    made = theirs.filter(state=Package.State.READY, ready_at__gte=since)
    names = list(made.select_for_update().values_list("name", flat=True))
    made.update(state=Package.State.GONE, key=None)
    theirs.filter(state=Package.State.BUILDING).update(
        state=Package.State.FAILED, claim=None, lease_until=at, name="", error="split"
    )
    for name in names:
        transaction.on_commit(partial(store.remove, name), robust=True)


def remove_orphans(*, now: datetime) -> int:
    """Remove stored files that no package names for an hour; returns how many."""
    removed = waiting = 0
    stored = _stored()
    for start in range(0, len(stored), CHUNK):
        names = stored[start : start + CHUNK]
        known = set(Package.objects.filter(name__in=names).values_list("name", flat=True))
        for name in names:
            if name in known:
                continue
            if _is_older(name, than=now - PATIENCE):
                store.remove(name)
                removed += 1
            else:
                waiting += 1
    if removed or waiting:
        log.warning("packages.orphans", removed=removed, waiting=waiting)
    return removed


def _is_older(name: str, *, than: datetime) -> bool:
    try:
        return store.packages().get_modified_time(name) <= than
    except FileNotFoundError:
        return False  # it went meanwhile


def _stored() -> list[str]:
    try:
        _folders, names = store.packages().listdir("")
    except FileNotFoundError:
        return []  # no package was ever made here
    return [name for name in names if OURS.fullmatch(name)]
