"""Patterns of names, as users write them: `shop/*`, `*:1.?`, `*:[0-9]*`, `re:.*-rc[0-9]+`.

A pattern matches the whole name; upper and lower case differ. `*` matches any text (`/` and `:` too), `?` one
character, `[..]` one of these characters, `[!..]` any other character. After `re:` comes a regular expression in the
syntax of RE2: it always takes linear time, and has no look-around and no back-references.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from blobkit.errors import Hint, PatternError, UnknownTargetError
from blobkit.render import count, truncate
from blobkit.snapshot.columns import text
from blobkit.snapshot.pins import count_named
from blobkit.snapshot.roles import IS_ALIAS
from blobkit.snapshot.tables import codes, match_rows, regex_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["EXPRESSION", "anywhere", "expression", "is_pattern", "matches", "rows_like"]

EXPRESSION = "re:"
LONGEST = 1_000
SHOWN = 60
_NEVER = r"[^\x{0}-\x{10FFFF}]"


def is_pattern(text: str) -> bool:
    """Return whether a text that is not a name is a pattern."""
    return text.startswith(EXPRESSION) or any(special in text for special in "*?[")


def rows_like(snapshot: Snapshot, pattern: str) -> NDArray[np.int64]:
    """Return the rows of the pins whose name matches; UnknownTargetError if none does, PatternError.

    Cost: one pass over the names.
    """
    names = snapshot.pins["name"].slice(0, count_named(snapshot))
    found = match_rows(names, expression(pattern))
    rows: NDArray[np.int64] = found[~IS_ALIAS[codes(snapshot.pins["kind"])[found]]]
    if not len(rows):
        msg = f"the pattern {truncate(pattern, SHOWN)!r} matches none of {count(len(names), 'name')}"
        raise UnknownTargetError(msg, hint=Hint("see tags_frame(x)", "see blobkit tags"))
    return rows


def matches(names: Sequence[str], pattern: str) -> NDArray[np.bool_]:
    """Return whether each name matches; PatternError. Cost: one pass over the names."""
    found = np.zeros(len(names), np.bool_)
    found[match_rows(text(names), expression(pattern))] = True
    return found


def expression(pattern: str) -> str:
    """Return a pattern as a regular expression of RE2 over the whole name; PatternError if it is not valid."""
    return _whole(anywhere(pattern))


def anywhere(pattern: str) -> str:
    """Return a pattern as a regular expression of RE2 for a part of the name; PatternError if it is not valid."""
    if len(pattern) > LONGEST:
        msg = f"the pattern {truncate(pattern, SHOWN)} has {len(pattern):,} characters: give at most {LONGEST:,}"
        raise PatternError(msg)
    if pattern.startswith(EXPRESSION):
        return _checked(pattern.removeprefix(EXPRESSION))
    parts, at = [], 0
    while at < len(pattern):
        end = _closed(pattern, at)
        parts.append(_one(pattern[at:end]))
        at = end
    return _checked(f"(?s:{''.join(parts)})")


def _checked(text: str) -> str:
    """Return a regular expression; PatternError if it is not valid by itself (in brackets, `a)|(b` would be valid)."""
    reason = regex_error(text)
    if reason:
        shown, why = truncate(text, SHOWN), truncate(reason, SHOWN)
        msg = f"{shown!r} is not a regular expression ({why}): re: takes the syntax of RE2"
        raise PatternError(msg)
    return text


def _whole(text: str) -> str:
    return rf"\A(?:{text})\z"


def _closed(pattern: str, at: int) -> int:
    """Return the end of the part that begins here; a bracket ends at its `]`, which may also be its first character."""
    if pattern[at] != "[":
        return at + 1
    first = at + 1 + pattern.startswith("!", at + 1)
    return pattern.find("]", first + 1) + 1 or at + 1


def _one(part: str) -> str:
    """Return the regular expression for a part of a pattern."""
    if part in ("*", "?"):
        return ".*" if part == "*" else "."
    return re.escape(part) if len(part) == 1 else _bracket(part[1:-1])


def _bracket(inside: str) -> str:
    """Return the regular expression for a bracket with these contents: empty ranges add nothing."""
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
