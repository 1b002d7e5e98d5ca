"""Redaction finds other people's ids and addresses wherever they stand, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Collection
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from requests.package.redaction import MOST_REMEMBERED, Redactor

OWN = str(UUID(int=1))
OTHER = "0198aaaa-bbbb-7ccc-8ddd-eeeeffff0000"
NOBODY = "0198aaaa-bbbb-7ccc-8ddd-eeeeffff0001"
X = "[another person]"


def redactor(asked: list[set[str]] | None = None) -> Redactor:
    """Of somebody at example.com; notes which ids it had to ask for."""

    def people_among(ids: Collection[str]) -> set[str]:
        if asked is not None:
            asked.append(set(ids))
        return {OTHER} & set(ids)

    return Redactor(
        own_ids=frozenset({OWN}),
        known_addresses=frozenset({"ada@example.com", "privacy@site.example"}),
        people_among=people_among,
        marker=X,
    )


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("bob@example.com", X),
        ("Ask bob@example.com.", f"Ask {X}."),
        ("Bob <bob@example.com>, please", f"Bob <{X}>, please"),
        ("mailto:bob+tag@sub.example.co.uk?x", f"mailto:{X}?x"),
        ("böb@bücher.example", X),
        ("ada@example.com", "ada@example.com"),
        ("I am ADA@Example.com.", "I am ADA@Example.com."),
        ("'ada@example.com'", "'ada@example.com'"),
        ("privacy@site.example", "privacy@site.example"),
        ("notada@example.com", X),
        ("ada@example.com.evil.test", X),
        (OTHER, X),
        (OTHER.upper(), X),
        (f"user:{OTHER}/x", f"user:{X}/x"),
        (OTHER.replace("-", ""), X),
        (f"id={OTHER.replace('-', '').upper()}", f"id={X}"),
        (OWN.replace("-", ""), OWN.replace("-", "")),
        (f"{OTHER.replace('-', '')}00", f"{OTHER.replace('-', '')}00"),
        ("https://a.test/?to:bob%40example.com", f"https://a.test/?to:{X}"),
        ("https://a.test/?to:ada%40example.com", "https://a.test/?to:ada%40example.com"),
        (OWN, OWN),
        (NOBODY, NOBODY),
        (f"{OTHER}a", f"{OTHER}a"),
        ("@ - no address", "@ - no address"),
        ("a@b", "a@b"),
        (f'{{"by": "{OTHER}", "to": ["bob@example.com"]}}', f'{{"by": "{X}", "to": ["{X}"]}}'),
        ("", ""),
        (None, None),
    ],
)
def test_others_are_taken_out_of_a_text(text: str | None, clean: str | None) -> None:
    assert list(redactor().texts([text])) == [clean]


def test_only_ones_own_ids_stay_among_people() -> None:
    assert redactor().people([OWN, OTHER, NOBODY, None]) == [OWN, X, X, None]


def test_one_question_for_all_ids_of_a_chunk_and_none_asked_twice() -> None:
    asked: list[set[str]] = []
    one = redactor(asked)
    one.texts([f"{OTHER} {NOBODY}", OWN, NOBODY, "nothing"])
    one.texts([OTHER, NOBODY])
    assert asked == [{OTHER, NOBODY}]


def test_what_is_remembered_stays_small() -> None:
    one = redactor()
    for _chunk in range(4):
        one.texts([str(uuid4()) for _row in range(MOST_REMEMBERED // 2)])
    assert len(one._is_other) <= 2 * MOST_REMEMBERED
    assert list(one.texts([OTHER])) == [X]


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
values = st.recursive(
    st.one_of(st.none(), st.integers(), words, st.sampled_from([OTHER, OWN, "bob@example.com"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


@given(value=values)
def test_a_json_document_stays_one_without_others(value: object) -> None:
    (text,) = redactor().texts([json.dumps(value, ensure_ascii=False)])
    assert text is not None
    json.loads(text)
    assert OTHER not in text
    assert "bob@example.com" not in text


def test_a_long_run_of_letters_takes_no_long_time() -> None:
    text = "a" * 200_000 + "@"
    assert list(redactor().texts([text])) == [text]
