"""Format bytes, digests and names as plain strings that are safe to show.

The standard library only: errors and command-line output need no data frame. Names, media types and
paths are untrusted, so nothing reaches a terminal or a page without `printable` or `html.escape`.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "abbreviate",
    "alike",
    "choices",
    "count",
    "human_bytes",
    "in_shell",
    "join_some",
    "printable",
    "signed_bytes",
    "to_utf8",
    "truncate",
]

ALIKE = 0.6
"""The least similarity of a name that is suggested for another."""
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
HEX_SHOWN = 12
_LONG_KEY = re.compile(r"(.*:(?=[0-9a-f]{64})|.*/(?=[0-9a-f]{40}))([0-9a-f]+)", re.DOTALL)


def human_bytes(number: int) -> str:
    """Return a byte count for people: `0 B`, `999 B`, `1.5 KiB`, `12.3 GiB` (units of 1024).

    >>> human_bytes(1536)
    '1.5 KiB'
    """
    value = float(number)
    unit = 0
    while unit < len(UNITS) - 1 and abs(value) >= (1024 if unit == 0 else 1023.95):
        value /= 1024
        unit += 1
    return f"{int(number)} B" if unit == 0 else f"{value:.1f} {UNITS[unit]}"


def signed_bytes(number: int) -> str:
    """Return a change in bytes for people, with its sign.

    >>> signed_bytes(1536), signed_bytes(-5)
    ('+1.5 KiB', '-5 B')
    """
    return f"{'+' if number > 0 else ''}{human_bytes(number)}"


def count(number: int, noun: str) -> str:
    """Return `1 blob`, `2 blobs`, `12,345 blobs`.

    >>> count(1, "entry"), count(2000, "entry"), count(2, "index")
    ('1 entry', '2,000 entries', '2 indexes')
    """
    plural = noun[:-1] + "ies" if noun.endswith("y") and noun != "key" else noun + "es" * noun.endswith("x")
    plural += "s" * (plural == noun)
    return f"{number:,} {noun if number == 1 else plural}"


def abbreviate(key: str) -> str:
    """Return a digest, or a key that ends in a long hash as `layer/<64 digits>`, with its first 12 hex digits only."""
    found = _LONG_KEY.fullmatch(key)
    return f"{found[1]}{found[2][:HEX_SHOWN]}" if found else key


def in_shell(path: object) -> str:
    """Return a path or name as a word that can be pasted into a shell; unprintable characters are escaped.

    >>> in_shell("my store")
    "'my store'"
    """
    return shlex.quote(printable(str(path)))


def join_some(items: Sequence[str], most: int = 5) -> str:
    """Return the items in one line, the first `most` of them and the number of the others."""
    more = len(items) - most
    head = ", ".join(items[:most])
    return f"{head} and {more:,} more" if more > 0 else head


def alike(name: str, known: Iterable[str]) -> str:
    """Return the known name that is nearest to a typed one, "" if none is near.

    >>> alike("adit", ["audit", "usage"])
    'audit'
    """
    from difflib import get_close_matches  # noqa: PLC0415 (few commands fail)

    return next(iter(get_close_matches(name, list(known), n=1, cutoff=ALIKE)), "")


def choices(name: str, known: Iterable[str], *, use: str = "use", most: int = 12) -> str:
    """Return advice for an unknown name: the nearest known name, and all names if they are few.

    >>> choices("umoco", ["curl", "umoci"])
    'did you mean umoci? Use curl, umoci'
    """
    names = list(known)
    near = alike(name, names)
    if near and len(names) > most:
        return f"did you mean {near}?"
    return f"did you mean {near}? {use.capitalize()} {', '.join(names)}" if near else f"{use} {', '.join(names)}"


def to_utf8(text: str) -> str:
    """Return `text` as valid UTF-8: undecodable bytes and lone surrogates become backslash escapes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raw = text.encode("utf-8", "surrogateescape" if _only_bytes(text) else "backslashreplace")
        return raw.decode("utf-8", "backslashreplace")
    return text


def _only_bytes(text: str) -> bool:
    """Return whether every surrogate in `text` encodes an undecodable byte of a file name."""
    return all("\udc80" <= c <= "\udcff" for c in text if "\ud800" <= c <= "\udfff")


def printable(text: str) -> str:
    """Return `text` in one line with control and format characters (escapes, bidi marks) made visible."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _harmless(c) else c.encode("unicode_escape").decode() for c in text)


def _harmless(char: str) -> bool:
    return char == " " or unicodedata.category(char)[0] not in "CZ"


def truncate(text: str, most: int) -> str:
    """Return a text in one line of at most `most` characters, with an ellipsis if it is longer."""
    shown = printable(text[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"
