"""What others said about somebody, and the yes it needs."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from accounts import facts
from accounts.models import Fact
from audit.log import person
from consent import ledger
from consent.ledger import Shown
from policy import current
from tests.factories.accounts import member

WORDS = Shown("Others may add.", surface="choices")


def lets_others(subject_id: UUID, *, now: datetime, yes: bool = True) -> None:
    """Say yes, or no, to what others may add to one's profile."""
    decide = ledger.say_yes if yes else ledger.say_no
    decide(
        subject_id=subject_id,
        kind="purpose",
        key=facts.CHOICE,
        shown=WORDS,
        actor=person(subject_id),
        now=now,
    )


def told(
    contributor_id: UUID, subject_id: UUID, *, now: datetime, text: str = "Plays chess."
) -> Fact:
    """Something one member tells about another who lets them since a minute ago."""
    lets_others(subject_id, now=now - timedelta(minutes=1))
    point = current.fresh(now).document.collection_point(facts.POINT)
    assert point is not None
    return facts.contribute(
        contributor_id=contributor_id,
        subject_id=subject_id,
        text=text,
        source="They told me",
        shown=Shown(point.notice, surface="tell-fact"),
        now=now,
    )


def delivered(
    subject_id: UUID, *, now: datetime, source: str = "Newspapers", text: str = "Won a prize."
) -> Fact:
    """Something an outside source delivers."""
    return facts.deliver(subject_id=subject_id, text=text, source=source, key_id=uuid4(), now=now)


def some_facts(subject_id: UUID, *, now: datetime) -> None:
    """One that waits, one accepted, one from outside; and one the person told about another."""
    if Fact.objects.filter(subject_id=subject_id).exists():
        return
    ada, robin = member(first_name="Ada", now=now).subject_id, member(now=now).subject_id
    kept = told(ada, subject_id, now=now, text="Tunes harpsichords for half the town.")
    actor = person(subject_id)
    facts.accept(
        subject_id=subject_id, handle=kept.handle, audience="members", actor=actor, now=now
    )
    told(ada, subject_id, now=now, text="Once walked from Graz to Trieste.")
    delivered(subject_id, now=now)
    told(subject_id, robin, now=now, text="Keeps bees.")
