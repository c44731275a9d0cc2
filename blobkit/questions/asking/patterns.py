"""Patterns over names, as users write them: `shop/*`, `*:1.?`, `*:[0-9]*`, `re:.*-rc[0-9]+`.

A pattern is about the whole name; upper and lower case differ. In one with wildcards `*` is any text (`/` and `:` too),
`?` one character, `[..]` one of these characters, `[!..]` any other. After `re:` comes a regular expression in the
syntax of RE2: it takes linear time, whatever it is, and so has no look-around and no back-references.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from blobkit.errors import Hint, PatternError, UnknownTargetError
from blobkit.render import count, cut
from blobkit.snapshot.columns import text
from blobkit.snapshot.pins import named
from blobkit.snapshot.roles import IS_ALIAS
from blobkit.snapshot.tables import codes, matching, refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["expression", "is_pattern", "matches", "rows_like"]

EXPRESSION = "re:"
LONGEST = 1_000
SHOWN = 60
_NEVER = r"[^\x{0}-\x{10FFFF}]"


def is_pattern(text: str) -> bool:
    """Return whether a text that is no name is a pattern."""
    return text.startswith(EXPRESSION) or any(special in text for special in "*?[")


def rows_like(snapshot: Snapshot, pattern: str) -> NDArray[np.int64]:
    """Return the rows of the pins whose name matches; UnknownTargetError where none does, PatternError.

    Cost: one pass over the names.
    """
    names = snapshot.pins["name"].slice(0, named(snapshot))
    found = matching(names, expression(pattern))
    rows: NDArray[np.int64] = found[~IS_ALIAS[codes(snapshot.pins["kind"])[found]]]
    if not len(rows):
        msg = f"the pattern {cut(pattern, SHOWN)!r} matches none of {count(len(names), 'name')}"
        raise UnknownTargetError(msg, hint=Hint("see tags_frame(x)", "see blobkit tags"))
    return rows


def matches(names: Sequence[str], pattern: str) -> NDArray[np.bool_]:
    """Return whether each name matches; PatternError. Cost: one pass over the names."""
    found = np.zeros(len(names), np.bool_)
    found[matching(text(names), expression(pattern))] = True
    return found


def expression(pattern: str) -> str:
    """Return a pattern as a regular expression of RE2 over the whole name; PatternError for what is none."""
    if len(pattern) > LONGEST:
        msg = f"the pattern {cut(pattern, SHOWN)} has {len(pattern):,} characters: give at most {LONGEST:,}"
        raise PatternError(msg)
    if pattern.startswith(EXPRESSION):
        return _whole(_checked(pattern.removeprefix(EXPRESSION)))
    parts, at = [], 0
    while at < len(pattern):
        end = _closed(pattern, at)
        parts.append(_one(pattern[at:end]))
        at = end
    return _whole(_checked(f"(?s:{''.join(parts)})"))


def _checked(text: str) -> str:
    """Return a regular expression; PatternError where it is none by itself: in brackets, `a)|(b` would be one."""
    reason = refused(text)
    if reason:
        msg = f"{cut(text, SHOWN)!r} is no regular expression ({cut(reason, SHOWN)}): re: takes the syntax of RE2"
        raise PatternError(msg)
    return text


def _whole(text: str) -> str:
    return rf"\A(?:{text})\z"


def _closed(pattern: str, at: int) -> int:
    """Return where the part that begins here ends: a bracket at its `]`, which may be the first character in it."""
    if pattern[at] != "[":
        return at + 1
    first = at + 1 + pattern.startswith("!", at + 1)
    return pattern.find("]", first + 1) + 1 or at + 1


def _one(part: str) -> str:
    """Return what a part of a pattern matches."""
    if part in ("*", "?"):
        return ".*" if part == "*" else "."
    return re.escape(part) if len(part) == 1 else _bracket(part[1:-1])


def _bracket(inside: str) -> str:
    """Return what a bracket with this inside matches: ranges that are empty add nothing."""
    negated = inside.startswith("!")
    ranges, at = [], int(negated)
    while at < len(inside):
        is_range = inside[at + 1 : at + 2] == "-" and at + 2 < len(inside)
        low, high = inside[at], inside[at + 2 * is_range]
        ranges += [rf"\x{{{ord(low):X}}}-\x{{{ord(high):X}}}"] * (low <= high)
        at += 1 + 2 * is_range
    if not ranges:
        return "." if negated else _NEVER
    return f"[{'^' * negated}{''.join(ranges)}]"
