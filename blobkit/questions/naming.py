"""One way to name places and blobs in pictures: a layer by the first image that has it, "layer of base/debian:12"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.analysis.firsts import first_rows
from blobkit.questions.columns import words
from blobkit.render import abbreviate
from blobkit.snapshot.tables import ids

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["IN_USE", "NO_NAMESPACE", "NO_REPOSITORY", "UNNAMED", "described"]

IN_USE, UNNAMED = "everything in use", "pins without a name"
NO_REPOSITORY, NO_NAMESPACE = "(no repository)", "(no namespace)"
"""The words for places of a store that have no name of their own."""


def described(snapshot: Snapshot, nodes: NDArray[np.int32]) -> list[str]:
    """Return for each of these nodes its kind and `first_tag`, or, if no name reaches it, the start of its digest.

    A node that its first tag names is called by that tag alone.
    """
    rows = first_rows(snapshot)[nodes]
    names = snapshot.pins["name"].take(rows.clip(min=0)).to_pylist() if snapshot.pins.num_rows else [None] * len(nodes)
    pinned = ids(snapshot.pins["node"])
    found = []
    for kind, node, row, name, key in zip(
        words(snapshot, "kind", nodes), nodes.tolist(), rows.tolist(), names, snapshot.keys(nodes), strict=True
    ):
        if row < 0:
            found.append(f"{kind} {abbreviate(key).removeprefix('sha256:')}")
        else:
            found.append(abbreviate(str(name)) if pinned[row] == node else f"{kind} of {abbreviate(str(name))}")
    return found
