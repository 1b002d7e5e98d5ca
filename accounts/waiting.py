"""How much waits for a person's answer, in a few words for the privacy centre."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.translation import ngettext

from accounts import connections, facts
from accounts.models import Fact, User
from policy import current


def has_connections() -> bool:
    """Whether people connect with each other under the policy in force."""
    try:
        return connections.offered(current.document())
    except current.NoPolicy:
        return False


def asking(request: HttpRequest) -> str:
    """How many people ask to be connected; empty when nobody does."""
    if not isinstance(request.user, User):
        return ""
    count = connections.waiting_for(request.user.subject_id).count()
    told = ngettext("%(n)d person asks to connect", "%(n)d people ask to connect", count)
    return told % {"n": count} if count else ""


def undecided(request: HttpRequest) -> str:
    """How many facts wait for the person's answer; empty when none does."""
    if not isinstance(request.user, User):
        return ""
    waiting = facts.about(request.user.subject_id).filter(state=Fact.State.WAITING)
    count = waiting.count()
    told = ngettext("%(n)d fact waits for your answer", "%(n)d facts wait for your answer", count)
    return told % {"n": count} if count else ""
