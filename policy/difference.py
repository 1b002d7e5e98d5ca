"""What changed between two policies, in words, and whether it is material.

A change is **material**, so that people are told before it binds them, when it may take more from
them or give them less:

- a purpose, ground, recipient, transfer, voluntary mail category, collection point or optional
  cookie is new, or is reworded or rests on another legal basis;
- more is collected, or used for more;
- something is kept longer, or anonymised or archived instead of deleted;
- people get less time or wait longer: contest, undo and notice periods shorter, deadlines longer,
  ways to ask fewer;
- an age, the controller, the site's name or key changes;
- a promise is dropped, reworded or read in another way; a feature that takes data is switched on.

Everything else is not: less data, shorter periods, new promises, names of controls, contact
details, colours, titles, remarks, reasons for the operator's choices. The release's own label,
date and note are no change. A field nobody thought of here counts as material.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from policy import vocabulary
from policy.document import Document, Part
from policy.period import Period

SHORT = 60  # characters up to which a value is quoted; sentences never are
Rule = Callable[[Any, Any], bool]


@dataclass(frozen=True)
class Change:
    """One change. part: the table's name in the file. kind: added, removed or changed."""

    part: str
    kind: str
    title: str
    field: str
    before: str
    after: str
    material: bool

    @property
    def sentence(self) -> str:
        """The change for people."""
        noun = str(PARTS[self.part].noun) if self.part in PARTS else self.part
        title = _title_in_words(self.part, self.title)
        words = {"noun": noun, "title": title, "field": str(label(self.field))}
        if self.kind == "added":
            return _("%(noun)s added: %(title)s.") % words
        if self.kind == "removed":
            return _("%(noun)s removed: %(title)s.") % words
        words |= {"before": self.before, "after": self.after}
        named = bool(self.title)
        if not self.before and not self.after:
            if named:
                return _("%(noun)s “%(title)s”: new words for %(field)s.") % words
            return _("%(noun)s: new words for %(field)s.") % words
        if named:
            return _("%(noun)s “%(title)s”: %(field)s is now %(after)s, was %(before)s.") % words
        return _("%(noun)s: %(field)s is now %(after)s, was %(before)s.") % words

    def as_json(self) -> dict[str, Any]:
        """For storage."""
        return asdict(self)


def difference(before: Document, after: Document) -> list[Change]:
    """All changes from one document to the other, material ones first."""
    changes: list[Change] = []
    for name, part in PARTS.items():
        old, new = getattr(before, name), getattr(after, name)
        if isinstance(old, Part):
            changes += _fields(name, part, "", old, new)
        else:
            changes += _entries(name, part, old, new)
    return sorted(changes, key=lambda change: not change.material)


def label(field: str) -> Any:
    """A field's name for people."""
    return LABELS.get(field, field.replace("_", " "))


@dataclass(frozen=True)
class _Part:
    """noun: what an entry is called. key: what makes two entries the same. title: its name.
    added, removed: whether that is material. fields: rules that differ from "material".
    """

    noun: Any
    key: Callable[[Any], Any] = lambda entry: entry.key
    title: Callable[[Any], str] = lambda entry: entry.title
    added: Callable[[Any], bool] = lambda entry: True
    removed: bool = False
    fields: dict[str, Rule] | None = None


def _entries(name: str, part: _Part, old: Sequence[Any], new: Sequence[Any]) -> list[Change]:
    before = {part.key(entry): entry for entry in old}
    after = {part.key(entry): entry for entry in new}
    changes = [
        Change(name, "added", part.title(after[key]), "", "", "", part.added(after[key]))
        for key in after
        if key not in before
    ]
    changes += [
        Change(name, "removed", part.title(before[key]), "", "", "", part.removed)
        for key in before
        if key not in after
    ]
    for key in after:
        if key in before:
            changes += _fields(name, part, part.title(after[key]), before[key], after[key])
    return changes


def _fields(name: str, part: _Part, title: str, old: Part, new: Part) -> list[Change]:
    changes = []
    for field in type(new).model_fields:
        before, after = getattr(old, field), getattr(new, field)
        if before == after:
            continue
        rule = (part.fields or {}).get(field) or EVERYWHERE.get(field) or _always
        was, now = _words(before), _words(after)
        if any(len(words) > SHORT or words.endswith(".") for words in (was, now)):
            was = now = ""
        changes.append(Change(name, "changed", title, field, was, now, rule(before, after)))
    return changes


def _title_in_words(part: str, title: str) -> str:
    """Tables whose entries have no title of their own are named by what they are about."""
    if part == "requests":
        return str(vocabulary.REQUESTS.get(title, title))
    if part == "retention":
        holding, _comma, clock = title.partition(", ")
        about = {"what": vocabulary.holding_title(holding), "clock": vocabulary.clock(clock)}
        return _("%(what)s, after %(clock)s") % about
    return title


def _words(value: Any) -> str:
    if value is None or value == []:
        return _("nothing")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(_words(item) for item in value)
    if isinstance(value, Part):
        return str(getattr(value, "name", ""))
    return str(value)


def _always(before: Any, after: Any) -> bool:
    return True


def _never(before: Any, after: Any) -> bool:
    return False


def _longer(before: Any, after: Any) -> bool:
    return _length(after) > _length(before)


def _shorter(before: Any, after: Any) -> bool:
    return _length(after) < _length(before)


def _length(value: Any) -> float:
    """Seconds, roughly; a session is shorter than any period, so is nothing."""
    return value.rough().total_seconds() if isinstance(value, Period) else 0.0


def _more(before: Any, after: Any) -> bool:
    return not set(after) <= set(before)


def _fewer(before: Any, after: Any) -> bool:
    return not set(before) <= set(after)


def _switched_on(before: Any, after: Any) -> bool:
    return bool(after) and not before


def _switched_off(before: Any, after: Any) -> bool:
    return bool(before) and not after


def _kept_more(before: Any, after: Any) -> bool:
    harshness = ["erase", "delete", "anonymise", "archive"]
    return harshness.index(after) > harshness.index(before)


EVERYWHERE: dict[str, Rule] = {"title": _never, "operators_choice": _never}

PARTS: dict[str, _Part] = {
    "site": _Part(
        gettext_lazy("The site"),
        fields=dict.fromkeys(
            ("mark", "accent", "accent_dark", "summary", "languages", "time_zone", "holidays"),
            _never,
        ),
    ),
    "controller": _Part(
        gettext_lazy("Who is responsible"),
        fields=dict.fromkeys(("address", "email", "phone", "answers"), _never),
    ),
    "age": _Part(
        gettext_lazy("Age"),
        fields={
            "contest": _shorter,
            "parent_answer": _shorter,
            "lock_within": _longer,
            "erase_within": _longer,
        },
    ),
    "notice": _Part(
        gettext_lazy("How changes are announced"), fields={"channels": _fewer, "period": _shorter}
    ),
    "features": _Part(
        gettext_lazy("Features"),
        fields={
            "invitations": _switched_on,
            "invitations_per_day": _never,
            "contributed_facts": _switched_on,
            "newsletter": _switched_on,
            "visit_log": _switched_on,
            "payments": _switched_on,
            "outside_sources": _more,
        },
    ),
    "staff": _Part(
        gettext_lazy("How staff are bound"),
        fields={"undertaking": _longer, "training": _longer},
    ),
    "purposes": _Part(gettext_lazy("Purpose"), fields={"data": _more, "optional": _switched_off}),
    "grounds": _Part(gettext_lazy("Ground for keeping"), fields={"maximum": _longer}),
    "collection_points": _Part(
        gettext_lazy("Place where data is collected"),
        fields={"required": _more, "optional": _more, "purposes": _more},
    ),
    "recipients": _Part(
        gettext_lazy("Recipient"),
        title=lambda entry: str(entry.name),
        fields={
            "purposes": _more,
            "figures_only": _switched_off,
            "agreement": _switched_off,
        },
    ),
    "transfers": _Part(gettext_lazy("Transfer to another country")),
    "mail_categories": _Part(gettext_lazy("Kind of mail")),
    "cookies": _Part(
        gettext_lazy("Cookie"),
        key=lambda cookie: (cookie.name, cookie.kind),
        added=lambda cookie: not cookie.necessary,
        fields={"lifetime": _longer, "necessary": _switched_on},
    ),
    "retention": _Part(
        gettext_lazy("How long"),
        key=lambda rule: (rule.holding, rule.clock),
        title=lambda rule: f"{rule.holding}, {rule.clock}",
        added=lambda rule: False,
        removed=True,
        fields={"period": _longer, "action": _kept_more, "text": _never},
    ),
    "requests": _Part(
        gettext_lazy("What you can ask for"),
        key=lambda rule: rule.kind,
        title=lambda rule: str(rule.kind),
        added=lambda rule: False,
        removed=True,
        fields={
            "deadline": _longer,
            "extension": _longer,
            "undo": _shorter,
            "channels": _fewer,
            "approvals": _never,
        },
    ),
    "remarks": _Part(
        gettext_lazy("Remark"),
        key=lambda remark: remark.title,
        added=lambda remark: False,
        fields={"text": _never},
    ),
    "promises": _Part(
        gettext_lazy("Promise"),
        key=lambda promise: promise.id,
        title=lambda promise: str(promise.id),
        added=lambda promise: False,
        removed=True,
        fields={"control": _never},
    ),
}

LABELS: dict[str, Any] = {
    "text": gettext_lazy("what it says"),
    "title": gettext_lazy("its title"),
    "operators_choice": gettext_lazy("the operator's reason"),
    "legal_basis": gettext_lazy("the legal basis"),
    "data": gettext_lazy("the data it uses"),
    "period": gettext_lazy("the period"),
    "maximum": gettext_lazy("the longest time"),
    "youngest": gettext_lazy("the youngest age"),
    "child_under": gettext_lazy("the age below which a person counts as a child"),
    "minor_until": gettext_lazy("the age up to which a person counts as a minor"),
    "minors_advice": gettext_lazy("the advice to minors"),
    "contest": gettext_lazy("the time to object after a lock"),
    "parent_answer": gettext_lazy("the time a parent has to answer"),
    "lock_within": gettext_lazy("the time until a child's account is locked"),
    "erase_within": gettext_lazy("the time until a child's data is gone"),
    "deadline": gettext_lazy("the deadline"),
    "extension": gettext_lazy("the extension"),
    "undo": gettext_lazy("the time to take it back"),
    "channels": gettext_lazy("the list of ways"),
    "applies": gettext_lazy("when changes apply"),
    "reading": gettext_lazy("how the operator reads it"),
    "control": gettext_lazy("what keeps it"),
    "lifetime": gettext_lazy("how long it lasts"),
    "undertaking": gettext_lazy("after how long staff sign their undertaking again"),
    "training": gettext_lazy("after how long staff are trained again"),
    "name": gettext_lazy("the name"),
    "email": gettext_lazy("the e-mail address"),
    "address": gettext_lazy("the postal address"),
    "basis": gettext_lazy("whether it is asked for or can be refused"),
}
