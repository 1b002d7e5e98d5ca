"""All holdings of this installation, and the tables declared free of personal data."""

from __future__ import annotations

from datamap.holding import Holding

_holdings: dict[str, Holding] = {}
_impersonal: dict[str, tuple[str, ...]] = {}


class DuplicateHolding(ValueError):
    """Two declarations use one key, or declare one table twice."""


class UnknownHolding(LookupError):
    """No holding has this key; `known` lists those that exist."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.known = sorted(_holdings)
        super().__init__(f"no holding is called {key!r}; known: {', '.join(self.known)}")


def declare(*holdings: Holding) -> None:
    """Register holdings. Raises `DuplicateHolding` for a key or table declared before."""
    for holding in holdings:
        if holding.key in _holdings:
            raise DuplicateHolding(f"two holdings are called {holding.key!r}")
        _holdings[holding.key] = holding


def declare_impersonal(model: str, *fields: str) -> None:
    """Declare that these fields, all a model has, say nothing about a person.

    JSON and text fields say what is in them: `"facts: ids and figures"`.
    """
    if model in _impersonal:
        raise DuplicateHolding(f"{model} is declared twice as not personal")
    _impersonal[model] = fields


def holdings() -> tuple[Holding, ...]:
    """Every holding, in the order of keys."""
    return tuple(_holdings[key] for key in sorted(_holdings))


def holding(key: str) -> Holding:
    """The holding with this key. Raises `UnknownHolding`."""
    try:
        return _holdings[key]
    except KeyError:
        raise UnknownHolding(key) from None


def impersonal() -> dict[str, tuple[str, ...]]:
    """Model label → its fields, for tables without personal data."""
    return dict(_impersonal)
