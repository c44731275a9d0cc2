"""Which families of names (a repository, or what plain names begin with) reach each blob, for pictures that fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis import kernels
from blobkit.analysis.dominators import retained
from blobkit.render import listed
from blobkit.snapshot.sets import unique
from blobkit.snapshot.tables import ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.analysis.referrers import Holding
    from blobkit.snapshot.graph import ReferenceGraph
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Families", "families"]

MOST = 15
_VERSION = r"(?s)(?:[:@]|[-_./]?v?[0-9]|[-_./]latest).*$"


@dataclass(frozen=True, eq=False)
class Families:
    """Up to 15 families by name, those that retain most first, then perhaps one for all others.

    `reach` has bit i set in the number of each node that family i reaches, `remain` those that reach it afterwards.
    """

    names: tuple[str, ...]
    reach: NDArray[np.int32]
    remain: NDArray[np.int32]

    def named(self, bits: int, most: int = 2) -> str:
        """Return the families of these bits in one line."""
        return listed([name for i, name in enumerate(self.names) if bits >> i & 1], most)


def families(before: Holding, after: Holding) -> Families:
    """Return which families reach each node by the pins that hold before and after. Cost: 16 closures, or 32."""
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
    """Return in bit i of each node whether the pinned nodes of family i reach it."""
    reach = np.zeros(len(graph.size), np.int32)
    for i in unique(family).tolist():
        pinned = unique(node[family == i])
        reach |= (kernels.depths(graph.indptr, graph.indices, pinned) >= 0).astype(np.int32) << i
    return reach


def _family(snapshot: Snapshot, rows: NDArray[np.int64]) -> pd.Series[str]:
    """Return the family of each pin: its repository, else its name up to a version, else that it is anonymous."""
    name = snapshot.pins["name"].take(rows).to_pandas().astype("str")
    group = snapshot.pins["group"].take(rows).to_pandas().astype("str")
    stem = name.str.replace(_VERSION, "", regex=True)
    stem = stem.where(stem != "", name)
    family: pd.Series[str] = group.where(group.notna() & (group != ""), stem).fillna("anonymous pins")
    return family
