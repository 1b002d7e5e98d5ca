"""Ages: reading a birth date, learning one later, knowing of a child, coming of age.

The danger here is time between knowing of a child and acting: so whoever learns of one locks the
person, ends their sessions and tells the higher rooms in one transaction. What follows (the
window to contest, erasure) is `retention.children`.

Days are counted in the operator's time zone. Somebody born on 29 February is a year older on
1 March in years without that day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import signals
from accounts.corrections import note_corrected
from accounts.models import AgeVerdict, Guardianship, User
from accounts.profiles import narrow
from accounts.sessions import end_all
from accounts.telling import tell_changed_by_staff
from audit.log import SYSTEM, Actor, person, record, record_many
from audit.models import AuditEntry
from consent import ledger
from consent.ledger import Shown
from consent.mail import post
from datamap.models import Subject
from policy import current
from policy.document import Age, Document

OLDEST = 120  # years; nobody alive was born earlier
CAREFUL_ENDED = "accounts.careful-settings-ended"


@dataclass(frozen=True)
class Learned:
    """What a birth date or a report meant. child: under the limit, so locked now."""

    child: bool
    minor: bool


def age_on(born: date, day: date) -> int:
    """Completed years on that day; 29 February counts from 1 March in common years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def today(document: Document, now: datetime) -> date:
    """The calendar day at the operator's."""
    return now.astimezone(document.zone).date()


def limit(age: Age) -> int:
    """Under this age somebody is a child we may not hold: the youngest age, or where the policy
    states none, the age under which knowledge acts (16 CFR 312.2).
    """
    return age.child_under if age.youngest is None else age.youngest


def parse_birth_date(day: str, month: str, year: str, now: datetime) -> date:
    """The date three free entries name, judged on `now`'s own calendar day.

    Raises `ValidationError` by field (`day`, `month`, `year`) in words for the person.
    """
    wrong: dict[str, str] = {}
    numbers = {
        "day": _number(day, 1, 31),
        "month": _number(month, 1, 12),
        "year": _number(year, 1, 9999),
    }
    if numbers["day"] is None:
        wrong["day"] = _("Write the day as a number from 1 to 31.")
    if numbers["month"] is None:
        wrong["month"] = _("Write the month as a number from 1 to 12.")
    if numbers["year"] is None or len(year.strip()) != 4:
        wrong["year"] = _("Write the year with four digits.")
    if wrong:
        raise ValidationError(wrong)
    try:
        born = date(numbers["year"] or 0, numbers["month"] or 0, numbers["day"] or 0)
    except ValueError:
        raise ValidationError({"day": _("This month does not have that day.")}) from None
    if born > now.date():
        raise ValidationError({"year": _("This day is still to come.")})
    if age_on(born, now.date()) > OLDEST:
        raise ValidationError({"year": _("This is too long ago. Look at the year again.")})
    return born


def learn_birth_date(
    *,
    subject: Subject,
    born_on: date,
    source: str,
    actor: Actor,
    now: datetime,
    arrived_at: datetime | None = None,
) -> Learned:
    """Take note of a birth date that is not from the age screen, replacing what was known.

    source: one of `AgeVerdict.Source`. arrived_at: when the knowledge reached us, by default now.
    A child is locked in this transaction, unless a parent's consent was verified; then the rooms
    above hear `child_learned`. A minor is given the advice to ask a parent: on the page that asked,
    or by mail (WC-16). The careful settings of a minor are taken away only by the person: by their
    own correction, or by `end_careful_settings`. Raises `policy.current.NoPolicy`.
    """
    by_page = source == AgeVerdict.Source.PERSON
    with transaction.atomic():
        held = Subject.objects.select_for_update(no_key=True).get(pk=subject.pk)
        version = current.fresh(now)
        age = version.document.age
        years = age_on(born_on, today(version.document, now))
        learned = Learned(child=years < limit(age), minor=years < age.minor_until)
        corrected = {
            "born_on": born_on,
            "source": source,
            "corrected_at": now,
            "minor": learned.minor,
            "grown_at": None,
        }
        AgeVerdict.objects.update_or_create(
            subject=held,
            defaults=corrected,
            create_defaults={**corrected, "policy_digest": version.digest},
        )
        careful = learned.minor or (held.minor and not by_page)
        Subject.objects.filter(pk=held.pk).update(minor=careful)
        if careful and not held.minor:
            narrow(subject_id=held.pk, actor=actor, now=now)
        if by_page:
            _note_submission(held, document=version.document, actor=actor, now=now)
            note_corrected(subject_id=held.pk, names={"accounts.age.born_on"}, now=now)
        elif actor.kind == AuditEntry.ActorKind.STAFF and not learned.child:
            tell_changed_by_staff(subject_id=held.pk, what="data", actor=actor, now=now)
        if learned.minor and not learned.child:
            advise(held, advice=age.minors_advice, by_page=by_page, actor=actor, now=now)
        record(
            actor=actor,
            verb="accounts.birth-date-learned",
            now=now,
            object=held,
            subject_id=held.pk,
            facts={"source": source, "child": learned.child, "minor": learned.minor},
        )
        if learned.child and not _has_consent(held):
            _lock(held, source=source, actor=actor, now=now, arrived_at=arrived_at or now)
    return learned


def report_child(
    *, subject: Subject, source: str, actor: Actor, now: datetime, arrived_at: datetime
) -> None:
    """Act on a report that this person is a child, whose birth date nobody told.

    source: who said so, a short key for the log. arrived_at: when the report reached us, from
    which the promise's limits count.
    """
    with transaction.atomic():
        held = Subject.objects.select_for_update(no_key=True).get(pk=subject.pk)
        _lock(held, source=source, actor=actor, now=now, arrived_at=arrived_at)


def come_of_age(*, now: datetime, batch: int = 100) -> int:
    """Write to everybody whose birthday made them of age; how many. Their careful settings stay:
    only they themselves end them (`end_careful_settings`).

    One short transaction for each batch; index accounts_age_of_minors.
    """
    document = current.document(now)
    born_until = years_before(today(document, now), document.age.minor_until)
    told = 0
    while grown := _come_of_age(born_until, now=now, batch=batch):
        told += grown
    return told


def is_grown(*, subject: Subject, now: datetime) -> bool:
    """Whether somebody with careful settings is of age by the date we hold."""
    if not subject.minor:
        return False
    verdict = AgeVerdict.objects.filter(subject=subject).first()
    document = current.document(now)
    years = age_on(verdict.born_on, today(document, now)) if verdict else 0
    return years >= document.age.minor_until


def end_careful_settings(*, subject: Subject, now: datetime) -> bool:
    """A person of age ends the settings they had as a minor; False for anybody else."""
    with transaction.atomic():
        held = Subject.objects.select_for_update(no_key=True).get(pk=subject.pk)
        if not is_grown(subject=held, now=now):
            return False
        Subject.objects.filter(pk=held.pk).update(minor=False)
        actor = person(held.pk)
        record(actor=actor, verb=CAREFUL_ENDED, now=now, object=held, subject_id=held.pk)
    return True


def years_before(day: date, years: int) -> date:
    """The latest birth date of somebody who has completed these years on `day`."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # today is 29 February, that year had none: born on 1 March is too late
        return date(day.year - years, 2, 28)


def advise(
    subject: Subject, *, advice: str | None, by_page: bool, actor: Actor, now: datetime
) -> None:
    """The advice, late: on the page the person is on, else by mail to whoever has an account.

    Raises `consent.ledger.SubjectClosed` for somebody who is locked.
    """
    user = User.objects.filter(subject=subject).first()
    if not advice or user is None:
        return
    if not by_page:
        post(
            category="account",
            template="account_minors_advice",
            context={"advice": advice},
            address=user.email,
            subject_id=subject.pk,
            now=now,
        )
    ledger.note_shown(
        subject_id=subject.pk,
        key="minors-advice",
        shown=Shown(advice, surface="birth-date" if by_page else "mail"),
        actor=actor,
        now=now,
    )


def _number(text: str, least: int, most: int) -> int | None:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        return None
    return int(text) if least <= int(text) <= most else None


def _note_submission(subject: Subject, *, document: Document, actor: Actor, now: datetime) -> None:
    """That the person handed the date over, with the words beside the question (WA-1)."""
    point = document.collection_point("age-screen")
    if point is None:
        return
    ledger.submit(
        subject_id=subject.pk,
        point=point.key,
        fields={"accounts.age.born_on"},
        shown=Shown(point.notice, surface="birth-date"),
        actor=actor,
        now=now,
    )


def _lock(
    subject: Subject, *, source: str, actor: Actor, now: datetime, arrived_at: datetime
) -> None:
    """Lock, restrict, end sessions, log, tell; in the caller's transaction."""
    Subject.objects.filter(pk=subject.pk).update(locked=True, restricted=True)
    user = User.objects.filter(subject=subject).only("pk").first()
    ended = end_all(user_id=user.pk, now=now) if user else 0
    record(
        actor=actor,
        verb="accounts.child-learned",
        now=now,
        object=subject,
        subject_id=subject.pk,
        facts={
            "source": source,
            "arrived_at": arrived_at.isoformat(),
            "sessions_ended": ended,
            "locked_before": subject.locked,
        },
    )
    signals.child_learned.send(
        sender=Subject,
        subject_id=subject.pk,
        arrived_at=arrived_at,
        restricted_before=subject.restricted,
        now=now,
    )


def _has_consent(subject: Subject) -> bool:
    verified = Guardianship.State.VERIFIED
    return Guardianship.objects.filter(subject=subject, state=verified).exists()


def _come_of_age(born_until: date, *, now: datetime, batch: int) -> int:
    """One batch, in its own transaction."""
    with transaction.atomic():
        grown = list(
            AgeVerdict.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
            .filter(minor=True, born_on__lte=born_until, subject__locked=False)
            .order_by("born_on")
            .values_list("pk", "subject_id", "subject__user__email")[:batch]
        )
        rows = AgeVerdict.objects.filter(pk__in=[pk for pk, *_rest in grown])
        rows.update(minor=False, grown_at=now)
        record_many([_came_of_age(subject_id, now) for _pk, subject_id, _address in grown])
        for _pk, subject_id, address in grown:
            if address:
                _tell_grown(subject_id, address, now=now)
    return len(grown)


def _tell_grown(subject_id: UUID, address: str, *, now: datetime) -> None:
    post(
        category="account",
        template="account_of_age",
        context={"link": f"{settings.SITE_URL}{reverse('accounts:birth_date')}"},
        address=address,
        subject_id=subject_id,
        now=now,
    )


def _came_of_age(subject_id: UUID, now: datetime) -> AuditEntry:
    return AuditEntry(
        at=now,
        actor_kind=SYSTEM.kind,
        verb="accounts.came-of-age",
        object_type=Subject._meta.label_lower,
        object_id=str(subject_id),
        subject_id=subject_id,
    )
