"""Words for what the policy file and the data map name by keys."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from datamap import registry
from datamap.holding import Erasing, Holding, Personal, Source
from policy.period import Period

# Fideslang's data categories (ethyca/fideslang), those that sites like ours hold.
CATEGORIES: dict[str, Any] = {
    "system.operations": gettext_lazy("how the site was configured"),
    "user": gettext_lazy("data about you"),
    "user.account": gettext_lazy("account"),
    "user.account.settings": gettext_lazy("settings"),
    "user.account.username": gettext_lazy("user name"),
    "user.authorization": gettext_lazy("log-in data"),
    "user.authorization.credentials": gettext_lazy("log-in secrets"),
    "user.authorization.password": gettext_lazy("password"),
    "user.behavior": gettext_lazy("what you did here"),
    "user.behavior.browsing_history": gettext_lazy("pages you visited"),
    "user.childrens": gettext_lazy("data about children"),
    "user.contact": gettext_lazy("contact details"),
    "user.contact.address": gettext_lazy("postal address"),
    "user.contact.address.postal_code": gettext_lazy("postal code"),
    "user.contact.email": gettext_lazy("e-mail address"),
    "user.contact.phone_number": gettext_lazy("phone number"),
    "user.content": gettext_lazy("what you wrote or uploaded"),
    "user.content.photo": gettext_lazy("photos"),
    "user.content.private": gettext_lazy("private messages"),
    "user.content.self_image": gettext_lazy("your picture"),
    "user.demographic": gettext_lazy("facts about you"),
    "user.demographic.age_range": gettext_lazy("whether you are a minor"),
    "user.demographic.date_of_birth": gettext_lazy("date of birth"),
    "user.demographic.language": gettext_lazy("language"),
    "user.device": gettext_lazy("your device"),
    "user.device.cookie": gettext_lazy("cookies"),
    "user.device.cookie_id": gettext_lazy("cookie"),
    "user.device.ip_address": gettext_lazy("IP address"),
    "user.financial": gettext_lazy("payment data"),
    "user.job_title": gettext_lazy("job"),
    "user.location": gettext_lazy("location"),
    "user.name": gettext_lazy("name"),
    "user.name.first": gettext_lazy("first name"),
    "user.name.last": gettext_lazy("last name"),
    "user.payment": gettext_lazy("payment data"),
    "user.privacy_preferences": gettext_lazy("your privacy choices"),
    "user.social": gettext_lazy("friends and contacts"),
    "user.telemetry": gettext_lazy("measurements"),
    "user.unique_id": gettext_lazy("an id"),
    "user.unique_id.pseudonymous": gettext_lazy("a random id without your name"),
    "user.user_sensor": gettext_lazy("sensor data"),
    "user.workplace": gettext_lazy("workplace"),
}

SOURCES: dict[Source, Any] = {
    Source.PERSON: gettext_lazy("from you"),
    Source.OTHER_PERSON: gettext_lazy("from another person"),
    Source.SITE: gettext_lazy("made by this site"),
    Source.OUTSIDE: gettext_lazy("from outside"),
}

ERASING: dict[Erasing, Any] = {
    Erasing.DELETE: gettext_lazy("Deleted."),
    Erasing.ANONYMISE: gettext_lazy("What says who you are is overwritten; a bare row stays."),
    Erasing.KEEP: gettext_lazy("Stays until its period ends."),
}

ACTIONS: dict[str, Any] = {
    "delete": gettext_lazy("deleted"),
    "anonymise": gettext_lazy("made anonymous"),
    "archive": gettext_lazy("moved to a locked archive"),
    "erase": gettext_lazy("erased with everything else about the person"),
}

LABELS: dict[str, Any] = {
    "object_repr": gettext_lazy("Name of what you changed"),
    "object_id": gettext_lazy("Number of what you changed"),
    "change_message": gettext_lazy("What you changed about it"),
    "last_login": gettext_lazy("Last sign-in"),
}

FIGURES: dict[str, Any] = {
    "personal_columns": gettext_lazy("columns about people"),
    "reads": gettext_lazy("uses of cards judged"),
    "sealed_columns": gettext_lazy("encrypted columns"),
    "slowest_seconds": gettext_lazy("slowest, in seconds"),
    "confirmations": gettext_lazy("answers to requests read"),
    "filled_columns": gettext_lazy("kinds of data in use"),
    "leaving": gettext_lazy("taken back, so being erased"),
    "not_begun": gettext_lazy("appointed, and nothing opened yet"),
    "pages": gettext_lazy("pages read"),
    "purposes": gettext_lazy("purposes"),
    "searched_people": gettext_lazy("erased people searched for"),
    "slowest_days": gettext_lazy("slowest, in days"),
    "slowest_lock_seconds": gettext_lazy("slowest lock, in seconds"),
    "readings": gettext_lazy("times that staff read somebody's data"),
    "staff": gettext_lazy("people on the staff"),
    "statements": gettext_lazy("removals judged"),
    "turned_away": gettext_lazy("refused by the receiving mail server"),
}

CLOCKS: dict[str, Any] = {
    "created": gettext_lazy("it was made"),
    "joined": gettext_lazy("you joined"),
    "unconfirmed": gettext_lazy("registering without confirming the address"),
    "expired": gettext_lazy("it ended"),
    "closed": gettext_lazy("it was closed"),
    "written": gettext_lazy("it was written"),
    "sent": gettext_lazy("it was sent"),
    "used": gettext_lazy("it was last used"),
    "dropped": gettext_lazy("it was cancelled"),
    "passed": gettext_lazy("the age question"),
    "at": gettext_lazy("it happened"),
    "decided": gettext_lazy("it was decided"),
    "posted": gettext_lazy("it was ready to be sent"),
    "received": gettext_lazy("it reached us"),
    "finished": gettext_lazy("it was finished"),
    "asked": gettext_lazy("it was asked"),
    "declined": gettext_lazy("it was declined"),
    "invited": gettext_lazy("the invitation"),
    "removed": gettext_lazy("the address was removed"),
    "replaced": gettext_lazy("it was replaced"),
}

BASES: dict[str, Any] = {
    "consent": gettext_lazy("Your consent"),
    "contract": gettext_lazy("Our contract with you"),
    "legal obligation": gettext_lazy("A legal obligation"),
    "vital interests": gettext_lazy("Somebody's vital interests"),
    "public task": gettext_lazy("A public task"),
    "legitimate interests": gettext_lazy("Legitimate interests"),
}

ROLES: dict[str, Any] = {
    "processor": gettext_lazy("works for us and on our orders"),
    "trusted party": gettext_lazy("trusted party, bound to confidentiality"),
    "affiliate": gettext_lazy("belongs to our group"),
    "advertiser": gettext_lazy("advertiser"),
    "authority": gettext_lazy("authority"),
    "lawyer": gettext_lazy("lawyer"),
    "members": gettext_lazy("other people on this site"),
}

REQUESTS: dict[str, Any] = {
    "access": gettext_lazy("Learn what we hold about you"),
    "portability": gettext_lazy("Get your data to take it elsewhere"),
    "correction": gettext_lazy("Have something corrected"),
    "deletion": gettext_lazy("Have everything deleted"),
    "opt-out": gettext_lazy("Refuse mail or a use of your data"),
    "restriction": gettext_lazy("Have us only store your data for now"),
    "objection": gettext_lazy("Object to a use of your data"),
    "cancellation": gettext_lazy("Cancel your registration"),
    "invitee-removal": gettext_lazy("Have your address removed after an invitation"),
    "child-report": gettext_lazy("Report that a child has an account"),
    "misuse-report": gettext_lazy("Report misuse"),
    "lost-or-stolen": gettext_lazy("Report a lost or stolen card or password"),
    "inquiry": gettext_lazy("Ask a question"),
    "parent": gettext_lazy("Decide as a parent about your child's data"),
}

APPLIES: dict[str, Any] = {
    "at once": gettext_lazy("A changed policy counts as soon as it is published."),
    "after the period": gettext_lazy("A changed policy counts when that time is over."),
    "new data at once, older after the period": gettext_lazy(
        "A changed policy counts at once for data collected from then on, and for older data "
        "when that time is over."
    ),
}

CHANNELS: dict[str, Any] = {
    "page": gettext_lazy("on this page"),
    "site": gettext_lazy("when you next log in"),
    "e-mail": gettext_lazy("by e-mail"),
    "banner": gettext_lazy("in a banner on every page"),
    "privacy centre": gettext_lazy("in your privacy centre"),
    "form": gettext_lazy("with a form"),
    "letter": gettext_lazy("by letter"),
    "phone": gettext_lazy("by phone"),
}

MECHANISMS: dict[str, Any] = {
    "explicit consent": gettext_lazy("Only with your explicit consent."),
    "adequacy": gettext_lazy("The European Commission found the protection there adequate."),
    "standard clauses": gettext_lazy("Under the European Commission's standard clauses."),
    "contract": gettext_lazy("Because our contract with you needs it."),
}


def category(key: str) -> str:
    """A Fideslang category in words; for an unknown one, those of the category above it."""
    while key not in CATEGORIES and "." in key:
        key = key.rpartition(".")[0]
    return str(CATEGORIES.get(key, key))


def period(span: Period) -> str:
    """A span of time in words of the reader's language."""
    words = {
        "minute": ngettext("%(n)d minute", "%(n)d minutes", span.count),
        "hour": ngettext("%(n)d hour", "%(n)d hours", span.count),
        "day": ngettext("%(n)d day", "%(n)d days", span.count),
        "week": ngettext("%(n)d week", "%(n)d weeks", span.count),
        "business day": ngettext("%(n)d business day", "%(n)d business days", span.count),
        "month": ngettext("%(n)d month", "%(n)d months", span.count),
        "year": ngettext("%(n)d year", "%(n)d years", span.count),
    }
    return words[span.unit] % {"n": span.count}


@cache
def countries() -> dict[str, str]:
    """ISO 3166 code → English name, from the time zone database's public-domain list."""
    table = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    rows = (line.partition("\t") for line in table.splitlines() if not line.startswith("#"))
    return {code: name for code, _tab, name in rows if code}


def country(code: str) -> str:
    """A country's name; the code itself when there is no such country."""
    return {"GB": "United Kingdom"}.get(code) or countries().get(code, code)


def clock(name: str) -> str:
    """What a period runs from, to stand after "after"."""
    return str(CLOCKS.get(name, name.replace("_", " ")))


def holding_title(key: str) -> str:
    """What people call a holding; its key when this installation has none of that name."""
    found = {h.key: h for h in registry.holdings()}.get(key)
    return str(found.title) if found else key


def staff_title(key: str) -> str:
    """What staff call a holding: `holding_title` would speak of *your* account."""
    found = {h.key: h for h in registry.holdings()}.get(key)
    return str(found.staff_title or found.title) if found else key


def field_names(names: list[str]) -> list[str]:
    """Fields named `holding.field`, or whole holdings, in words and without repetition."""
    return list(dict.fromkeys(_field_name(name) for name in names))


def _field_name(name: str) -> str:
    holdings = {h.key: h for h in registry.holdings()}
    if name in holdings:
        title = str(holdings[name].title)
        return title[:1].lower() + title[1:]
    holding = holdings.get(name.rpartition(".")[0])
    field = name.rpartition(".")[2]
    personal = {p.name: p for p in holding.personal}.get(field) if holding else None
    return category(personal.category) if personal else field.replace("_", " ")


def field_label(holding: Holding, personal: Personal) -> str:
    """A field as its model calls it, or as we call a field of Django's own."""
    if personal.name in LABELS:
        return str(LABELS[personal.name])
    try:
        field: Any = holding.model_class._meta.get_field(personal.name)
    except FieldDoesNotExist:
        return personal.name
    return str(capfirst(getattr(field, "verbose_name", personal.name)))


def figure(name: str) -> str:
    """What a number beside a check counts."""
    return str(FIGURES.get(name, name.replace("_", " ")))


def masked(count: int) -> str:
    """A count for the public: small ones would tell about single people."""
    return _("<10") if 0 < count < 10 else f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
