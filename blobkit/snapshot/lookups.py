"""Find many pins at once: by name, by node, and those dropped with others. Each table is memoized by snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blobkit.cache import memoized
from blobkit.snapshot.columns import arrow, combine
from blobkit.snapshot.notices import NOT_VISIBLE
from blobkit.snapshot.pins import count_named, first_of_name, name_starts, revisions
from blobkit.snapshot.roles import FOLLOWS, GOES_ALONG, IS_ALIAS, IS_SECOND, IS_TWIN, NAMES
from blobkit.snapshot.sets import ranges, unique
from blobkit.snapshot.tables import codes, ids, index_in, match_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

    Ints = NDArray[np.int64]

__all__ = [
    "Rows",
    "dropped_with_last_tag",
    "dropped_with_revisions",
    "dropped_with_second_names",
    "hidden_parts",
    "is_unambiguous",
    "matching_names",
    "noticed",
    "numbers_of",
    "rows_of",
    "rows_on_any",
    "texts_of",
    "twins",
]

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
        some = np.flatnonzero(last > first)
        first, last = first[some], last[some]
        return self.row[ranges(first, last)], np.repeat(some, last - first)


def numbers_of(snapshot: Snapshot, texts: object) -> Ints:
    """Return the number of each text among the names of pins, -1 if it is none; `texts`: a list, or a column of text.

    Cost: a look-up for each name, and hashing the texts.
    """
    names = _different_names(snapshot)
    try:
        asked = pa.array(texts, names.type)
    except UnicodeEncodeError:
        names = names.cast(pa.large_binary())
        asked = pa.array([text.encode("utf-8", "surrogatepass") for text in texts], names.type)  # type: ignore[attr-defined]
    coded = asked.dictionary_encode()
    at = np.asarray(pc.index_in(names, value_set=coded.dictionary).fill_null(-1))
    found = np.full(len(coded.dictionary) + 1, -1)
    found[at[at >= 0]] = np.flatnonzero(at >= 0)
    pa.default_memory_pool().release_unused()  # for very many texts the table is big, and the pool would keep its room
    numbers: Ints = found[np.asarray(coded.indices.fill_null(-1))]
    return numbers


def texts_of(snapshot: Snapshot, numbers: Ints) -> list[str]:
    """Return the names with these numbers."""
    found: list[str] = _different_names(snapshot).take(arrow(numbers)).to_pylist()
    return found


def rows_of(snapshot: Snapshot, numbers: Ints) -> Ints:
    """Return the rows of the pins of the names with these numbers."""
    starts = name_starts(snapshot)
    return ranges(starts[numbers], np.append(starts[1:], count_named(snapshot))[numbers])


def matching_names(snapshot: Snapshot, expression: str) -> NDArray[np.bool_]:
    """Return which names, by number, match a regular expression (RE2)."""
    found = np.zeros(len(name_starts(snapshot)), np.bool_)
    found[match_rows(_different_names(snapshot), expression)] = True
    return found


@memoized
def is_unambiguous(snapshot: Snapshot) -> NDArray[np.bool_]:
    """Return which names, by number, are unambiguous: neither aliases, nor names of several nodes."""
    first, end = name_starts(snapshot), count_named(snapshot)
    if not len(first):
        return np.zeros(0, np.bool_)
    kind, node = codes(snapshot.pins["kind"])[:end], ids(snapshot.pins["node"])[:end].astype(np.int64)
    is_name = NAMES[kind]
    low = np.minimum.reduceat(np.where(is_name, node, 1 << _BITS), first)
    high = np.maximum.reduceat(np.where(is_name, node, -1), first)
    found: NDArray[np.bool_] = (low >= high) & ~np.logical_or.reduceat(IS_ALIAS[kind], first)
    return found


@memoized
def _different_names(snapshot: Snapshot) -> pa.Array:
    """Return the names of the pins, each once, in order; without a copy if none repeats."""
    names, starts = combine(snapshot.pins["name"]).slice(0, count_named(snapshot)), name_starts(snapshot)
    return names if len(starts) == len(names) else names.take(arrow(starts))


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


def dropped_with_last_tag(snapshot: Snapshot, rows: Ints) -> Ints:
    """Return the pins that docker drops when these are dropped: digests of a group whose last tag on a node goes."""
    followers, tags = _followers(snapshot)
    if not len(followers.row):
        return followers.row
    place, gone = _pack(ids(snapshot.pins["node"]), _groups(snapshot)), np.zeros(snapshot.pins.num_rows, np.bool_)
    gone[rows] = True
    left, lost = tags[~gone[tags]], tags[gone[tags]]
    return followers.of(unique(place[lost][~np.isin(place[lost], place[left])]))[0]


@memoized
def _followers(snapshot: Snapshot) -> tuple[Rows, Ints]:
    """Return the pins that follow tags, by node and group, and the rows of the tags that may be followed."""
    kind, place = codes(snapshot.pins["kind"]), _pack(ids(snapshot.pins["node"]), _groups(snapshot))
    rows = np.flatnonzero(FOLLOWS[kind])
    tags = np.flatnonzero(NAMES[kind] & ~FOLLOWS[kind] & np.isin(place, place[rows])) if len(rows) else rows
    return Rows.by(place[rows], rows), tags


def dropped_with_second_names(snapshot: Snapshot, rows: Ints) -> Ints:
    """Return the pins that are dropped with these, on nodes with several names of which one holds.

    A second name that does not hold under the policy means the pins that do; with these all second names are dropped.
    Cost: a pass over the pins, where there are second names.
    """
    kind, node, holding = codes(snapshot.pins["kind"]), ids(snapshot.pins["node"]), snapshot.holding
    idle = IS_SECOND[kind] & ~holding
    if not idle.any():
        return rows[:0]
    meant = rows_on_any(snapshot, unique(node[rows[idle[rows]]]))
    gone = np.concatenate((rows[holding[rows]], meant[holding[meant]]))
    along = rows_on_any(snapshot, unique(node[gone]))
    return unique(np.concatenate((gone, along[idle[along] & NAMES[kind[along]]])))


def noticed(snapshot: Snapshot, code: str) -> tuple[pa.ChunkedArray, NDArray[np.int32]]:
    """Return the keys of the notices with this code, and the node of each (-1: none).

    Cost: a pass over the notices; if there are some, hashing all keys of nodes.
    """
    keys = snapshot.notices["key"].filter(pc.equal(snapshot.notices["code"], code))
    return keys, index_in(keys, snapshot.nodes["key"]) if len(keys) else np.empty(0, np.int32)


@memoized
def hidden_parts(snapshot: Snapshot) -> frozenset[str]:
    """Return the names of what a registry does not list, as nodes that may link to any blob. Cost: the notices."""
    codes_of, keys_of = (snapshot.notices[name].to_pylist() for name in ("code", "key"))
    return frozenset(key for code, key in zip(codes_of, keys_of, strict=True) if code in NOT_VISIBLE)


def rows_on_any(snapshot: Snapshot, nodes: NDArray[np.integer]) -> Ints:
    """Return the rows of the pins on these nodes, in the order of the nodes."""
    start, rows = snapshot.pins_of
    return rows[ranges(start[nodes], start[nodes + 1])]


@memoized
def _twins(snapshot: Snapshot) -> Rows:
    """Return the twins, sorted by name and by the blob of their virtual node, then by virtual node."""
    rows = np.flatnonzero(IS_TWIN[codes(snapshot.pins["kind"])])
    if not len(rows):
        return Rows(rows, rows)
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
def _groups(snapshot: Snapshot) -> NDArray[np.int32]:
    """Return a number for the repository of each pin, 0 if it has none."""
    coded = combine(snapshot.pins["group"]).dictionary_encode()
    return np.asarray(coded.indices.fill_null(-1)).astype(np.int32) + np.int32(1)


@memoized
def _name(snapshot: Snapshot) -> NDArray[np.int32]:
    """Return a number for the name of each pin, 0 if it has none."""
    number = first_of_name(snapshot) + 1
    number[count_named(snapshot) :] = 0
    return number


def _pack(one: NDArray[np.integer], two: NDArray[np.integer]) -> Ints:
    packed: Ints = one.astype(np.int64) << _BITS | two
    return packed
