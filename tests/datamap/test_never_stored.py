"""What is taken for a card number, a security code, a maiden name; and what is not."""

from __future__ import annotations

import time

import pytest
from django import forms
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from datamap import never_stored
from datamap.never_stored import Kind, find, passes_luhn, redact, refuse, refused_parts
from tests.factories.payments import CARD_NUMBERS

WELL_KNOWN = CARD_NUMBERS


def kinds(text: str) -> list[Kind]:
    return [found.kind for found in find(text)]


@pytest.mark.parametrize("number", WELL_KNOWN)
@pytest.mark.parametrize(
    "written",
    ["{}", "my card {}.", "card:{}", "Visa{}", "({})", "{} 12/27", "{}\n123", "no{}x", "a,{},b"],
)
def test_published_card_numbers_are_found(number: str, written: str) -> None:
    assert kinds(written.format(number)) == [Kind.CARD_NUMBER]


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111 - 1111 - 1111 - 1111",
        "4111\u00a01111\u00a01111\u00a01111",
        "4111\u200b1111\u200b1111\u200b1111",
        "4111\u20131111\u20131111\u20131111",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "3782 822463 10005",
        "\uff14\uff11\uff11\uff11 1111 1111 1111",
        "\u0664\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661",
        "1234 4111 1111 1111 1111 12 27 123",
        "4111\n1111\n1111\n1111",
    ],
)
def test_disguised_card_numbers_are_found(text: str) -> None:
    assert kinds(text) == [Kind.CARD_NUMBER]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4111111111111112",  # the check digit is wrong
        "411111111111",  # too short
        "41111111111111111111",  # too long
        "1111111111111117",  # nobody's number begins so
        "+4917112345678",
        "+49 171 1234 5678",
        "0190c5a0-1111-4111-8111-111111111111",
        "4111111111111111" * 4,  # a digest
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
        "2026-11-20 18:23:40.123456",
        "DE89 3704 0044 0532 0130 00",
        "The security code arrived in 2024.",
        "Do you keep my mother's maiden name?",
        "My mother's maiden name is never asked here.",
        "CVV",
        "Is 123 enough?",
        "maiden name: Smith",
    ],
)
def test_other_texts_are_left_alone(text: str) -> None:
    assert find(text) == []
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("My CVV is 123", "My CVV is [removed]"),
        ("cvc2:1234", "cvc2:[removed]"),
        ("CVC (on the back): 123", "CVC (on the back): [removed]"),
        ("Security code 987!", "Security code [removed]!"),
        ("card verification number=987", "card verification number=[removed]"),
        ("123 is my CVV", "[removed] is my CVV"),
        ("mother's maiden name: Smith.", "mother's maiden name: [removed]."),
        (
            "My mother\u2019s maiden name is O\u2019Neil",
            "My mother\u2019s maiden name is [removed]",
        ),
        ("maiden name of my mother was Li", "maiden name of my mother was [removed]"),
        ("pay 5555555555554444 cvv 123 now", "pay [removed] cvv [removed] now"),
    ],
)
def test_what_is_found_is_taken_out(text: str, left: str) -> None:
    assert redact(text) == left
    assert find(left) == []


def test_refusal_says_why_and_repeats_nothing() -> None:
    for text, words in (
        ("a 4111111111111111", "a full card number"),
        ("cvv 123", "the security code"),
        ("mother's maiden name: Smith", "mother's maiden name"),
    ):
        with pytest.raises(ValidationError) as caught:
            refuse(text)
        (told,) = caught.value.messages
        assert words in told
        assert caught.value.code == never_stored.CODE
        assert not any(part in told for part in ("4111", "123", "Smith"))


def test_label_tells_what_a_bare_answer_is() -> None:
    refuse("Smith")
    refuse("123")
    refuse("99 ", label="Security code")
    for label, text in (("Mother's maiden name", "Smith"), ("CVV", "123")):
        with pytest.raises(ValidationError):
            refuse(text, label=label)


class Everything(forms.Form):
    plain = forms.CharField()
    area = forms.CharField(widget=forms.Textarea)
    mail = forms.EmailField()
    link = forms.URLField(assume_scheme="https")
    short = forms.RegexField(r".*")
    json = forms.JSONField()


def test_every_kind_of_text_field_refuses() -> None:
    number = "4111111111111111"
    form = Everything(
        {
            "plain": number,
            "area": f"please charge\n{number}",
            "mail": f"{number}@example.com",
            "link": f"https://example.com/{number}",
            "short": number,
            "json": '{"deep": [{"er": "4111 1111 1111 1111"}]}',
        }
    )
    assert {name: [e.code for e in errors.as_data()] for name, errors in form.errors.items()} == {
        name: [never_stored.CODE] for name in Everything.base_fields
    }


def test_parts_of_a_body_are_named() -> None:
    body = {
        "a": [{"b": "4111111111111111"}, 5555555555554444, True, None, 1.5],
        "security_code": "123",
        "mothers maiden name": "Smith",
        "ok": "123",
    }
    assert [path for path, _told in refused_parts(body)] == [
        ("a", 0, "b"),
        ("a", 1),
        ("security_code",),
        ("mothers maiden name",),
    ]


@given(st.text(max_size=300))
def test_any_text_can_be_searched_and_redacted(text: str) -> None:
    for found in find(text):
        assert 0 <= found.start < found.end <= len(text)
    assert find(redact(text)) == [] or never_stored.REMOVED in redact(text)


@given(st.integers(10**14, 10**15 - 1))
def test_check_digit_agrees_with_a_slow_model(front: int) -> None:
    """Exactly one last digit passes, the one that the sum asks for."""
    digits = [int(d) for d in str(front)]
    total = sum(sum(divmod(2 * d, 10)) for d in digits[::-2]) + sum(digits[-2::-2])
    right = str((10 - total % 10) % 10)
    assert [d for d in "0123456789" if passes_luhn(f"{front}{d}")] == [right]


def test_hostile_texts_cost_little() -> None:
    started = time.process_time()
    for text in ("4 " * 30_000, "1" * 60_000, "4111 " * 12_000, "cvv " * 15_000, " " * 60_000):
        find(text)
    assert time.process_time() - started < 5
