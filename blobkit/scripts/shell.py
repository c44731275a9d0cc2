"""Parts of shell scripts as text: POSIX sh, untrusted names quoted."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from blobkit.render import human_bytes, join_some, printable

if TYPE_CHECKING:
    from blobkit.questions.deletion import Drop

__all__ = ["SKIP", "call", "comment", "describe", "skip_call"]

NAMES_SHOWN = 12
COMMENT_SHOWN = 1000

SKIP = """
skipped=0
skip() { # NAME REASON
    printf 'skipped %s: %s\\n' "$1" "$2" >&2
    skipped=$((skipped + 1))
}"""
"""A shell function that reports a skipped command, and counts it."""


def comment(text: str) -> str:
    """Return a text as a comment of one line; control characters in it are escaped."""
    shown = printable(text[:COMMENT_SHOWN])
    return f"# {shown}{'...' * (len(text) > COMMENT_SHOWN)}"


def describe(drop: Drop) -> str:
    """Return a description of a drop: names, bytes, other tags of the digest."""
    what = join_some(drop.names, NAMES_SHOWN) or f"{drop.group}@{drop.digest}".lstrip("@")
    if drop.child:
        return f"{what}: deleted, because no remaining manifest needs it"
    alone = f"{what}: alone frees {human_bytes(drop.bytes)} ({drop.bytes} bytes)"
    if len(drop.names) > 1:
        alone += ", all of them together"
    return f"{alone}; the same digest stays as {join_some(drop.also, NAMES_SHOWN)}" if drop.also else alone


def call(*words: str) -> str:
    """Return a command with its arguments quoted."""
    return " ".join([words[0], *map(shlex.quote, words[1:])])


def skip_call(drop: Drop, why: str) -> str:
    """Return the command that reports that a drop is skipped, and why."""
    name = join_some(drop.names, NAMES_SHOWN) or f"{drop.group}@{drop.digest}".lstrip("@")
    shown = printable(name)
    return call("skip", f"'{shown}'" if shown.startswith("-") else shown, why)
