"""Errors for targets that match nothing or several things, with the input to type instead."""

from __future__ import annotations

import difflib
import re
import shlex
from typing import TYPE_CHECKING, NoReturn

from blobkit.analysis.reach import live
from blobkit.analysis.referrers import Referrers
from blobkit.digest import ALGORITHMS, is_digest, parse
from blobkit.errors import AmbiguousTargetError, Hint, InvalidDigestError, NotPinnedError, UnknownTargetError
from blobkit.questions.inputs.keys import PREFIX_HEX, START, by_prefix, is_key
from blobkit.questions.inputs.patterns import is_pattern, rows_like
from blobkit.render import abbreviate, count, join_some, printable, truncate
from blobkit.snapshot.columns import combine
from blobkit.snapshot.pins import count_named, rows_of_group, rows_on
from blobkit.snapshot.roles import IS_ALONE
from blobkit.snapshot.tables import codes, ids

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["NAMES_COMPARED", "is_repository", "nearest", "not_pinned", "refuse", "refuse_group", "refuse_pattern"]

NAMES_COMPARED = 50_000
NAMES_JUDGED = 100
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


def refuse_group(snapshot: Snapshot, text: str, rows: list[int]) -> None:
    """Raise the error for a name of something that is no blob itself, where a single blob is needed."""
    if rows:
        key = snapshot.key(int(ids(snapshot.pins["node"])[rows[0]]))
        msg = f"{text} names {abbreviate(key)}, which has blobs and is none"
        raise UnknownTargetError(msg, hint=Hint(f"give one of reach(x, {text!r})", "give one of blobkit ls"))


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
    few = _few(snapshot.pins["name"].take(rows_of_group(snapshot, text)).drop_null().to_pylist())
    if one:
        msg = f"{text!r} is a repository, but this needs a single blob: give one of its names: {few}"
        return UnknownTargetError(msg)
    rest = f"for all of it, or one name: {few}"
    hint = Hint(f"use groups=({text!r},) {rest}", f"use --group {shlex.quote(text)} {rest}")
    return UnknownTargetError(f"{text!r} is a repository, not a name", hint=hint)


def _few(names: list[str]) -> str:
    return join_some([printable(truncate(name, 60)) for name in names], NAMES_TOLD)


def not_pinned(snapshot: Snapshot, digest: str, node: int) -> NotPinnedError:
    """Return the error for a blob that has no pin of its own."""
    if not live(snapshot.graph)[node]:
        msg = f"{abbreviate(digest)} has no references under policy {snapshot.policy}: there is no pin to drop"
        return NotPinnedError(msg, digest=digest)
    if IS_ALONE[codes(snapshot.pins["kind"])[rows_on(snapshot, node)]].any():
        tool, advice = snapshot.rule.tool or "any tool", "" if snapshot.store.key_form else ": remove its file"
        msg = f"{abbreviate(digest)} is never removed by {tool}, whatever is dropped{advice}"
        return NotPinnedError(msg, digest=digest)
    found = Referrers.now(snapshot).names(node, NAMES_JUDGED)
    names = join_some([printable(abbreviate(name)) for name in found], 3)
    by_tags = f"simulate_deref(x, *why(x, {digest!r}).tags)"
    call = f"why(x, {digest!r}).preview()" if any(_is_no_tag(snapshot, name) for name in found) else by_tags
    msg = f"{abbreviate(digest)} has no pin of its own, only links hold it ({names} reach it)"
    hint = Hint(f"use {call}", f"blobkit why ADDRESS {digest} shows what holds it: drop that")
    return NotPinnedError(msg, hint=hint, digest=digest)


def _is_no_tag(snapshot: Snapshot, name: str) -> bool:
    """Return whether this is an anonymous pin (a key) or a revision (`repo@digest`)."""
    return is_digest(name.rpartition("@")[2]) or is_key(snapshot, name)
