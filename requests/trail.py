"""What happened to a request: a step its person can read, and an entry for the proof."""

from __future__ import annotations

from datetime import datetime

from audit.log import Actor, record
from requests.models import Request, RequestEvent

Step = RequestEvent.Step


def tell(request: Request, step: str, now: datetime, *, until: datetime | None = None) -> None:
    """Add a step to the request's page. until: the time the step names."""
    RequestEvent.objects.create(request=request, step=step, at=now, until=until)


def prove(request: Request, actor: Actor, verb: str, now: datetime, **facts: str | int) -> None:
    """Write the audit entry; facts are ids and figures."""
    record(
        actor=actor,
        verb=verb,
        now=now,
        object=request,
        subject_id=request.subject_id,
        facts={"kind": str(request.kind), **facts},
    )
