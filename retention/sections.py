"""Where this room's pages stand on the staff console."""

from django.db.models import Count, Subquery, Value
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audit.access import Section, add_to_staff_console
from audit.errands import Errand, add_errand
from retention import overview
from retention.models import Brake, SweepRun


def _children(request: HttpRequest) -> str:
    contested, late = overview.waiting(now=timezone.now())
    words = ngettext(
        "%(n)d case waits for a decision", "%(n)d cases wait for a decision", contested
    ) % {"n": contested}
    if late:
        words += ", " + ngettext("%(n)d is late", "%(n)d are late", late) % {"n": late}
    return words


def _sweeps(request: HttpRequest) -> str:
    held = Brake.objects.filter(state=Brake.State.WAITING).order_by()
    counted = held.annotate(one=Value(1)).values("one").annotate(n=Count("pk")).values("n")
    runs = SweepRun.objects.filter(dry_run=False).order_by("-started_at")
    last = runs.annotate(braked=Subquery(counted)).first()
    if last is None:
        return _("no sweep has run yet")
    words = str(last.get_state_display())
    if last.braked:
        stopped = ngettext(
            "✕ The brake stopped %(n)d rule: decide now",
            "✕ The brake stopped %(n)d rules: decide now",
            last.braked,
        ) % {"n": last.braked}
        return f"{stopped} · {words}"
    return words


add_to_staff_console(
    Section(
        key="retention.children",
        title=gettext_lazy("Children"),
        text=gettext_lazy("People who were locked because they may be children: decide, and see."),
        url="retention:cases",
        permission="retention.children",
        order=30,
        summary=_children,
    )
)
add_to_staff_console(
    Section(
        key="retention.sweeps",
        title=gettext_lazy("Retention"),
        text=gettext_lazy("What ended when its period was over, what is due, what went wrong."),
        url="retention:sweeps",
        permission="retention.view",
        order=40,
        summary=_sweeps,
    )
)
add_errand(
    Errand(
        key=overview.ERRAND,
        title=gettext_lazy("A case about a child"),
        spans=overview.spans,
        open_of=overview.open_of,
    )
)
