"""The passing token and the block: what is believed, and what is not."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.screen import FORMAT, LIFETIME, AgePass, seal, unseal
from datamap.encryption import encrypt

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PASS = AgePass(born_on=date(2010, 1, 2), passed_at=NOW, policy_digest="ab" * 32)


def test_a_sealed_pass_comes_back_and_hides_the_date() -> None:
    token = seal(PASS.advised(NOW))
    assert "2010" not in token
    assert unseal(token, now=NOW) == PASS.advised(NOW)


def test_a_pass_ends_after_half_an_hour() -> None:
    tick = timedelta(microseconds=1)
    assert unseal(seal(PASS), now=NOW + LIFETIME - tick) == PASS
    assert unseal(seal(PASS), now=NOW + LIFETIME) is None
    assert unseal(seal(PASS), now=NOW - tick) is None


def test_the_first_showing_of_advice_counts() -> None:
    first = PASS.advised(NOW)
    assert first.advised(NOW + timedelta(minutes=1)) == first


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "é",
        "a" * 5000,
        seal(PASS)[:-2],
        encrypt("").decode(),
        encrypt("[]").decode(),
        encrypt("5").decode(),
        encrypt(json.dumps({"format": "another"})).decode(),
        encrypt(json.dumps({"format": FORMAT, "born": "2010-02-31"})).decode(),
        encrypt(
            json.dumps(
                {
                    "format": FORMAT,
                    "born": "2010-02-03",
                    "passed": "2026-03-02T12:00:00",  # without a zone
                    "policy": "",
                    "advised": None,
                }
            )
        ).decode(),
    ],
    ids=lambda token: "token",  # the tokens differ in each process
)
def test_forged_and_foreign_tokens_are_nothing(token: str) -> None:
    assert unseal(token, now=NOW) is None


@given(st.text(max_size=200))
def test_no_text_breaks_unseal(token: str) -> None:
    assert unseal(token, now=NOW) is None
