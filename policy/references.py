"""What the parts of a policy file say about each other, and about this installation.

Works on the data as read, not on a `Document`, so that these mistakes are listed together with
those of the format. Whatever has the wrong type here was reported there and is passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from audit import control
from datamap import registry
from datamap.holding import Erasing, Holding
from policy import invisible, vocabulary
from policy.complaints import Mistake, did_you_mean
from policy.document import Document
from policy.lines import Path
from policy.period import Period

Data = Mapping[str, Any]
Further = Callable[[Document], Iterable[Mistake]]
LONGEST_CONTEST = timedelta(days=30)  # a locked child's data is not kept longer while asked about
LONGEST_PARENT = timedelta(days=30)  # nor while a parent is asked (16 CFR 312.5(c)(1))
LONGEST_LOCK = timedelta(days=1)
LONGEST_ERASURE = timedelta(days=30)
LONGEST_ANSWER = timedelta(days=46)  # CCPA's 45 days; GDPR 12(3) says one month
LONGEST_EXTENSION = timedelta(days=62)  # GDPR 12(3): two further months
RIGHTS = {"access", "portability", "correction", "deletion", "restriction", "objection"}
PAPER = {"accent": ("#fbfaf6", "light"), "accent_dark": ("#16171a", "dark")}
LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3


def check(data: Data, *, today: date | None) -> list[Mistake]:
    """Every mistake between the parts. `today` is the last possible release date."""
    mistakes: list[Mistake] = []
    for look in (
        _duplicates,
        _unknown_keys,
        _unknown_fields,
        _unknown_controls,
        _missing_grounds,
        _retention,
        _age,
        _requests,
        _notice,
        _purposes,
        _cookies,
        _countries,
        _accents,
        invisible.check,
    ):
        mistakes += look(data)
    if today is not None:
        mistakes += _release(data, today)
    return mistakes


_further: list[Further] = []


def add(further: Further) -> Further:
    """Let a higher room refuse what it could not carry out; asked once the format is right.

    Paths of its mistakes are those of the file: `("retention", 2, "holding")`.
    """
    _further.append(further)
    return further


def check_further(document: Document) -> list[Mistake]:
    """What the higher rooms have to say."""
    return [mistake for look in _further for mistake in look(document)]


# What two entries may not share, and how to say so.
UNIQUE: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("purposes", ("key",), "purposes"),
    ("grounds", ("key",), "grounds"),
    ("collection_points", ("key",), "collection points"),
    ("recipients", ("key",), "recipients"),
    ("transfers", ("key",), "transfers"),
    ("mail_categories", ("key",), "mail categories"),
    ("cookies", ("name", "kind"), "cookies"),
    ("retention", ("holding", "clock"), "retention rules"),
    ("requests", ("kind",), "request rules"),
    ("promises", ("id",), "promises"),
)

DEFAULTS = {"kind": "cookie"}


def _duplicates(data: Data) -> Iterator[Mistake]:
    for name, fields, noun in UNIQUE:
        seen: Counter[tuple[object, ...]] = Counter()
        for path, entry in _entries(data, name):
            values = tuple(_text(entry, field) or DEFAULTS.get(field) for field in fields)
            if values[0] is None:
                continue
            seen[values] += 1
            if seen[values] > 1:
                called = ", ".join(str(v) for v in values if v is not None)
                yield Mistake(
                    (*path, fields[0]),
                    f"Two {noun} are called {called!r}.",
                    "Keep one, or give this one another name.",
                )


# Which key in which table names an entry of which other table.
LINKS: tuple[tuple[str, str, str], ...] = (
    ("collection_points", "purposes", "purposes"),
    ("recipients", "purposes", "purposes"),
    ("mail_categories", "purpose", "purposes"),
    ("cookies", "purpose", "purposes"),
    ("cookies", "recipient", "recipients"),
    ("retention", "purpose", "purposes"),
    ("retention", "ground", "grounds"),
)


def _unknown_keys(data: Data) -> Iterator[Mistake]:
    for table, field, target in LINKS:
        known = {_text(entry, "key") for _, entry in _entries(data, target)} - {None}
        names = {str(key) for key in known}
        for path, entry in _entries(data, table):
            for place, key in _texts(entry, field):
                if key not in names:
                    yield Mistake(
                        (*path, *place),
                        f"No entry of [[{target}]] is called {key!r}.",
                        did_you_mean(key, names),
                        absence=True,
                    )


def _unknown_fields(data: Data) -> Iterator[Mistake]:
    """Fields named `holding.field`; a purpose may name a whole holding."""
    known = {f"{h.key}.{p.name}" for h in registry.holdings() for p in h.personal}
    whole = {h.key for h in registry.holdings()}
    for table, field, allowed in (
        ("purposes", "data", known | whole),
        ("collection_points", "required", known),
        ("collection_points", "optional", known),
    ):
        for path, entry in _entries(data, table):
            for place, name in _texts(entry, field):
                if name not in allowed:
                    yield Mistake(
                        (*path, *place),
                        f"The data map has no personal field {name!r}.",
                        did_you_mean(name, allowed),
                    )


def _unknown_controls(data: Data) -> Iterator[Mistake]:
    known = control.controls()
    for path, entry in _entries(data, "promises"):
        key = _text(entry, "control")
        if key is not None and key not in known:
            yield Mistake(
                (*path, "control"),
                f"No control is called {key!r}.",
                did_you_mean(key, known),
            )


def _missing_grounds(data: Data) -> Iterator[Mistake]:
    """Rows that outlive an erasure need their ground on the page."""
    declared = {_text(entry, "key") for _, entry in _entries(data, "grounds")}
    needed: dict[str, list[str]] = {}
    for holding in registry.holdings():
        if holding.ground and holding.ground not in declared:
            needed.setdefault(holding.ground, []).append(holding.key)
    for ground, holdings in sorted(needed.items()):
        yield Mistake(
            ("grounds",),
            f"The ground {ground!r} is missing: {', '.join(holdings)} outlive an erasure on it.",
            f'Add a [[grounds]] table with key = "{ground}".',
            absence=True,
        )


def _retention(data: Data) -> Iterator[Mistake]:
    maxima = {
        _text(entry, "key"): _period(entry, "maximum") for _, entry in _entries(data, "grounds")
    }
    holdings = {h.key: h for h in registry.holdings()}
    for path, rule in _entries(data, "retention"):
        name = _text(rule, "holding")
        holding = holdings.get(name or "")
        if holding is not None:
            yield from _holding_rule(path, rule, holding)
        elif name is not None:
            fix = did_you_mean(name, holdings)
            yield Mistake((*path, "holding"), f"The data map has no holding {name!r}.", fix)
        period, ground = _period(rule, "period"), _text(rule, "ground")
        if period and (maximum := maxima.get(ground)) and _longer(period, maximum.rough()):
            yield Mistake(
                (*path, "period"),
                f"{period} is longer than the ground {ground!r} allows ({maximum}).",
                "Shorten the period or raise the ground's maximum.",
            )


def _holding_rule(path: Path, rule: Data, holding: Holding) -> Iterator[Mistake]:
    clock = _text(rule, "clock")
    if clock is not None and clock not in holding.clocks:
        message = f"{holding.key} has no clock {clock!r}."
        yield Mistake((*path, "clock"), message, did_you_mean(clock, holding.clocks))
    if _text(rule, "action") == "anonymise" and holding.erasing is not Erasing.ANONYMISE:
        yield Mistake(
            (*path, "action"),
            f"{holding.key} can't be anonymised: nothing says what its fields become.",
            'Write action = "delete".',
        )


def _age(data: Data) -> Iterator[Mistake]:
    age = _table(data, "age")
    minor_until = _number(age, "minor_until", 18)
    for field, default in (("youngest", 0), ("child_under", 13)):
        if _number(age, field, default) > minor_until:
            yield Mistake(
                ("age", field),
                f"{field} is above minor_until ({minor_until}).",
                f"Lower it, or raise minor_until to at least {_number(age, field, default)}.",
            )
    for field, limit, why in (
        ("contest", LONGEST_CONTEST, "a locked child's data waits no longer"),
        ("lock_within", LONGEST_LOCK, "a known child is locked at once"),
        ("erase_within", LONGEST_ERASURE, "a child's data is erased without delay"),
        ("parent_answer", LONGEST_PARENT, "a child's data waits no longer for a parent's answer"),
    ):
        yield from _at_most(("age", field), _period(age, field), limit, why)
    if age.get("parental_consent") is True and "parent_answer" not in age:
        message = "Where a parent can consent, they need a time to answer."
        yield Mistake(
            ("age", "parental_consent"), message, 'Add parent_answer = "14 days".', absence=True
        )


def _requests(data: Data) -> Iterator[Mistake]:
    for path, rule in _entries(data, "requests"):
        deadline, undo = _period(rule, "deadline"), _period(rule, "undo")
        if deadline and undo and not _longer(deadline, undo.rough()):
            yield Mistake(
                (*path, "undo"),
                f"The time to take it back ({undo}) is not shorter than the deadline ({deadline}).",
                "Shorten undo or lengthen the deadline.",
            )
        if _text(rule, "kind") in RIGHTS:
            law = "GDPR 12(3) and CCPA allow no more"
            yield from _at_most((*path, "deadline"), deadline, LONGEST_ANSWER, law)
            extension = _period(rule, "extension")
            yield from _at_most((*path, "extension"), extension, LONGEST_EXTENSION, law)


def _notice(data: Data) -> Iterator[Mistake]:
    notice = _table(data, "notice")
    applies = _text(notice, "applies")
    if applies and "period" in applies and "period" not in notice:
        fix = 'Add period = "30 days".'
        message = f"applies = {applies!r} needs a period."
        yield Mistake(("notice", "applies"), message, fix, absence=True)


def _purposes(data: Data) -> Iterator[Mistake]:
    for path, purpose in _entries(data, "purposes"):
        basis = _text(purpose, "legal_basis")
        if basis == "legitimate interests" and "interest" not in purpose:
            yield Mistake(
                (*path, "legal_basis"),
                "Legitimate interests must be named (GDPR 13(1)(d)).",
                "Add interest = …",
                absence=True,
            )
        if basis == "consent" and _text(purpose, "default") == "on":
            yield Mistake(
                (*path, "default"),
                "Consent can't be on before anybody gave it (GDPR 4(11)).",
                'Write default = "off", or name another legal basis.',
            )


def _cookies(data: Data) -> Iterator[Mistake]:
    for path, cookie in _entries(data, "cookies"):
        named = "provider" in cookie or "recipient" in cookie
        if _text(cookie, "party") == "third" and not named:
            message = "A third party's cookie names its provider or recipient."
            yield Mistake((*path, "party"), message, "Add provider = …", absence=True)


def _countries(data: Data) -> Iterator[Mistake]:
    known = vocabulary.countries()
    controller = _table(data, "controller")
    joint = controller.get("joint")
    places: list[tuple[Path, Data]] = [(("controller",), controller)]
    for number, party in enumerate(joint if isinstance(joint, list) else ()):
        places.append((("controller", "joint", number), party if isinstance(party, dict) else {}))
    for path, table in (*places, *_entries(data, "recipients"), *_entries(data, "transfers")):
        code = _text(table, "country")
        if code is not None and len(code) == 2 and code.isupper() and code not in known:
            yield Mistake((*path, "country"), f"No country has the code {code!r}.", "See ISO 3166.")


def _accents(data: Data) -> Iterator[Mistake]:
    site = _table(data, "site")
    for field, (paper, theme) in PAPER.items():
        colour = _text(site, field)
        ratio = contrast(colour, paper) if colour else None
        if ratio is not None and ratio < LEAST_CONTRAST:
            direction = "darker" if theme == "light" else "lighter"
            yield Mistake(
                ("site", field),
                f"{colour} on the {theme} page has a contrast of {ratio:.1f}:1.",
                f"Choose a {direction} colour with at least {LEAST_CONTRAST}:1.",
            )


def _release(data: Data, today: date) -> Iterator[Mistake]:
    released = _table(data, "release").get("date")
    if type(released) is date and released > today:
        yield Mistake(
            ("release", "date"),
            f"The release date {released} is in the future.",
            f"Write a date up to {today}; the notice rule decides when it takes effect.",
        )


def contrast(one: str, other: str) -> float | None:
    """The contrast of two colours `#rrggbb` (WCAG 2.2); None when one is no colour."""
    try:
        lights = sorted(_luminance(colour) for colour in (one, other))
    except ValueError:
        return None
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _luminance(colour: str) -> float:
    if len(colour) != 7:
        raise ValueError(colour)
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _at_most(path: Path, period: Period | None, limit: timedelta, why: str) -> Iterator[Mistake]:
    if period is not None and _longer(period, limit):
        yield Mistake(path, f"{period} is too long: {why}.", f"At most {limit.days} days.")


def _longer(period: Period, limit: timedelta) -> bool:
    return period.rough() > limit


def _table(data: Data, name: str) -> Data:
    table = data.get(name)
    return table if isinstance(table, dict) else {}


def _entries(data: Data, name: str) -> Iterator[tuple[Path, Data]]:
    entries = data.get(name)
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield (name, number), entry


def _text(table: Data, field: str) -> str | None:
    value = table.get(field)
    return value if isinstance(value, str) else None


def _texts(table: Data, field: str) -> Iterable[tuple[Path, str]]:
    """A text, or each text of a list, with its place below the table."""
    value = table.get(field)
    if isinstance(value, str):
        yield (field,), value
    elif isinstance(value, list):
        for number, item in enumerate(value):
            if isinstance(item, str):
                yield (field, number), item


def _number(table: Data, field: str, default: int) -> int:
    value = table.get(field)
    return value if type(value) is int else default


def _period(table: Data, field: str) -> Period | None:
    try:
        return Period.parse(_text(table, field) or "")
    except ValueError:
        return None
