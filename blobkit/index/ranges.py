"""The whole SQLite index as numpy columns of one range of digests after the other, for stores beyond the memory.

All is read in one transaction, so it is one moment. Blobs come by digest, links by source, pins by blob: the index
over digests sorts them. Memory: 13 bytes a blob at the peak (the position of each id, and the links that it is in), a
slice of rows, all links to blobs that are only expected, and the links or tags of one blob.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blobkit.digest import ALGORITHMS, pack, unpack
from blobkit.index import columns
from blobkit.index.columns import EXPECTED, LOWER, link_slices, parsed, slices
from blobkit.index.positions import Positions
from blobkit.model import LINK_KINDS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Links = tuple[Numbers, Numbers, Numbers]

__all__ = ["Blobs", "Pins", "Ranges"]

_SLICE = """SELECT CAST(group_concat(hex(digest), '') AS BLOB), {} FROM (
    SELECT digest, {} FROM blobs WHERE digest > ? AND digest < ? ORDER BY digest LIMIT ?)"""


def _query(*names: str) -> str:
    """Return the query of a slice of blobs with these columns."""
    joined = ", ".join(f"CAST(group_concat({name}) AS BLOB)" for name in names)
    return _SLICE.format(joined, ", ".join(names))


IDS, PINS = _query("id"), _query("id", "pins")
BLOBS = _query("id", "size", "created", "media_type")
LINKS = """SELECT CAST(group_concat(source) AS BLOB), CAST(group_concat(target) AS BLOB),
    CAST(group_concat(kind) AS BLOB), max(digest) FROM (
    SELECT digest, from_id AS source, to_id AS target, kind FROM blobs CROSS JOIN links ON from_id = id
    WHERE digest >= :digest AND (digest > :digest OR to_id > :target) ORDER BY digest, to_id LIMIT :rows)"""
TAGS = """SELECT blob_id, name FROM blobs CROSS JOIN tags ON blob_id = id
    WHERE digest >= ? AND digest <= ? ORDER BY digest, name"""


class Blobs(NamedTuple):
    """A range of blobs by digest: digests, sizes, times in microseconds, codes of media types, stored or expected."""

    digests: NDArray[np.bytes_]
    sizes: Numbers
    created: Numbers
    media_type: Numbers
    stored: NDArray[np.bool_]


class Pins(NamedTuple):
    """A range of pins: positions of the blobs that have anonymous ones, their numbers; (name, position) of each tag."""

    blob: Numbers
    anonymous: Numbers
    tags: list[tuple[str, int]]


class Ranges:
    """The facts of an index in the transaction that is open; positions are those among all blobs, expected ones too."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._expected = db.execute(f"{EXPECTED} ORDER BY digest, from_id").fetchall()
        types = db.execute("SELECT id, name FROM media_types ORDER BY id").fetchall()
        self._type_at = Positions(np.array([ident for ident, _ in types], np.int64))
        claims = {packed: media_type for _, packed, _, media_type in self._expected}
        self.media_types = list(dict.fromkeys([*(name for _, name in types), *claims.values()]))
        self._claimed = np.array([self.media_types.index(name) for name in claims.values()], np.int64)
        (top,) = db.execute("SELECT coalesce(max(id), 0) FROM blobs").fetchone()
        self._top: int = top
        self._number = {packed: top + 1 + at for at, packed in enumerate(claims)}
        self._absent = np.array([unpack(packed) for packed in claims], np.bytes_)
        self._places = Positions(np.concatenate([np.empty(0, np.int64), *(ids for _, (ids,) in self._slices(IDS))]))

    def expects(self, digest: str) -> bool:
        """Return whether a link names this digest, which is not here."""
        return digest.encode() in self._absent

    def totals(self) -> tuple[int, int]:
        """Return how many blobs are stored, and their bytes."""
        number, size = self._db.execute("SELECT count(*), coalesce(sum(size), 0) FROM blobs").fetchone()
        return number, size

    def blobs(self) -> Iterator[Blobs]:
        """Yield all blobs by digest, those that are only expected among them."""
        for digests, (ids, sizes, created, types) in self._slices(BLOBS, 0, -1, -1):
            stored = ids <= self._top
            media_type = np.empty(len(ids), np.int64)
            media_type[stored] = self._type_at.of(types[stored])
            media_type[~stored] = self._claimed[ids[~stored] - self._top - 1]
            yield Blobs(digests, sizes, created, media_type, stored)

    def links(self) -> Iterator[Links]:
        """Yield all links as positions and kinds, by source, target, kind."""
        rest = self._links_to_absent
        for found in self._whole_sources():
            cut = int(np.searchsorted(rest[0], found[0][-1], "right"))
            yield _sorted(_joined(found, tuple(column[:cut] for column in rest)))
            rest = tuple(column[cut:] for column in rest)
        if len(rest[0]):
            yield _sorted(rest)

    def pins(self) -> Iterator[Pins]:
        """Yield all pins by blob."""
        begin = 0
        for digests, (ids, pins) in self._slices(PINS, 0):
            rows = np.flatnonzero(ids <= self._top)
            if len(rows):
                ends = (pack(digests[at].decode()) for at in (rows[0], rows[-1]))
                tags = self._db.execute(TAGS, tuple(ends)).fetchall()
                tagged = self._places.of_rows(tags)
                anonymous = pins - np.bincount(tagged - begin, minlength=len(ids))
                left = np.flatnonzero(anonymous)
                names = [(name, at) for at, (_, name) in zip(tagged.tolist(), tags, strict=True)]
                yield Pins(left + begin, anonymous[left], names)
            begin += len(ids)

    @cached_property
    def positions(self) -> NDArray[np.uint8]:
        """For each blob a bit for each kind of link that leads to it, as `1 << kind`. Cost: one pass over the links."""
        bits = np.zeros(self._places.number, np.uint8)
        for _, target, kind in link_slices(self._db, self._places):
            _mark(bits, self._places.of(target), kind)
        _mark(bits, *self._links_to_absent[1:])
        return bits

    @cached_property
    def _links_to_absent(self) -> tuple[Numbers, ...]:
        """The links to blobs that are only expected, by source."""
        numbers = [(source, self._number[packed], kind) for source, packed, kind, _ in self._expected]
        source, target, kind = np.array(numbers, np.int64).reshape(-1, 3).T
        return _sorted((_wide(self._places.of(source)), _wide(self._places.of(target)), kind))

    def _whole_sources(self) -> Iterator[tuple[Numbers, ...]]:
        """Yield the links between stored blobs, all of a source together."""
        held: tuple[Numbers, ...] = (np.empty(0, np.int64),) * 3
        for found in self._links_in_order():
            held = _joined(held, found)
            cut = int(np.searchsorted(held[0], held[0][-1]))
            if cut:
                yield tuple(column[:cut] for column in held)
                held = tuple(column[cut:] for column in held)
        if len(held[0]):
            yield held

    def _links_in_order(self) -> Iterator[tuple[Numbers, ...]]:
        """Yield the links between stored blobs in slices, by source."""
        after = {"digest": b"", "target": 0, "rows": columns.SLICE}
        while True:
            *found, digest = self._db.execute(LINKS, after).fetchone()
            if digest is None:
                return
            source, target, kind = map(parsed, found)
            yield _wide(self._places.of(source)), _wide(self._places.of(target)), kind
            after |= {"digest": digest, "target": int(target[-1])}

    def _slices(self, query: str, *absent: int) -> Iterator[tuple[NDArray[np.bytes_], list[Numbers]]]:
        """Yield (digests, [ids, *columns]) of a query, with rows of these values for the blobs that are expected."""
        done = 0
        for digests, found in self._stored(query):
            end = done + int(np.searchsorted(self._absent[done:], digests[-1]))
            yield self._among(digests, found, slice(done, end), absent)
            done = end
        if done < len(self._absent):
            none = [np.empty(0, np.int64)] * (1 + len(absent))
            yield self._among(self._absent[:0], none, slice(done, None), absent)

    def _among(
        self, digests: NDArray[np.bytes_], found: list[Numbers], which: slice, values: tuple[int, ...]
    ) -> tuple[NDArray[np.bytes_], list[Numbers]]:
        """Return rows with those of some expected blobs among them, in the order of digests."""
        more = self._absent[which]
        if not len(more):
            return digests, found
        whole = np.concatenate([digests, more])
        order = np.argsort(whole, kind="stable")
        ids = np.arange(len(self._absent))[which] + self._top + 1
        rows = [ids, *(np.full(len(more), value) for value in values)]
        return whole[order], [np.concatenate(pair)[order] for pair in zip(found, rows, strict=True)]

    def _stored(self, query: str) -> Iterator[tuple[NDArray[np.bytes_], list[Numbers]]]:
        """Yield (digests, [ids, *columns]) of the blobs that are stored."""
        for algorithm in ALGORITHMS.values():
            label = np.frombuffer(f"{algorithm.label}:".encode(), np.uint8)
            for digits, found in slices(self._db, algorithm, query):
                text = np.empty((len(digits), len(label) + digits.shape[1]), np.uint8)
                text[:, : len(label)] = label
                np.bitwise_or(digits, LOWER, out=text[:, len(label) :])
                yield text.reshape(-1).view(f"S{text.shape[1]}"), found


def _mark(bits: NDArray[np.uint8], targets: NDArray[np.signedinteger], kinds: Numbers) -> None:
    for kind in range(len(LINK_KINDS)):
        bits[targets[kinds == kind]] |= 1 << kind


def _joined(some: tuple[Numbers, ...], more: tuple[Numbers, ...]) -> tuple[Numbers, ...]:
    return tuple(np.concatenate(pair) for pair in zip(some, more, strict=True))


def _sorted(links: tuple[Numbers, ...]) -> Links:
    """Return links by source, target, kind."""
    source, target, kind = links
    order = np.lexsort((kind, target, source))
    return source[order], target[order], kind[order]


def _wide(positions: NDArray[np.signedinteger]) -> Numbers:
    return positions.astype(np.int64, copy=False)
