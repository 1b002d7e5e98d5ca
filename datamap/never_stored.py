"""What is never stored: full card numbers, their security codes, a mother's maiden name.

The danger. Nobody asks for these here, and people write them all the same: into a message, a name,
a note to staff. A card number in free text is copied into mail, packages, backups and archives,
and nobody finds it there but a thief (PCI DSS 3.3, 3.5; PROMISES CC-4, CC-35).

The design. One search, `find`, knows what such a text looks like. It stands at the doors, so that
no form and no call has to remember it: `guard_forms` puts it into every text field of every form
there is, those of libraries included; `audit.api.body_of` asks it about every value of a call.
Whoever takes text in any other way (mail) uses `redact`. Controls search the tables themselves,
with a search of their own (`accounts.controls.never_stored`).

What is taken for a card number: 13 to 19 digits, in one piece or in groups as cards show them, that
pass the check digit (ISO/IEC 7812-1, annex B) and begin as some card company's do. About one in
fifty random numbers of sixteen digits does, so order numbers should be shorter, or have letters.
A telephone number written with its + is none. A code or a name is recognised by the words beside
it: three digits alone are no secret.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


class Kind(enum.Enum):
    """What must not be kept."""

    CARD_NUMBER = "card number"
    SECURITY_CODE = "security code"
    MAIDEN_NAME = "mother's maiden name"


@dataclass(frozen=True)
class Found:
    """A place in a text, [start, end)."""

    kind: Kind
    start: int
    end: int


CODE: Final = "never_stored"
REMOVED: Final = "[removed]"
SHORTEST, LONGEST = 13, 19

# Beginnings that card companies use, with the lengths they give them (ISO/IEC 7812 registry).
_ISSUED: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|5[0-9]\d{14,17}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|2720\d{12}"  # Mastercard, Maestro, RuPay
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[689]\d)\d{11,16}"  # Diners Club
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    r"|6\d{15,18}|8[12]\d{14,17}"  # Discover, Maestro, RuPay, UnionPay
    r"|220[0-5]\d{12,15}|9792\d{12}"  # Mir, Troy
)
# What people, and spreadsheets, put between the groups; some of it can't be seen.
_BETWEEN: Final = r"[\s\-.\u00ad\u200b-\u200d\u2010-\u2015\u2060\u2212\ufeff]{1,3}"
# Random ids and digests, in which sixteen digits in a row mean nothing.
_RANDOM: Final = re.compile(
    r"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,})\b", re.IGNORECASE
)
_RUN: Final = re.compile(rf"(?<![0-9+])[0-9]+(?:{_BETWEEN}[0-9]+)*")
_GROUP: Final = re.compile(r"[0-9]+")

_IS: Final = (
    r"\s{0,3}(?:\([^)\d]{0,40}\)\s{0,3})?(?:is|was|number|no\.?|nr\.?)?\s{0,3}[:=#-]?\s{0,3}"
)
_NAMES_OF_CODE: Final = (
    r"(?:\b(?:cvv2?|cvc2?|csc|cav2?)\b"
    r"|\b(?:card\s+)?security\s+code\b"
    r"|\bcard\s+(?:verification|validation)\s+(?:code|value|number)\b)"
)
_SECURITY_CODE: Final = re.compile(
    rf"{_NAMES_OF_CODE}{_IS}[\"']?(\d{{3,4}})(?!\d)"
    rf"|(?<!\d)(\d{{3,4}})\s+(?:is|=)\s+(?:my|the|his|her|our)\s+{_NAMES_OF_CODE}",
    re.IGNORECASE,
)
_MAIDEN_NAME: Final = re.compile(
    r"(?:\bmother(?:['\u2019`\u00b4]?s)?\s+maiden\s+name\b"
    r"|\bmaiden\s+name\s+of\s+(?:my|his|her|our|their|the)\s+mother\b)"
    r"\s{0,3}(?:is|was|:|=|-)\s{0,3}[\"']?"
    r"(?!(?:not|never|no|none|kept|stored|asked|needed|required|used)\b)([^\W\d_][\w'\u2019-]*)",
    re.IGNORECASE,
)


def find(text: str) -> list[Found]:
    """Every place in the text that holds something that must not be kept, in order."""
    found = [*_card_numbers(text), *_after_words(text)]
    return sorted(found, key=lambda each: each.start)


def refuse(text: str, *, label: str = "") -> None:
    """Raise `ValidationError`, in words for the person, when the text may not be kept.

    label: what the field is called: a name alone tells nothing, below "Mother's maiden name" it
    does. The words of the refusal never repeat what was found.
    """
    for each in find(text):
        raise ValidationError(_words(each.kind), code=CODE)
    if label and text.strip():
        for each in _after_words(f"{label}: {text.strip()}"):
            raise ValidationError(_words(each.kind), code=CODE)


def redact(text: str) -> str:
    """The text without what may not be kept, for doors where nobody waits for an answer."""
    for each in reversed(find(text)):
        text = text[: each.start] + REMOVED + text[each.end :]
    return text


def refused_parts(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, str]]:
    """Path and words of every refused part of a JSON value."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from refused_parts(part, (*path, name))
        return
    if isinstance(value, list):
        for number, part in enumerate(value):
            yield from refused_parts(part, (*path, number))
        return
    if isinstance(value, bool) or not isinstance(value, str | int):
        return
    label = str(path[-1]).replace("_", " ") if path else ""
    try:
        refuse(str(value), label=label)
    except ValidationError as error:
        yield path, error.messages[0]


def guard_forms() -> None:
    """Let every text field of every form refuse it, whoever wrote the form.

    Django has no list of validators that all text fields share: subclasses replace the one of
    `CharField`. So its method is wrapped, once.
    """
    plain = forms.CharField.run_validators
    if getattr(plain, CODE, False):
        return

    def run_validators(self: forms.CharField, value: Any) -> None:
        plain(self, value)
        if isinstance(value, str):
            refuse(value, label=str(self.label or ""))
        elif isinstance(value, dict | list):
            for _path, told in refused_parts(value):
                raise ValidationError(told, code=CODE)

    guarded: Callable[..., None] = run_validators
    setattr(guarded, CODE, True)
    setattr(forms.CharField, "run_validators", guarded)  # noqa: B010  a method, on purpose


def _card_numbers(text: str) -> Iterator[Found]:
    if sum(map(str.isdecimal, text)) < SHORTEST:
        return
    # Each character stays in its place: only digits of other scripts and ids are rewritten.
    plain = text if text.isascii() else "".join(map(_digit, text))
    plain = _RANDOM.sub(lambda found: "x" * len(found[0]), plain)
    for run in _RUN.finditer(plain):
        groups = [(g.start() + run.start(), g[0]) for g in _GROUP.finditer(run[0])]
        at = 0
        while at < len(groups):
            taken = _number_at(groups, at)
            if taken:
                last_start, last = groups[at + taken - 1]
                yield Found(Kind.CARD_NUMBER, groups[at][0], last_start + len(last))
            at += taken or 1


def _number_at(groups: list[tuple[int, str]], at: int) -> int:
    """How many groups from here on make up a card number; 0 when none do.

    Groups are as cards show them (4-4-4-4, 4-6-5), or each digit stands by itself: a list of small
    numbers is none.
    """
    if groups[at][1][0] not in "2345689":
        return 0
    digits, alone = "", len(groups[at][1]) == 1
    for count, (_start, group) in enumerate(groups[at : at + LONGEST], start=1):
        digits += group
        if len(digits) > LONGEST:
            return 0
        if len(digits) >= SHORTEST and _is_issued(digits):
            return count
        if len(group) != 1 if alone else len(group) < 3:
            return 0
    return 0


def _is_issued(digits: str) -> bool:
    return _ISSUED.fullmatch(digits) is not None and passes_luhn(digits)


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it (ISO/IEC 7812-1, annex B)."""
    total = 0
    for position, digit in enumerate(map(int, reversed(digits))):
        doubled = digit * 2 if position % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _digit(character: str) -> str:
    return str(int(character)) if character.isdecimal() else character


def _after_words(text: str) -> Iterator[Found]:
    for pattern, kind in (
        (_SECURITY_CODE, Kind.SECURITY_CODE),
        (_MAIDEN_NAME, Kind.MAIDEN_NAME),
    ):
        for match in pattern.finditer(text):
            group = match.lastindex or 0
            yield Found(kind, match.start(group), match.end(group))


def _words(kind: Kind) -> str:
    return {
        Kind.CARD_NUMBER: _(
            "This looks like a full card number. We never keep one: please take it out. "
            "Nothing was saved."
        ),
        Kind.SECURITY_CODE: _(
            "This looks like the security code of a card. We never keep one: please take it out. "
            "Nothing was saved."
        ),
        Kind.MAIDEN_NAME: _(
            "This looks like a mother's maiden name, which we never keep: please take it out. "
            "Nothing was saved."
        ),
    }[kind]
