"""Every mistake in a policy file is named at once, with its line and a fix."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from policy.reading import LARGEST, PolicyError, Problem, load, read
from tests.factories.policy import edited, file_bytes

WRONG = """\
format = 2
unknown_top = 1

[site]
key = "Not A Key"
name = "Example"
accent = "#f0f0a0"
accent_dark = "green"
sumary = "A summary under a name with a slip."
time_zone = "Europe/Atlantis"

[controller]
name = "Example Ltd"
address = []
country = "XX"
email = "privacy@example.com"
answers = "We do."

[release]
version = "1"
date = 2999-01-01

[age]
youngest = 19
contest = "2 months"
lock_within = "soon"
erase_within = "1 day"

[notice]
channels = ["page", "smoke"]
applies = "after the period"

[[purposes]]
key = "account"
title = "Account"
text = "Your account."
legal_basis = "contract"
data = ["accounts.account.emial"]

[[purposes]]
key = "account"
title = "News"
text = ""
legal_basis = "consentt"
optional = "yes"

[[purposes]]
key = "offers"
title = "Offers"
text = "Offers."
legal_basis = "consent"
default = "on"

[[grounds]]
key = "accountability"
title = "Proof"
text = "Proof."
maximum = "1 year"

[[collection_points]]
key = "signup"
title = "Sign up"
notice = "We ask."
required = ["accounts.account.email"]
purposes = [
    "account",
    "offer",
]

[[cookies]]
name = "a b"
title = "Bad name"
purpose = "account"
lifetime = "forever"

[[retention]]
holding = "accounts.session"
clock = "expirred"
period = "0 days"
text = "Sessions."

[[retention]]
holding = "accounts.sesion"
clock = "expired"
period = "2 years"
ground = "accountability"
text = "Sessions."

[[retention]]
holding = "accounts.session"
clock = "created"
period = "30 days"
action = "anonymise"
text = "Sessions."

[[requests]]
kind = "deletion"
deadline = "1 month"
undo = "40 days"
approvals = 3

[[promises]]
id = "EX-1"
text = "One."
control = "accounts.age-scren"

[[promises]]
id = "EX-1"
text = "The same again."

[[promises]]
id = "ex2"
text = "Odd id."
"""


def problems(source: bytes | str, *, today: date | None = None) -> tuple[Problem, ...]:
    """What reading the text complains about."""
    data = source.encode() if isinstance(source, str) else source
    with pytest.raises(PolicyError) as caught:
        read(data, filename="site.toml", today=today)
    return caught.value.problems


def line_of(text: str, piece: str, nth: int = 1) -> int:
    """The line of the nth line that starts with the piece."""
    found = [n for n, line in enumerate(text.splitlines(), 1) if line.strip().startswith(piece)]
    return found[nth - 1]


def test_every_class_of_mistake_is_listed_at_once_with_its_line() -> None:
    found = {(p.line, p.place) for p in problems(WRONG, today=date(2026, 1, 1))}
    assert found >= {
        (1, "format"),
        (2, "unknown_top"),
        (line_of(WRONG, "key = "), "site.key"),
        (line_of(WRONG, "accent = "), "site.accent"),
        (line_of(WRONG, "accent_dark"), "site.accent_dark"),
        (line_of(WRONG, "sumary"), "site.sumary"),
        (line_of(WRONG, "[site]"), "site.summary"),
        (line_of(WRONG, "time_zone"), "site.time_zone"),
        (line_of(WRONG, "address"), "controller.address"),
        (line_of(WRONG, "country"), "controller.country"),
        (line_of(WRONG, "date ="), "release.date"),
        (line_of(WRONG, "youngest"), "age.youngest"),
        (line_of(WRONG, "contest"), "age.contest"),
        (line_of(WRONG, "lock_within"), "age.lock_within"),
        (line_of(WRONG, "channels"), "notice.channels[2]"),
        (line_of(WRONG, "applies"), "notice.applies"),
        (line_of(WRONG, "data ="), "purposes[1].data[1]"),
        (line_of(WRONG, 'key = "account"', 2), "purposes[2].key"),
        (line_of(WRONG, 'text = ""'), "purposes[2].text"),
        (line_of(WRONG, 'legal_basis = "consentt"'), "purposes[2].legal_basis"),
        (line_of(WRONG, "optional ="), "purposes[2].optional"),
        (line_of(WRONG, "default ="), "purposes[3].default"),
        (line_of(WRONG, '"offer",'), "collection_points[1].purposes[2]"),
        (line_of(WRONG, 'name = "a b"'), "cookies[1].name"),
        (line_of(WRONG, "lifetime"), "cookies[1].lifetime"),
        (line_of(WRONG, 'clock = "expirred"'), "retention[1].clock"),
        (line_of(WRONG, 'period = "0 days"'), "retention[1].period"),
        (line_of(WRONG, 'holding = "accounts.sesion"'), "retention[2].holding"),
        (line_of(WRONG, 'period = "2 years"'), "retention[2].period"),
        (line_of(WRONG, "action ="), "retention[3].action"),
        (line_of(WRONG, "undo"), "requests[1].undo"),
        (line_of(WRONG, "approvals"), "requests[1].approvals"),
        (line_of(WRONG, "control ="), "promises[1].control"),
        (line_of(WRONG, 'id = "EX-1"', 2), "promises[2].id"),
        (line_of(WRONG, 'id = "ex2"'), "promises[3].id"),
    }
    assert {place for _, place in found} - {"grounds"} == {
        place for _, place in found if place != "grounds"
    }


def test_problems_come_in_the_order_of_lines_and_each_has_words() -> None:
    found = problems(WRONG)
    assert list(found) == sorted(found)
    assert all(problem.message.endswith((".", "?")) for problem in found)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("place", "fix"),
    [
        ("site.sumary", "Did you mean 'summary'?"),
        ("purposes[1].data[1]", "Did you mean 'accounts.account.email'?"),
        ("purposes[2].legal_basis", "Did you mean 'consent'?"),
        ("collection_points[1].purposes[2]", "Did you mean 'offers'?"),
        ("retention[1].clock", "Did you mean 'expired'?"),
        ("retention[2].holding", "Did you mean 'accounts.session'?"),
        ("promises[1].control", "Did you mean 'accounts.age-screen'?"),
    ],
)
def test_slips_get_a_suggestion(place: str, fix: str) -> None:
    assert [p.fix for p in problems(WRONG) if p.place == place] == [fix]


def test_a_problem_reads_as_one_line() -> None:
    problem = Problem("site.toml", 7, "site.sumary", "The key is unknown.", "Did you mean x?")
    assert str(problem) == "site.toml:7: site.sumary: The key is unknown. Did you mean x?"


def test_several_syntax_errors_are_found_together_with_the_rest() -> None:
    source = edited(
        "policies/wecustomers.toml",
        ('mark = "We"', "mark = We"),
        ('country = "US"', 'country "US"'),
        ("parental_consent = true", 'parental_consent = "true"'),
    )
    text = source.decode()
    found = {(p.line, p.place) for p in problems(source)}
    assert found == {
        (line_of(text, "mark = We"), ""),
        (line_of(text, 'country "US"'), ""),
        (line_of(text, "parental_consent"), "age.parental_consent"),
    }


def test_an_open_string_is_reported_where_it_begins() -> None:
    found = problems('format = 1\n[site]\nsummary = """\nnever closed\n')
    assert [(p.line, p.place) for p in found] == [(3, "")]
    assert found[0].message == "This is not TOML: Unterminated string."
    assert found[0].fix == "Close the text with a quote."


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        (b"", 0, "The file is empty."),
        (b"  \n\n", 0, "The file is empty."),
        (b"\xef\xbb\xbfformat = 1\n", 1, "The file starts with a byte order mark."),
        (b"format = 1\nname = '\xff'\n", 2, "Byte 20 is not UTF-8."),
        (b"format = 1\n# \x00\n", 2, "There is a NUL byte."),
        (b"#" * (LARGEST + 1), 0, "The file is larger than 1024 KB."),
        (b"\x7fELF\x01\x02\n", 1, "This is not TOML: Invalid statement."),
        (b"a = " + b"[" * 5000, 1, "This is not TOML: Lists or tables are nested too deeply."),
    ],
)
def test_files_that_are_no_policy_are_refused(source: bytes, line: int, message: str) -> None:
    found = problems(source)
    assert (found[0].line, found[0].message) == (line, message)


def test_paths_that_are_no_file_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (tmp_path, "This is a folder."),
        (tmp_path / "missing.toml", "There is no such file."),
        (tmp_path / "pipe", "This is no ordinary file."),
        (Path("a\0b"), "The file can't be read (its name is no path)."),
        (tmp_path / ("x" * 300), "The file can't be read (File name too long)."),
    ):
        with pytest.raises(PolicyError) as caught:
            load(path)
        assert [p.message for p in caught.value.problems] == [message]


def test_read_takes_a_path(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes(file_bytes())
    assert read(path).site.name == "WeCustomers"


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        (
            'legal_basis = "legitimate interests"\ninterest',
            'legal_basis = "legitimate interests"\nreading',
            "purposes[5].legal_basis",
            "Legitimate interests must be named (GDPR 13(1)(d)).",
        ),
        (
            'key = "accountability"',
            'key = "proof"',
            "grounds",
            "The ground 'accountability' is missing",
        ),
        (
            'accent = "#1c6b46"',
            'accent = "#6fcf9f"',
            "site.accent",
            "#6fcf9f on the light page has a contrast of 1.8:1.",
        ),
        ("child_under = 13", "child_under = 19", "age.child_under", "child_under is above"),
        (
            'extension = "2 months"',
            'extension = "3 months"',
            "requests[1].extension",
            "3 months is too long",
        ),
        ('party = "third"', 'party = "third"', "", ""),
    ][:-1],
)
def test_what_the_parts_say_about_each_other(old: str, new: str, place: str, message: str) -> None:
    found = list(problems(edited("policies/wecustomers.toml", (old, new))))
    assert place in [p.place for p in found]
    assert any(p.place == place and p.message.startswith(message) for p in found)


@pytest.mark.parametrize(
    ("value", "message", "fix"),
    [
        ("22", "22 is too much.", "Write at most 21."),
        ("0", "0 is too little.", "Write at least 1."),
        ("nan", "This must be a whole number.", ""),
        ("13.0", "This must be a whole number.", ""),
        ("true", "This must be a whole number.", ""),
        ("1979-05-27", "This must be a whole number.", ""),
        ("[13]", "This must be a whole number.", ""),
    ],
)
def test_numbers_out_of_place_are_explained_in_our_words(
    value: str, message: str, fix: str
) -> None:
    found = problems(edited("policies/wecustomers.toml", ("youngest = 13", f"youngest = {value}")))
    assert ("age.youngest", message, fix) in [(p.place, p.message, p.fix) for p in found]
    assert not any("Input should" in p.message for p in found)


@pytest.mark.parametrize("value", ["2015-12-21T10:00:00", "2015-12-21T00:00:00Z", "10:00:00"])
def test_a_time_is_no_date(value: str) -> None:
    found = problems(edited("policies/wecustomers.toml", ("date = 2015-12-21", f"date = {value}")))
    message = "This must be a date such as 2015-12-21, without quotes."
    assert [(p.place, p.message) for p in found] == [("release.date", message)]


@pytest.mark.parametrize("escape", ["\\u0000", "\\u0001", "\\u007f", "\\u202e", "\\u2066"])
def test_characters_nobody_sees_are_refused(escape: str) -> None:
    source = edited(
        "policies/wecustomers.toml",
        ('title = "News of our services"', f'title = "News{escape}"'),
        ("required = [", f'required = ["x{escape}", '),
    )
    found = [p for p in problems(source) if "control character" in p.message]
    assert {p.place for p in found} == {"purposes[5].title", "collection_points[1].required[1]"}
    assert all(p.line and p.fix == "Remove it." for p in found)


def test_windows_line_ends_and_tabs_are_no_mistake() -> None:
    text = file_bytes().replace(b"[site]", b"\t[site]\t").replace(b"\n", b"\r\n")
    assert read(text) == read(file_bytes())


@pytest.mark.parametrize("depth", [300, 600, 950, 1000, 3000])
@pytest.mark.parametrize("shape", ["[%s]", "{a=%s}"])
def test_whatever_the_depth_it_is_a_listed_problem(depth: int, shape: str) -> None:
    opening, closing = shape.split("%s")
    source = file_bytes() + f"\n[zz]\nx = {opening * depth}1{closing * depth}\n".encode()
    assert problems(source)


def test_release_date_may_be_today_and_not_later() -> None:
    source = file_bytes()
    assert read(source, today=date(2015, 12, 21)).release.date == date(2015, 12, 21)
    assert [p.place for p in problems(source, today=date(2015, 12, 20))] == ["release.date"]
