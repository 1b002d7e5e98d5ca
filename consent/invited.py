"""What must still hold when an invitation leaves: asked of the room that keeps invitations.

That room registers its question when it loads. As long as nobody did, no invitation leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

Question = Callable[[UUID, datetime], bool]
_questions: list[Question] = []


def ask_before_sending(question: Question) -> None:
    """Ask this, with the message's id and the time, in the transaction that sends."""
    if question not in _questions:
        _questions.append(question)


def may_leave(message_id: UUID, now: datetime) -> bool:
    """Whether everybody who was registered says yes; no when nobody was."""
    return bool(_questions) and all(question(message_id, now) for question in _questions)
