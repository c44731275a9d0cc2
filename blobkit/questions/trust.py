"""How far an answer can be trusted: unreadable documents, and collectors that would refuse to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.kernels import depths
from blobkit.analysis.memory import kept
from blobkit.analysis.reach import closure, live
from blobkit.tables import LINK_KINDS, STORED, codes, ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from blobkit.snapshot import Snapshot

__all__ = ["certain", "would_abort"]

OPAQUE_LOOKED_AT = 64
_CONTAINED = np.array([kind in ("config", "layer", "child", "subject") for kind in LINK_KINDS])


def would_abort(snapshot: Snapshot, gone: Iterable[int] = ()) -> tuple[str, ...]:
    """Return why the tool that the policy is named after would stop and remove nothing; empty where it would not.

    Only what the tool looks at can stop it: things without a key (a stray file), names, and blobs that it reaches; not
    the nodes `gone`, which it reaches no more.
    """
    found = _stumbling(snapshot)
    passed = set(gone) if found else ()
    return tuple(f"{snapshot.rule.tool} would abort: {message}" for node, message in found if node not in passed)


@kept
def _stumbling(snapshot: Snapshot) -> tuple[tuple[int, str], ...]:
    """Return what stops the tool: the node, -1 where it is about none, and the message."""
    notices, reached = snapshot.notices, live(snapshot.counted)
    rows = zip(*(notices[column].to_pylist() for column in ("code", "key", "message")), strict=True)
    found = ((snapshot.find(key), message) for code, key, message in rows if code in snapshot.rule.aborts)
    return tuple((node, message) for node, message in found if node < 0 or reached[node])


def certain(snapshot: Snapshot, nodes: NDArray[np.int32], opaque: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return those of the blobs `nodes` that no opaque node can hold.

    They contain, through digests, every one of them: a document cannot link to what contains its own digest. And they
    hang on nothing else that it may link to, as a referrer hangs on its subject. Cost: links, for each of at most 64
    opaque nodes; with more of them nothing is certain.
    """
    if len(opaque) > OPAQUE_LOOKED_AT:
        return nodes[:0]
    links = snapshot.links
    contained = _CONTAINED[codes(links["kind"])]
    source, target = ids(links["source"])[contained], ids(links["target"])[contained]
    order = np.argsort(target, kind="stable")
    start = np.zeros(snapshot.nodes.num_rows + 1, np.int64)
    np.cumsum(np.bincount(target, minlength=snapshot.nodes.num_rows), out=start[1:])
    linkable = np.zeros(snapshot.nodes.num_rows, np.bool_)
    for one in opaque:
        linkable |= depths(start, source[order], np.array([one], np.int32)) < 0
    linkable &= codes(snapshot.nodes["stored"]) != STORED.index("virtual")
    return nodes[closure(snapshot.counted, np.flatnonzero(linkable).astype(np.int32))[nodes] < 0]
