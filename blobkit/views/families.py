"""Find the families of names (by repository, or by the start of plain names) that reach each blob, for folding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis import kernels
from blobkit.analysis.dominators import retained
from blobkit.render import join_some
from blobkit.snapshot.sets import unique
from blobkit.snapshot.tables import ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.analysis.referrers import Referrers
    from blobkit.snapshot.graph import ReferenceGraph
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Families", "families"]

MOST = 15
_VERSION = r"(?s)(?:[:@]|[-_./]?v?[0-9]|[-_./]latest).*$"


@dataclass(frozen=True, eq=False)
class Families:
    """Up to 15 families by name, first those that retain most; then one for all others, if any.

    In `reach`, bit i of the number of a node is set if family i reaches the node; `remain`: after the removal.
    """

    names: tuple[str, ...]
    reach: NDArray[np.int32]
    remain: NDArray[np.int32]

    def named(self, bits: int, most: int = 2) -> str:
        """Return the families of these bits in one line."""
        return join_some([name for i, name in enumerate(self.names) if bits >> i & 1], most)


def families(before: Referrers, after: Referrers) -> Families:
    """Return the families that reach each node by the pins before and after. Cost: 16 closures, or 32."""
    snapshot = before.snapshot
    graph = snapshot.graph
    rows = np.flatnonzero(before.rows)
    node = ids(snapshot.pins["node"])[rows]
    code, known = pd.factorize(_family(snapshot, rows))
    weight = np.bincount(code, retained(graph)[node] + 1, minlength=len(known))
    best = np.argsort(-weight, kind="stable")
    rank = np.empty(len(known), np.int64)
    rank[best] = np.arange(len(known))
    top = np.minimum(rank[code], MOST)
    names = [str(known[i]) for i in best[:MOST]]
    names += [f"{len(known) - MOST:,} others"] * (len(known) > MOST)
    reach = _reach(graph, node, top)
    stay = after.rows[rows]
    return Families(tuple(names), reach, reach if after is before else _reach(graph, node[stay], top[stay]))


def _reach(graph: ReferenceGraph, node: NDArray[np.int32], family: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return for each node the families with pinned nodes that reach it, as bits."""
    reach = np.zeros(len(graph.size), np.int32)
    for i in unique(family).tolist():
        pinned = unique(node[family == i])
        reach |= (kernels.depths(graph.indptr, graph.indices, pinned) >= 0).astype(np.int32) << i
    return reach


def _family(snapshot: Snapshot, rows: NDArray[np.int64]) -> pd.Series[str]:
    """Return the family of each pin: its repository, else its name up to a version, else a name for anonymous pins."""
    name = snapshot.pins["name"].take(rows).to_pandas().astype("str")
    group = snapshot.pins["group"].take(rows).to_pandas().astype("str")
    stem = name.str.replace(_VERSION, "", regex=True)
    stem = stem.where(stem != "", name)
    family: pd.Series[str] = group.where(group.notna() & (group != ""), stem).fillna("anonymous pins")
    return family
