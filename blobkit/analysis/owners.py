"""Owners: for each node the lowest place in store > namespace > repository > name that alone keeps it.

The owner of a node is the place where all names that reach it meet. So the bytes that a name owns are what dropping it
frees, those that a repository and all its names own are what dropping all of them frees, and so on. Nodes that pins
without a name reach, or that no dropped pin frees (counted garbage, counted cycles), are owned by these in any case.

Owners are the least fixpoint of one rule: the owner of a node is where the names of its pins and the owners of the
nodes that link to it meet. It holds on cycles too. After some names are dropped or taken back, owners can only change
below the nodes of their pins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis import owner_kernels as kernels
from blobkit.analysis.dominators import leaked
from blobkit.analysis.reach import incoming, live, number_of_links
from blobkit.analysis.tree import NO_PLACE, tree
from blobkit.cache import memoized
from blobkit.snapshot.sets import add_amounts, unique
from blobkit.snapshot.tables import ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot.graph import ReferenceGraph
    from blobkit.snapshot.snapshot import Snapshot

    Bools = NDArray[np.bool_]
    Ids = NDArray[np.int32]
    Ints = NDArray[np.int64]

__all__ = ["Owners", "find_owners", "owners_at_first", "reached", "totals_of", "update_owners"]


@dataclass(frozen=True, eq=False)
class Owners:
    """The owners of the nodes while some pins hold.

    `owner`: the place that owns each node (see `blobkit.analysis.tree`), NO_PLACE if nothing keeps it. `bytes`,
    `blobs`: what each place owns, without the places below it. `fixed`: nodes that no name frees.
    """

    owner: Ids
    bytes: Ints
    blobs: Ints
    fixed: Bools


@memoized
def owners_at_first(snapshot: Snapshot) -> Owners:
    """Return the owners while all pins of the snapshot hold; the arrays are read-only. Cost: nodes + links."""
    found = find_owners(snapshot, snapshot.holding)
    for array in (found.owner, found.bytes, found.blobs, found.fixed):
        array.flags.writeable = False
    return found


def find_owners(snapshot: Snapshot, keeps: Bools) -> Owners:
    """Return the owners while these pins (a flag for each row of the pin table) hold. Cost: nodes + links."""
    graph, places = snapshot.graph, tree(snapshot)
    fixed = _fixed(snapshot, keeps)
    owner = np.where(fixed, np.int32(places.nameless), np.int32(NO_PLACE))
    rows = np.flatnonzero(keeps)
    node = ids(snapshot.pins["node"])[rows]
    free = ~fixed[node]
    node = node[free]
    kernels.pinned(node, places.place_of[rows[free]], places.parent, owner)
    _spread(graph, unique(node), (len(owner), len(owner) + len(graph.indices)), places.parent, owner)
    every = np.arange(len(owner), dtype=np.int32)
    return Owners(owner, *totals_of(graph, owner, every, len(places.parent)), fixed)


def update_owners(snapshot: Snapshot, before: Owners, keeps: Bools, changed: Ints) -> Owners:
    """Return the owners while these pins hold, from those before some pins with a name (rows) changed.

    Cost: a pass over the pins, then the nodes below the changed pins, their links, and the links to them up to the top;
    at most as anew.
    """
    graph, places, pinned = snapshot.graph, tree(snapshot), ids(snapshot.pins["node"])
    seen = before.fixed.copy()
    nodes = _below(graph, pinned[changed], seen)
    work = len(nodes) + number_of_links(graph, nodes)
    if 2 * work > len(graph.size) + len(graph.indices):
        return find_owners(snapshot, keeps)
    owner, totals = before.owner.copy(), (before.bytes.copy(), before.blobs.copy())
    _add(graph, owner, nodes, totals, -1)
    owner[nodes] = NO_PLACE
    rows = np.flatnonzero(keeps & (seen & ~before.fixed)[pinned])
    kernels.pinned.of(len(rows))(pinned[rows], places.place_of[rows], places.parent, owner)
    kernels.pulled.of(work)(nodes, *incoming(graph), places.parent, owner)
    _spread(graph, nodes[owner[nodes] != NO_PLACE], (len(nodes), work), places.parent, owner)
    _add(graph, owner, nodes, totals, 1)
    return Owners(owner, *totals, before.fixed)


def reached(graph: ReferenceGraph, nodes: Ids) -> Ids:
    """Return the nodes that these reach, themselves included, each once. Cost: these and their links."""
    return _below(graph, nodes, np.zeros(len(graph.size), np.bool_))


def totals_of(graph: ReferenceGraph, owner: Ids, nodes: NDArray[np.integer], places: int) -> tuple[Ints, Ints]:
    """Return the bytes and the number of blobs among these nodes that each place owns. Cost: the nodes and places."""
    totals = np.zeros(places, np.int64), np.zeros(places, np.int64)
    _add(graph, owner, nodes, totals, 1)
    return totals


def _fixed(snapshot: Snapshot, keeps: Bools) -> Bools:
    """Return the nodes that are kept whatever names are dropped."""
    nameless = keeps & (tree(snapshot).place_of == tree(snapshot).nameless)
    fixed = leaked(snapshot.graph) & live(snapshot.graph)
    _below(snapshot.graph, ids(snapshot.pins["node"])[nameless], fixed)
    return fixed


def _below(graph: ReferenceGraph, roots: Ids, seen: Bools) -> Ids:
    """Return the nodes that the roots reach on nodes that are not seen yet, and mark them."""
    run = kernels.below.form(len(graph.size) + len(graph.indices))
    nodes = run(graph.indptr, graph.indices, roots, seen)
    kernels.below.spent += len(nodes) + number_of_links(graph, nodes)
    return nodes


def _spread(graph: ReferenceGraph, start: Ids, cost: tuple[int, int], parent: Ids, owner: Ids) -> None:
    """Spread the owners of these nodes to those below; `cost`: the most nodes that this reaches, and their work."""
    room, work = cost
    queue, waiting = np.empty(room, np.int32), np.zeros(len(owner), np.bool_)
    queue[: len(start)] = start
    waiting[start] = True
    kernels.spread.of(work)(graph.indptr, graph.indices, queue, len(start), waiting, parent, owner)


def _add(graph: ReferenceGraph, owner: Ids, nodes: NDArray[np.integer], totals: tuple[Ints, Ints], sign: int) -> None:
    """Add the bytes and the number of these nodes to the totals of their owners."""
    add_amounts(totals[0], owner, graph.size, nodes, sign)
    add_amounts(totals[1], owner, graph.blob, nodes, sign)
