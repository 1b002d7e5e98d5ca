"""What a signed-in person can do on somebody's page, and what others said about its owner."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils import timezone

from accounts import facts
from accounts.between import relation
from accounts.connections import POINT
from accounts.visibility import Shown
from policy import current

register = template.Library()


@register.inclusion_tag("accounts/connections_person.html", takes_context=True)
def acts_on(context: template.Context, shown: Shown) -> dict[str, Any]:
    """Ask, answer, end, block, tell something: as far as the policy and both people let it be."""
    me, now = context["request"].user.subject_id, timezone.now()
    return {
        "shown": shown,
        "point": current.document(now).collection_point(POINT),
        "relation": relation(subject_id=me, other_id=shown.subject_id),
        "may_tell": facts.may_tell(contributor_id=me, subject_id=shown.subject_id, now=now),
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("accounts/facts_person.html")
def facts_about(shown: Shown) -> dict[str, Any]:
    """What its owner accepted and lets this viewer see."""
    return {"facts": facts.shown_with(shown)}
