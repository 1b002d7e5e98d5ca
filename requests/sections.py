"""What this room offers on the hubs."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audit.access import (
    Scope,
    Section,
    add_scope,
    add_to_privacy_centre,
    add_to_staff_console,
)
from audit.errands import Errand, add_errand
from requests import desk


def waiting(request: HttpRequest) -> str:
    """How much waits for a reviewer, and how much of it is late; one query."""
    count, late = desk.waiting(now=timezone.now())
    if not count:
        return _("Nothing waits.")
    text = ngettext("%(n)d waits", "%(n)d wait", count) % {"n": count}
    if late:
        text += ", " + ngettext("%(n)d is late", "%(n)d are late", late) % {"n": late}
    return text + "."


add_to_privacy_centre(
    Section(
        key="data",
        title=gettext_lazy("What we hold about you"),
        text=gettext_lazy("Each kind of data, where it comes from, why we have it and until when."),
        url="requests:data",
        order=30,
    )
)
add_to_privacy_centre(
    Section(
        key="copy",
        title=gettext_lazy("Get a copy of everything"),
        text=gettext_lazy("All your data in one package, to read and to take elsewhere."),
        url="requests:copy",
        order=35,
    )
)
add_to_privacy_centre(
    Section(
        key="requests",
        title=gettext_lazy("Your requests"),
        text=gettext_lazy("What you asked us, how far it is, and by when you get an answer."),
        url="requests:list",
        order=80,
    )
)
add_to_privacy_centre(
    Section(
        key="delete",
        title=gettext_lazy("Delete everything"),
        text=gettext_lazy("What goes, what stays and why, before you decide."),
        url="requests:delete",
        order=90,
    )
)
add_to_staff_console(
    Section(
        key="requests",
        title=gettext_lazy("Requests"),
        text=gettext_lazy(
            "What people asked, by when it must be answered, and what waits for you."
        ),
        url="requests:desk",
        permission="requests.view",
        order=10,
        summary=waiting,
    )
)
add_scope(Scope(key="requests:read", text=gettext_lazy("See your requests and how far they are.")))
add_scope(Scope(key="requests:write", text=gettext_lazy("Take your requests back.")))
add_errand(
    Errand(
        key=desk.ERRAND,
        title=gettext_lazy("A request"),
        spans=desk.spans,
        open_of=desk.open_of,
    )
)
