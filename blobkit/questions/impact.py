"""The effect of a removal on the remaining tags: those that can no longer be pulled, and those to drop too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.kernels import depths, reverse
from blobkit.analysis.owners import find_owners, owners_at_first, update_owners
from blobkit.analysis.reach import closure, take_ranges
from blobkit.analysis.tree import tree
from blobkit.cache import memoized
from blobkit.questions.columns import keys
from blobkit.snapshot.graph import link_rows, of_kinds
from blobkit.snapshot.lookups import rows_on_any, texts_of
from blobkit.snapshot.pins import count_named
from blobkit.snapshot.references import LINK_KINDS, LINKS
from blobkit.snapshot.roles import CONTAINS, NAMES, STANDS_FOR
from blobkit.snapshot.sets import pieces, rows_where, unique, where
from blobkit.snapshot.tables import codes, ids, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.analysis.owners import Owners
    from blobkit.questions.inputs.selection import PinSelection
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["also_drop", "broken_tags", "other_names", "staying"]

NAMES_TOLD = 20


def broken_tags(snapshot: Snapshot, dropped: PinSelection, gone: NDArray[np.int32]) -> tuple[str, ...]:
    """Return the tags that stay but could no longer be pulled, sorted: a part of their image, or its link, is freed.

    Empty if references are counted, or if the policy holds all names here and all that they contain. Cost: links.
    """
    rule, kind, node = snapshot.rule, codes(snapshot.pins["kind"]), ids(snapshot.pins["node"])
    held = not rule.sources and bool(snapshot.holding[NAMES[kind]].all()) and _body(snapshot) <= rule.links
    if rule.counting or held or not len(gone):
        return ()
    above = _body_holders(snapshot)
    hit = depths(*above, gone[snapshot.graph.blob[gone]])[node] >= 0
    hit |= _unlinked(snapshot, gone, above)
    hit &= NAMES[kind]
    names = set(snapshot.pins["name"].take(np.flatnonzero(hit)).drop_null().to_pylist())
    dropped_names = set(snapshot.pins["name"].take(dropped.row).to_pylist())
    return tuple(sorted(names - dropped_names))


def other_names(snapshot: Snapshot, nodes: NDArray[np.int32], dropped: PinSelection) -> tuple[str, ...]:
    """Return the names of these nodes that are not dropped, sorted."""
    names, rows = snapshot.pins["name"], rows_on_any(snapshot, nodes)
    rows = rows[(rows < count_named(snapshot)) & NAMES[codes(snapshot.pins["kind"])[rows]]]
    return tuple(sorted(set(names.take(rows).to_pylist()) - set(names.take(dropped.row).to_pylist())))


def staying(
    snapshot: Snapshot, dropped: PinSelection, gone: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the distance of every node from the dropped pins, and the blobs there that stay, biggest first."""
    graph = snapshot.graph
    distance = closure(graph, unique(ids(snapshot.pins["node"])[dropped.row]))
    stays = (distance >= 0) & graph.blob
    stays[gone] = False
    nodes = where(stays)
    return distance, nodes[np.lexsort((nodes, -graph.size[nodes]))]


def also_drop(snapshot: Snapshot, dropped: PinSelection) -> pd.DataFrame:
    """Return the names that free more together with the targets than alone: see `Preview.also_drop`.

    Cost: the owners of all nodes, and those that change when the targets are dropped.
    """
    before, after = owners_at_first(snapshot), _owners_without(snapshot, dropped)
    size, alone = (found.bytes[: tree(snapshot).names] for found in (after, before))
    names = np.flatnonzero(size > alone)
    extra = size[names] - alone[names]
    names = names[np.lexsort((names, -size[names], -extra))][:NAMES_TOLD]
    texts, extra = texts_of(snapshot, names), size[names] - alone[names]
    columns = (texts, size[names], alone[names], extra, _biggest(snapshot, before, after, names), texts)
    frame = pd.DataFrame(dict(zip(_ALSO_DROP, (*columns, after.blobs[names], size[names]), strict=True)))
    return frame.astype(_ALSO_DROP)


_ALSO_DROP = dict.fromkeys(("tag", "bytes", "alone", "extra", "digest", "name", "blobs", "together"), "int64")
_ALSO_DROP |= dict.fromkeys(("tag", "digest", "name"), "str")


def _owners_without(snapshot: Snapshot, dropped: PinSelection) -> Owners:
    """Return the owners after these pins are dropped; a pin of which some are left still holds."""
    rows, number = dropped.row, dropped.number
    rows = rows[snapshot.holding[rows] & (number >= numbers(snapshot.pins["count"])[rows])]
    keeps = snapshot.holding.copy()
    keeps[rows] = False
    if (rows >= count_named(snapshot)).any():
        return find_owners(snapshot, keeps)
    return update_owners(snapshot, owners_at_first(snapshot), keeps, rows)


def _biggest(snapshot: Snapshot, before: Owners, after: Owners, names: NDArray[np.int64]) -> list[str]:
    """Return for each of these names the biggest blob that it owns after, and not before."""
    nodes = np.flatnonzero(after.owner != before.owner)
    nodes = nodes[np.lexsort((nodes, -snapshot.graph.size[nodes], after.owner[nodes]))]
    return snapshot.keys(nodes[np.searchsorted(after.owner[nodes], names)])


@memoized
def _body(snapshot: Snapshot) -> frozenset[str]:
    """Return the kinds of links here with which something contains its parts. Cost: a pass over the links."""
    kind, here = codes(snapshot.links["kind"]), np.zeros(len(LINKS), np.bool_)
    for piece in pieces(len(kind)):
        here[kind[piece]] = True
    return frozenset(LINKS[code].name for code in np.flatnonzero(here & CONTAINS).tolist())


@memoized
def _body_holders(snapshot: Snapshot) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the manifests that contain each node, in CSR form, whether or not the policy counts the links."""
    links = snapshot.links
    body = of_kinds(codes(links["kind"]), _body(snapshot), LINK_KINDS)
    return reverse(*link_rows(ids(links["source"]), ids(links["target"]), body, snapshot.nodes.num_rows))


def _unlinked(
    snapshot: Snapshot, gone: NDArray[np.int32], above: tuple[NDArray[np.int32], NDArray[np.int32]]
) -> NDArray[np.bool_]:
    """Return which pins need a manifest that their own repository no longer links to, even if it stays stored."""
    links, graph = snapshot.links, snapshot.graph
    hit = np.zeros(snapshot.pins.num_rows, np.bool_)
    virtual_node = np.zeros(len(graph.size), np.bool_)
    virtual_node[gone[~graph.blob[gone]]] = True
    kind, source, target = codes(links["kind"]), ids(links["source"]), ids(links["target"])
    ours = rows_where(len(kind), lambda piece: STANDS_FOR[kind[piece]] & virtual_node[source[piece]])
    groups = snapshot.pins["group"]
    seen = np.full(len(graph.size), -1, np.int32)
    for turn, (group, lost) in enumerate(_by_group(snapshot, source[ours], target[ours])):
        front = unique(lost)
        while len(front):
            seen[front] = turn
            rows = take_ranges(*snapshot.pins_of, front)
            hit[rows[np.asarray(groups.take(rows).fill_null("")) == group]] = True
            front = unique(take_ranges(*above, front))
            front = front[seen[front] != turn]
    return hit


def _by_group(
    snapshot: Snapshot, virtual_nodes: NDArray[np.int32], targets: NDArray[np.int32]
) -> list[tuple[str, NDArray[np.int32]]]:
    """Return each repository with those of `targets` that its virtual nodes represent."""
    group = pd.Series([key.rpartition("@")[0] for key in keys(snapshot, virtual_nodes).tolist()], dtype="str")
    return [(str(name), targets[rows]) for name, rows in group.groupby(group).indices.items()]
