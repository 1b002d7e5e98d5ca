"""Pages for reviewers: the desk and a case with its decision."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from audit.access import note_access, personal, staff_page
from requests import desk as queue
from requests import fulfil, progress, review, rules, state, wording
from requests.forms import ReasonForm
from requests.handling import TooLate
from requests.models import Request

PER_PAGE = 25
VIEW, REVIEW = "requests.view", "requests.review"


@personal
@staff_page(VIEW)
@require_GET
def desk(request: HttpRequest) -> HttpResponse:
    """What waits, oldest deadline first."""
    now = timezone.now()
    only = request.GET.get("show", "open")
    only = only if only in queue.FILTERS else "open"
    page = Paginator(queue.queue(only=only), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "lines": [queue.line(request=each, now=now) for each in page],
        "filters": queue.choices(),
        "only": only,
        "nav_current": "staff",
    }
    return render(request, "requests/desk.html", context)


@personal
@staff_page(REVIEW)
@require_GET
def case(request: HttpRequest, reference: str) -> HttpResponse:
    """One request with what it would do; opening it is written down first (WD-12). Long after its
    end it is no task any more, and shows nothing about the person.
    """
    return _case(request, _find(reference))


@personal
@staff_page(REVIEW)
@require_POST
def claim(request: HttpRequest, reference: str) -> HttpResponse:
    """Take it."""
    now = timezone.now()
    return _act(
        request,
        reference,
        lambda asked: review.claim(request_id=asked.pk, reviewer=_user(request), now=now),
        _("It is yours now."),
    )


@personal
@staff_page(REVIEW)
@require_POST
def release(request: HttpRequest, reference: str) -> HttpResponse:
    """Give it back."""
    now = timezone.now()
    return _act(
        request,
        reference,
        lambda asked: review.release(request_id=asked.pk, reviewer=_user(request), now=now),
        _("Others can take it now."),
    )


@personal
@staff_page(REVIEW)
@require_POST
def approve(request: HttpRequest, reference: str) -> HttpResponse:
    """Approve; the last approval the policy asks for sets off what was asked for."""
    now = timezone.now()
    return _act(
        request,
        reference,
        lambda asked: review.approve(request_id=asked.pk, reviewer=_user(request), now=now),
        _("Your approval is stored."),
    )


@personal
@staff_page(REVIEW)
@require_POST
def deny(request: HttpRequest, reference: str) -> HttpResponse:
    """Deny with a reason."""
    form = ReasonForm(request.POST, prefix="deny")
    if not form.is_valid():
        return _case(request, _find(reference), deny_form=form)
    now, reason = timezone.now(), form.cleaned_data["reason"]
    return _act(
        request,
        reference,
        lambda asked: review.deny(
            request_id=asked.pk, reviewer=_user(request), reason=reason, now=now
        ),
        _("Denied. The person gets your reason by mail."),
    )


@personal
@staff_page(REVIEW)
@require_POST
def extend(request: HttpRequest, reference: str) -> HttpResponse:
    """Take the one extension, with a reason."""
    form = ReasonForm(request.POST, prefix="extend")
    if not form.is_valid():
        return _case(request, _find(reference), extend_form=form)
    now, reason = timezone.now(), form.cleaned_data["reason"]
    return _act(
        request,
        reference,
        lambda asked: review.extend(
            request_id=asked.pk, reviewer=_user(request), reason=reason, now=now
        ),
        _("Extended. The person gets your reason by mail."),
    )


def _act(
    request: HttpRequest, reference: str, act: Callable[[Request], object], done: str
) -> HttpResponse:
    """Do it, or say kindly why it can't be done any more; either way the case is shown again."""
    try:
        act(_find(reference))
    except review.OwnRequest:
        messages.error(request, _("This is your own request. Somebody else decides on it."))
    except review.AlreadyApproved:
        messages.info(request, _("You approved this already. The other approval is missing."))
    except review.AlreadyClaimed:
        messages.error(request, _("Somebody else has taken it."))
    except TooLate:
        messages.error(request, _("It is too late for that. Nothing has changed."))
    except state.WrongState as error:
        found = Request.State(error.found).label
        messages.error(
            request, _("Nothing has changed: this request is “%(state)s”.") % {"state": found}
        )
    else:
        messages.success(request, done)
    return redirect("requests:case", reference)


def _case(
    request: HttpRequest,
    asked: Request,
    deny_form: ReasonForm | None = None,
    extend_form: ReasonForm | None = None,
) -> HttpResponse:
    now, user = timezone.now(), _user(request)
    readable = queue.is_readable(request=asked, now=now)
    if readable:
        note_access(
            request=request,
            permission=REVIEW,
            subject_id=asked.subject_id,
            task=queue.task_of(asked),
            reason="to decide on the request" if asked.is_open else "to look up a closed request",
            now=now,
        )
    context = {
        **_facts(asked, now),
        "readable": readable,
        "is_own": asked.subject_id == user.subject_id,
        "is_mine": asked.claimed_by_id == user.subject_id,
        "deny_form": deny_form or ReasonForm(prefix="deny"),
        "extend_form": extend_form or ReasonForm(prefix="extend"),
        "nav_current": "staff",
    }
    wrong = deny_form or extend_form
    return render(request, "requests/case.html", context, status=422 if wrong else 200)


def _facts(asked: Request, now: datetime) -> dict[str, object]:
    """What the case page says about the request, whoever looks."""
    document = rules.version_of(asked).document
    rule = rules.rule_for(document=document, kind=asked.kind)
    handling = fulfil.of(asked.kind)
    undecided = asked.state == Request.State.IN_REVIEW
    return {
        "asked": asked,
        "received_at": wording.moment(asked.received_at, document.zone),
        "due_at": wording.moment(asked.due_at, document.zone),
        "line": queue.line(request=asked, now=now),
        "progress": progress.of(request=asked, now=now),
        **(handling.for_reviewer(asked, now=now) if undecided else {}),
        "case_part": f"requests/{handling.name}/case.html",
        "undecided": undecided,
        "may_extend": undecided and rule.extension and not asked.extended_at and now < asked.due_at,
        "extension": rule.extension,
    }


def _find(reference: str) -> Request:
    return get_object_or_404(queue.queue(only="all"), reference=reference)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
