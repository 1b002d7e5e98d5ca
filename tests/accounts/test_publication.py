"""A policy that would let others tell about people behind their backs is not published."""

from __future__ import annotations

import pytest

from policy.reading import PolicyError, read
from tests.factories.policy import edited

FILE = "policies/wecustomers.toml"
POINT = 'key = "contributed-fact"'
BASIS = """allow it."\"\"
legal_basis = "consent"
optional = true
default = "off"
"""


def problems(source: bytes) -> list[tuple[str, str]]:
    with pytest.raises(PolicyError) as caught:
        read(source)
    return [(p.place, p.message) for p in caught.value.problems]


def test_contributed_facts_need_words_beside_the_form() -> None:
    without = edited(FILE, (POINT, 'key = "something-else"'))
    message = "Nothing says what stands beside the form: no collection point 'contributed-fact'."
    assert problems(without) == [("features.contributed_facts", message)]
    off = ("contributed_facts = true", "contributed_facts = false")
    assert not read(edited(FILE, (POINT, 'key = "something-else"'), off)).features.contributed_facts


def test_contributed_facts_need_a_yes() -> None:
    contract = BASIS.replace('"consent"', '"contract"')
    assert BASIS in edited(FILE).decode()
    ((place, message),) = problems(edited(FILE, (BASIS, contract)))
    assert place.endswith(".legal_basis")
    assert message == "Nobody adds to a profile without its owner's yes."


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            'key = "invitation"',
            'key = "something-else"',
            "Nothing says what stands beside the form: no collection point 'invitation'.",
        ),
        (
            'holding = "accounts.invitation"\nclock = "invited"',
            'holding = "accounts.block"\nclock = "since"',
            "Nothing says when accounts.invitation ends.",
        ),
    ],
)
def test_invitations_need_words_and_ends(old: str, new: str, complaint: str) -> None:
    found = problems(edited(FILE, (old, new)))
    assert ("features.invitations", complaint) in found


def test_policy_without_invitations_need_not_explain_them() -> None:
    renamed = ('key = "invitation"', 'key = "something-else"')
    off = ("invitations = true", "invitations = false")
    assert not read(edited(FILE, renamed, off)).features.invitations


def test_no_kind_of_mail_takes_the_name_of_invitations() -> None:
    news = ('[[mail_categories]]\nkey = "service-news"', '[[mail_categories]]\nkey = "invitation"')
    message = "'invitation' is the name of another kind of mail."
    assert problems(edited(FILE, news)) == [("mail_categories[1].key", message)]
