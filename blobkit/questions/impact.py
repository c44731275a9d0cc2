"""The effect of a removal on the remaining tags: those that can no longer be pulled, and those to drop too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.kernels import depths, reverse
from blobkit.analysis.reach import take_ranges
from blobkit.analysis.removal import drop_pins, freed
from blobkit.cache import memoized
from blobkit.questions.columns import keys
from blobkit.snapshot.pins import count_named, rows_of_names
from blobkit.snapshot.references import LINKS, PINS
from blobkit.snapshot.roles import CONTAINS, NAMES, STANDS_FOR
from blobkit.snapshot.sets import minus, unique
from blobkit.snapshot.tables import codes, ids, numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from blobkit.analysis.referrers import Referrers
    from blobkit.questions.inputs.targets import PinSelection
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["also_drop", "broken_tags"]

BLOBS_LOOKED_AT = 1000
NAMES_ASKED = 20
WORK = 2_000_000
"""Blobs in all tried removals together: if very many are freed, fewer names are tried."""


def broken_tags(snapshot: Snapshot, dropped: PinSelection, gone: NDArray[np.int32]) -> tuple[str, ...]:
    """Return the tags that stay but could no longer be pulled, sorted: a part of their image, or its link, is freed.

    Empty if references are counted, or if the policy holds all that names contain. Cost: links.
    """
    rule = snapshot.rule
    names = {kind.name for kind in PINS if kind.names}
    body = {kind.name for kind in LINKS if kind.contains}
    held = body <= rule.links and not rule.sources and bool(rule.pins & names)
    if rule.counting or held or not len(gone):
        return ()
    kind, node = codes(snapshot.pins["kind"]), ids(snapshot.pins["node"])
    above = _body_holders(snapshot)
    hit = depths(*above, gone[snapshot.graph.blob[gone]])[node] >= 0
    hit |= _unlinked(snapshot, gone, above)
    hit &= NAMES[kind]
    names = set(snapshot.pins["name"].take(np.flatnonzero(hit)).drop_null().to_pylist())
    dropped_names = set(snapshot.pins["name"].take(list(dropped.rows)).to_pylist())
    return tuple(sorted(names - dropped_names))


def also_drop(snapshot: Snapshot, dropped: PinSelection, after: Referrers, blobs: NDArray[np.int32]) -> pd.DataFrame:
    """Return the names that free more together with the targets than alone: see `Preview.also_drop`.

    `blobs` are those that stay, biggest first. Only blobs that a single name then keeps can be freed by both together.
    Cost: two removals for each of at most 20 names; for fewer names (at least 3) if very many blobs are freed.
    """
    pinned = np.fromiter(dropped.rows, np.int64, len(dropped.rows))
    number = np.fromiter(dropped.rows.values(), np.int64, len(dropped.rows))
    before = drop_pins(snapshot, pinned, number).nodes
    tried = max(3, min(NAMES_ASKED, WORK // (len(before) + 1)))
    rows = []
    for name in _last_keepers(snapshot, after, blobs[:BLOBS_LOOKED_AT])[:tried]:
        both = drop_pins(snapshot, *_with(snapshot, pinned, number, [name])).nodes
        alone = drop_pins(snapshot, *_with(snapshot, pinned[:0], number[:0], [name])).nodes
        more = minus(both, before)
        extra = minus(more, alone)
        size, by_itself = (freed(snapshot.graph, nodes) for nodes in (more, alone))
        if size[1] > by_itself[1]:
            digest = snapshot.key(int(extra[np.argmax(snapshot.graph.size[extra])]))
            rows.append((name, size[1], by_itself[1], size[1] - by_itself[1], digest, name, size[0], size[1]))
    rows.sort(key=lambda row: (-row[3], -row[1], row[0]))
    frame = pd.DataFrame(rows, columns=list(_ALSO_DROP))
    return frame.astype(_ALSO_DROP)


_ALSO_DROP = dict.fromkeys(("tag", "bytes", "alone", "extra", "digest", "name", "blobs", "together"), "int64")
_ALSO_DROP |= dict.fromkeys(("tag", "digest", "name"), "str")


def _last_keepers(snapshot: Snapshot, after: Referrers, blobs: NDArray[np.int32]) -> list[str]:
    """Return the names that alone keep some of these blobs; first those that keep most bytes."""
    reaching = after.reaching(blobs, 2)
    only = np.flatnonzero(np.diff(reaching.start) == 1)
    row = reaching.rows[reaching.start[only]]
    only, row = only[row < count_named(snapshot)], row[row < count_named(snapshot)]
    different, at = np.unique(row, return_inverse=True)
    size = np.zeros(len(different), np.int64)
    np.add.at(size, at, snapshot.graph.size[blobs[only]])
    names: list[str] = snapshot.pins["name"].take(different[np.lexsort((different, -size))]).to_pylist()
    return names


def _with(
    snapshot: Snapshot, rows: NDArray[np.int64], number: NDArray[np.int64], names: Iterable[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return these pins, and every pin of these names with its count."""
    places = rows_of_names(snapshot)
    more = np.array([row for name in names for row in places[name]], np.int64)
    count = numbers(snapshot.pins["count"])[more]
    others = ~np.isin(rows, more)
    return np.append(rows[others], more), np.append(number[others], count)


@memoized
def _body_holders(snapshot: Snapshot) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the manifests that contain each node, in CSR form, whether or not the policy counts the links."""
    links = snapshot.links
    body = CONTAINS[codes(links["kind"])]
    first = np.zeros(snapshot.nodes.num_rows + 1, np.int64)
    np.cumsum(np.bincount(ids(links["source"])[body], minlength=len(first) - 1), out=first[1:])
    return reverse(first, ids(links["target"])[body])


def _unlinked(
    snapshot: Snapshot, gone: NDArray[np.int32], above: tuple[NDArray[np.int64], NDArray[np.int32]]
) -> NDArray[np.bool_]:
    """Return which pins need a manifest that their own repository no longer links to, even if it stays stored."""
    links, graph = snapshot.links, snapshot.graph
    hit = np.zeros(snapshot.pins.num_rows, np.bool_)
    virtual_node = np.zeros(len(graph.size), np.bool_)
    virtual_node[gone[~graph.blob[gone]]] = True
    ours = STANDS_FOR[codes(links["kind"])] & virtual_node[ids(links["source"])]
    groups = snapshot.pins["group"]
    seen = np.full(len(graph.size), -1, np.int32)
    for turn, (group, lost) in enumerate(_by_group(snapshot, *(ids(links[end])[ours] for end in ("source", "target")))):
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
