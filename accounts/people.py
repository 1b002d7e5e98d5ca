"""Finding people: by words that this viewer may see of them, and by nothing else.

The database narrows the table down by whatever stands in it; whether somebody is found is decided
by `accounts.visibility` over what it would show. So nobody is found by a word they hide. Results
come in the order of their random handles, which tells nothing either.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Q

from accounts.models import Profile
from accounts.visibility import WITH, Shown, Viewer, reaches, rows, settings_of, show
from policy import current

NOBODY: Final = UUID(int=0)
SEARCHED: Final = ("first_name", "last_name", "about", "interests", "networks")
COLUMNS: Final = (
    "subject__user__first_name",
    "subject__user__last_name",
    "about",
    "interests",
    "networks",
)
SHORTEST: Final = 2  # letters
LONGEST: Final = 80
MOST_WORDS: Final = 5
MOST: Final = 20  # people in an answer
WINDOW: Final = 100  # profiles looked at in one go
MOST_WINDOWS: Final = 10


def by_handle(*, handle: str, viewer: Viewer, now: datetime) -> Shown | None:
    """The person of this address as the viewer may see them; None for nobody and nothing alike.

    As many queries for an address that nobody has.
    """
    if "\0" in handle:
        return None
    found = rows(Q(handle=handle))
    if not found:  # the same work, so that the time it takes tells nothing
        current.document(now)
        reaches(owners=[NOBODY], viewer=viewer)
        settings_of([NOBODY])
        return None
    reached = reaches(owners=[each.subject_id for each in found], viewer=viewer)
    (shown,) = show(found, reached, now=now)
    return shown or None


def search(*, text: str, viewer: Viewer, now: datetime) -> list[Shown]:
    """People of whom the viewer may see every word of the text; up to `MOST`.

    Looks at no more than `WINDOW` times `MOST_WINDOWS` profiles.
    """
    words = words_of(text)
    if not words:
        return []
    found: list[Shown] = []
    for profiles in _windows(words):
        reached = reaches(owners=[each.subject_id for each in profiles], viewer=viewer)
        seen = show(profiles, reached, now=now, only=(*SEARCHED, "photo"))
        found += [each for each in seen if _matches(each, words)]
        if len(found) >= MOST:
            break
    return found[:MOST]


def words_of(text: str) -> list[str]:
    """What is looked for; none where the text is too short to find anybody by."""
    text = text.replace("\0", " ")[:LONGEST].strip()
    if len(text) < SHORTEST:
        return []
    words = (word.strip(".,").casefold() for word in text.split()[:MOST_WORDS])
    return [word for word in words if word]


def _windows(words: list[str]) -> Iterator[list[Profile]]:
    condition = Q(subject__locked=False, subject__restricted=False, subject__erased_at=None)
    for word in words:
        condition &= Q.create(
            [(f"{column}__icontains", word) for column in COLUMNS], connector=Q.OR
        )
    after = ""
    for _number in range(MOST_WINDOWS):
        found = Profile.objects.filter(condition, handle__gt=after).select_related(*WITH)
        profiles = list(found.order_by("handle")[:WINDOW])
        if profiles:
            yield profiles
            after = profiles[-1].handle
        if len(profiles) < WINDOW:
            return


def _matches(shown: Shown, words: list[str]) -> bool:
    texts = [shown.values.get(key, "") for key in SEARCHED]
    everything = "\n".join([*texts, shown.name]).casefold()
    return bool(shown) and all(word in everything for word in words)
