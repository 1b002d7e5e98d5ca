"""Template filters over `policy.vocabulary`."""

from typing import Any

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from policy import vocabulary
from policy.period import Period

register = template.Library()

register.filter("period_words", vocabulary.period)
register.filter("category_words", vocabulary.category)
register.filter("clock_words", vocabulary.clock)
register.filter("holding_title", vocabulary.holding_title)
register.filter("staff_title", vocabulary.staff_title)
register.filter("field_names", vocabulary.field_names)
register.filter("country_name", vocabulary.country)

TABLES: dict[str, dict[Any, Any]] = {
    "basis": vocabulary.BASES,
    "role": vocabulary.ROLES,
    "request": vocabulary.REQUESTS,
    "applies": vocabulary.APPLIES,
    "channel": vocabulary.CHANNELS,
    "mechanism": vocabulary.MECHANISMS,
    "action": vocabulary.ACTIONS,
    "source": vocabulary.SOURCES,
    "erasing": vocabulary.ERASING,
}


@register.filter
def in_words(value: Any, table: str) -> str:
    """A word of the policy file in the reader's: `{{ purpose.legal_basis|in_words:"basis" }}`."""
    return str(TABLES[table].get(value, value))


@register.filter
def list_in_words(values: list[Any], table: str) -> str:
    """Several of them, joined by commas."""
    return ", ".join(in_words(value, table) for value in values)


@register.filter
def lifetime_words(value: Any) -> str:
    """How long a cookie lasts."""
    return vocabulary.period(value) if isinstance(value, Period) else _("until the browser closes")


@register.filter
def paragraphs(text: str) -> SafeString:
    """Plain text with empty lines between paragraphs, escaped."""
    blocks = [block.strip() for block in text.split("\n\n") if block.strip()]
    return format_html_join(mark_safe("\n"), "<p>{}</p>", ((block,) for block in blocks))
