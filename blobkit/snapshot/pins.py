"""Find the pins of a snapshot by name, node and repository. Pins with a name come first, in the order of names."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blobkit.cache import memoized
from blobkit.snapshot.columns import combine
from blobkit.snapshot.roles import NAMES, STANDS_FOR
from blobkit.snapshot.sets import rows_where, where
from blobkit.snapshot.tables import codes, ids, same_as_before

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

__all__ = [
    "Revisions",
    "count_named",
    "first_of_name",
    "name_numbers",
    "name_starts",
    "named_nodes",
    "pin_labels",
    "resolve_aliases",
    "revisions",
    "rows_named",
    "rows_of_group",
    "rows_of_names",
    "rows_on",
    "tag_rows",
    "versions",
]


def count_named(snapshot: Snapshot) -> int:
    """Return the number of pins with a name; they are the first rows of the pin table."""
    names = snapshot.pins["name"]
    return len(names) - int(names.null_count)


def tag_rows(snapshot: Snapshot) -> NDArray[np.int64]:
    """Return the rows of the tags, by name: the rows of `tags_frame`."""
    return np.flatnonzero(NAMES[codes(snapshot.pins["kind"])[: count_named(snapshot)]])


def versions(names: Iterable[str], groups: Iterable[str | None]) -> list[str]:
    """Return the rest of each full name, without its repository."""
    return [name[len(group) + 1 :] if group else name for name, group in zip(names, groups, strict=True)]


def rows_named(snapshot: Snapshot, name: str) -> range:
    """Return the rows of the pins with this name. Cost: a binary search."""
    names, end = combine(snapshot.pins["name"]), count_named(snapshot)
    at = bisect_left(names, name, 0, end, key=str)
    last = at
    while last < end and str(names[last]) == name:
        last += 1
    return range(at, last)


def rows_of_group(snapshot: Snapshot, group: str) -> NDArray[np.int64]:
    """Return the rows of the pins in a group. Cost: a pass over the pins."""
    return np.flatnonzero(np.asarray(snapshot.pins["group"].fill_null("")) == group)


def rows_on(snapshot: Snapshot, node: int) -> list[int]:
    """Return the rows of the pins on a node, by name."""
    start, rows = snapshot.pins_of
    found: list[int] = rows[start[node] : start[node + 1]].tolist()
    return found


def resolve_aliases(snapshot: Snapshot, rows: list[int]) -> tuple[list[str], list[int]]:
    """Return the full names behind these aliases, sorted, and their pins; an alias is on a node `name@digest`."""
    node = ids(snapshot.pins["node"])
    keys = [snapshot.key(node[row]).rpartition("@") for row in rows]
    nodes = {snapshot.find(digest) for _, _, digest in keys}
    names = sorted({name for name, _, _ in keys})
    return names, [row for name in names for row in rows_named(snapshot, name) if node[row] in nodes]


def pin_labels(snapshot: Snapshot, rows: NDArray[np.integer]) -> list[str]:
    """Return the name of each of these pins; for an anonymous pin, the key of its node."""
    names = snapshot.pins["name"].take(rows).to_pylist()
    on = snapshot.keys(ids(snapshot.pins["node"])[rows])
    return [key if name is None else name for name, key in zip(names, on, strict=True)]


@memoized
def rows_of_names(snapshot: Snapshot) -> dict[str, range]:
    """Return the rows of the pin table for each name. Cost: a pass over the names."""
    names = snapshot.pins["name"].slice(0, count_named(snapshot))
    first = np.flatnonzero(~same_as_before(names))
    ends = np.append(first[1:], len(names))
    found = names.take(first).to_pylist()
    return {name: range(a, b) for name, a, b in zip(found, first.tolist(), ends.tolist(), strict=True)}


@memoized
def first_of_name(snapshot: Snapshot) -> NDArray[np.int32]:
    """Return for each pin the first pin of the same name; for an anonymous pin, the first one on its node."""
    names, end = snapshot.pins["name"], count_named(snapshot)
    first = np.arange(len(names), dtype=np.int32)
    first[:end][same_as_before(names.slice(0, end))] = 0
    np.maximum.accumulate(first[:end], out=first[:end])
    _, at, back = np.unique(ids(snapshot.pins["node"])[end:], return_index=True, return_inverse=True)
    first[end:] = end + at[back]
    return first


@memoized
def name_starts(snapshot: Snapshot) -> NDArray[np.int32]:
    """Return the first pin of each different name, in order: a number for each name is its position here."""
    first = first_of_name(snapshot)[: count_named(snapshot)]
    return where(first == np.arange(len(first)))


@memoized
def name_numbers(snapshot: Snapshot) -> NDArray[np.int32]:
    """Return the number of the name of each pin with a name."""
    first = first_of_name(snapshot)[: count_named(snapshot)]
    return (np.cumsum(first == np.arange(len(first))) - 1).astype(np.int32)


@dataclass(frozen=True, slots=True)
class Revisions:
    """The links from virtual nodes to their blobs, sorted by source and by target for binary searches."""

    source: NDArray[np.int32]
    target: NDArray[np.int32]
    sorted_target: NDArray[np.int32]
    source_of: NDArray[np.int32]

    def blobs(self, virtual_node: int) -> list[int]:
        """Return the blob of a virtual node as a list; an empty list for other nodes."""
        found: list[int] = self.target[slice(*np.searchsorted(self.source, [virtual_node, virtual_node + 1]))].tolist()
        return found

    def virtual_nodes(self, blob: int) -> list[int]:
        """Return the virtual nodes of a blob."""
        at = slice(*np.searchsorted(self.sorted_target, [blob, blob + 1]))
        found: list[int] = self.source_of[at].tolist()
        return found


@memoized
def revisions(snapshot: Snapshot) -> Revisions:
    """Return the links from virtual nodes to their blobs. Cost: a pass over the links."""
    links = snapshot.links
    kind = codes(links["kind"])
    rows = rows_where(len(kind), lambda piece: STANDS_FOR[kind[piece]])
    source, target = ids(links["source"])[rows], ids(links["target"])[rows]
    order = np.argsort(target, kind="stable")
    return Revisions(source, target, target[order], source[order])


@memoized
def named_nodes(snapshot: Snapshot) -> NDArray[np.int32]:
    """Return the node that each pin names: the blob, where people gave a name to a virtual node. Cost: pins + links."""
    node, links = ids(snapshot.pins["node"]), revisions(snapshot)
    stands_for = np.arange(snapshot.nodes.num_rows, dtype=np.int32)
    stands_for[links.source] = links.target
    return np.where(NAMES[codes(snapshot.pins["kind"])], stands_for[node], node)
