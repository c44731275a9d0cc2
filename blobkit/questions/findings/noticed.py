"""Findings that a maker noticed while it read the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.questions.findings.finding import MEANING, Finding, about
from blobkit.snapshot.kinds import STORES
from blobkit.snapshot.notices import recompressed_in, upload_in
from blobkit.snapshot.tables import STORED, codes, places

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from blobkit.snapshot.snapshot import Snapshot

    Notices = list[tuple[str, str, str, int]]
    """Key, path, message, and the node of the key (-1: none), of the notices of one code."""

__all__ = ["noticed"]

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
}
"""The finding that a notice belongs to, where it is not called the same; what is unknown here is `odd`."""

STOPS = frozenset(code for kind in STORES.values() for one in kind.collectors for code in one.codes)
"""What stops a collector, whatever the policy."""

ASIDE = frozenset({"opaque", "dangling", "dangling-subject", "upload", "recompressed"})
"""Notices of which the graph under the policy, or the message, says more than the key."""


def noticed(snapshot: Snapshot, min_age: timedelta) -> Iterator[Finding]:
    """Yield what was noticed, one finding a code of notice. Cost: the notices."""
    notices = _by_code(snapshot)
    yield from _uploads(snapshot, notices.get("upload", []), min_age)
    yield from _twins(snapshot, notices.get("recompressed", []))
    for code, rows in notices.items():
        if code not in ASIDE:
            finding = CODES.get(code, code if code in MEANING else "would-abort" if code in STOPS else "odd")
            nodes = np.array([node for _, _, _, node in rows if node >= 0], np.int32)
            names = dict.fromkeys(key or path or message for key, path, message, node in rows if node < 0)
            yield about(finding, snapshot, nodes, names)


def _by_code(snapshot: Snapshot) -> dict[str, Notices]:
    """Return the notices by code; a virtual node is a name, no node."""
    table = snapshot.notices
    node = places(table["key"], snapshot.nodes["key"])
    virtual_node = codes(snapshot.nodes["stored"]) == STORED.index("virtual")
    node = np.where(np.append(virtual_node, True)[node], -1, node)
    columns = (table[name].to_pylist() for name in ("code", "key", "path", "message"))
    found: dict[str, Notices] = {}
    for code, key, path, message, at in zip(*columns, node.tolist(), strict=True):
        found.setdefault(code, []).append((key, path, message, at))
    return found


def _uploads(snapshot: Snapshot, rows: Notices, min_age: timedelta) -> Iterator[Finding]:
    """Yield the uploads that were not written for `min_age`, and the others: unknown is never old."""
    held: dict[str, list[tuple[str, int]]] = {"stale-upload": [], "upload": []}
    for key, path, message, _ in rows:
        size, written = upload_in(message)
        is_stale = written is not None and snapshot.time - written >= min_age
        held["stale-upload" if is_stale else "upload"].append((path or key or message, size))
    for code, uploads in held.items():
        nothing = np.empty(0, np.int32)
        yield Finding(code, nothing, sum(size for _, size in uploads), tuple(path for path, _ in uploads))


def _twins(snapshot: Snapshot, rows: Notices) -> Iterator[Finding]:
    """Yield the layers that are one content; their bytes are those of all but the smallest of each content."""
    found, saved = [np.empty(0, np.int32)], 0
    for key, _, message, _ in rows:
        nodes = [node for node in map(snapshot.find, recompressed_in(key, message)) if node >= 0]
        sizes = snapshot.graph.size[nodes]
        saved += int(sizes.sum() - sizes.min(initial=sizes.sum()))
        found.append(np.array(nodes, np.int32))
    yield Finding("twins", np.unique(np.concatenate(found)), saved)
