"""Find many pins at once: by name, by node, and those dropped with others. Each table is memoized by snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blobkit.cache import memoized
from blobkit.snapshot.columns import combine
from blobkit.snapshot.pins import count_named, first_of_name, revisions
from blobkit.snapshot.roles import GOES_ALONG, IS_ALIAS, IS_TWIN, NAMES
from blobkit.snapshot.sets import ranges, unique
from blobkit.snapshot.tables import codes, ids, same_as_before

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

    Ints = NDArray[np.int64]

__all__ = ["Rows", "dropped_with_revisions", "rows_on_any", "twins", "unambiguous_names"]

_BITS = 32


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table sorted by an integer key; rows with the same key keep their order."""

    key: Ints
    row: Ints

    @classmethod
    def by(cls, key: NDArray[np.integer], row: NDArray[np.integer]) -> Rows:
        """Return these rows, sorted by these keys."""
        order = np.argsort(key, kind="stable")
        return cls(key[order].astype(np.int64), row[order].astype(np.int64))

    def of(self, keys: NDArray[np.integer]) -> tuple[Ints, Ints]:
        """Return the rows of all these keys in their order, and for each row the position of its key in `keys`."""
        first, last = (np.searchsorted(self.key, keys, side=side) for side in ("left", "right"))
        return self.row[ranges(first, last)], np.repeat(np.arange(len(keys)), last - first)


def unambiguous_names(snapshot: Snapshot, texts: Sequence[str]) -> tuple[NDArray[np.bool_], Ints, Ints]:
    """Return which texts are unambiguous names, the rows of their pins, and for each row the position of its text.

    Aliases, and names of several nodes, are not unambiguous. Cost: a look-up for each text, and hashing all names.
    """
    names, first, last = _unambiguous(snapshot)
    asked = pa.array([text.encode("utf-8", "surrogatepass") for text in texts], names.type)
    at = np.asarray(pc.index_in(asked, value_set=names).fill_null(-1)).astype(np.int64)
    found = at >= 0
    begin, end = first[at[found]], last[at[found]]
    return found, ranges(begin, end), np.repeat(np.flatnonzero(found), end - begin)


@memoized
def _unambiguous(snapshot: Snapshot) -> tuple[pa.Array, Ints, Ints]:
    """Return the unambiguous names, each once, and where the rows of each begin and end."""
    end = count_named(snapshot)
    names = combine(snapshot.pins["name"]).slice(0, end)
    first = np.flatnonzero(~same_as_before(snapshot.pins["name"].slice(0, end)))
    if not len(first):
        return names.cast(pa.large_binary()), first, first
    kind, node = codes(snapshot.pins["kind"])[:end], ids(snapshot.pins["node"])[:end].astype(np.int64)
    is_name = NAMES[kind]
    low = np.minimum.reduceat(np.where(is_name, node, 1 << _BITS), first)
    high = np.maximum.reduceat(np.where(is_name, node, -1), first)
    plain = (low >= high) & ~np.logical_or.reduceat(IS_ALIAS[kind], first)
    return names.take(first[plain]).cast(pa.large_binary()), first[plain], np.append(first[1:], end)[plain]


def twins(snapshot: Snapshot, rows: Sequence[int] | Ints) -> tuple[Ints, Ints]:
    """Return the twins of these pins, and for each the position of its pin in `rows`.

    A twin has the same name, and is on a virtual node for the same blob.
    """
    known = _twins(snapshot)
    if not len(known.row):
        return known.row, known.row
    rows = np.asarray(rows, np.int64)
    return known.of(_pack(ids(snapshot.pins["node"])[rows], _name(snapshot)[rows]))


def dropped_with_revisions(snapshot: Snapshot, rows: Ints) -> Ints:
    """Return the pins that a registry drops with these revisions: tags of the same repository on the same manifest."""
    links, group = revisions(snapshot), _groups(snapshot)
    node = ids(snapshot.pins["node"])[rows]
    blob, whose = Rows.by(links.source, links.target).of(node)
    nodes: Ints = np.concatenate((node, blob)).astype(np.int64)
    found, _ = _dropped_with(snapshot).of(_pack(nodes, group[np.concatenate((rows, rows[whose]))]))
    return unique(found)


def rows_on_any(snapshot: Snapshot, nodes: NDArray[np.integer]) -> Ints:
    """Return the rows of the pins on these nodes, in the order of the nodes."""
    start, rows = snapshot.pins_of
    return rows[ranges(start[nodes], start[nodes + 1])]


@memoized
def _twins(snapshot: Snapshot) -> Rows:
    """Return the twins, sorted by name and by the blob of their virtual node, then by virtual node."""
    rows = np.flatnonzero(IS_TWIN[codes(snapshot.pins["kind"])])
    links, node = revisions(snapshot), ids(snapshot.pins["node"])
    rows = rows[np.argsort(node[rows], kind="stable")]
    blob, whose = Rows.by(links.source, links.target).of(node[rows])
    return Rows.by(_pack(blob, _name(snapshot)[rows[whose]]), rows[whose])


@memoized
def _dropped_with(snapshot: Snapshot) -> Rows:
    """Return the pins that are dropped with a revision, by node and repository."""
    rows = np.flatnonzero(GOES_ALONG[codes(snapshot.pins["kind"])])
    return Rows.by(_pack(ids(snapshot.pins["node"])[rows], _groups(snapshot)[rows]), rows)


@memoized
def _groups(snapshot: Snapshot) -> Ints:
    """Return a number for the repository of each pin, 0 if it has none."""
    coded = combine(snapshot.pins["group"]).dictionary_encode()
    return np.asarray(coded.indices.fill_null(-1)).astype(np.int64) + 1


@memoized
def _name(snapshot: Snapshot) -> Ints:
    """Return a number for the name of each pin, 0 if it has none."""
    number = first_of_name(snapshot) + 1
    number[count_named(snapshot) :] = 0
    return number


def _pack(one: NDArray[np.integer], two: NDArray[np.integer]) -> Ints:
    packed: Ints = one.astype(np.int64) << _BITS | two
    return packed
