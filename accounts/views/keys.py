"""Pages about keys to the API: see one's own, make one, end one."""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import keys
from accounts.forms.keys import KeyForm
from accounts.guards import own_account, password_again
from accounts.models import ApiKey, User
from audit.access import personal, scopes
from audit.log import person


@login_required
@password_again
@personal
@require_http_methods(["GET", "HEAD", "POST"])
def api_keys(request: HttpRequest) -> HttpResponse:
    """One's live keys, and making one; the answer to that shows the new key this once."""
    now, user = timezone.now(), own_account(request)
    form = KeyForm(request.POST or None)
    made = _make(form, user, now) if form.is_valid() else None
    context = {
        "form": KeyForm() if made else form,
        "made": made,
        "rows": [_row(key) for key in keys.live_keys(user=user, now=now)],
        "most": keys.MOST,
        "nav_current": "privacy",
    }
    return render(request, "accounts/keys.html", context)


@login_required
@password_again
@personal
@require_POST
def end_api_key(request: HttpRequest, handle: str) -> HttpResponse:
    """End one's own key."""
    user = own_account(request)
    if not keys.revoke(user=user, handle=handle, actor=person(user.subject_id), now=timezone.now()):
        raise Http404
    messages.success(request, _("That key has ended. Calls with it are refused from now on."))
    return redirect("accounts:api_keys")


def _make(form: KeyForm, user: User, now: datetime) -> keys.Made | None:
    """The new key, or the reason in the form."""
    data = form.cleaned_data
    try:
        return keys.make(
            user=user,
            name=data["name"],
            scopes=data["scopes"],
            life=form.life,
            actor=person(user.subject_id),
            now=now,
            language=get_language() or "en",
        )
    except keys.NameTaken:
        form.add_error("name", _("You have a key of this name already. Choose another name."))
    except keys.TooMany:
        told = _("You have %(most)d keys, and more are not possible. End one first.")
        form.add_error(None, told % {"most": keys.MOST})
    return None


def _row(key: ApiKey) -> dict[str, object]:
    known = scopes()
    return {"key": key, "may": [known[s].text for s in key.scopes if s in known]}
