"""Parse deeply nested JSON without recursion: as deep as Go reads, where Python's parser fails."""

from __future__ import annotations

import re
from json.decoder import scanstring  # type: ignore[attr-defined]  # not in the stubs
from typing import TYPE_CHECKING

from blobkit.oci.untrusted import read_integer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["parse_nested"]

DEEPEST = 10_000
"""Levels of nesting that Go's encoding/json accepts."""

_SPACE = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?|true|false|null")
_WORDS = {"true": True, "false": False, "null": None}


def parse_nested(content: str, at: int, members: Callable[[], list[tuple[str, object]]]) -> tuple[object, int]:
    """Return the JSON value at `at`, with objects as `members`, and its end; ValueError if it is not valid JSON.

    Cost: slow; a parser in plain Python.
    """
    parser = _Parser(content, members)
    return parser.value(at)


class _Parser:
    """Reads one value; the open lists and objects are on a stack, not in recursive calls."""

    def __init__(self, content: str, members: Callable[[], list[tuple[str, object]]]) -> None:
        self.content, self.members = content, members
        self.open: list[tuple[list[object], str | None]] = []

    def value(self, at: int) -> tuple[object, int]:
        """Return the value at `at`, and its end."""
        while True:
            found, at, is_open = self._start(at)
            while not is_open:
                if not self.open:
                    return found, at
                self._put(found)
                found, at, is_open = self._next(at)

    def _start(self, at: int) -> tuple[object, int, bool]:
        """Read a scalar, an empty list or object, or the start of one with members; return True for the last."""
        at = self._skip(at)
        sign = self.content[at : at + 1]
        if sign == '"':
            return (*scanstring(self.content, at + 1, True), False)  # noqa: FBT003 (strict, by position only)
        if sign in ("[", "{") and sign:
            return self._opened(sign, self._skip(at + 1))
        match = _SCALAR.match(self.content, at)
        if match is None:
            raise _unexpected(at)
        return _scalar(match), match.end(), False

    def _opened(self, sign: str, at: int) -> tuple[object, int, bool]:
        if len(self.open) >= DEEPEST:
            msg = "nested too deeply"
            raise ValueError(msg)
        new: list[object] = [] if sign == "[" else self.members()  # type: ignore[assignment]  # members are pairs
        if self.content[at : at + 1] == ("]" if sign == "[" else "}"):
            return new, at + 1, False
        name, at = (None, at) if sign == "[" else self._name(at)
        self.open.append((new, name))
        return new, at, True

    def _name(self, at: int) -> tuple[str, int]:
        """Read a name and the colon after it."""
        at = self._skip(at)
        if self.content[at : at + 1] != '"':
            raise _unexpected(at)
        name, at = scanstring(self.content, at + 1, True)  # noqa: FBT003 (strict, by position only)
        at = self._skip(at)
        if self.content[at : at + 1] != ":":
            raise _unexpected(at)
        return name, at + 1

    def _put(self, value: object) -> None:
        into, name = self.open[-1]
        into.append(value if name is None else (name, value))

    def _next(self, at: int) -> tuple[object, int, bool]:
        """Read the sign after a value in a list or object; return True if another value follows, False at the end."""
        at = self._skip(at)
        into, name = self.open.pop()
        sign = self.content[at : at + 1]
        if sign == ",":
            name, at = (None, at + 1) if name is None else self._name(at + 1)
            self.open.append((into, name))
            return into, at, True
        if sign != ("]" if name is None else "}"):
            raise _unexpected(at)
        return into, at + 1, False

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self.content, at)
        return match.end() if match else at


def _scalar(match: re.Match[str]) -> object:
    word = match[0]
    if word in _WORDS:
        return _WORDS[word]
    return float(word) if match[1] or match[2] else read_integer(word)


def _unexpected(at: int) -> ValueError:
    return ValueError(f"invalid JSON at character {at}")
