"""What the demo's members do among each other, as far as the policy has it: profiles with a photo
drawn here, connections, an open invitation, something told that waits for a yes, a kept card.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from PIL import Image, ImageDraw

from accounts import (
    connections,
    facts,
    invitations,
    keys,
    payments,
    photos,
    profiles,
    visibility,
)
from accounts.fact_news import announce_all
from accounts.models import User
from accounts.photos import Photo
from audit.log import SYSTEM, person
from consent import ledger
from consent.ledger import Shown
from consent.models import Kind
from policy.document import Document

Event = tuple[datetime, Callable[[datetime], None]]
HOST: Final = "person@example.com"
# Who has a profile: colours of background, coat and face, what they say about themselves, what they
# like. No word stands in both: whoever sees the one only must not find the other in it.
PROFILES: Final = {
    HOST: ("#c9d8c5", "#2f4f3f", "#e3b892", "Bakes on Sundays, walks on Mondays.", "bread, maps"),
    "member3@example.com": ("#d9cbb8", "#6b3a2e", "#8d5a3b", "Repairs old radios.", "radios, tea"),
    "member4@example.com": ("#c6cfe0", "#33415f", "#f0cfae", "Sings in two choirs.", "ferries"),
    "member9@example.com": ("#e2c9cf", "#7a3b52", "#b9815a", "Grows tomatoes on a roof.", "chess"),
}
FRIENDS: Final = ("member3@example.com", "member4@example.com")
SIDE: Final = 320  # pixels


def society(document: Document, *, now: datetime) -> Iterator[Event]:
    """When, and what happens then; nothing where the policy has nothing of it."""
    day, hour = timedelta(days=1), timedelta(hours=1)
    if visibility.offered(document):
        for number, email in enumerate(PROFILES):
            yield now - 10 * day + number * hour, _fill_in(email, document)
    if connections.offered(document):
        for number, email in enumerate(FRIENDS):
            yield now - 8 * day + number * hour, _befriend(email)
        yield now - day, _ask_for_connection("member9@example.com")
    if facts.offered(document):
        yield now - 5 * day, _let_others_add(document)
        yield now - 2 * day, _tell("member3@example.com", document)
    if document.features.outside_sources:
        yield now - 4 * day, _deliver(document.features.outside_sources[0])
        yield now - 4 * day + hour, _announce
    if invitations.offered(document):
        yield now - 20 * hour, _invite("friend@example.com", document)
    if document.features.payments:
        yield now - 3 * day, _pay


def portrait(background: str, coat: str, face: str) -> Photo:
    """A head and shoulders in three colours, as any photo is taken in."""
    paper = Image.new("RGB", (SIDE, SIDE), background)
    draw = ImageDraw.Draw(paper)
    draw.ellipse((40, 210, 280, 450), fill=coat)
    draw.ellipse((105, 75, 215, 215), fill=face)
    draw.chord((100, 60, 220, 180), 180, 360, fill=coat)
    drawn = io.BytesIO()
    paper.save(drawn, "PNG")
    drawn.seek(0)
    return photos.read(drawn)


def _fill_in(email: str, document: Document) -> Callable[[datetime], None]:
    background, coat, face, about, interests = PROFILES[email]

    def happen(moment: datetime) -> None:
        user = _member(email)
        offered = {part.key for part in visibility.offered(document)}
        if user is None:
            return
        values = {"about": about, "interests": interests, "phone": "+1 202 555 0143"}
        audiences = {"about": "everyone", "interests": "members", "phone": "connections"}
        profiles.save(
            subject_id=user.subject_id,
            values={key: text for key, text in values.items() if key in offered},
            audiences={key: who for key, who in audiences.items() if key in offered},
            photo=portrait(background, coat, face) if "photo" in offered else None,
            shown=_words(document, visibility.POINT, surface="profile"),
            actor=person(user.subject_id),
            now=moment,
        )

    return happen


def _befriend(email: str) -> Callable[[datetime], None]:
    """Somebody asks, and the host says yes."""

    def happen(moment: datetime) -> None:
        asker, host = _ask(email, moment), _member(HOST)
        if asker is None or host is None:
            return
        waiting = connections.waiting_for(host.subject_id).get(asker=asker.subject_id)
        connections.accept(
            asked_id=host.subject_id,
            handle=waiting.handle,
            actor=person(host.subject_id),
            now=moment + timedelta(minutes=1),
        )

    return happen


def _ask_for_connection(email: str) -> Callable[[datetime], None]:
    def happen(moment: datetime) -> None:
        _ask(email, moment)

    return happen


def _ask(email: str, moment: datetime) -> User | None:
    asker, host = _member(email), _member(HOST)
    if asker is None or host is None:
        return None
    connections.ask(
        asker_id=asker.subject_id,
        asked_id=host.subject_id,
        actor=person(asker.subject_id),
        now=moment,
    )
    return asker


def _let_others_add(document: Document) -> Callable[[datetime], None]:
    def happen(moment: datetime) -> None:
        host = _member(HOST)
        purpose = next((p for p in document.purposes if p.key == facts.CHOICE), None)
        if host is None or purpose is None:
            return
        ledger.say_yes(
            subject_id=host.subject_id,
            kind=Kind.PURPOSE,
            key=facts.CHOICE,
            shown=Shown(purpose.text, surface="choices"),
            actor=person(host.subject_id),
            now=moment,
        )

    return happen


def _tell(email: str, document: Document) -> Callable[[datetime], None]:
    def happen(moment: datetime) -> None:
        friend, host = _member(email), _member(HOST)
        if friend is None or host is None:
            return
        with suppress(facts.NotWanted):
            facts.contribute(
                contributor_id=friend.subject_id,
                subject_id=host.subject_id,
                text="Won the village's baking contest.",
                source="I was there",
                shown=_words(document, facts.POINT, surface="tell-fact"),
                now=moment,
            )

    return happen


def _deliver(source: str) -> Callable[[datetime], None]:
    def happen(moment: datetime) -> None:
        host = _member(HOST)
        if host is None:
            return
        made = keys.make_site_key(
            name="News desk",
            scopes=["facts:write"],
            life=keys.LIVES[-1],
            actor=SYSTEM,
            now=moment,
        )
        with suppress(facts.NotWanted):  # under this policy nobody could say yes to it
            facts.deliver(
                subject_id=host.subject_id,
                text="Named in a report about the village fair.",
                source=source,
                key_id=made.key.pk,
                now=moment,
            )

    return happen


def _announce(moment: datetime) -> None:
    announce_all(now=moment)


def _invite(address: str, document: Document) -> Callable[[datetime], None]:
    def happen(moment: datetime) -> None:
        host = _member(HOST)
        if host is not None:
            invitations.invite(
                inviter=host,
                address=address,
                shown=_words(document, invitations.POINT, surface="invitations"),
                actor=person(host.subject_id),
                now=moment,
            )

    return happen


def _pay(moment: datetime) -> None:
    """The site's own programs keep a card's token and open a payment."""
    host = _member(HOST)
    if host is None:
        return
    card = payments.keep_card(
        subject=host.subject,
        token="demo-token",  # noqa: S106  of no provider
        brand="visa",
        last_four="4242",
        expires=f"{moment.year + 2}-05",
        actor=SYSTEM,
        now=moment,
    )
    payments.open_payment(
        subject=host.subject,
        reference="DEMO-1",
        kind="purchase",
        card=card,
        actor=SYSTEM,
        now=moment,
    )


def _words(document: Document, point: str, *, surface: str) -> Shown:
    declared = document.collection_point(point)
    return Shown(declared.notice if declared else "", surface=surface)


def _member(email: str) -> User | None:
    """Somebody of the demo who is there and not locked."""
    rows = User.objects.select_related("subject").filter(unconfirmed_since=None)
    return rows.filter(email=email, subject__locked=False).first()
