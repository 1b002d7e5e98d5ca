"""One spelling per address: what is accepted, what is refused, and that it stays put."""

from __future__ import annotations

import re
import uuid

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from hypothesis import given
from hypothesis import strategies as st

from datamap.email import LONGEST, normalise_email
from datamap.models import Subject
from tests.factories.policy import PUBLISHED_AT

ODD = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
# As in the CHECK of the table.
STORED = re.compile(r"[^\s\x00]+@[^\s@A-Z\x00]+")
LOCAL = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}", fullmatch=True)
DOMAIN = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9]{0,8})\.(com|example|test|co\.uk)", fullmatch=True)


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("robin@example.com", "robin@example.com"),
        ("  Robin@Example.COM\t", "robin@example.com"),
        ("robin+news@example.com", "robin+news@example.com"),
        ('"robin example"@example.com', None),
        ('"robin.example"@example.com', '"robin.example"@example.com'),
        ("robin@bücher.example", "robin@xn--bcher-kva.example"),
        ("ROBIN@BÜCHER.EXAMPLE", "robin@xn--bcher-kva.example"),
        ("robin@straße.example", "robin@xn--strae-oqa.example"),
        ("o'hara@example.com", "o'hara@example.com"),
        ("robin@[192.0.2.1]", "robin@[192.0.2.1]"),
    ],
)
def test_normalise_email_by_examples(raw: str, stored: str | None) -> None:
    if stored is None:
        with pytest.raises(ValidationError):
            normalise_email(raw)
    else:
        assert normalise_email(raw) == stored


@pytest.mark.parametrize(
    "raw",
    [
        "",
        " ",
        "robin",
        "@example.com",
        "robin@",
        "a@b@example.com",
        "robin@example..com",
        "robin\x00@example.com",
        "ro bin@example.com",
        "robin@exam\nple.com",
        "robin@-x.com",
        "a" * 65 + "@example.com",
        "a" * 64 + "@" + "b." * 95 + "com",
        "robin@☃\u200d.com",
        "robin@example.com,eve@example.com",
        "robin@example.com\r\nBcc: eve@example.com",
    ],
)
def test_normalise_email_refuses(raw: str) -> None:
    with pytest.raises(ValidationError):
        normalise_email(raw)


@given(st.one_of(ODD, st.builds("{}@{}".format, ODD, ODD), st.builds("{}@{}".format, LOCAL, ODD)))
def test_normalise_email_answers_or_refuses_and_stays_put(raw: str) -> None:
    try:
        stored = normalise_email(raw)
    except ValidationError:
        return
    assert normalise_email(stored) == stored
    assert normalise_email(f" {raw}\t") == stored
    assert stored == stored.lower()
    assert len(stored.encode()) <= LONGEST
    assert not any(map(str.isspace, stored))


@given(LOCAL, DOMAIN)
def test_normalise_email_ignores_case(local: str, domain: str) -> None:
    address = f"{local}@{domain}"
    assert normalise_email(address.upper()) == normalise_email(address.lower())


@given(st.builds("{}@{}".format, st.one_of(LOCAL, ODD), st.one_of(DOMAIN, ODD)))
def test_the_table_takes_every_normalised_address(raw: str) -> None:
    """The CHECK and the function agree, asked without a row."""
    try:
        stored = normalise_email(raw)
    except ValidationError:
        return
    assert STORED.fullmatch(stored) is not None


@pytest.mark.parametrize("email", ["Robin@EXAMPLE.com", "robin", "ro bin@example.com", ""])
def test_the_table_refuses_what_was_not_normalised(db: None, email: str) -> None:
    with pytest.raises(IntegrityError, match="datamap_subject_email_normalised"):
        Subject.objects.create(email=email, created_at=PUBLISHED_AT)


def test_addresses_are_unique_whatever_their_case(db: None) -> None:
    Subject.objects.create(email="robin@example.com", created_at=PUBLISHED_AT)
    with pytest.raises(IntegrityError, match="datamap_subject_email_unique"):
        Subject.objects.create(email="Robin@example.com", created_at=PUBLISHED_AT)


def test_many_subjects_may_have_no_address(db: None) -> None:
    for _ in range(2):
        Subject.objects.create(created_at=PUBLISHED_AT)
    assert Subject.objects.count() == 2


def test_an_erased_subject_is_bare(db: None) -> None:
    with pytest.raises(IntegrityError, match="datamap_subject_erased_is_bare"):
        Subject.objects.create(
            email="robin@example.com", created_at=PUBLISHED_AT, erased_at=PUBLISHED_AT
        )


def test_ids_are_real_uuids_that_sort_by_creation(db: None) -> None:
    subjects = [Subject.objects.create(created_at=PUBLISHED_AT) for _ in range(3)]
    assert all(type(subject.pk) is uuid.UUID for subject in subjects)
    assert sorted(s.pk for s in subjects)[0].version == 7
