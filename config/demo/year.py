"""A year of a site's life, lived through the rooms' own functions at the times it happened.

Nothing is written past the rules: people sign up through the form, letters go through the gate,
requests are reviewed. So the promise board judges the demo like any other site. The year is the
same on every machine (a fixed seed), only counted back from today.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from accounts.age import learn_birth_date
from accounts.models import AgeVerdict, Session, User
from accounts.sessions import SessionStore, digest
from audit.log import SYSTEM, person
from config.demo.people import DemoPerson, bind, cast, join
from config.demo.society import society
from consent import delivery, ledger
from consent.ledger import Shown
from consent.mail import post
from consent.models import Kind, Message, State
from consent.options import option
from datamap.dispatch import left_to_ticks
from policy import current
from policy.models import PolicyVersion
from policy.publish import publish
from requests import intake, review
from requests.models import Request
from retention import children, erase_worker

DAYS = 390
FIRST_NAMES = ("Ada", "Ben", "Chloe", "Dana", "Eli", "Fay", "Gus", "Hana", "Ivo", "June", "Kai")
LAST_NAMES = ("Abel", "Brook", "Cole", "Dunn", "Ernst", "Flint", "Grey", "Holm", "Iver", "Jung")
CROWD = 24
EARLY = 12
SESSION = timedelta(days=14)


def fill(*, source: bytes, filename: str, now: datetime, crowd: int = CROWD) -> bool:
    """Publish the policy a year ago and let a year pass; False, and nothing done, where people
    exist.

    Raises `policy.reading.PolicyError` when the file is not valid.
    """
    if User.objects.exists():
        return False
    start = now - timedelta(days=DAYS)
    publish(source=source, filename=filename, actor=SYSTEM, now=start - timedelta(hours=1))
    version = current.fresh(now)
    # What happens is the same on every machine; no secret depends on it.
    dice = random.Random(1890)  # noqa: S311
    events = sorted(
        _year(start=start, now=now, version=version, dice=dice, crowd=crowd), key=lambda e: e[0]
    )
    with left_to_ticks():
        for moment, happen in events:
            happen(moment)
            _let_mail_out(moment)
    return True


Event = tuple[datetime, Callable[[datetime], None]]


def _year(
    *, start: datetime, now: datetime, version: PolicyVersion, dice: random.Random, crowd: int
) -> Iterator[Event]:
    """When, and what happens then."""
    for position, demo_person in enumerate(cast(version.document)):
        # Staff come first, the teen lately: minors grow up.
        joined = now - timedelta(days=21) if demo_person.role == "teen" else start
        yield joined + timedelta(minutes=position), _joining(demo_person, version)
    yield start + timedelta(days=DAYS // 2), _binding(version)
    for number in range(crowd):
        yield from _somebody(number, start=start, now=now, version=version, dice=dice)
    for month in range(1, DAYS // 30):
        yield start + timedelta(days=30 * month), _news(version)
    yield from _desk(now, version)
    yield from society(version.document, now=now)


def _joining(
    demo_person: DemoPerson,
    version: PolicyVersion,
    *,
    confirmed: bool = True,
    refuses: frozenset[str] = frozenset(),
) -> Callable[[datetime], None]:
    def happen(moment: datetime) -> None:
        join(demo_person, version=version, now=moment, confirmed=confirmed, refuses=refuses)

    return happen


def _binding(version: PolicyVersion) -> Callable[[datetime], None]:
    """Everybody on the staff signs again and is trained again, before the first time ends."""

    def happen(moment: datetime) -> None:
        for user in User.objects.filter(staff_member__isnull=False).select_related("staff_member"):
            bind(user, version=version, now=moment)

    return happen


def _somebody(
    number: int, *, start: datetime, now: datetime, version: PolicyVersion, dice: random.Random
) -> Iterator[Event]:
    """One of the crowd: joins, logs in now and then, perhaps changes a choice."""
    demo_person = DemoPerson(
        role="crowd",
        email=f"member{number + 1}@example.com",
        first_name=FIRST_NAMES[number % len(FIRST_NAMES)],
        last_name=LAST_NAMES[number % len(LAST_NAMES)],
        age=dice.randint(19, 70),
    )
    joined = start + timedelta(days=dice.uniform(1, DAYS - 12))
    if number < EARLY:  # the desk knows them
        joined = start + timedelta(days=2 * number + 1, hours=dice.uniform(0, 12))
    forgetful = number % 10 == 9
    if forgetful:  # never used the link; half of them only just now
        joined = now - timedelta(days=2 if number % 20 == 9 else 40, hours=dice.random())
    wanted = version.document.mail_categories
    refuses = frozenset(c.key for c in wanted if dice.random() < 0.3)
    yield joined, _joining(demo_person, version, confirmed=not forgetful, refuses=refuses)
    if forgetful:
        return
    day = joined
    while (day := day + timedelta(days=dice.expovariate(1 / 20))) < now:
        yield day, _log_in(demo_person.email, browser=f"{number}-{day.timestamp()}")
    change = joined + timedelta(days=dice.uniform(5, 100))
    if change < now and wanted and dice.random() < 0.3:
        yield change, _refuse_mail(demo_person.email)


def _log_in(email: str, *, browser: str) -> Callable[[datetime], None]:
    def happen(moment: datetime) -> None:
        user = User.objects.filter(email=email).first()
        if user is not None:
            Session.objects.create(
                session_key=digest(f"demo {browser}"),
                session_data=SessionStore().encode({}),
                user=user,
                created_at=moment,
                expire_date=moment + SESSION,
            )

    return happen


def _refuse_mail(email: str) -> Callable[[datetime], None]:
    """Say no to every kind of voluntary mail on the choices page."""

    def happen(moment: datetime) -> None:
        user = User.objects.get(email=email)
        document = current.fresh(moment).document
        standing = ledger.standing(user.subject_id)
        for category in document.mail_categories:
            offered = option(document, kind=Kind.MAIL, key=category.key)
            held = standing.get((Kind.MAIL, category.key))
            if offered is None or (held is not None and not held.is_yes):
                continue
            ledger.say_no(
                subject_id=user.subject_id,
                kind=Kind.MAIL,
                key=category.key,
                shown=Shown(offered.words, surface="choices"),
                actor=person(user.subject_id),
                now=moment,
            )

    return happen


def _news(version: PolicyVersion) -> Callable[[datetime], None]:
    """The month's letter, to whoever may get it."""

    def happen(moment: datetime) -> None:
        document = version.document
        for category in document.mail_categories:
            for user in User.objects.filter(unconfirmed_since=None, subject__locked=False):
                if ledger.may(
                    subject_id=user.subject_id,
                    kind=Kind.MAIL,
                    key=category.key,
                    document=document,
                ):
                    post(
                        category=category.key,
                        template="news",
                        context={"title": category.title, "name": user.first_name},
                        address=user.email,
                        subject_id=user.subject_id,
                        now=moment,
                    )

    return happen


def _desk(now: datetime, version: PolicyVersion) -> Iterator[Event]:
    """What people asked of the desk: answered, refused, taken back, waiting; and two children."""
    days = timedelta(days=1)
    yield now - 300 * days, _ask("member1@example.com", approve_after=2 * days)
    yield now - 120 * days, _ask("member2@example.com", approve_after=9 * days)
    yield now - 60 * days, _ask("member3@example.com", deny="The account belongs to somebody else.")
    yield now - 30 * days, _ask("member4@example.com", withdraw=True)
    yield now - 27 * days, _ask("member5@example.com")
    yield now - 6 * days, _ask("member6@example.com")
    yield now - 3 * timedelta(hours=1), _ask("member7@example.com")
    yield now - 2 * timedelta(hours=1), _ask("member12@example.com", kind=Request.Kind.ACCESS)
    for ago, email in ((200, "member8@example.com"), (1, "member11@example.com")):
        yield now - ago * days, _turn_out_a_child(email)
        over = version.document.age.contest.after(now - ago * days, zone=version.document.zone)
        if over < now:
            yield over + timedelta(minutes=5), _let_workers_work
    # Two and nine days after the requests were made they were approved; then came the undo window.
    for ago in (296, 290, 110, 104):
        yield now - ago * days, _let_workers_work


def _ask(
    email: str,
    *,
    kind: Request.Kind = Request.Kind.DELETION,
    approve_after: timedelta | None = None,
    deny: str = "",
    withdraw: bool = False,
) -> Callable[[datetime], None]:
    """Ask, for deletion by default, where somebody has that account by then, and decide."""

    def happen(moment: datetime) -> None:
        user = _member(email, moment)
        if user is None:
            return
        request, _token = intake.open_request(
            subject=user.subject, kind=kind, actor=person(user.subject_id), now=moment
        )
        reviewer = User.objects.get(email="reviewer@example.com")
        if withdraw:
            review.withdraw(
                request_id=request.pk, actor=person(user.subject_id), now=moment + _SOON
            )
        elif request.state != Request.State.IN_REVIEW:
            return
        elif deny:
            review.deny(request_id=request.pk, reviewer=reviewer, reason=deny, now=moment + _SOON)
        elif approve_after is not None:
            review.approve(request_id=request.pk, reviewer=reviewer, now=moment + approve_after)

    return happen


_SOON = timedelta(hours=5)


def _turn_out_a_child(email: str) -> Callable[[datetime], None]:
    """Somebody corrects their birth date, and is younger than this site allows."""

    def happen(moment: datetime) -> None:
        user = _member(email, moment)
        if user is None:
            return
        learn_birth_date(
            subject=user.subject,
            born_on=moment.date().replace(month=1, day=1, year=moment.year - 10),
            source=AgeVerdict.Source.PERSON,
            actor=person(user.subject_id),
            now=moment,
        )

    return happen


def _member(email: str, moment: datetime) -> User | None:
    """A member of the crowd who has joined by then and is not locked."""
    joined = User.objects.filter(date_joined__lt=moment, unconfirmed_since=None)
    return joined.filter(email=email, subject__locked=False).select_related("subject").first()


def _let_workers_work(moment: datetime) -> None:
    """What the worker would have done by then."""
    children.erase_due(now=moment)
    erase_worker.work(now=moment)


def _let_mail_out(moment: datetime) -> None:
    """Hand over what is due, dated then; without a relay it waits for the worker."""
    if Message.objects.filter(state=State.QUEUED).exists():
        delivery.deliver_due(clock=_Standing(moment), budget=timedelta(minutes=5), batch=100)


class _Standing:
    """A clock that shows one moment, and a little more at every look, so that budgets end."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment
