"""What binds the staff: undertakings of confidentiality and training, each with an end.

The danger. A role lets somebody read what people entrusted to the site. A signature given once,
years ago, and a course nobody remembers protect nobody. So both end, by the policy's periods, and
without both in force no page of the staff opens. The undertaking is signed by the person
themselves; training is written down by somebody else, because one's own word is no proof.

Each act leaves an entry in the audit log with its end. The checks read those entries, not these
tables.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from accounts.models import Training, Undertaking, User
from audit.log import Actor, person, record
from policy.document import Document

SOON = timedelta(days=30)  # from then on people are told that something ends
OLDEST_TRAINING = timedelta(days=366)


class NotStaff(ValueError):
    """Only people with a role on the staff have duties."""


class OwnTraining(PermissionError):
    """Nobody writes down their own training."""


@dataclass(frozen=True)
class Standing:
    """Until when somebody's undertaking and training are in force; none without."""

    undertaking: datetime | None = None
    training: datetime | None = None


def words(document: Document) -> str:
    """What is signed, in the signer's language."""
    return _(
        "I work for %(name)s. What I learn about people in this work I use only for the task it "
        "was opened for. I tell nobody who does not need it for theirs, copy nothing out, and look "
        "up nobody out of curiosity. I report at once whatever goes wrong. This binds me for as "
        "long as I work here and afterwards."
    ) % {"name": document.controller.name}


def undertaking_end(*, document: Document, start: datetime) -> datetime:
    """Until when an undertaking signed then binds, by the policy."""
    return document.staff.undertaking.after(start, zone=document.zone)


def training_end(*, document: Document, start: datetime) -> datetime:
    """Until when training done then counts, by the policy."""
    return document.staff.training.after(start, zone=document.zone)


def sign(*, user: User, words: str, until: datetime, now: datetime) -> Undertaking:
    """Bind oneself to confidentiality, in these words. Raises `NotStaff`."""
    if not user.is_staff_member:
        raise NotStaff
    with transaction.atomic():
        signed = Undertaking.objects.create(user=user, words=words, signed_at=now, ends_at=until)
        record(
            actor=person(user.subject_id),
            verb="accounts.undertaking-signed",
            now=now,
            object=signed,
            subject_id=user.subject_id,
            facts={"until": until.isoformat()},
        )
    return signed


def record_training(
    *, user: User, course: str, done_at: datetime, until: datetime, actor: Actor, now: datetime
) -> Training:
    """Write down that somebody was trained. Raises `NotStaff`, `OwnTraining`."""
    if not user.is_staff_member:
        raise NotStaff
    if actor.id in (user.pk, user.subject_id):
        raise OwnTraining
    with transaction.atomic():
        trained = Training.objects.create(
            user=user,
            course=course,
            done_at=done_at,
            ends_at=until,
            recorded_at=now,
            recorded_by=actor.id,
        )
        record(
            actor=actor,
            verb="accounts.training-recorded",
            now=now,
            object=trained,
            subject_id=user.subject_id,
            facts={"done_at": done_at.isoformat(), "until": until.isoformat()},
        )
    return trained


def standing(*, user_ids: Collection[UUID], now: datetime) -> dict[UUID, Standing]:
    """User → until when each duty is in force; two queries."""
    rows = {"user_id__in": list(user_ids), "ends_at__gt": now}
    signed = dict(
        Undertaking.objects.filter(**rows, signed_at__lte=now)
        .values_list("user_id")
        .annotate(Max("ends_at"))
    )
    trained = dict(
        Training.objects.filter(**rows, done_at__lte=now)
        .values_list("user_id")
        .annotate(Max("ends_at"))
    )
    return {each: Standing(signed.get(each), trained.get(each)) for each in user_ids}
