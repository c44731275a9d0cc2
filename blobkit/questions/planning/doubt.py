"""What may hang on what cannot be read: the graph in which an unreadable document links to all that it could."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.reach import live, sources, unknown
from blobkit.questions.trust import OPAQUE_LOOKED_AT, certain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot import Counted, Snapshot

__all__ = ["doubted"]


def doubted(snapshot: Snapshot) -> Counted:
    """Return the graph of what counts, where what goes is sure to go.

    Each document in use that is unreadable links to every live blob that does not contain it; with more than
    OPAQUE_LOOKED_AT of them, to every live blob. Nodes without bytes stand between. Cost: none where all is readable;
    else a sort of the links for each of the unreadable.
    """
    graph = snapshot.counted
    opaque = unknown(graph)
    if not len(opaque):
        return graph
    blobs = np.flatnonzero(live(graph) & graph.blob).astype(np.int32)
    marks, sort = np.unique(_containing(snapshot, blobs, opaque), return_inverse=True)
    between = (len(graph.size) + np.arange(len(marks))).astype(np.int32)
    unlike = marks[None, :] >> np.arange(len(opaque), dtype=np.uint64)[:, None] & np.uint64(1) == 0
    document, kind = (
        np.nonzero(unlike) if len(opaque) <= OPAQUE_LOOKED_AT else np.indices((len(opaque), 1)).reshape(2, -1)
    )
    source = np.concatenate((sources(graph), opaque[document], between[sort]))
    target = np.concatenate((graph.targets, between[kind], blobs))
    return _widened(graph, source, target, len(marks))


def _containing(snapshot: Snapshot, blobs: NDArray[np.int32], opaque: NDArray[np.int32]) -> NDArray[np.uint64]:
    """Return for each blob which of the unreadable documents it contains through digests, as bits."""
    marks = np.zeros(len(blobs), np.uint64)
    if len(opaque) <= OPAQUE_LOOKED_AT:
        for bit, one in enumerate(opaque):
            inside = certain(snapshot, blobs, np.array([one], np.int32))
            marks[np.isin(blobs, inside)] |= np.uint64(1 << bit)
    return marks


def _widened(graph: Counted, source: NDArray[np.int32], target: NDArray[np.int32], more: int) -> Counted:
    """Return the graph with these links instead, and so many nodes more that hold nothing."""
    n = len(graph.size) + more
    order = np.argsort(source, kind="stable")
    first = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(source, minlength=n), out=first[1:])
    nothing = np.zeros(more, np.int64)
    return replace(
        graph,
        first=first,
        targets=target[order],
        pins=np.concatenate((graph.pins, nothing)),
        size=np.concatenate((graph.size, nothing)),
        blob=np.concatenate((graph.blob, nothing > 0)),
        opaque=np.concatenate((graph.opaque, nothing > 0)),
    )
