"""Taking back the consent to a transfer ends the account, as after a request for deletion.

The policy says so to the person before they do it (`transfers.withdrawn`, WC-13): data that may
no longer be kept where it is has no other place. So the withdrawal opens that request.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.dispatch import receiver

from audit.log import person
from consent.models import Kind
from consent.signals import withdrawn
from datamap.models import Subject
from requests import intake


@receiver(withdrawn, dispatch_uid="requests.transfer-withdrawn")
def end_the_account(*, subject_id: UUID, kind: str, at: datetime, **kwargs: Any) -> None:
    """Runs in the withdrawal's transaction: both are stored or neither is."""
    if kind != Kind.TRANSFER:
        return
    intake.open_deletion(
        subject=Subject.objects.get(pk=subject_id), actor=person(subject_id), now=at
    )
