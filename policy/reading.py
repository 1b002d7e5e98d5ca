"""From a policy file to a `Document`, or every mistake in it with its line and a fix.

All mistakes are found in one go: syntax (line by line, as far as a parser can go on), then the
format (`policy.document`), then what the parts say about each other and about this installation
(`policy.references`). After a syntax error nothing is said about things that seem to be missing:
they may stand on the line that could not be read.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from policy import complaints, references
from policy.document import Document
from policy.lines import Path as Place
from policy.lines import locate, nearest, unfinished

LARGEST = 1024 * 1024  # bytes; the longest real policy needs a twentieth
SYNTAX_ROUNDS = 50
_AT_LINE = re.compile(r"^(.*) \(at line (\d+), column (\d+)\)$")


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake. line: counted from 1, 0 when the whole file is meant. place: dotted path,
    items counted from 1, `purposes[3].key`.
    """

    file: str
    line: int
    place: str
    message: str
    fix: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        place = f" {self.place}:" if self.place else ""
        return f"{where}:{place} {self.message} {self.fix}".rstrip()


class PolicyError(ValueError):
    """The file can't be published; `problems` lists every mistake in the order of lines."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def load(path: Path) -> bytes:
    """The file's bytes. Raises `PolicyError` for a file that can't be a policy file."""
    name = str(path)
    try:
        if path.is_dir():
            raise _whole(name, "This is a folder.", "Name the policy file inside it.")
        if not path.is_file() and path.exists():
            raise _whole(name, "This is no ordinary file.", "Name a policy file.")
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except FileNotFoundError:
        fix = "Check the path; policy files are usually in policies/."
        raise _whole(name, "There is no such file.", fix) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its name is no path"
        if isinstance(error, PolicyError):
            raise
        raise _whole(name, f"The file can't be read ({why}).", "Make it readable.") from None


def read(
    source: Path | str | bytes, *, filename: str = "policy.toml", today: date | None = None
) -> Document:
    """Read a policy file (a path) or its bytes, and check everything that can be known.

    today: refuses a release date after it. Raises `PolicyError`.
    """
    if not isinstance(source, bytes):
        source, filename = load(Path(source)), str(source)
    return _check(source, filename=filename, today=today, with_references=True)


def parse(source: bytes, *, filename: str = "policy.toml") -> Document:
    """Read a file that was published before: an installation may have changed since then, so
    nothing is asked about holdings and controls. Raises `PolicyError`.
    """
    return _check(source, filename=filename, today=None, with_references=False)


def _check(source: bytes, *, filename: str, today: date | None, with_references: bool) -> Document:
    text = _text(source, filename)
    data, places, problems = _toml(text, filename)
    broken = bool(problems)
    document: Document | None = None
    mistakes: list[complaints.Mistake] = []
    try:
        document = Document.model_validate(data)
    except ValidationError as error:
        mistakes += complaints.of_format(error, data)
    if with_references:
        mistakes += references.check(data, today=today)
        mistakes += references.check_further(document) if document else []
    for mistake in mistakes:
        if broken and mistake.absence:
            continue
        line = nearest(places, mistake.path)
        problems.append(Problem(filename, line, dotted(mistake.path), mistake.message, mistake.fix))
    if problems or document is None:
        raise PolicyError(problems)
    return document


def dotted(path: Place) -> str:
    """`("purposes", 2, "key")` → `purposes[3].key`: people count from one."""
    words = ""
    for part in path:
        words += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if words else part
    return words


def _text(source: bytes, filename: str) -> str:
    if len(source) > LARGEST:
        message = f"The file is larger than {LARGEST // 1024} KB."
        raise _whole(filename, message, "Is this the policy file?")
    if source.startswith(b"\xef\xbb\xbf"):
        fix = "Save it as UTF-8 without one."
        raise PolicyError(
            [Problem(filename, 1, "", "The file starts with a byte order mark.", fix)]
        )
    try:
        text = source.decode("utf-8")
    except UnicodeDecodeError as error:
        line = source[: error.start].count(b"\n") + 1
        message = f"Byte {error.start + 1} is not UTF-8."
        raise PolicyError(
            [Problem(filename, line, "", message, "Save the file as UTF-8.")]
        ) from None
    if "\x00" in text:
        line = text[: text.index("\x00")].count("\n") + 1
        fix = "Remove it; is this a text file?"
        raise PolicyError([Problem(filename, line, "", "There is a NUL byte.", fix)])
    if not text.strip():
        raise _whole(filename, "The file is empty.", "Start from one of the files in policies/.")
    return text


def _toml(text: str, filename: str) -> tuple[Mapping[str, Any], dict[Place, int], list[Problem]]:
    """The data, its lines, and syntax errors; lines that can't be read are left out in turn."""
    problems: list[Problem] = []
    lines = text.split("\n")
    for _ in range(SYNTAX_ROUNDS):
        readable = "\n".join(lines)
        try:
            return tomllib.loads(readable), locate(readable), problems
        except tomllib.TOMLDecodeError as error:
            match = _AT_LINE.match(str(error))
            if match is None:
                message = str(error).removesuffix(" (at end of document)")
                problems.append(_syntax(filename, unfinished(readable), message))
                break
            line = int(match[2])
            problems.append(_syntax(filename, line, match[1]))
            if not lines[line - 1].strip():
                break
            lines[line - 1] = ""
        except RecursionError:
            problems.append(_syntax(filename, 1, "Lists or tables are nested too deeply"))
            break
    raise PolicyError(problems)


def _syntax(filename: str, line: int, message: str) -> Problem:
    fix = complaints.syntax_fix(message)
    return Problem(filename, line, "", f"This is not TOML: {message.rstrip('.')}.", fix)


def _whole(filename: str, message: str, fix: str) -> PolicyError:
    return PolicyError([Problem(filename, 0, "", message, fix)])
