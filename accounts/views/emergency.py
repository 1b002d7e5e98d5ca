"""Pages for a lost or stolen password or card: the report, and the link that settles it."""

from __future__ import annotations

from allauth.core import ratelimit
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from accounts import emergency
from accounts.forms.emergency import LossDecisionForm, StolenForm
from accounts.guards import limited
from accounts.models import LossNotice, User
from accounts.password_reset import link_for
from audit.access import note_access, personal, staff_page
from policy import current

PERMISSION = "accounts.losses"
ALREADY = gettext_lazy("Somebody settled this report before you.")


@limited("stolen")
@require_http_methods(["GET", "HEAD", "POST"])
def stolen(request: HttpRequest) -> HttpResponse:
    """Report a loss; the same answer for every address."""
    now = timezone.now()
    form = StolenForm(request.POST or None, cards=current.document(now).features.payments)
    if not form.is_valid():
        return render(request, "accounts/stolen.html", {"form": form})
    address = form.cleaned_data["email"]
    # Beyond the limit of one address nothing new happens: it was reported a moment ago.
    if ratelimit.consume(request, action="stolen_address", key=address):
        emergency.report(
            address=address,
            password=form.password,
            card=form.card,
            now=now,
            language=get_language() or "en",
        )
    return redirect("accounts:stolen_done")


@require_GET
def stolen_done(request: HttpRequest) -> HttpResponse:
    """What happens now; the same for everybody."""
    return render(request, "accounts/stolen_done.html")


@require_GET
def paused(request: HttpRequest) -> HttpResponse:
    """Where a log-in ends while a loss is reported and not settled."""
    return render(request, "accounts/stolen_paused.html")


@personal
@limited("stolen")
@require_http_methods(["GET", "HEAD", "POST"])
def loss(request: HttpRequest, token: str) -> HttpResponse:
    """The link we mailed: it was me, or it was a mistake. No log-in, nothing about the person."""
    now = timezone.now()
    notice = emergency.find(token=token, now=now)
    if notice is None:
        return render(request, "accounts/stolen_gone.html", status=404)
    answer = request.POST.get("answer", "") if request.method == "POST" else ""
    try:
        if answer == "confirm":
            emergency.confirm(notice_id=notice.pk, route=LossNotice.Route.LINK, now=now)
            return _after_confirming(notice, token)
        if answer == "undo":
            emergency.undo(notice_id=notice.pk, route=LossNotice.Route.LINK, now=now)
            return redirect("accounts:loss", token=token)
    except emergency.Settled:  # the page then says where it is
        return redirect("accounts:loss", token=token)
    return render(request, "accounts/stolen_settle.html", {"notice": notice})


@personal
@staff_page(PERMISSION)
@require_GET
def losses(request: HttpRequest) -> HttpResponse:
    """Reports that wait to be settled, oldest first; without names."""
    waiting = LossNotice.objects.filter(state=LossNotice.State.OPEN).order_by("reported_at")
    context = {
        "notices": waiting[:200],
        "zone": current.document().zone,
        "nav_current": "staff",
    }
    return render(request, "accounts/stolen_desk.html", context)


@personal
@staff_page(PERMISSION)
@require_http_methods(["GET", "HEAD", "POST"])
def settle(request: HttpRequest, reference: str) -> HttpResponse:
    """Staff settle a report of a person they have made sure of in another way."""
    now = timezone.now()
    notice = LossNotice.objects.filter(reference=reference).exclude(subject=None).first()
    if notice is None:
        raise Http404
    form = LossDecisionForm(request.POST or None)
    if request.method == "POST" and notice.state != LossNotice.State.OPEN:
        messages.error(request, ALREADY)
        return redirect("accounts:losses")
    if form.is_valid() and request.POST.get("answer") in ("confirm", "undo"):
        note_access(
            request=request,
            permission=PERMISSION,
            subject_id=notice.subject_id,
            task=f"loss:{notice.reference}",
            reason=form.cleaned_data["reason"],
            now=now,
        )
        _settled_by_staff(request, notice)
        return redirect("accounts:losses")
    context = {"notice": notice, "form": form, "zone": current.document(now).zone}
    return render(request, "accounts/stolen_case.html", context)


def _settled_by_staff(request: HttpRequest, notice: LossNotice) -> None:
    assert isinstance(request.user, User)  # staff_page lets only users in
    act = emergency.confirm if request.POST["answer"] == "confirm" else emergency.undo
    try:
        act(
            notice_id=notice.pk,
            route=LossNotice.Route.STAFF,
            now=timezone.now(),
            decider=request.user,
        )
    except emergency.OwnNotice:
        messages.error(request, _("This report is about you: somebody else has to decide."))
    except emergency.Settled:
        messages.error(request, ALREADY)
    else:
        messages.success(request, _("Settled. The person is told by mail."))


def _after_confirming(notice: LossNotice, token: str) -> HttpResponse:
    """On to a new password, for whoever opened the link reads the mailbox."""
    user = emergency.owner_of(notice)
    if notice.password and user is not None:
        return redirect(link_for(user))
    return redirect("accounts:loss", token=token)
