"""One's own choices for programs: what there is to choose, what stands, and deciding.

A yes is only worth something when the words were seen. So each choice is handed out with its exact
words and their digest; a yes must name that digest, is refused when the words have changed since,
and the ledger stores those words. A no needs no digest and is never refused for it: taking back
must be as easy as giving (GDPR 7(3)).

A choice whose withdrawal ends the account (a transfer, WC-13) can be read here and decided only on
the site: no key may set off what the site asks twice about.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api import Kind as ProblemKind
from audit.api import OwnView, Problem, Refused, add_kind, answer, body_of, page_of
from audit.log import person
from consent import ledger, words
from consent.answers import (
    DIGEST,
    ChoiceHistory,
    Decide,
    OwnChoice,
    OwnChoices,
    PastDecision,
    Standing,
    Words,
)
from consent.ledger import Shown
from consent.models import CHOSEN, Choice, Decision, Event
from consent.options import Option, option, options
from datamap.models import Subject
from policy import current
from policy.models import PolicyVersion

SURFACE = CHANNEL = "api"
UNSEEN_NO = '{"on": false}'  # what is stored for a no that names no words
THING = [
    OpenApiParameter(
        "kind", OpenApiTypes.STR, OpenApiParameter.PATH, enum=[str(kind) for kind in CHOSEN]
    ),
    OpenApiParameter(
        "key", OpenApiTypes.STR, OpenApiParameter.PATH, description="As listed, `service-news`."
    ),
]
LANGUAGE = OpenApiParameter(
    "Accept-Language",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The language of the words. Send the same one when you decide.",
)
CURSOR = OpenApiParameter(
    "cursor",
    OpenApiTypes.STR,
    OpenApiParameter.QUERY,
    description="Where the page begins; taken from the `next` of the page before.",
)
WORDS_CHANGED = add_kind(
    ProblemKind(
        code="words-changed",
        status=409,
        title=gettext_lazy("These are not the words any more"),
        text=gettext_lazy(
            "The digest is not that of the words the choice has now. Read the choice again, show "
            "the person its words, and send their digest. Nothing was stored."
        ),
    )
)
ON_THE_SITE = add_kind(
    ProblemKind(
        code="on-the-site",
        status=403,
        title=gettext_lazy("This is done on the site"),
        text=gettext_lazy(
            "No key can do this: it has consequences for the whole account, or needs a fresh proof "
            "of who asks. Send the person to the address in the member `url`."
        ),
    )
)
CLOSED = add_kind(
    ProblemKind(
        code="account-restricted",
        status=409,
        title=gettext_lazy("Nothing can be allowed for this person now"),
        text=gettext_lazy(
            "The person's data is only stored for now, or being erased. A no is still taken."
        ),
    )
)


class ChoicesView(OwnView):
    """All choices."""

    scopes = {"GET": "choices:read"}

    @extend_schema(
        operation_id="own_choices",
        summary="What there is to choose, and what stands",
        parameters=[LANGUAGE],
        responses=OwnChoices,
        tags=["me"],
    )
    def get(self, request: Request) -> Response:
        """In the order of the policy. As long as the policy has choices, so without pages."""
        version = current.in_force()
        subject = Subject.objects.get(pk=self.me)
        standing = ledger.standing(self.me)
        results = [
            _choice(each, standing.get((each.kind, each.key)), subject)
            for each in options(version.document)
        ]
        return answer(OwnChoices(policy_digest=version.digest, results=results))


class ChoiceView(OwnView):
    """One choice."""

    scopes = {"GET": "choices:read", "PUT": "choices:write"}

    @extend_schema(
        operation_id="own_choice",
        summary="One choice",
        parameters=[*THING, LANGUAGE],
        responses=OwnChoice,
        tags=["me"],
    )
    def get(self, request: Request, kind: str, key: str) -> Response:
        """With the words to show before deciding, and their digest."""
        return answer(_one(self.me, kind, key))

    @extend_schema(
        operation_id="decide",
        summary="Say yes or no",
        parameters=[*THING, LANGUAGE],
        request=Decide,
        responses={
            200: OwnChoice,
            409: OpenApiResponse(
                Problem,
                description="The words have changed (`words-changed`), or nothing may be allowed "
                "for this person now (`account-restricted`).",
            ),
        },
        examples=[
            OpenApiExample("Yes", {"on": True, "words_digest": DIGEST}, request_only=True),
            OpenApiExample("No", {"on": False}, request_only=True),
        ],
        tags=["me"],
    )
    def put(self, request: Request, kind: str, key: str) -> Response:
        """The ledger stores the decision with these words, the policy's version and the key's id.
        The same decision again changes nothing.
        """
        wanted = body_of(request, Decide)
        _decide(self.me, kind, key, wanted, key_id=self.caller.key_id, now=timezone.now())
        return answer(_one(self.me, kind, key))


class HistoryView(OwnView):
    """How one choice came about."""

    scopes = {"GET": "choices:read"}

    @extend_schema(
        operation_id="own_choice_history",
        summary="Every decision about one thing, newest first",
        parameters=[*THING, CURSOR],
        responses=ChoiceHistory,
        tags=["me"],
    )
    def get(self, request: Request, kind: str, key: str) -> Response:
        """With the words as they were shown each time."""
        if kind not in CHOSEN:
            raise Http404
        events = ledger.history(self.me, kind=kind, key=key)
        page = page_of(
            request,
            after=lambda at: events if at is None else events.filter(at__lt=at),
            position=lambda event: event.at.isoformat(),
        )
        if not page.rows and option(current.document(), kind=kind, key=key) is None:
            raise Http404
        return answer(ChoiceHistory(results=[_past(e) for e in page.rows], next=page.next))


def _decide(me: UUID, kind: str, key: str, wanted: Decide, *, key_id: UUID, now: datetime) -> None:
    """Compare the words and write the decision, under one lock and one version of the policy."""
    with transaction.atomic():
        ledger.lock_subject(me)
        version = current.fresh(now)
        chosen = _option(version, kind, key)
        if chosen.withdrawn:
            told = _("This choice is decided on the site, for it is about the whole account.")
            raise Refused(ON_THE_SITE, told, url=_page())
        event = _write(me, chosen, wanted, key_id=key_id, now=now)
        if event.policy_digest != version.digest and event.at >= now:
            raise _changed(_option(current.fresh(now), kind, key))  # published meanwhile


def _write(me: UUID, chosen: Option, wanted: Decide, *, key_id: UUID, now: datetime) -> Event:
    now_shown = _words(chosen)
    seen = wanted.words_digest == now_shown.digest
    if wanted.on and not seen:
        raise _changed(chosen)
    say = ledger.say_yes if wanted.on else ledger.say_no
    try:
        return say(
            subject_id=me,
            kind=chosen.kind,
            key=chosen.key,
            shown=Shown(
                text=now_shown.text if seen else UNSEEN_NO,
                surface=SURFACE,
                locale=now_shown.language,
                channel=CHANNEL,
                evidence=f"accounts.apikey:{key_id}",
            ),
            actor=person(me),
            now=now,
        )
    except ledger.SubjectClosed as closed:
        told = _("The person's data is %(why)s, so nothing can be allowed.")
        raise Refused(CLOSED, told % {"why": closed.why}) from None


def _changed(chosen: Option) -> Refused:
    told = _("A yes needs the digest of the words as they are now. Nothing was stored.")
    return Refused(WORDS_CHANGED, told, words=_words(chosen).model_dump())


def _one(me: UUID, kind: str, key: str) -> OwnChoice:
    chosen = _option(current.in_force(), kind, key)
    subject = Subject.objects.get(pk=me)
    return _choice(chosen, ledger.standing(me).get((chosen.kind, chosen.key)), subject)


def _option(version: PolicyVersion, kind: str, key: str) -> Option:
    chosen = option(version.document, kind=kind, key=key)
    if chosen is None:
        raise Http404
    return chosen


def _choice(chosen: Option, standing: Choice | None, subject: Subject) -> OwnChoice:
    kind: Any = str(chosen.kind)
    address = reverse("api_choice", args=[kind, chosen.key])
    without_choice = chosen.on_without_choice and not subject.minor
    return OwnChoice(
        kind=kind,
        key=chosen.key,
        title=chosen.title,
        words=_words(chosen),
        on=standing.is_yes if standing is not None else without_choice,
        decided=_standing(standing) if standing is not None else None,
        decide_on_the_site=_page() if chosen.withdrawn else None,
        url=settings.SITE_URL + address,
    )


def _standing(choice: Choice) -> Standing:
    decision: Any = str(Decision(choice.decision))
    return Standing(
        decision=decision,
        since=choice.since,
        policy_digest=choice.event.policy_digest,
        channel=choice.event.channel,
        words_digest=choice.event.words_id,
    )


def _past(event: Event) -> PastDecision:
    decision: Any = str(Decision(event.decision))
    return PastDecision(
        decision=decision,
        at=event.at,
        policy_digest=event.policy_digest,
        surface=event.surface,
        channel=event.channel,
        words=Words(text=event.words.text, language=event.words.locale, digest=event.words.digest),
    )


def _words(chosen: Option) -> Words:
    language = get_language() or "en"
    text = chosen.words
    digest = words.digest_of(text=text, locale=language)
    return Words(text=text, language=language, digest=digest)


def _page() -> str:
    return settings.SITE_URL + reverse("consent:choices")
