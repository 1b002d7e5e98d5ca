"""What others say about a person: told by members, or got from outside the site.

The danger is twofold: that somebody's profile says what they never agreed to, and that the site
holds things about a person who does not know. So:

- A fact is taken only where the policy in force lets it be: from members with the feature
  `contributed_facts`, from outside only from a source the policy names (CC-13).
- Where the feature is on, the person's own yes must stand, and it is off by default (WC-20). The
  yes is the ledger's choice `CHOICE`, read under the lock of the person's row, which is what a
  withdrawal takes, too: no fact slips in behind a no.
- Where the feature is off, a named source is an exception the policy declares: what it delivers is
  kept on file, shown to nobody, and ends by a retention rule.
- Nobody is shown anything before the person accepted it. A no deletes it.
- Each fact has what came before it, written down elsewhere: the contributor's event in the ledger,
  or the delivery in the log. The person is written to about every fact (GDPR 14(3)(a)).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts import fact_news
from accounts.models import Block, Fact, User
from accounts.visibility import NEEDED, Reach
from accounts.visibility import Shown as Visible
from audit.log import SYSTEM, Actor, person, record
from consent import ledger
from consent.ledger import Shown
from consent.models import Kind
from consent.options import CONTRIBUTED
from datamap.models import Subject
from policy import current
from policy.document import Document

CHOICE: Final = CONTRIBUTED
POINT: Final = "contributed-fact"  # the policy's collection point for members
FIELDS: Final = frozenset({"accounts.fact.text", "accounts.fact.source"})
LONGEST: Final = {"text": 500, "source": 200}
MOST_WAITING: Final = 50  # facts about one person that wait for an answer
MOST_OF_ONE: Final = 5  # of them from one member
MOST_A_DAY: Final = 20  # facts from one member, about anybody
_MARKUP: Final = re.compile(r"<\s*[a-zA-Z/!?]")
_TURNING: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")  # letters that turn what follows


class NotWanted(LookupError):
    """No fact about this person can be taken from here: no such person, no yes of theirs, a
    policy without contributed facts, a block; all the same to whoever wants to tell one.
    """


class SourceForbidden(Exception):
    """The policy in force names no such source; `known` are those it names."""

    def __init__(self, *, known: Collection[str]) -> None:
        self.known = list(known)
        super().__init__(f"no such source; named are: {', '.join(self.known) or 'none'}")


class TooMany(Exception):
    """Enough for now: `most` facts of this member, or about this person."""

    def __init__(self, *, most: int) -> None:
        self.most = most
        super().__init__(f"at most {most}")


class NoSuchFact(LookupError):
    """No fact of this handle that this person may do this with."""


# Taking -----------------------------------------------------------------------------------------


def offered(document: Document) -> bool:
    """Whether members may add to each other's profiles under this policy."""
    return document.features.contributed_facts and document.collection_point(POINT) is not None


def wants(*, subject_id: UUID, document: Document) -> bool:
    """Whether this person lets others add to their profile; one query."""
    return offered(document) and ledger.may(
        subject_id=subject_id, kind=Kind.PURPOSE, key=CHOICE, document=document
    )


def may_tell(*, contributor_id: UUID, subject_id: UUID, now: datetime) -> bool:
    """Whether this member may tell something about that person now."""
    return _may_tell(contributor_id, subject_id, current.document(now))


def clean(field: str, text: str) -> str:
    """The text as it will be stored. field: `text` or `source`.

    Raises `ValidationError` in words for whoever wrote it.
    """
    text = " ".join(text.split(" ")).strip()
    if not text:
        raise ValidationError(_("Write something here."))
    if len(text) > LONGEST[field]:
        told = _("This is longer than %(most)d characters. Shorten it.")
        raise ValidationError(told % {"most": LONGEST[field]})
    strange = any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text)
    if strange or _TURNING.search(text):
        raise ValidationError(_("Write this on one line, without special control characters."))
    if _MARKUP.search(text):
        raise ValidationError(_("Write plain words: marks such as <b> are not possible here."))
    return text


def contribute(
    *, contributor_id: UUID, subject_id: UUID, text: str, source: str, shown: Shown, now: datetime
) -> Fact:
    """Take what a member tells about somebody. It waits until that person accepts it.

    source: where the member has it from, in their words. shown: what stood beside the form.
    Raises `NotWanted`, `TooMany`, `ValidationError`, `policy.current.NoPolicy`.
    """
    text, source = clean("text", text), clean("source", source)
    with transaction.atomic():
        _lock(contributor_id, subject_id)
        if not _may_tell(contributor_id, subject_id, current.fresh(now).document):
            raise NotWanted
        _check_limits(contributor_id, subject_id, now)
        event = ledger.submit(
            subject_id=contributor_id,
            point=POINT,
            fields=FIELDS,
            shown=shown,
            actor=person(contributor_id),
            now=now,
        )
        fact = Fact.objects.create(
            subject_id=subject_id,
            contributor_id=contributor_id,
            origin=Fact.Origin.MEMBER,
            source=source,
            text=text,
            state=Fact.State.WAITING,
            cause=event.pk,
            received_at=max(now, event.at),
        )
        _record("accounts.fact-contributed", fact, actor=person(contributor_id), now=now)
        fact_news.announce_soon(subject_id=subject_id, now=now)
    return fact


def deliver(
    *, subject_id: UUID | None, text: str, source: str, key_id: UUID, now: datetime
) -> Fact:
    """Take what an outside source says about somebody; they are written to at once.

    subject_id: none where nobody is known. source: as the policy names it. key_id: the site's own
    key that delivered it. The same delivered again, and not answered yet, is not stored twice.
    Raises `SourceForbidden`, `NotWanted`, `TooMany`, `ValidationError`, `policy.current.NoPolicy`.
    """
    text, actor = clean("text", text), Actor(SYSTEM.kind, key_id)
    with transaction.atomic():
        document = current.fresh(now).document
        if source not in document.features.outside_sources:
            raise SourceForbidden(known=document.features.outside_sources)
        if subject_id is None:
            raise NotWanted
        _lock(subject_id)
        asked = document.features.contributed_facts
        wanted = not asked or wants(subject_id=subject_id, document=document)
        if not (wanted and _is_open(subject_id)):
            raise NotWanted
        before = Fact.objects.filter(subject_id=subject_id, source=source, text=text)
        if (found := before.filter(accepted_at__isnull=True).first()) is not None:
            return found
        _check_room(subject_id)
        entry = record(
            actor=actor,
            verb="accounts.fact-delivered",
            now=now,
            subject_id=subject_id,
            facts={"source": source},
        )
        fact = Fact.objects.create(
            subject_id=subject_id,
            origin=Fact.Origin.OUTSIDE,
            source=source,
            text=text,
            state=Fact.State.WAITING if asked else Fact.State.ON_FILE,
            cause=entry.pk,
            received_at=now,
        )
        fact_news.announce(subject_id=subject_id, now=now)
    return fact


def about(subject_id: UUID) -> QuerySet[Fact]:
    """What others said about this person, newest first."""
    return Fact.objects.filter(subject_id=subject_id).order_by("-received_at", "-pk")


def shown_with(shown: Visible) -> list[Fact]:
    """The accepted facts that a viewer may see who sees this much of the person; one query.

    People under age show visitors nothing, whatever was set, as with the parts of a profile.
    """
    accepted = Fact.objects.filter(subject_id=shown.subject_id, state=Fact.State.ACCEPTED)
    reached = [a for a, needed in NEEDED.items() if shown.reach >= needed]
    if shown.reach is Reach.VISITOR:
        accepted = accepted.filter(subject__minor=False)
    return list(accepted.filter(audience__in=reached).order_by("-accepted_at", "-pk"))


def told_by(subject_id: UUID) -> QuerySet[Fact]:
    """What this member told about others and was not answered yet, newest first."""
    waiting = Fact.objects.filter(contributor_id=subject_id, state=Fact.State.WAITING)
    return waiting.order_by("-received_at", "-pk")


# Answering --------------------------------------------------------------------------------------


def accept(*, subject_id: UUID, handle: str, audience: str, actor: Actor, now: datetime) -> None:
    """Take a fact into one's profile. audience: who sees it from then on.

    Raises `NoSuchFact`: another's, gone, accepted before, kept on file.
    """
    waiting = Fact.objects.filter(subject_id=subject_id, handle=handle, state=Fact.State.WAITING)
    with transaction.atomic():
        fact = _held(waiting)
        waiting.update(state=Fact.State.ACCEPTED, accepted_at=now, audience=audience)
        _record("accounts.fact-accepted", fact, actor=actor, now=now, audience=audience)


def show_to(*, subject_id: UUID, handle: str, audience: str, actor: Actor, now: datetime) -> None:
    """Change who sees an accepted fact. Raises `NoSuchFact`."""
    accepted = Fact.objects.filter(subject_id=subject_id, handle=handle, state=Fact.State.ACCEPTED)
    with transaction.atomic():
        fact = _held(accepted)
        accepted.update(audience=audience)
        _record("accounts.fact-shown-to", fact, actor=actor, now=now, audience=audience)


def remove(*, subject_id: UUID, handle: str, actor: Actor, now: datetime) -> None:
    """Say no to a fact, or take an accepted one out of one's profile: it is deleted.

    What a declared source put on file can't be removed here. Raises `NoSuchFact`.
    """
    mine = Fact.objects.filter(subject_id=subject_id, handle=handle)
    _delete(mine.exclude(state=Fact.State.ON_FILE), actor=actor, now=now)


def take_back(*, contributor_id: UUID, handle: str, now: datetime) -> None:
    """Take back what one told, as long as it was not accepted. Raises `NoSuchFact`."""
    told = Fact.objects.filter(
        contributor_id=contributor_id, handle=handle, state=Fact.State.WAITING
    )
    _delete(told, actor=person(contributor_id), now=now)


def drop_waiting(*, subject_id: UUID, now: datetime) -> int:
    """Delete what waits for an answer, because the person's yes ended; in the caller's
    transaction. What they accepted is their own by now.
    """
    waiting = Fact.objects.filter(subject_id=subject_id, state=Fact.State.WAITING)
    dropped = waiting.delete()[0]
    if dropped:
        record(
            actor=person(subject_id),
            verb="accounts.facts-dropped",
            now=now,
            subject_id=subject_id,
            facts={"facts": dropped},
        )
    return dropped


# Below ------------------------------------------------------------------------------------------


def _may_tell(contributor_id: UUID, subject_id: UUID, document: Document) -> bool:
    if contributor_id == subject_id or not wants(subject_id=subject_id, document=document):
        return False
    people = [contributor_id, subject_id]
    if Block.objects.filter(blocker__in=people, blocked__in=people).exists():
        return False
    return _is_open(*people)


def _is_open(*subject_ids: UUID) -> bool:
    """Whether all of these have an account in use, and nothing keeps data from being added."""
    there = User.objects.filter(
        subject__in=subject_ids,
        subject__locked=False,
        subject__restricted=False,
        subject__erased_at__isnull=True,
        is_active=True,
        unconfirmed_since__isnull=True,
    )
    return there.count() == len(subject_ids)


def _lock(*subject_ids: UUID) -> None:
    """Hold these people's rows until the transaction ends, always in the same order."""
    rows = Subject.objects.select_for_update(no_key=True).filter(pk__in=subject_ids)
    list(rows.order_by("pk").values_list("pk", flat=True))


def _check_limits(contributor_id: UUID, subject_id: UUID, now: datetime) -> None:
    """Raises `TooMany`. A day's facts are counted in the ledger: those taken back count, too."""
    told = ledger.history(contributor_id, kind=Kind.COLLECTION, key=POINT)
    if told.filter(at__gt=now - timedelta(days=1)).count() >= MOST_A_DAY:
        raise TooMany(most=MOST_A_DAY)
    waiting = Fact.objects.filter(subject_id=subject_id, state=Fact.State.WAITING)
    if waiting.filter(contributor_id=contributor_id).count() >= MOST_OF_ONE:
        raise TooMany(most=MOST_OF_ONE)
    _check_room(subject_id)


def _check_room(subject_id: UUID) -> None:
    undecided = Fact.objects.filter(subject_id=subject_id).exclude(state=Fact.State.ACCEPTED)
    if undecided.count() >= MOST_WAITING:
        raise TooMany(most=MOST_WAITING)


def _held(rows: QuerySet[Fact]) -> Fact:
    fact = rows.select_for_update(no_key=True).first()
    if fact is None:
        raise NoSuchFact
    return fact


def _delete(rows: QuerySet[Fact], *, actor: Actor, now: datetime) -> None:
    with transaction.atomic():
        fact = _held(rows)
        _record("accounts.fact-removed", fact, actor=actor, now=now, state=fact.state)
        fact.delete()


def _record(verb: str, fact: Fact, *, actor: Actor, now: datetime, **more: str) -> None:
    """That something happened to a fact, never what it says."""
    record(
        actor=actor,
        verb=verb,
        now=now,
        object=fact,
        subject_id=fact.subject_id,
        facts={"origin": fact.origin, **more},
    )
