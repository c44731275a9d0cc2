"""Reach within a repository: a registry serves a manifest only from repositories that link to it.

A pair is a repository (its number, see `Repositories.names`) and a node, packed into one int64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blobkit.cache import memoized
from blobkit.snapshot.columns import combine
from blobkit.snapshot.lookups import Rows
from blobkit.snapshot.pins import revisions
from blobkit.snapshot.roles import CONTAINS, IS_REVISION, REFERS
from blobkit.snapshot.sets import among, rows_where, union, unique
from blobkit.snapshot.tables import DOCUMENTS, KINDS, codes, ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

    Pairs = NDArray[np.int64]

__all__ = ["Repositories", "levels", "members", "nodes_of", "pack", "referrers", "repositories", "spread", "step"]

NESTED = 64
"""The deepest nesting of indexes that is ordered; deeper ones are in no particular order."""
_BITS = 32
_DOCUMENTS = np.array([kind in DOCUMENTS for kind in KINDS])


@dataclass(frozen=True, eq=False)
class Repositories:
    """The repositories of a snapshot.

    `names` by number; `of` is the number for each pin, -1 if it has none; `blob` is the blob of each pin (for a virtual
    node, the blob that it represents). `pair` (sorted) has the manifests of each repository, `row` their pins.
    """

    names: list[str]
    of: NDArray[np.int32]
    blob: NDArray[np.int32]
    pair: Pairs
    row: NDArray[np.int64]

    def pairs(self, rows: NDArray[np.integer]) -> Pairs:
        """Return the pairs of these pins: repository and blob."""
        return pack(self.of[rows], self.blob[rows])

    def rows_of(self, pairs: Pairs) -> NDArray[np.int64]:
        """Return the pin of the manifest of each pair; -1 if the repository does not have that manifest."""
        if not len(self.pair):
            return np.full(len(pairs), -1)
        at = np.minimum(np.searchsorted(self.pair, pairs), len(self.pair) - 1)
        return np.where(self.pair[at] == pairs, self.row[at], -1)


@memoized
def repositories(snapshot: Snapshot) -> Repositories:
    """Return the repositories of a snapshot. Cost: a pass over pins and links."""
    coded = combine(snapshot.pins["group"]).dictionary_encode()
    of = np.asarray(coded.indices.fill_null(-1))
    node = ids(snapshot.pins["node"])
    links = revisions(snapshot)
    stands_for = np.arange(snapshot.nodes.num_rows, dtype=np.int32)
    stands_for[links.source] = links.target
    blob = stands_for[node]
    rows = np.flatnonzero(IS_REVISION[codes(snapshot.pins["kind"])] & (blob != node))
    pair, first = np.unique(pack(of[rows], blob[rows]), return_index=True)
    return Repositories(coded.dictionary.to_pylist(), of, blob, pair, rows[first])


def pack(group: NDArray[np.integer], node: NDArray[np.integer]) -> Pairs:
    """Return the pairs of these repositories and nodes."""
    return group.astype(np.int64) << _BITS | node


def nodes_of(pairs: Pairs) -> NDArray[np.int32]:
    """Return the node of each pair."""
    return (pairs & ((1 << _BITS) - 1)).astype(np.int32)


@memoized
def members(snapshot: Snapshot) -> Rows:
    """Return the manifests that each document contains, whether or not the policy counts it. Cost: links."""
    is_document = _DOCUMENTS[codes(snapshot.nodes["kind"])]
    is_document[revisions(snapshot).target] = True
    kind, source, target = _columns(snapshot)
    inside = rows_where(len(kind), lambda piece: CONTAINS[kind[piece]] & is_document[target[piece]])
    return Rows.by(source[inside], target[inside])


@memoized
def referrers(snapshot: Snapshot) -> Rows:
    """Return the OCI referrers of each blob: documents with it as their subject. Cost: links."""
    kind, source, target = _columns(snapshot)
    about = rows_where(len(kind), lambda piece: REFERS[kind[piece]])
    return Rows.by(target[about], source[about])


def spread(seeds: Pairs, *ways: Rows, within: Pairs | None = None) -> tuple[Pairs, NDArray[np.int64]]:
    """Return the pairs that seeds reach by the given links, seeds first, and the place of the seed of each pair.

    If several seeds reach a pair, the nearest one counts, of equal ones the first. `within`: only these pairs are
    entered. Cost: the reached pairs, sorted once for each level.
    """
    front, origin = np.unique(seeds, return_index=True)
    found, origins = [front], [origin]
    seen, inside = front, front if within is None else unique(within)
    while len(front):
        steps = [step(front, origin, way) for way in ways]
        front, origin = (np.concatenate(part) for part in zip(*steps, strict=True))
        order = np.lexsort((origin, front))
        front, first = np.unique(front[order], return_index=True)
        origin = origin[order][first]
        new = ~among(front, seen) & (among(front, inside) if within is not None else True)
        front, origin = front[new], origin[new]
        seen = union(seen, front)
        found.append(front)
        origins.append(origin)
    return np.concatenate(found), np.concatenate(origins)


def levels(pairs: Pairs, way: Rows) -> NDArray[np.int64]:
    """Return for each pair the longest path from a pair that no other contains: parents come before children."""
    level = np.zeros(len(pairs), np.int64)
    if not len(pairs):
        return level
    target, source = step(pairs, np.arange(len(pairs)), way)
    order = np.argsort(pairs)
    at = np.minimum(np.searchsorted(pairs, target, sorter=order), len(pairs) - 1)
    inside = pairs[order[at]] == target
    source, target = source[inside], order[at[inside]]
    for _ in range(NESTED):
        before = level.copy()
        np.maximum.at(level, target, level[source] + 1)
        if (level == before).all():
            break
    return level


def step(front: Pairs, origin: NDArray[np.int64], way: Rows) -> tuple[Pairs, NDArray[np.int64]]:
    """Return the pairs after one step, each as often as it is reached, with the origin of its predecessor."""
    nodes, whose = way.of(nodes_of(front))
    return pack(front[whose] >> _BITS, nodes), origin[whose]


def _columns(snapshot: Snapshot) -> tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.int32]]:
    """Return the links as arrays: kind, source, target."""
    links = snapshot.links
    return codes(links["kind"]), ids(links["source"]), ids(links["target"])
