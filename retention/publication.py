"""A policy whose retention rules can't be carried out is refused while it is being published."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from policy.lines import locate, nearest
from policy.models import PolicyVersion
from policy.reading import PolicyError, Problem
from policy.signals import published
from retention import rules


@receiver(published, dispatch_uid="retention.enforceable")
def refuse_unenforceable(*, version: PolicyVersion, **kwargs: Any) -> None:
    """Runs inside the publishing transaction. Raises `PolicyError`: then nothing is published."""
    refused = rules.refusals(version.document)
    if not refused:
        return
    places = locate(version.source)
    raise PolicyError(
        [
            Problem(
                file=version.filename,
                line=nearest(places, ("retention", place, "holding")),
                place=f"retention[{place + 1}]",
                message=f"This rule can't be carried out: {why}.",
                fix="Change its clock, period or action, or leave the rule out.",
            )
            for place, why in refused.items()
        ]
    )
