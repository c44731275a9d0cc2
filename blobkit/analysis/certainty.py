"""Conservative analysis: a document that cannot be read may link to every blob that does not contain the document."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.kernels import depths
from blobkit.analysis.reach import closure, live, sources, unknown
from blobkit.snapshot.estimates import certain_sizes
from blobkit.snapshot.roles import BY_DIGEST
from blobkit.snapshot.sets import starts
from blobkit.snapshot.tables import STORED, codes, ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot.graph import ReferenceGraph
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["certainly_freed", "conservative_graph"]

OPAQUE_LOOKED_AT = 64


def certainly_freed(snapshot: Snapshot, nodes: NDArray[np.int32], opaque: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the blobs of `nodes` that no opaque node can reference.

    Each of these blobs contains, through digests, every opaque node: a document cannot link to a blob that contains its
    own digest. These blobs also depend on no other blob that it may link to (a referrer depends on its subject). Cost:
    the links, for each of at most 64 opaque nodes; with more opaque nodes, nothing is certain.
    """
    if len(opaque) > OPAQUE_LOOKED_AT:
        return nodes[:0]
    links = snapshot.links
    contained = BY_DIGEST[codes(links["kind"])]
    source, target = ids(links["source"])[contained], ids(links["target"])[contained]
    order = np.argsort(target, kind="stable")
    start = starts(target, snapshot.nodes.num_rows)
    linkable = np.zeros(snapshot.nodes.num_rows, np.bool_)
    for one in opaque:
        linkable |= depths(start, source[order], np.array([one], np.int32)) < 0
    linkable &= codes(snapshot.nodes["stored"]) != STORED.index("virtual")
    return nodes[closure(snapshot.graph, np.flatnonzero(linkable).astype(np.int32))[nodes] < 0]


def conservative_graph(snapshot: Snapshot) -> ReferenceGraph:
    """Return a conservative graph of the references that count: nodes freed in it are certainly freed.

    In it each unreadable document in use links to every live blob that does not contain it; with more than
    OPAQUE_LOOKED_AT of these documents, to every live blob. The links go through added nodes without bytes. Sizes that
    are estimates are 0. Cost: none if all documents are readable; else a sort of the links for each unreadable one.
    """
    graph = certain_sizes(snapshot)
    opaque = unknown(snapshot.graph)
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
    target = np.concatenate((graph.indices, between[kind], blobs))
    return _widened(graph, source, target, len(marks))


def _containing(snapshot: Snapshot, blobs: NDArray[np.int32], opaque: NDArray[np.int32]) -> NDArray[np.uint64]:
    """Return for each blob the unreadable documents that it contains through digests, as bits."""
    marks = np.zeros(len(blobs), np.uint64)
    if len(opaque) <= OPAQUE_LOOKED_AT:
        for bit, one in enumerate(opaque):
            inside = certainly_freed(snapshot, blobs, np.array([one], np.int32))
            marks[np.isin(blobs, inside)] |= np.uint64(1 << bit)
    return marks


def _widened(graph: ReferenceGraph, source: NDArray[np.int32], target: NDArray[np.int32], more: int) -> ReferenceGraph:
    """Return the graph with these links instead, and with `more` added nodes that have no pins."""
    n = len(graph.size) + more
    order = np.argsort(source, kind="stable")
    nothing = np.zeros(more, np.int64)
    return replace(
        graph,
        indptr=starts(source, n),
        indices=target[order],
        pins=np.concatenate((graph.pins, nothing)),
        size=np.concatenate((graph.size, nothing)),
        blob=np.concatenate((graph.blob, nothing > 0)),
        opaque=np.concatenate((graph.opaque, nothing > 0)),
    )
