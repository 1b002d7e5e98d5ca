"""The line of every key: by examples of each way to write TOML, and against a random writer."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.lines import Path, locate, nearest

FILES = sorted((FilePath(__file__).resolve().parents[2] / "policies").glob("*.toml"))


def paths(data: Any, path: Path = ()) -> set[Path]:
    """Every path in the data."""
    found = {path} if path else set()
    if isinstance(data, dict):
        for key, value in data.items():
            found |= paths(value, (*path, key))
    elif isinstance(data, list):
        for number, value in enumerate(data):
            found |= paths(value, (*path, number))
    return found


def checked(text: str) -> dict[Path, int]:
    """`locate`, after asserting that it found exactly what the text says."""
    places = locate(text)
    assert set(places) == paths(tomllib.loads(text))
    return places


def test_locate_finds_tables_and_arrays_of_tables() -> None:
    text = """\
# comment
format = 1

[site] # [not] = "a table"
key = "x"

[[purposes]]
key = "one"

[[purposes]]
key = "two"
[purposes.deep]
a = 1
[[purposes.list]]
b = 2
[[purposes.list]]
b = 3
"""
    assert checked(text) == {
        ("format",): 2,
        ("site",): 4,
        ("site", "key"): 5,
        ("purposes",): 7,
        ("purposes", 0): 7,
        ("purposes", 0, "key"): 8,
        ("purposes", 1): 10,
        ("purposes", 1, "key"): 11,
        ("purposes", 1, "deep"): 12,
        ("purposes", 1, "deep", "a"): 13,
        ("purposes", 1, "list"): 14,
        ("purposes", 1, "list", 0): 14,
        ("purposes", 1, "list", 0, "b"): 15,
        ("purposes", 1, "list", 1): 16,
        ("purposes", 1, "list", 1, "b"): 17,
    }


def test_locate_finds_dotted_and_quoted_keys() -> None:
    text = """\
a.b.c = 1
a . "d e" = 2
"quoted.key" = 3
'lite"ral' = 4
"esc\\"aped \\u00e9 \\U0001F600 \\\\" = 5
[ "t.x" . y ]
3.14 = 6
"" = 7
"""
    places = checked(text)
    assert places[("a", "b", "c")] == 1
    assert places[("a", "d e")] == 2
    assert places[("quoted.key",)] == 3
    assert places[('lite"ral',)] == 4
    assert places[('esc"aped é 😀 \\',)] == 5
    assert places[("t.x", "y")] == 6
    assert places[("t.x", "y", "3", "14")] == 7
    assert places[("t.x", "y", "")] == 8


def test_locate_goes_past_strings_that_look_like_keys() -> None:
    text = '''\
a = """
b = 1
[c]
\\""" d = 2 """"
e = \'\'\'
f = 3 \\\'\'\'
g = "x = # \\\\"
h = '\\'
i = """"""
j = """a"""""
k = 1
'''
    assert checked(text) == {
        ("a",): 1,
        ("e",): 5,
        ("g",): 7,
        ("h",): 8,
        ("i",): 9,
        ("j",): 10,
        ("k",): 11,
    }


def test_locate_finds_items_of_lists_and_inline_tables() -> None:
    text = """\
a = [ # ]
  "x", # ,
  { b = 1, c.d = [2,
    3] },

  [4],
]
e = {f = "}", g = 1979-05-27 07:32:00, h = {}}
i = 1979-05-27 07:32:00 # moment
j = []
"""
    places = checked(text)
    assert places[("a", 0)] == 2
    assert places[("a", 1)] == 3
    assert places[("a", 1, "c", "d", 0)] == 3
    assert places[("a", 1, "c", "d", 1)] == 4
    assert places[("a", 2, 0)] == 6
    assert places[("e", "g")] == 8
    assert places[("i",)] == 9
    assert places[("j",)] == 10


def test_locate_prefers_a_tables_own_header() -> None:
    assert checked("[a.b]\nx = 1\n[a]\ny = 2\n")[("a",)] == 3


def test_locate_counts_windows_line_ends_once() -> None:
    assert checked('a = """x\r\ny"""\r\nb = 2\r\n')[("b",)] == 3


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_locate_finds_every_key_of_the_committed_files(file: FilePath) -> None:
    text = file.read_text()
    lines = text.splitlines()
    for path, line in checked(text).items():
        if isinstance(path[-1], str):
            assert path[-1] in lines[line - 1]


def test_nearest_falls_back_to_what_is_around() -> None:
    places = {("a",): 4, ("a", 0): 6}
    assert nearest(places, ("a", 0, "missing", "deep")) == 6
    assert nearest(places, ("a", 9)) == 4
    assert nearest(places, ("b",)) == 1


KEYS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=5),
)
STRINGS = st.text(st.sampled_from("ab\"'\\\n#[]{}=,. \té😀"), max_size=12)
SCALARS = st.one_of(STRINGS, st.integers(-(2**60), 2**60), st.booleans())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=4)
DOCUMENTS = st.tuples(
    TABLES,
    st.dictionaries(KEYS, st.one_of(TABLES, st.lists(TABLES, min_size=1, max_size=3)), max_size=4),
)


class Writer:
    """Writes TOML in ways a drawn boolean chooses, and notes the line of each path."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw
        self.text = ""
        self.places: dict[Path, int] = {}

    def note(self, path: Path) -> None:
        self.places.setdefault(path, self.text.count("\n") + 1)

    def key(self, key: str) -> str:
        bare = key and all(c.isascii() and (c.isalnum() or c in "_-") for c in key)
        return key if bare and self.draw(st.booleans()) else json.dumps(key, ensure_ascii=False)

    def blank(self) -> None:
        self.text += self.draw(st.sampled_from(["", "\n", "# [x] = 1\n", "  \t\n"]))

    def pair(self, path: Path, value: Any) -> None:
        self.note(path)
        self.text += f"{self.key(str(path[-1]))} = "
        self.value(path, value)

    def value(self, path: Path, value: Any) -> None:
        if isinstance(value, str):
            self.text += self.string(value)
        elif isinstance(value, list):
            self.text += "["
            for number, item in enumerate(value):
                self.text += self.draw(st.sampled_from(["", " ", "\n", " # ],\n"]))
                self.note((*path, number))
                self.value((*path, number), item)
                self.text += ","
            self.text += "]"
        elif isinstance(value, dict):
            self.text += "{"
            for number, (key, item) in enumerate(value.items()):
                self.text += ", " if number else ""
                self.pair((*path, key), item)
            self.text += "}"
        else:
            self.text += json.dumps(value)

    def string(self, value: str) -> str:
        ways = [json.dumps(value, ensure_ascii=False)]
        if all(ord(char) < 0x10000 for char in value):  # TOML has no surrogate pairs
            ways.append(json.dumps(value))
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        ways.append(f'"""\n{escaped}"""')
        if "'" not in value:
            ways.append(f"'''{value}'''" if "\n" in value else f"'{value}'")
        return str(self.draw(st.sampled_from(ways)))


@given(DOCUMENTS, st.data())
def test_locate_agrees_with_a_random_writer(
    document: tuple[dict[str, Any], dict[str, Any]], data: st.DataObject
) -> None:
    root, tables = document
    writer = Writer(lambda strategy: data.draw(strategy))
    for key, value in root.items():
        writer.blank()
        writer.pair((key,), value)
        writer.text += "\n"
    for name, content in tables.items():
        if name in root:
            continue
        for number, table in enumerate(content if isinstance(content, list) else [content]):
            writer.blank()
            path: Path = (name,)
            brackets = "[]"
            writer.note(path)
            if isinstance(content, list):
                path, brackets = (name, number), "[[]]"
                writer.note(path)
            half = len(brackets) // 2
            writer.text += f"{brackets[:half]}{writer.key(name)}{brackets[half:]}\n"
            for key, value in table.items():
                writer.pair((*path, key), value)
                writer.text += "\n"
    assert paths(tomllib.loads(writer.text)) == set(writer.places)
    assert locate(writer.text) == writer.places
