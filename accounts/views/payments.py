"""One's cards and payments."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts import payments as domain
from accounts.guards import own_account, password_again
from audit.access import personal
from audit.log import person
from policy import current

PER_PAGE = 25


@login_required
@password_again
@personal
@require_GET
def payments(request: HttpRequest) -> HttpResponse:
    """Cards as their owner knows them, and each payment with when its card was used."""
    now, user = timezone.now(), own_account(request)
    document = current.document(now)
    rows = Paginator(domain.payments_of(user.subject_id), PER_PAGE)
    context = {
        "cards": domain.cards_of(user.subject_id),
        "page": rows.get_page(request.GET.get("page")),
        "offered": document.features.payments,
        "periods": document.rules_for("accounts.payment_card"),
        "now": now,
        "nav_current": "privacy",
    }
    return render(request, "accounts/payments.html", context)


@login_required
@password_again
@personal
@require_POST
def remove_card(request: HttpRequest, handle: str) -> HttpResponse:
    """Delete one of one's own cards."""
    subject_id = own_account(request).subject_id
    try:
        removed = domain.remove_card(
            subject_id=subject_id, handle=handle, actor=person(subject_id), now=timezone.now()
        )
    except domain.InUse:
        told = _("A payment with this card is still open. You can remove it once that is done.")
        messages.error(request, told)
        return redirect("accounts:payments")
    if not removed:
        raise Http404
    messages.success(request, _("The card is deleted, and nothing can be paid with it any more."))
    return redirect("accounts:payments")
