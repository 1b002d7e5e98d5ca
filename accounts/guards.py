"""What must hold before a page of this room opens."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from allauth.account.decorators import reauthentication_required
from allauth.decorators import rate_limit
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render

from accounts import screen
from accounts.models import User
from policy import current

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def before_sign_up(view: View[P]) -> View[P]:
    """Pages on the way to an account: not for people who have one, not without a policy, and not
    in a browser that was refused.
    """

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.user.is_authenticated:
            return redirect(settings.LOGIN_REDIRECT_URL)
        try:
            document = current.document()
        except current.NoPolicy:
            return render(request, "accounts/closed.html", status=503)
        if document.collection_point("signup") is None:
            return render(request, "accounts/closed.html", status=503)
        if screen.needed(document) and screen.is_blocked(request):
            return refused(request)
        return view(request, *args, **kwargs)

    return guarded


def limited(action: str) -> Callable[[View[P]], View[P]]:
    """Count POSTs against the rate limit of this name (`ACCOUNT_RATE_LIMITS`); 429 beyond it."""

    def decorate(view: View[P]) -> View[P]:
        guarded: View[P] = rate_limit(action=action)(view)
        return guarded

    return decorate


def searching(view: View[P]) -> View[P]:
    """Count searches for people; 429 for whoever goes through them all."""
    guarded: View[P] = rate_limit(action="people", limit_get=True)(view)
    return guarded


def password_again(view: View[P]) -> View[P]:
    """Ask for the password, or the second factor, unless it was given minutes ago."""
    guarded: View[P] = reauthentication_required(view)
    return guarded


def own_account(request: HttpRequest) -> User:
    """The logged-in user; for views behind `login_required`. Raises `Http404` for anybody else."""
    if not isinstance(request.user, User):
        raise Http404
    return request.user


def refused(request: HttpRequest) -> HttpResponse:
    """The kind page: no reason that would teach what to enter next time, and no second try."""
    response = render(request, "accounts/refused.html", status=403)
    screen.block(response)
    return response
