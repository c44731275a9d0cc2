"""Find nodes by what is typed: a digest, another key of the store's kind, or the start of one."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import ALGORITHMS, is_digest
from blobkit.snapshot.pins import count_named, revisions, rows_on
from blobkit.snapshot.tables import STORED, codes, flags, match_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["PREFIX_HEX", "START", "behind", "by_prefix", "is_key"]

PREFIX_HEX = 6
"""Hex digits that the start of a key needs."""
START = re.compile(rf"((?:{'|'.join(ALGORITHMS)}):)?([0-9a-f]+)")
"""The start of a digest."""
_MOST = 10
_KEY_START = re.compile(r"(.*[/:])?([0-9a-f]+)")


def is_key(snapshot: Snapshot, text: str) -> bool:
    """Return whether a text is a digest, or the key of a node that is not virtual (`layer/...`, a path of a cache).

    A virtual node counts if it holds others by itself and has no name (`lease/...`).

    A digest that is the end of another key is not one: `sha256:...` means the node `image/sha256:...`.
    """
    if not snapshot.store.key_form:
        return is_digest(text)
    node = snapshot.find(text)
    if node >= 0 and is_virtual(snapshot, node):
        return _holds_alone(snapshot, node)
    return node >= 0 or (is_digest(text) and not by_prefix(snapshot, text))


def _holds_alone(snapshot: Snapshot, node: int) -> bool:
    """Return whether a virtual node has pins, all of them without a name, and stands for no blob and nothing unread."""
    rows = rows_on(snapshot, node)
    nameless = rows and min(rows) >= count_named(snapshot) and not flags(snapshot.nodes["opaque"])[node]
    return bool(nameless) and not revisions(snapshot).blobs(node)


def is_virtual(snapshot: Snapshot, node: int) -> bool:
    """Return whether a node is not a blob, and stands for one or for a group of them."""
    return STORED[codes(snapshot.nodes["stored"])[node]] == "virtual"


def behind(snapshot: Snapshot, nodes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return these nodes, and in the place of each virtual one the nodes that it stands for, if there are any."""
    virtual = codes(snapshot.nodes["stored"])[nodes] == STORED.index("virtual")
    found = [blob for node in nodes[virtual].tolist() for blob in revisions(snapshot).blobs(node)]
    return np.concatenate((nodes[~virtual], np.array(found, np.int32)))


def by_prefix(snapshot: Snapshot, text: str, least: int = PREFIX_HEX) -> list[str]:
    """Return a few keys that start with a text, which must have at least six hex digits.

    In stores with keys that are not digests, the digits may also be the start of the last part of a key: `0bdae3fd` for
    `layer/0bdae3fd...`. Cost: a binary search; for such stores a pass over the keys.
    """
    found = _digests(snapshot, text, least)
    match = _KEY_START.fullmatch(text) if snapshot.store.key_form else None
    if match is None or len(match[2]) < least:
        return found
    start = rf"[/:]{text}" if START.fullmatch(text) else rf"\A{re.escape(text)}"
    rows = match_rows(snapshot.nodes["key"], start)
    rows = rows[codes(snapshot.nodes["stored"])[rows] != STORED.index("virtual")]
    return list(dict.fromkeys([*found, *(snapshot.key(row) for row in rows[:_MOST].tolist())]))[:_MOST]


def _digests(snapshot: Snapshot, text: str, least: int) -> list[str]:
    """Return a few digests that start with a text."""
    match = START.fullmatch(text)
    if match is None or len(match[2]) < least:
        return []
    labels = [match[1]] if match[1] else [f"{label}:" for label in ALGORITHMS]
    found: list[str] = []
    keys = snapshot.nodes["key"]
    for label in labels:
        at = bisect_left(keys, label + match[2], key=str)
        while at < len(keys) and len(found) < _MOST and str(keys[at]).startswith(label + match[2]):
            found += [str(keys[at])] * is_digest(str(keys[at]))
            at += 1
    return found
