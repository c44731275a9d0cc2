"""Findings from the notices of a scan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from blobkit.questions.findings.files import (
    estimates,
    leftovers,
    orphans,
    others,
    outside,
    shared,
    split,
    unreadable,
    unseen,
)
from blobkit.questions.findings.finding import FINDINGS, Finding, finding
from blobkit.snapshot.kinds import STORES
from blobkit.snapshot.notices import NOT_VISIBLE, PARTS, SAID, recompressed_in, upload_in
from blobkit.snapshot.sets import unique
from blobkit.snapshot.tables import STORED, codes, index_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import timedelta

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

    Notices = list[tuple[str, str, str, int]]
    """Key, path, message, and the node of the key (-1: none), of the notices of one code."""

__all__ = ["from_notices"]

_CONTENT = re.compile(r"\(content ([0-9a-f]{40,64})\)\Z")
_REPOSITORY = re.compile(r"(?:\A|/)repositories/(.+)/_layers(?:/|\Z)")

CODES = {
    "digest-mismatch": "damaged",
    "size-mismatch": "damaged",
    "unreadable": "damaged",
    "unparseable": "damaged",
    "too-large": "damaged",
    "damaged-revision": "damaged",
    "damaged-tag": "tag-without-content",
    "tag-without-revision": "tag-without-content",
    "negative-pins": "mismatched-counts",
    "dangling-layer-link": "dangling",
    "opaque-revision": "opaque",
    "unread-manifest": "opaque",
    "hard-link": "shared-inode",
    "not-permitted": "unreadable",
    **dict.fromkeys(NOT_VISIBLE, "not-visible"),
}
"""The finding of a notice with another code; unknown codes become `odd`."""

ASIDE = frozenset({"opaque", "dangling", "dangling-subject", "unseen"})
"""Notices that are replaced by checks of the graph under the policy."""

STOPS = frozenset(code for kind in STORES.values() for one in kind.collectors for code in one.codes)
"""Notices that stop a collector: those without a separate finding are part of `would-abort`."""


def from_notices(snapshot: Snapshot, min_age: timedelta) -> Iterator[Finding]:
    """Yield the findings, one for each code of notice. Cost: the notices."""
    denied, links, notices = split(_by_code(snapshot))
    yield unreadable(snapshot, denied)
    yield outside(snapshot, links)
    for code, rows in notices.items():
        if code in SPECIAL:
            yield from SPECIAL[code](snapshot, rows, min_age)
        elif code not in ASIDE and (code in CODES or code in FINDINGS or code not in STOPS):
            named = CODES.get(code, code if code in FINDINGS else "odd")
            yield finding(named, snapshot, *_named(rows))


def _by_code(snapshot: Snapshot) -> dict[str, Notices]:
    """Return the notices by code, uploads in parts with the others; a virtual node counts as a name, not as a node."""
    table = snapshot.notices
    node = index_in(table["key"], snapshot.nodes["key"])
    virtual_node = codes(snapshot.nodes["stored"]) == STORED.index("virtual")
    node = np.where(np.append(virtual_node, True)[node], -1, node)
    columns = (table[name].to_pylist() for name in ("code", "key", "path", "message"))
    found: dict[str, Notices] = {}
    for code, key, path, message, at in zip(*columns, node.tolist(), strict=True):
        found.setdefault("upload" if code == PARTS else code, []).append((key, path, message, at))
    return found


def _uploads(snapshot: Snapshot, rows: Notices, min_age: timedelta) -> Iterator[Finding]:
    """Yield the uploads not written for `min_age`, and the others: an unknown time is never old."""
    held: dict[str, Notices] = {"stale-upload": [], "upload": []}
    for row in rows:
        written = upload_in(row[2])[1]
        is_stale = written is not None and snapshot.time - written >= min_age
        held["stale-upload" if is_stale else "upload"].append(row)
    for code, uploads in held.items():
        found = finding(code, snapshot, np.array([node for _, _, _, node in uploads if node >= 0], np.int32))
        beside = sum(upload_in(message)[0] for _, _, message, node in uploads if node < 0)
        names = tuple(path or key or message for key, path, message, node in uploads if node < 0)
        yield Finding(code, found.nodes, found.bytes + beside, names, snapshot.store.advice if found else "")


def _junk(snapshot: Snapshot, rows: Notices, _: timedelta) -> Iterator[Finding]:
    """Yield the things stored in the place of blobs, with their own bytes: not those of a blob beside them."""
    found = finding("junk", snapshot, *_named(rows))
    size = sum(upload_in(message)[0] for _, _, message, _ in rows)
    yield Finding("junk", found.nodes, size, found.names, beside=size)


def _named(rows: Notices) -> tuple[NDArray[np.int32], dict[str, None]]:
    """Return the nodes of notices, and the names of their other subjects."""
    nodes = np.array([node for _, _, _, node in rows if node >= 0], np.int32)
    return nodes, dict.fromkeys(key or path or message for key, path, message, node in rows if node < 0)


def _noncurrent(_: Snapshot, rows: Notices, _min_age: timedelta) -> Iterator[Finding]:
    """Yield the versions of a bucket that are not current, with their bytes."""
    size = sum(upload_in(message)[0] for _, _, message, _ in rows)
    yield Finding("noncurrent", np.empty(0, np.int32), size, tuple(message for _, _, message, _ in rows))


def _damaged(snapshot: Snapshot, rows: Notices, _: timedelta) -> Iterator[Finding]:
    """Yield the damaged blobs, with the bytes of things stored in the place of a blob."""
    beside = sum(upload_in(message)[0] for _, _, message, _ in rows)
    yield finding("damaged", snapshot, *_named(rows)).with_bytes(beside)


def _missing(snapshot: Snapshot, rows: Notices, _: timedelta) -> Iterator[Finding]:
    """Yield the blobs that are named and not stored, without those that may be in unreadable places."""
    nodes, names = _named(rows)
    yield finding("missing", snapshot, nodes[~unseen(snapshot)[nodes]], names)


def _unlinked(snapshot: Snapshot, rows: Notices, _min_age: timedelta) -> Iterator[Finding]:
    """Yield the layers without a link in their repository, as `repository@digest`."""
    nodes, _ = _named(rows)
    found = ((_REPOSITORY.search(path), key, message) for key, path, message, _ in rows)
    names = dict.fromkeys(f"{repository[1]}@{key}" if repository else message for repository, key, message in found)
    yield finding("unlinked-layer", snapshot, nodes, names)


def _copies(snapshot: Snapshot, rows: Notices, _min_age: timedelta) -> Iterator[Finding]:
    """Yield the files with equal content; their bytes are those of all but the largest of each content."""
    same: dict[str, list[int]] = {}
    for _, _, message, node in rows:
        if node >= 0 and (found := _CONTENT.search(message)):
            same.setdefault(found[1], []).append(node)
    sizes = [snapshot.graph.size[nodes] for nodes in same.values()]
    saved = sum(int(some.sum() - some.max()) for some in sizes)
    yield Finding("copies", unique(np.array([one for nodes in same.values() for one in nodes], np.int32)), saved)


def _said(_: Snapshot, rows: Notices, _min_age: timedelta) -> Iterator[Finding]:
    """Yield what tools say of themselves."""
    yield Finding(SAID, np.empty(0, np.int32), 0, tuple(message for _, _, message, _ in rows))


def _twins(snapshot: Snapshot, rows: Notices, _min_age: timedelta) -> Iterator[Finding]:
    """Yield the layers with equal content; their bytes are those of all but the smallest of each content."""
    found, saved = [np.empty(0, np.int32)], 0
    for key, _, message, _ in rows:
        nodes = [node for node in map(snapshot.find, recompressed_in(key, message)) if node >= 0]
        sizes = snapshot.graph.size[nodes]
        saved += int(sizes.sum() - sizes.min(initial=sizes.sum()))
        found.append(np.array(nodes, np.int32))
    yield Finding("twins", unique(np.concatenate(found)), saved)


SPECIAL: Mapping[str, Callable[[Snapshot, Notices, timedelta], Iterator[Finding]]] = {
    "copies": _copies,
    "damaged": _damaged,
    "estimated": estimates,
    "junk": _junk,
    "layer-unlinked": _unlinked,
    "leftover": leftovers,
    "other": others,
    "missing": _missing,
    "noncurrent": _noncurrent,
    "orphan": orphans,
    "recompressed": _twins,
    SAID: _said,
    "shared-inode": shared,
    "upload": _uploads,
}
"""Notices with details in the message or the path."""
