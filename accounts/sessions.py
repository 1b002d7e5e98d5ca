"""Sessions that know whose they are, end with the browser, and can be ended from elsewhere."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import IntegrityError, transaction
from django.utils import timezone

PENDING_LOGIN = "account_login"  # where allauth keeps a log-in between two steps
PERSISTENT = "persistent"
ASKED = "asked"  # id of the entry in the log that says the person wanted to stay signed in


class SessionStore(DatabaseStore):
    """Django's database sessions in `accounts.Session`.

    The table holds a digest of the browser's key. Saving never brings an ended session back, and
    never touches the columns it was created with.
    """

    @classmethod
    def get_model_class(cls) -> Any:
        from accounts.models import Session

        return Session

    def _get_session_from_db(self) -> Any:
        row = self.model.objects.filter(
            session_key=digest(self.session_key or ""), expire_date__gt=timezone.now()
        ).first()
        if row is None:
            self._session_key = None
        return row

    def exists(self, session_key: str) -> bool:
        return bool(self.model.objects.filter(session_key=digest(session_key)).exists())

    def save(self, must_create: bool = False) -> None:
        if self.session_key is None:
            return self.create()
        # The stubs leave these two methods of Django's sessions out.
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        columns = {
            "session_data": self.encode(data),
            "expire_date": self.get_expiry_date(),
            "user_id": _whose(data),
            "persistent": bool(data.get(PERSISTENT)),
            "asked_id": data.get(ASKED),
        }
        if must_create:
            return self._insert(columns)
        if not self.model.objects.filter(session_key=digest(self.session_key)).update(**columns):
            raise UpdateError
        return None

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            self.model.objects.filter(session_key=digest(key)).delete()

    def _insert(self, columns: dict[str, Any]) -> None:
        key = digest(self._get_or_create_session_key())  # type: ignore[attr-defined]
        model = self.get_model_class()
        row = model(session_key=key, created_at=timezone.now(), **columns)
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            raise CreateError from None


def digest(session_key: str) -> str:
    """What the table holds for a browser's key: 160 bits of SHA-256, as wide as the column."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:40]


def end_all(*, user_id: UUID, now: datetime, but: str = "") -> int:
    """End a user's sessions, half-done log-ins included; how many there were.

    but: the browser's key of a session to keep. Expired rows don't count but go, too.
    """
    from accounts.models import Session

    rows = Session.objects.filter(user_id=user_id)
    if but:
        rows = rows.exclude(session_key=digest(but))
    running = rows.filter(expire_date__gt=now).count()
    rows.delete()
    return running


def end_one(*, user_id: UUID, handle: str) -> bool:
    """End the one of the user's sessions that bears this handle; whether there was one."""
    from accounts.models import Session

    return bool(Session.objects.filter(user_id=user_id, handle=handle).delete()[0])


def is_of(session: Any) -> UUID | None:
    """Whose log-in, or half of one, a browser's session holds."""
    return _whose({key: session.get(key) for key in (PENDING_LOGIN, SESSION_KEY)})


def _whose(data: dict[str, Any]) -> UUID | None:
    """The user of a session's data; of a log-in that still waits for its next step, too."""
    pending = data.get(PENDING_LOGIN)
    key = data.get(SESSION_KEY) or (pending.get("user_pk") if isinstance(pending, dict) else None)
    return UUID(str(key)) if key else None
