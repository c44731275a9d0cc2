"""A whole index as numpy columns of one range of digests after the other, for stores beyond the memory.

All is read in one transaction, so it is one moment. Blobs come by digest, links by source, pins by blob. A reader
(`Reader`) asks the database; here are the blobs that are only expected, and the positions. Memory: 13 bytes a blob at
the peak (the position of each id, and the links that it is in), a slice of rows, the links of `LinkSpool`, all links to
blobs that are only expected, and the tags of one blob.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from blobkit.digest import pack, unpack
from blobkit.index.positions import Positions
from blobkit.model import LINK_KINDS
from blobkit.snapshot.parts.sorting import LinkSpool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from blobkit.snapshot.parts.sorting import Links

    Numbers = NDArray[np.int64]
    Slice = tuple[NDArray[np.bytes_], list[Numbers]]

__all__ = ["Blobs", "Pins", "Ranges", "Reader"]


class Reader(Protocol):
    """The questions to a database in the transaction that is open; columns are read in slices."""

    def totals(self) -> tuple[int, int, int]:
        """Return how many blobs are stored, their bytes, and the highest id of one."""
        ...

    def media_types(self) -> list[tuple[int, str]]:
        """Return number and name of each media type, by number."""
        ...

    def expected(self) -> list[tuple[int, bytes, int, str]]:
        """Return source, packed digest, kind and media type of each link to an absent blob, by digest and source."""
        ...

    def blobs(self, *names: str) -> Iterator[Slice]:
        """Yield digests and these columns of all blobs, by digest."""
        ...

    def links(self) -> Iterator[Links]:
        """Yield ids and kinds of the links between stored blobs, in any order."""
        ...

    def tags(self, first: bytes, last: bytes) -> list[tuple[int, str]]:
        """Return the blobs and names of the tags of blobs with packed digests from `first` to `last`."""
        ...


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
    """The facts of an index in the transaction that is open; positions are those among all blobs, expected ones too.

    `place` is a directory for files of the links.
    """

    def __init__(self, reader: Reader, place: Path) -> None:
        self._reader, self._place = reader, place
        self._expected = reader.expected()
        types = reader.media_types()
        self._type_at = Positions(np.array([ident for ident, _ in types], np.int64))
        claims = {packed: media_type for _, packed, _, media_type in self._expected}
        self.media_types = list(dict.fromkeys([*(name for _, name in types), *claims.values()]))
        self._claimed = np.array([self.media_types.index(name) for name in claims.values()], np.int64)
        self._stored, self._bytes, self._top = reader.totals()
        self._number = {packed: self._top + 1 + at for at, packed in enumerate(claims)}
        self._absent = np.array([unpack(packed) for packed in claims], np.bytes_)
        self._places = Positions(np.concatenate([np.empty(0, np.int64), *(ids for _, (ids,) in self._slices("id"))]))

    def expects(self, digest: str) -> bool:
        """Return whether a link names this digest, which is not here."""
        return digest.encode() in self._absent

    def totals(self) -> tuple[int, int]:
        """Return how many blobs are stored, and their bytes."""
        return self._stored, self._bytes

    def blobs(self) -> Iterator[Blobs]:
        """Yield all blobs by digest, those that are only expected among them."""
        names = ("id", "size", "created", "media_type")
        for digests, (ids, sizes, created, types) in self._slices(*names, absent=(0, -1, -1)):
            stored = ids <= self._top
            media_type = np.empty(len(ids), np.int64)
            media_type[stored] = self._type_at.of(types[stored])
            media_type[~stored] = self._claimed[ids[~stored] - self._top - 1]
            yield Blobs(digests, sizes, created, media_type, stored)

    def links(self) -> Iterator[Links]:
        """Yield all links as positions and kinds, by source, target, kind."""
        return self._filled[0].sorted()

    def pins(self) -> Iterator[Pins]:
        """Yield all pins by blob."""
        begin = 0
        for digests, (ids, pins) in self._slices("id", "pins", absent=(0,)):
            rows = np.flatnonzero(ids <= self._top)
            if len(rows):
                tags = self._reader.tags(*(pack(digests[at].decode()) for at in (rows[0], rows[-1])))
                tagged = self._places.of_rows(tags)
                anonymous = pins - np.bincount(tagged - begin, minlength=len(ids))
                left = np.flatnonzero(anonymous)
                names = [(name, at) for at, (_, name) in zip(tagged.tolist(), tags, strict=True)]
                yield Pins(left + begin, anonymous[left], names)
            begin += len(ids)

    @property
    def positions(self) -> NDArray[np.uint8]:
        """For each blob a bit for each kind of link that leads to it, as `1 << kind`. Cost: one pass over the links."""
        return self._filled[1]

    @cached_property
    def _filled(self) -> tuple[LinkSpool, NDArray[np.uint8]]:
        """All links in a file, and the bits of `positions`."""
        spool = LinkSpool(self._place, self._places.number)
        bits = np.zeros(self._places.number, np.uint8)
        spool.fill(self._marked(bits))
        return spool, bits

    def _marked(self, bits: NDArray[np.uint8]) -> Iterator[Links]:
        """Yield all links, and mark their targets."""
        for source, target, kind in self._reader.links():
            found = self._places.of(source), self._places.of(target), kind
            _mark(bits, *found[1:])
            yield found
        absent = self._links_to_absent()
        _mark(bits, *absent[1:])
        yield absent

    def _links_to_absent(self) -> Links:
        """Return the links to blobs that are only expected."""
        numbers = [(source, self._number[packed], kind) for source, packed, kind, _ in self._expected]
        source, target, kind = np.array(numbers, np.int64).reshape(-1, 3).T
        return self._places.of(source), self._places.of(target), kind

    def _slices(self, *names: str, absent: tuple[int, ...] = ()) -> Iterator[Slice]:
        """Yield digests and columns, with rows of these values for the blobs that are only expected."""
        done = 0
        for digests, found in self._reader.blobs(*names):
            end = done + int(np.searchsorted(self._absent[done:], digests[-1]))
            yield self._among(digests, found, slice(done, end), absent)
            done = end
        if done < len(self._absent):
            none = [np.empty(0, np.int64)] * (1 + len(absent))
            yield self._among(self._absent[:0], none, slice(done, None), absent)

    def _among(self, digests: NDArray[np.bytes_], found: list[Numbers], which: slice, values: tuple[int, ...]) -> Slice:
        """Return rows with those of some expected blobs among them, in the order of digests."""
        more = self._absent[which]
        if not len(more):
            return digests, found
        whole = np.concatenate([digests, more])
        order = np.argsort(whole, kind="stable")
        ids = np.arange(len(self._absent))[which] + self._top + 1
        rows = [ids, *(np.full(len(more), value) for value in values)]
        return whole[order], [np.concatenate(pair)[order] for pair in zip(found, rows, strict=True)]


def _mark(bits: NDArray[np.uint8], targets: NDArray[np.signedinteger], kinds: Numbers) -> None:
    for kind in range(len(LINK_KINDS)):
        bits[targets[kinds == kind]] |= 1 << kind
