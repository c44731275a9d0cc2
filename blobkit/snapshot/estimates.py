"""Nodes whose size is an estimate: this user may not look at their files, so the store's own records tell it.

A scanner records such a node with the estimate as its size, and a notice of the code ESTIMATED with its key.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from blobkit.cache import memoized
from blobkit.snapshot.lookups import noticed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot.graph import ReferenceGraph
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["ESTIMATED", "certain_sizes", "estimated"]

ESTIMATED = "estimated"
"""The code of the notice."""


@memoized
def estimated(snapshot: Snapshot) -> NDArray[np.bool_]:
    """Return which nodes have an estimated size. Cost: that of `noticed`."""
    found = np.zeros(snapshot.nodes.num_rows, np.bool_)
    _, nodes = noticed(snapshot, ESTIMATED)
    found[nodes[nodes >= 0]] = True
    return found


@memoized
def certain_sizes(snapshot: Snapshot) -> ReferenceGraph:
    """Return the references that count, with size 0 for nodes of an estimated size; the graph itself if none is."""
    guessed = estimated(snapshot)
    return replace(snapshot.graph, size=np.where(guessed, 0, snapshot.graph.size)) if guessed.any() else snapshot.graph
