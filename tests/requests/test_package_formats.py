"""Tables, JSON and scripts: any text comes out as it went in, and no spreadsheet runs it."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.db.models import F
from hypothesis import given
from hypothesis import strategies as st

from requests.package.columns import Column, Form
from requests.package.encoding import compact, encoded
from requests.package.kinds import Kind
from requests.package.rows import Chunk
from requests.package.scripts import name, scripts
from requests.package.tables import FORMULA, labels, table

TEXT = Column(name="text", label="Text", form=Form.TEXT, expression=F("text"))
NUMBER = Column(name="number", label="Number", form=Form.NUMBER, expression=F("number"))
YES = Column(name="yes", label="Yes", form=Form.BOOLEAN, expression=F("yes"))
STATE = Column(
    name="state", label="State", form=Form.TEXT, expression=F("s"), choices={"a": "=A", "b": "B"}
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


def kind(*columns: Column) -> Kind:
    """A kind with these columns."""
    return Kind(
        key="tests.kind",
        title="Kind",
        columns=columns,
        select=lambda subject_id: None,  # type: ignore[arg-type, return-value]  # never selected
        newest="",
    )


def lines(of: Kind, *chunks: Chunk) -> list[list[str]]:
    """The table as a spreadsheet reads it."""
    text = b"".join(table(of, chunks)).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


@given(values=st.lists(st.none() | texts, min_size=1))
def test_any_text_comes_out_of_a_table_and_never_begins_as_a_formula(
    values: list[str | None],
) -> None:
    cells = [line[0] for line in lines(kind(TEXT), [values])[1:]]
    for value, cell in zip(values, cells, strict=True):
        assert cell in (value or "", f"'{value}")
        assert cell[:1] not in FORMULA
        assert cell.lstrip()[:1] not in FORMULA


@pytest.mark.parametrize(
    "value",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\uff1d1",
        '=cmd|" /C calc"!A0',
    ],
)
def test_a_formula_gets_an_apostrophe(value: str) -> None:
    assert lines(kind(TEXT), [[value]]) == [["Text"], [f"'{value}"]]


def test_labels_numbers_and_words_of_choices() -> None:
    of = kind(NUMBER, YES, STATE)
    chunk: Chunk = [[-5, None], [True, False], ["a", "unknown"]]
    assert lines(of, chunk) == [
        ["Number", "Yes", "State"],
        ["-5", "true", "'=A"],
        ["", "false", "unknown"],
    ]


def test_alike_labels_are_told_apart() -> None:
    twin = Column(name="other", label="Text", form=Form.TEXT, expression=F("other"))
    assert labels(kind(TEXT, twin, NUMBER)) == ["Text (text)", "Text (other)", "Number"]


def test_no_rows_leave_the_line_of_labels() -> None:
    assert lines(kind(TEXT, NUMBER)) == [["Text", "Number"]]


@given(values=st.lists(st.none() | texts, min_size=1))
def test_any_text_comes_out_of_json(values: list[str | None]) -> None:
    (column,) = encoded((TEXT,), [values])
    assert [json.loads(value) for value in column] == values


def test_values_keep_their_types_in_json() -> None:
    document = Column(name="d", label="D", form=Form.JSON, expression=F("d"))
    columns = (NUMBER, YES, document)
    chunk: Chunk = [[7, None], [True, None], ['{"a": [1]}', None]]
    assert encoded(columns, chunk) == [["7", "null"], ["true", "null"], ['{"a": [1]}', "null"]]


@given(values=st.lists(texts, min_size=1, max_size=5))
def test_a_script_is_one_call_with_the_rows(values: list[str]) -> None:
    ((path, text),) = scripts(kind(TEXT), [[values]])
    assert path == name(kind(TEXT), 1) == "data/tests.kind-0001.js"
    start, rows, end = (
        text[: len(b'kept("tests.kind",1,')],
        text[len(b'kept("tests.kind",1,') : -3],
        text[-3:],
    )
    assert (start, end) == (b'kept("tests.kind",1,', b");\n")
    assert json.loads(rows) == [[value] for value in values]


def test_compact_json_keeps_letters() -> None:
    assert compact({"ä": [1, None]}) == '{"ä":[1,null]}'
