"""Pins found many at a time: by name, by node, and those that go with others. Each table is made once a snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blobkit.cache import memoized
from blobkit.snapshot.pins import first_of_name, named, revisions
from blobkit.snapshot.roles import GOES_ALONG, IS_ALIAS, IS_TWIN, NAMES
from blobkit.snapshot.sets import unique
from blobkit.snapshot.tables import codes, flat, ids, same_as_before

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

    Ints = NDArray[np.int64]

__all__ = ["Rows", "going_along", "plain_names", "rows_on_any", "twins"]

_BITS = 32


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table by a number that each has: sorted by it, then as they were."""

    key: Ints
    row: Ints

    @classmethod
    def by(cls, key: NDArray[np.integer], row: NDArray[np.integer]) -> Rows:
        """Return these rows by these numbers."""
        order = np.argsort(key, kind="stable")
        return cls(key[order].astype(np.int64), row[order].astype(np.int64))

    def of(self, keys: NDArray[np.integer]) -> tuple[Ints, Ints]:
        """Return the rows of all these numbers, one after the other, and the place in `keys` that each is for."""
        first, last = (np.searchsorted(self.key, keys, side=side) for side in ("left", "right"))
        return self.row[_ranges(first, last)], np.repeat(np.arange(len(keys)), last - first)


def plain_names(snapshot: Snapshot, texts: Sequence[str]) -> tuple[NDArray[np.bool_], Ints, Ints]:
    """Return which texts are names of one thing each, their pins one after the other, and whose (place) each is.

    Not those that are other names of images, nor those that are given to several nodes. Cost: the texts, and what
    hashing all names takes.
    """
    names, first, last = _plain(snapshot)
    asked = pa.array([text.encode("utf-8", "surrogatepass") for text in texts], names.type)
    at = np.asarray(pc.index_in(asked, value_set=names).fill_null(-1)).astype(np.int64)
    found = at >= 0
    begin, end = first[at[found]], last[at[found]]
    return found, _ranges(begin, end), np.repeat(np.flatnonzero(found), end - begin)


@memoized
def _plain(snapshot: Snapshot) -> tuple[pa.Array, Ints, Ints]:
    """Return the names of one thing, each once, and where the rows of each begin and end."""
    end = named(snapshot)
    names = flat(snapshot.pins["name"]).slice(0, end)
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
    """Return the pins that are one with these, and whose (place).

    They are of the same name, on virtual nodes for the same blobs.
    """
    known = _twins(snapshot)
    if not len(known.row):
        return known.row, known.row
    rows = np.asarray(rows, np.int64)
    return known.of(_pack(ids(snapshot.pins["node"])[rows], _name(snapshot)[rows]))


def going_along(snapshot: Snapshot, rows: Ints) -> Ints:
    """Return the pins that a registry drops with these revisions: tags of the same repository on what each is of."""
    links, group = revisions(snapshot), _groups(snapshot)
    node = ids(snapshot.pins["node"])[rows]
    blob, whose = Rows.by(links.source, links.target).of(node)
    nodes: Ints = np.concatenate((node, blob)).astype(np.int64)
    found, _ = _along(snapshot).of(_pack(nodes, group[np.concatenate((rows, rows[whose]))]))
    return unique(found)


def rows_on_any(snapshot: Snapshot, nodes: NDArray[np.integer]) -> Ints:
    """Return the rows of the pins on these nodes, node after node."""
    start, rows = snapshot.pins_of
    return rows[_ranges(start[nodes], start[nodes + 1])]


@memoized
def _twins(snapshot: Snapshot) -> Rows:
    """Return the twins by name and the blob that their virtual node stands for, in the order of virtual nodes."""
    rows = np.flatnonzero(IS_TWIN[codes(snapshot.pins["kind"])])
    links, node = revisions(snapshot), ids(snapshot.pins["node"])
    rows = rows[np.argsort(node[rows], kind="stable")]
    blob, whose = Rows.by(links.source, links.target).of(node[rows])
    return Rows.by(_pack(blob, _name(snapshot)[rows[whose]]), rows[whose])


@memoized
def _along(snapshot: Snapshot) -> Rows:
    """Return the pins that go with a revision, by node and repository."""
    rows = np.flatnonzero(GOES_ALONG[codes(snapshot.pins["kind"])])
    return Rows.by(_pack(ids(snapshot.pins["node"])[rows], _groups(snapshot)[rows]), rows)


@memoized
def _groups(snapshot: Snapshot) -> Ints:
    """Return a number for the repository of each pin, 0 where it has none."""
    coded = flat(snapshot.pins["group"]).dictionary_encode()
    return np.asarray(coded.indices.fill_null(-1)).astype(np.int64) + 1


@memoized
def _name(snapshot: Snapshot) -> Ints:
    """Return a number for the name of each pin, the same for all that have none."""
    number = first_of_name(snapshot) + 1
    number[named(snapshot) :] = 0
    return number


def _pack(one: NDArray[np.integer], two: NDArray[np.integer]) -> Ints:
    packed: Ints = one.astype(np.int64) << _BITS | two
    return packed


def _ranges(first: NDArray[np.integer], last: NDArray[np.integer]) -> Ints:
    """Return all numbers from each first to before each last."""
    number = last - first
    shift: Ints = np.repeat(first - (np.cumsum(number) - number), number)
    return np.arange(len(shift)) + shift
