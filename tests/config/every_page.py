"""Every page of the site: who opens it, and what its address is about. A new page needs a line."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts import appointing, emergency, keys, suppressions
from accounts.age import learn_birth_date
from accounts.correctable import reference
from accounts.models import LossNotice, User
from accounts.password_reset import ask_for_reset
from accounts.roles import Role
from accounts.staff import handle_of as staff_handle
from accounts.staff import name_deputy
from accounts.suppressions import Wish
from audit.log import SYSTEM, person
from consent import mail
from consent.models import Message
from datamap.registry import holding
from policy import current
from requests.models import Request
from retention import children
from retention.models import ChildCase
from retention.sweep import sweep
from tests.factories.accounts import (
    log_in,
    member,
    minor,
    prove_second_factor,
    reauthenticated,
    security_key,
    staff_member,
)
from tests.factories.connections import some_connections
from tests.factories.facts import lets_others, some_facts
from tests.factories.invitations import invited
from tests.factories.profiles import handle_of, set_profile
from tests.factories.requests import asked_with_link, copy_made
from tests.factories.retention import make_brake

# Who looks; each of them has a browser of their own.
GUESTS = ("visitor", "applicant", "young applicant", "forgetful", "locked", "parent")
MEMBERS = ("newcomer", "member")
STAFF = (*Role.values, "half signed in", "not bound", "away")
ADMIN = Role.PRIVACY_ADMIN.value
REVIEWER = Role.REVIEWER.value


@dataclass
class World:
    """What was planted, for the addresses that are about something."""

    member: User
    request: Request
    copied: Request
    token: str
    child_case: ChildCase
    loss: LossNotice
    unconfirmed: EmailAddress
    transfer: str
    invited: str
    key: Authenticator
    colleague: User
    approval: str


Arguments = Callable[[World], list[Any]]


@dataclass(frozen=True)
class Line:
    """A page: `by` whom it is opened, with which `arguments`, or by a link that was mailed."""

    by: tuple[str, ...]
    arguments: Arguments = lambda world: []
    link: tuple[str, str] | None = None

    def path(self, name: str, world: World) -> str:
        """Where the page is."""
        if self.link is not None:
            return mailed(*self.link)
        return reverse(route_name(name), args=self.arguments(world))


def by(*who: str, about: Arguments = lambda world: []) -> Line:
    """Opened by these; its address has these arguments."""
    return Line(by=who, arguments=about)


def from_mail(who: str, template: str, path: str) -> Line:
    """Opened by the link below `path` in the newest mail of that template."""
    return Line(by=(who,), link=(template, path))


def route_name(name: str) -> str:
    """`requests:own` for `requests:own | a copy`: the same page about something else."""
    return name.partition(" | ")[0]


def removable_row(world: World) -> list[Any]:
    """A key to the API of the member's, as the page of corrections names it."""
    user, now = world.member, timezone.now()
    made = keys.make(
        user=user,
        name="Shell",
        scopes=["choices:read"],
        life=keys.LIVES[0],
        actor=person(user.subject_id),
        now=now,
    )
    return ["accounts.api_key", reference(holding("accounts.api_key"), made.key)]


def page_of_member(world: World) -> list[Any]:
    """The address of the member's page, with something on it."""
    set_profile(world.member, values={"about": "I tune harpsichords."}, now=timezone.now())
    return [handle_of(world.member)]


def with_connections(world: World) -> list[Any]:
    """The member's page of connections, with some of each sort on it."""
    some_connections(world.member.subject_id, now=timezone.now())
    return []


def with_facts(world: World) -> list[Any]:
    """The member's page of what others said, with some of it there."""
    some_facts(world.member.subject_id, now=timezone.now())
    return []


def page_that_takes_facts(world: World) -> list[Any]:
    """The address of somebody who lets others add to their profile."""
    user = member(first_name="Ada")
    lets_others(user.subject_id, now=timezone.now())
    return [handle_of(user)]


PAGES: dict[str, Line] = {
    # For everybody.
    "front": by("visitor", "member"),
    "policy:policy": by("visitor"),
    "policy:versions": by("visitor"),
    "policy:version": by("visitor", about=lambda world: [current.in_force().digest]),
    "policy:promises": by("visitor"),
    "policy:promise": by("visitor", about=lambda world: ["WC-14"]),
    "policy:data": by("visitor"),
    "cookies:cookies": by("visitor"),
    "api_docs": by("visitor"),
    "consent:unsubscribe": from_mail("visitor", "deletion_received", "/unsubscribe/"),
    "requests:status": by("visitor", about=lambda world: [world.token]),
    "accounts:stolen": by("visitor"),
    "accounts:stolen_done": by("visitor"),
    "accounts:paused": by("visitor"),
    "accounts:loss": from_mail("visitor", "account_loss_noticed", "/report/stolen/"),
    "retention:contest": from_mail("locked", "child_locked", "/contest/"),
    "accounts:guardian": from_mail("visitor", "guardian_asked", "/guardians/"),
    "accounts:guardian | the code given": from_mail("parent", "guardian_asked", "/guardians/"),
    "accounts:guardian_done": by("visitor"),
    "accounts:invitation": from_mail("visitor", "invitation", "/invitations/"),
    "accounts:invitation | signed in": by("member", about=lambda world: [world.invited]),
    "accounts:invitation_remove": by("visitor", about=lambda world: [world.invited]),
    "accounts:remove_address": by("visitor"),
    "accounts:lift_removal": by("visitor"),
    "accounts:invitation_proved": from_mail("visitor", "invitation_lift", "/invitations/proved/"),
    # The way in.
    "accounts:age": by("visitor"),
    "accounts:age_advice": by("young applicant"),
    "accounts:signup": by("applicant", "young applicant"),
    "accounts:locked": by("locked"),
    "account_inactive": by("locked"),
    "account_login": by("visitor"),
    "account_email_verification_sent": by("visitor"),
    "account_confirm_email": by(
        "visitor", about=lambda world: [EmailConfirmationHMAC(world.unconfirmed).key]
    ),
    "account_reset_password": by("visitor"),
    "account_reset_password_done": by("visitor"),
    "account_reset_password_from_key": from_mail(
        "forgetful", "account_password_reset_key", "/accounts/"
    ),
    "account_reset_password_from_key_done": by("visitor"),
    # One's account.
    "account_logout": by("member"),
    "account_email": by("member"),
    "account_change_password": by("member"),
    "account_reauthenticate": by("member"),
    "mfa_index": by("member", ADMIN),
    "mfa_activate_totp": by("member"),
    "mfa_deactivate_totp": by(ADMIN),
    "mfa_view_recovery_codes": by(ADMIN),
    "mfa_generate_recovery_codes": by(ADMIN),
    "mfa_reauthenticate": by(ADMIN),
    "mfa_list_webauthn": by("member", "newcomer"),
    "mfa_add_webauthn": by("member"),
    "mfa_edit_webauthn": by("member", about=lambda world: [world.key.pk]),
    "mfa_remove_webauthn": by("member", about=lambda world: [world.key.pk]),
    "mfa_reauthenticate_webauthn": by("member"),
    "mfa_authenticate": by("half signed in"),
    # The privacy centre.
    "privacy": by("member", "newcomer"),
    "consent:choices": by("member"),
    "consent:history": by("member", about=lambda world: ["transfer", world.transfer]),
    "consent:withdraw_transfer": by("member", about=lambda world: [world.transfer]),
    "accounts:invitations": by("member", "newcomer"),
    "accounts:profile": by("member", "newcomer"),
    "accounts:profile_as": by("member", about=lambda world: ["member"]),
    "accounts:people": by("member"),
    "accounts:person": by("member", "newcomer", about=page_of_member),
    "accounts:connections": by("member", "newcomer", about=with_connections),
    "accounts:facts": by("member", "newcomer", about=with_facts),
    "accounts:tell_fact": by("member", about=page_that_takes_facts),
    "accounts:birth_date": by("member"),
    "accounts:corrections": by("member", "newcomer"),
    "accounts:remove": by("member", about=removable_row),
    "accounts:remove_all": by("member", about=lambda world: ["accounts.api_key"]),
    "accounts:devices": by("member"),
    "accounts:accesses": by("member", "newcomer"),
    "accounts:api_keys": by("member"),
    "accounts:payments": by("member"),
    "requests:data": by("member", "newcomer"),
    "requests:delete": by("member", "newcomer"),
    "requests:list": by("member", "newcomer"),
    "requests:own": by("member", about=lambda world: [world.request.reference]),
    "requests:own | a copy": by("member", about=lambda world: [world.copied.reference]),
    "requests:copy": by("member", "newcomer"),
    "requests:package": by("member", about=lambda world: [world.copied.reference]),
    # Staff.
    "staff": by(*Role.values),
    "policy:staff_promises": by(ADMIN),
    "policy:staff_control": by(ADMIN, about=lambda world: ["accounts.age-screen"]),
    "accounts:find_person": by(Role.SUPPORT.value),
    "accounts:duties": by(Role.BILLING.value, "not bound"),
    "accounts:deputies": by(REVIEWER, "away"),
    "accounts:team": by(ADMIN, Role.AUDITOR.value),
    "accounts:appoint": by(ADMIN),
    "accounts:colleague": by(ADMIN, about=lambda world: [staff_handle(world.colleague.pk)]),
    "accounts:approvals": by(REVIEWER, Role.BILLING.value),
    "accounts:approval": by(REVIEWER, about=lambda world: [world.approval]),
    "accounts:same_person": by(REVIEWER),
    "accounts:report_child": by(Role.SUPPORT.value),
    "accounts:losses": by(Role.SUPPORT.value),
    "accounts:settle_loss": by(Role.SUPPORT.value, about=lambda world: [world.loss.reference]),
    "retention:cases": by(REVIEWER),
    "retention:case": by(REVIEWER, about=lambda world: [world.child_case.reference]),
    "retention:sweeps": by(ADMIN, Role.AUDITOR.value),
    "retention:runs": by(ADMIN),
    "retention:run": by(ADMIN, about=lambda world: [sweep(now=timezone.now()).reference]),
    "retention:brake": by(ADMIN, about=lambda world: [make_brake().reference]),
    "requests:desk": by(REVIEWER, Role.SUPPORT.value),
    "requests:case": by(REVIEWER, about=lambda world: [world.request.reference]),
    "requests:case | a copy": by(REVIEWER, about=lambda world: [world.copied.reference]),
}

NO_PAGE = {
    "files and answers for machines": {
        "accounts:photo",
        "change_password",
        "healthz",
        "mfa_download_recovery_codes",
        "policy:accent",
        "policy:source",
        "readyz",
        "security_text",
    },
    "only ever sent by a form": {
        "accounts:approve",
        "accounts:dismiss",
        "accounts:end_api_key",
        "accounts:end_deputy",
        "accounts:refuse",
        "accounts:withdraw",
        "accounts:act_on_connection",
        "accounts:act_on_fact",
        "accounts:ask_person",
        "accounts:block_person",
        "accounts:correct",
        "accounts:answer_invitation",
        "accounts:remove_card",
        "accounts:end_careful_settings",
        "accounts:end_device",
        "accounts:end_devices",
        "policy:check_now",
        "requests:approve",
        "requests:claim",
        "requests:deny",
        "requests:extend",
        "requests:own_withdraw",
        "requests:release",
        "requests:status_withdraw",
        "accounts:guardian_agree",
        "accounts:guardian_disclosure",
        "accounts:guardian_give_code",
        "accounts:guardian_refuse",
        "accounts:guardian_send_code",
        "accounts:guardian_withdraw",
        "retention:ask_parent",
        "retention:confirm",
        "retention:dry_run",
        "retention:parent",
        "retention:release",
        "retention:release_brake",
        "retention:stop_brake",
    },
    "lead on at once: everybody has a password, codes by mail are off": {
        "account_confirm_login_code",
        "account_set_password",
    },
    "Swagger UI, not of our making: test_api_browser.py looks at it": {"api_explorer"},
    "behind our own sign-up, which has the same address": {"account_signup"},
}
# Below these are answers for programs, except what `PAGES` names.
MACHINES = ("api/",)


def routes() -> Iterator[tuple[str, str]]:
    """Name and route of every address but those of Django's own configuration pages."""

    def below(
        patterns: list[URLPattern | URLResolver], route: str, names: str
    ) -> Iterator[tuple[str, str]]:
        for each in patterns:
            here = route + str(each.pattern)
            if isinstance(each, URLPattern):
                yield names + str(each.name), here
            elif each.app_name != "admin":
                space = f"{each.namespace}:" if each.namespace else ""
                yield from below(each.url_patterns, here, names + space)

    return below(get_resolver().url_patterns, "", "")


def mailed(template: str, path: str) -> str:
    """The path of the link in the newest mail of a kind that begins with `path`."""
    text = mail.text_of(Message.objects.filter(template=template).latest("posted_at"))
    found = re.search(rf"http://[^/\s]+({path}\S+)", text)
    assert found is not None, text
    return found[1]


def plant() -> World:
    """A member with a copy, a request for deletion and another device; a child; and so on."""
    now = timezone.now()
    user = member()
    log_in(Client(), user)
    copied = copy_made(user, staff_member(), now=now).request
    assert copied is not None
    request, token = asked_with_link(user, now=now)
    child = minor()
    learn_birth_date(
        subject=child.subject, born_on=date(2018, 5, 5), source="other", actor=SYSTEM, now=now
    )
    children.ask_parent(case_id=ChildCase.objects.get().pk, address="parent@example.com", now=now)
    ask_for_reset(email=user.email, now=now, language="en")
    (transfer,) = current.document().transfers
    invited_token = invited(member(), now=now)
    invited(member(), address=user.email, now=now)
    suppressions.ask(address="friend@example.com", wish=Wish.LIFT, now=now)
    return World(
        member=user,
        request=request,
        copied=copied,
        token=token,
        child_case=ChildCase.objects.get(),
        loss=loss_reported(now),
        unconfirmed=EmailAddress.objects.get(user=member(confirmed=False)),
        transfer=transfer.key,
        invited=invited_token,
        key=security_key(user),
        colleague=staff_member(Role.SUPPORT),
        approval=role_asked_for(now),
    )


def role_asked_for(now: datetime) -> str:
    """A privacy administrator asked for somebody's role: the approval's handle."""
    admin = staff_member(Role.PRIVACY_ADMIN, first_name="Kim", last_name="Lee")
    asked = appointing.ask(
        user=member(), role=Role.SUPPORT, by=admin, now=now, note="For the summer."
    )
    return asked.handle


def away(user: User) -> User:
    """Named a deputy a day ago, for a week."""
    now = timezone.now()
    deputy = staff_member(Role.REVIEWER, first_name="Ada", last_name="Deputy")
    span = {"starts_at": now - timedelta(days=1), "ends_at": now + timedelta(days=6)}
    name_deputy(member=user, deputy=deputy, by=user, now=now, **span)
    return user


def loss_reported(now: datetime) -> LossNotice:
    """Somebody else's password is said to be stolen."""
    emergency.report(address=member().email, password=True, card=True, now=now)
    emergency.act(now=now)
    return LossNotice.objects.get()


def browser_of(who: str, world: World) -> Client:
    """What that person's browser keeps."""
    client = Client()
    if who in Role.values:
        return full_session(client, staff_member(who))
    match who:
        case "applicant":
            answer_age(client, 1990)
        case "young applicant":
            answer_age(client, timezone.now().year - 15)
        case "parent":
            give_code(client)
        case "half signed in":
            log_in(client, staff_member(Role.SUPPORT))
        case "not bound":
            full_session(client, staff_member(Role.BILLING, duties=False))
        case "away":
            full_session(client, away(staff_member(Role.PRIVACY_ADMIN)))
        case "newcomer":
            reauthenticated(client, member())
        case "member":
            reauthenticated(client, world.member)
    return client


def give_code(client: Client) -> None:
    """Open the page behind the newest link to a parent, with the code from the next mail."""
    path = mailed("guardian_asked", "/guardians/")
    assert client.post(f"{path}code/").status_code == 302
    text = mail.text_of(Message.objects.filter(template="guardian_code").latest("posted_at"))
    (code,) = re.findall(r"(?m)^\d{4} \d{4}$", text)
    assert client.post(f"{path}open/", {"code": code}).status_code == 302


def answer_age(client: Client, year: int) -> None:
    """Pass the age screen."""
    born = {"day": 1, "month": 1, "year": year}
    assert client.post(reverse("accounts:age"), born).status_code == 302


def full_session(client: Client, user: User) -> Client:
    """Signed in a moment ago with password and second factor, as the pages about it ask."""
    RecoveryCodes.activate(user)
    prove_second_factor(client, user)
    session, now = client.session, time.time()
    session["account_authentication_methods"] = [
        {"method": "password", "at": now},
        {"method": "mfa", "at": now, "type": "totp", "reauthenticated": True},
    ]
    session.save()
    return client
