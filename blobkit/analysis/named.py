"""Bytes that go with all names of a blob, where these are on virtual nodes (the claims of namespaces)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.dominators import frees
from blobkit.analysis.removal import freed, removal
from blobkit.cache import memoized
from blobkit.snapshot.pins import named_nodes
from blobkit.snapshot.tables import ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["frees_named"]


@memoized
def frees_named(snapshot: Snapshot) -> NDArray[np.int64]:
    """Return for each node the bytes freed when all pins on it go, and all names of it on virtual nodes.

    Cost: as `frees`; for a blob with names on several nodes also what these free together.
    """
    graph, node, blob = snapshot.graph, ids(snapshot.pins["node"]), named_nodes(snapshot)
    found = frees(graph)
    rows = np.flatnonzero(snapshot.holding & (node != blob))
    if not len(rows):
        return found
    pairs = np.unique(np.stack((blob[rows], node[rows])), axis=1)
    blobs, start, number = np.unique(pairs[0], return_index=True, return_counts=True)
    found = found.copy()
    single = (number == 1) & (graph.pins[blobs] == 0)
    found[blobs[single]] = found[pairs[1][start[single]]]
    for one, at, many in zip(*(column[~single].tolist() for column in (blobs, start, number)), strict=True):
        nodes = np.unique(np.append(pairs[1][at : at + many], one)).astype(np.int32)
        found[one] = freed(graph, removal(graph, nodes, graph.pins[nodes]).nodes)[1]
    return found
