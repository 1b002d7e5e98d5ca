"""Mistakes in plain words: what pydantic and the TOML parser report, as message and fix."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from policy.document import Document
from policy.lines import Path

SHOWN = 12

KINDS = {
    "string_type": "a text in quotes",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list in [ ]",
    "date_type": "a date such as 2015-12-21, without quotes",
    "model_type": "a table",
    "dict_type": "a table",
    "model_attributes_type": "a table",
}


# pydantic's error → the name of the limit in it, what is wrong, what would be right.
BOUNDS = {
    "less_than_equal": ("le", "too much", "at most"),
    "greater_than_equal": ("ge", "too little", "at least"),
}


@dataclass(frozen=True)
class Mistake:
    """path: where. absence: it says that something is missing, which may be wrong when a part of
    the file could not be read.
    """

    path: Path
    message: str
    fix: str
    absence: bool = False


def of_format(error: ValidationError, data: Mapping[str, Any]) -> list[Mistake]:
    """The mistakes pydantic found; several about one place become one."""
    by_path: dict[Path, list[Mistake]] = {}
    for detail in error.errors(include_url=False):
        path = _path(detail["loc"], data)
        by_path.setdefault(path, []).append(_mistake(path, detail, data))
    return [_merged(mistakes) for mistakes in by_path.values()]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion, or what there is to choose from."""
    names = sorted(set(known))
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    if not names:
        return "There is none to name yet; leave it out."
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"Known: {', '.join(names[:SHOWN])}{more}."


def syntax_fix(message: str) -> str:
    """What usually cures a syntax error."""
    for part, fix in (
        ("Cannot overwrite", "The same key stands twice; keep one."),
        ("Cannot declare", "The same table stands twice; write [[double]] brackets for a list."),
        ("Unclosed array", "Close the list with ]."),
        ("Unterminated string", "Close the text with a quote."),
        ("Illegal character '\\n'", "Close the text with a quote on the same line."),
        ("Invalid value", "Put texts into quotes."),
        ("Expected '='", "Write key = value."),
        ("nested", "Unfold the lists."),
    ):
        if part.lower() in message.lower():
            return fix
    return "Check quotes, brackets and the equals sign on this line."


def _path(loc: tuple[int | str, ...], data: Any) -> Path:
    """pydantic's location without the names of union members, which are no keys of the file."""
    path: list[int | str] = []
    here = data
    for number, part in enumerate(loc):
        if _holds(here, part):
            path.append(part)
            here = here[part]
        elif isinstance(here, Mapping) and number == len(loc) - 1:
            path.append(part)  # a missing key
    return tuple(path)


def _holds(container: Any, part: int | str) -> bool:
    if isinstance(container, Mapping):
        return part in container
    return isinstance(container, list) and isinstance(part, int) and part < len(container)


def _mistake(path: Path, detail: Any, data: Mapping[str, Any]) -> Mistake:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return Mistake(path, f"{path[-1]!r} is missing.", f"Add {path[-1]} = …", absence=True)
    if kind == "extra_forbidden":
        fix = did_you_mean(str(path[-1]), _fields_at(path[:-1]))
        return Mistake(path, f"The key {path[-1]!r} is unknown.", fix)
    if kind in KINDS:
        return Mistake(path, f"This must be {KINDS[kind]}.", "")
    if kind == "literal_error":
        return Mistake(path, f"This must be {context['expected']}.", _literal_fix(detail))
    if kind == "string_pattern_mismatch":
        return Mistake(
            path,
            f"{_quoted(detail['input'])} is not written as it must be.",
            _pattern_fix(context["pattern"]),
        )
    if kind in ("string_too_short", "too_short"):
        return Mistake(path, "This is empty.", "Write something, or leave the key out.")
    if kind == "string_too_long":
        return Mistake(path, "This is too long.", f"At most {context['max_length']} characters.")
    if kind in BOUNDS:
        limit, wrong, right = BOUNDS[kind]
        return Mistake(path, f"{detail['input']} is {wrong}.", f"Write {right} {context[limit]}.")
    if kind == "value_error":
        return Mistake(path, f"{str(context['error']).rstrip('.')}.", "")
    return Mistake(path, f"{detail['msg']}.", "")


def _literal_fix(detail: Any) -> str:
    expected = detail["ctx"]["expected"].replace(" or ", ", ").split(", ")
    close = difflib.get_close_matches(
        str(detail["input"]), [word.strip("'") for word in expected], n=1
    )
    return f"Did you mean {close[0]!r}?" if close else ""


PATTERNS = {
    "^#": "A colour is # and six hexadecimal digits, such as '#1c6b46'.",
    "^[A-Z]{2,4}-": "Capitals, a dash and a number, such as 'WC-9'.",
    "^[A-Z]{2}$": "A country is two capitals, such as 'FR'.",
    "^[a-z]{2}(": "A language is such as 'en' or 'pt-BR'.",
    "^[^\\s@]+@": "Write an e-mail address such as 'privacy@example.com'.",
    "^[a-z][a-z0-9]*(-": "Lower-case letters, digits and single dashes, such as 'site-news'.",
    "^[a-z][a-z0-9_]*(\\.": "Lower-case words with dots, such as 'accounts.account.email'.",
    "^[a-z][a-z_]*$": "Lower-case letters and underscores, such as 'created'.",
}


def _pattern_fix(pattern: str) -> str:
    # The longest start wins: two patterns begin alike.
    fits = [start for start in PATTERNS if pattern.startswith(start)]
    return PATTERNS[max(fits, key=len)] if fits else f"It must match {pattern}."


def _quoted(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…{text[0]}"


def _merged(mistakes: list[Mistake]) -> Mistake:
    """One mistake from several about one place, as a value that may be of two kinds gives."""
    first = mistakes[0]
    if len(mistakes) == 1:
        return first
    messages = list(dict.fromkeys(m.message for m in mistakes))
    fixes = list(dict.fromkeys(m.fix for m in mistakes if m.fix))
    return Mistake(first.path, " Or: ".join(messages), " ".join(fixes), first.absence)


def _fields_at(path: Path) -> list[str]:
    """The keys the format knows for the table at this path."""
    model: type[BaseModel] | None = Document
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part) if model else None
        model = _model_in(field.annotation) if field else None
    return list(model.model_fields) if model else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    inner = typing.get_args(annotation)
    if not inner and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for found in map(_model_in, inner) if found is not None), None)
