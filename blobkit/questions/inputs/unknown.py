"""Errors for targets that match nothing or several things, with the input to type instead."""

from __future__ import annotations

import difflib
import re
import shlex
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from blobkit.digest import ALGORITHMS, is_digest, parse
from blobkit.errors import AmbiguousTargetError, Hint, InvalidDigestError, UnknownTargetError
from blobkit.questions.inputs.keys import PREFIX_HEX, START, by_prefix
from blobkit.questions.inputs.patterns import is_pattern, rows_like
from blobkit.render import abbreviate, count, join_some, printable, truncate
from blobkit.snapshot.columns import combine
from blobkit.snapshot.pins import count_named

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["NAMES_COMPARED", "is_repository", "nearest", "refuse", "refuse_pattern"]

NAMES_COMPARED = 50_000
NAMES_TOLD = 3
_LONG = 1_000
_DIGEST_LIKE = re.compile(rf"({'|'.join(ALGORITHMS)}):")


def refuse(snapshot: Snapshot, text: str, found: list[str], *, one: bool = False) -> NoReturn:
    """Raise the error for a target that matches nothing; `one`: a single blob is needed, not a group."""
    if len(found) > 1:
        noun = "digest" if all(map(is_digest, found)) else "key"
        msg = f"{text} is the start of {count(len(found), noun)}: {join_some(found, 4)}; give more of it"
        raise AmbiguousTargetError(msg)
    if is_repository(snapshot, text):
        raise _of_repository(snapshot, text, one=one)
    start, end = START.fullmatch(text), count_named(snapshot)
    if _DIGEST_LIKE.match(text) and (start is None or len(start[2]) < PREFIX_HEX):
        if start is None:
            parse(text)
        msg = f"{text!r} is too short for the start of a digest: {_too_few(snapshot, text) or _AT_LEAST}"
        raise InvalidDigestError(msg)
    few = _too_few(snapshot, text)
    near = nearest(text, combine(snapshot.pins["name"])[: min(end, NAMES_COMPARED)].to_pylist())
    digits = f"it is too short for the start of a digest: {few}" if few else "no digest starts with it"
    msg = f"nothing here is named {truncate(text, _LONG)!r}, and {digits}{near}"
    raise UnknownTargetError(msg)


def refuse_pattern(snapshot: Snapshot, text: str) -> None:
    """Raise the error for a pattern where a single blob is needed."""
    if not is_pattern(text):
        return
    try:
        names = snapshot.pins["name"].take(rows_like(snapshot, text)).unique().to_pylist()
        such = f"one of the {count(len(names), 'name')} that match it: {_few(names)}"
    except UnknownTargetError:
        such = "one name or digest"
    msg = f"{truncate(text, _LONG)!r} is a pattern, but this needs a single blob: give {such}"
    raise UnknownTargetError(msg)


def nearest(text: str, names: list[str]) -> str:
    """Return the names nearest to the text, as the end of a sentence."""
    names = list(dict.fromkeys(names))
    near = difflib.get_close_matches(text, names, n=3, cutoff=0.6) or [name for name in names if text in name][:3]
    return f"; did you mean {', '.join(map(printable, near))}?" if near else ""


_AT_LEAST = f"give at least {PREFIX_HEX} digits"


def _too_few(snapshot: Snapshot, text: str) -> str:
    """Return the message for a prefix that is too short, with the digests that start with it; "" if none does."""
    start = START.fullmatch(text)
    found = by_prefix(snapshot, text, 1) if start and len(start[2]) < PREFIX_HEX else []
    if not found:
        return ""
    digests = join_some([abbreviate(digest) for digest in found], 3)
    return f"{_AT_LEAST}; {digests} {'starts' if len(found) == 1 else 'start'} with it"


def is_repository(snapshot: Snapshot, text: str) -> bool:
    """Return whether a text is a repository or namespace. Cost: a pass over the pins."""
    return text != "" and text in snapshot.pins["group"].unique().to_pylist()


def _of_repository(snapshot: Snapshot, text: str, *, one: bool) -> UnknownTargetError:
    """Return the error for a repository given as a name, with the input to type instead."""
    mine = np.flatnonzero(np.asarray(snapshot.pins["group"].fill_null("")) == text)
    few = _few(snapshot.pins["name"].take(mine).drop_null().to_pylist())
    if one:
        msg = f"{text!r} is a repository, but this needs a single blob: give one of its names: {few}"
        return UnknownTargetError(msg)
    rest = f"for all of it, or one name: {few}"
    hint = Hint(f"use groups=({text!r},) {rest}", f"use --group {shlex.quote(text)} {rest}")
    return UnknownTargetError(f"{text!r} is a repository, not a name", hint=hint)


def _few(names: list[str]) -> str:
    return join_some([printable(truncate(name, 60)) for name in names], NAMES_TOLD)
