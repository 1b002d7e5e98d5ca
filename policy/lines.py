"""On which line each key of a TOML file stands, for `tomllib` doesn't tell.

`locate` walks text that `tomllib` has accepted, so it only has to find keys, not to judge. A path
is a tuple of keys and list positions, as pydantic reports it: `("purposes", 2, "key")`.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right

Path = tuple[str | int, ...]
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t]*")
_VALUE_END = re.compile(r"[,\]}\s#]")


def locate(text: str) -> dict[Path, int]:
    """Path → line, counted from 1, for every table, key and list item of valid TOML."""
    return _Walk(text.replace("\r\n", " \n")).document()


def unfinished(text: str) -> int:
    """The line of the last key that begins, in text that ends too early."""
    walk = _Walk(text.replace("\r\n", " \n"))
    try:
        walk.document()
    except (IndexError, ValueError):
        return max(walk.places.values(), default=1)
    return walk.line(len(text))


def nearest(places: dict[Path, int], path: Path) -> int:
    """The line of the path, or of the closest thing around it; 1 when there is none."""
    for length in range(len(path), 0, -1):
        if path[:length] in places:
            return places[path[:length]]
    return 1


class _Walk:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.places: dict[Path, int] = {}
        self.starts = [0] + [m.end() for m in re.finditer("\n", text)]
        self.items: dict[Path, int] = {}  # arrays of tables → how many so far

    def document(self) -> dict[Path, int]:
        table: Path = ()
        while self.skip_blank():
            if self.text.startswith("[[", self.at):
                table = self.header(2, array=True)
            elif self.text[self.at] == "[":
                table = self.header(1, array=False)
            else:
                self.pair(table)
        return self.places

    def line(self, position: int) -> int:
        return bisect_right(self.starts, position)

    def note(self, path: Path, position: int) -> None:
        self.places.setdefault(path, self.line(position))

    def skip_blank(self) -> bool:
        """Past spaces, line ends and comments; False at the end of the text."""
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif char in " \t\n":
                self.at += 1
            else:
                return True
        return False

    def header(self, brackets: int, *, array: bool) -> Path:
        start = self.at
        self.at += brackets
        path: Path = ()
        keys = self.key()
        for key in keys[:-1]:
            path = self.inside((*path, key))
            self.note(path, start)
        path = (*path, keys[-1])
        if array:
            number = self.items.get(path, 0)
            self.items[path] = number + 1
            self.note(path, start)
            path = (*path, number)
        # A table may have been made by a deeper header before its own.
        self.places[path] = self.line(start)
        self.at = self.text.index("]", self.at) + brackets
        return path

    def inside(self, path: Path) -> Path:
        """A header below an array of tables means its last item."""
        return (*path, self.items[path] - 1) if path in self.items else path

    def pair(self, table: Path) -> None:
        start = self.at
        path = table
        for key in self.key():
            path = (*path, key)
            self.note(path, start)
        self.at = self.text.index("=", self.at) + 1
        self.value(path)

    def key(self) -> list[str]:
        """A dotted key; stands behind it afterwards."""
        parts = []
        while True:
            self.spaces()
            quote = self.text[self.at]
            if quote == '"':
                end = self.end_of_string()
                parts.append(_unquote(self.text[self.at : end]))
            elif quote == "'":
                end = self.end_of_string()
                parts.append(self.text[self.at + 1 : end - 1])
            else:
                match = _BARE.match(self.text, self.at)
                if match is None:
                    raise ValueError(f"no key at line {self.line(self.at)}")
                end = match.end()
                parts.append(match[0])
            self.at = end
            self.spaces()
            if self.at >= len(self.text) or self.text[self.at] != ".":
                return parts
            self.at += 1

    def spaces(self) -> None:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def value(self, path: Path) -> None:
        self.spaces()
        char = self.text[self.at]
        if char == "[":
            self.array(path)
        elif char == "{":
            self.inline_table(path)
        elif char in "\"'":
            self.at = self.end_of_string()
        else:
            match = _VALUE_END.search(self.text, self.at)
            self.at = match.start() if match else len(self.text)
            self.rest_of_moment()

    def rest_of_moment(self) -> None:
        """A date and a time may be parted by one space: `1979-05-27 07:32:00`."""
        match = re.compile(r" \d\d:\d\d[^,\]}\s#]*").match(self.text, self.at)
        if match:
            self.at = match.end()

    def array(self, path: Path) -> None:
        self.at += 1
        number = 0
        while self.skip_blank() and self.text[self.at] != "]":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self.note((*path, number), self.at)
            self.value((*path, number))
            number += 1
        self.at += 1

    def inline_table(self, path: Path) -> None:
        self.at += 1
        while self.skip_blank() and self.text[self.at] != "}":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self.pair(path)
        self.at += 1

    def end_of_string(self) -> int:
        """The position behind the string that begins here."""
        quote = self.text[self.at]
        mark = quote * 3 if self.text.startswith(quote * 3, self.at) else quote
        position = self.at + len(mark)
        while not self.text.startswith(mark, position):
            if position >= len(self.text):
                raise IndexError("the text ends inside a string")
            position += 2 if quote == '"' and self.text[position] == "\\" else 1
        position += len(mark)
        if len(mark) == 3:
            # Up to two quotes may stand directly before the closing three.
            for _ in range(2):
                if self.text.startswith(quote, position):
                    position += 1
        return position


def _unquote(quoted: str) -> str:
    """A basic string's value; TOML's escapes are JSON's and an eight-digit one."""
    long = re.sub(r"(?<!\\)((?:\\\\)*)\\U([0-9a-fA-F]{8})", _short_escape, quoted)
    value: str = json.loads(long, strict=False)
    return value


def _short_escape(match: re.Match[str]) -> str:
    return match[1] + json.dumps(chr(int(match[2], 16)))[1:-1]
