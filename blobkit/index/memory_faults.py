"""Faults that an index in memory finds in itself, and their removal: a part of `index.memory`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from blobkit.model import IndexFault, Record, RefCounts

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from blobkit.digest import Digest
    from blobkit.model import Column, Link

__all__ = ["MemoryFaults"]

K = TypeVar("K")
V = TypeVar("V")


class MemoryFaults(ABC):
    """The questions of a check over the dicts of an index, and their cures."""

    _blobs: dict[Digest, Record]
    _targets: dict[Digest, dict[Digest, str]]
    _holders: dict[Digest, dict[Digest, None]]
    _expected: dict[Digest, dict[Link, str]]
    _tags: dict[str, Digest]
    _tombstones: dict[Digest, None]

    def faults(self) -> Sequence[IndexFault]:
        """Return what is wrong: links, expectations and tags of what is gone, or of what is here after all."""
        return [
            *(IndexFault("dangling-link", s if s in self._blobs else t, "") for s, t in self._dangling()),
            *(IndexFault("dangling-expected", link.target, "from") for link in self._expectations(here=False)),
            *(IndexFault("dangling-tag", None, name) for name in self._nameless()),
            *(
                IndexFault("expected-here", x.target, "")
                for x in self._expectations(here=True)
                if x.target in self._blobs
            ),
            *(IndexFault("buried-alive", blob, "") for blob in self._buried()),
        ]

    def miscounts(self, blobs: Collection[Digest] | None = None) -> Mapping[Digest, RefCounts]:
        """Return those of these (of all) blobs whose counts do not add up."""
        tags, found = Counter(self._tags.values()), {}
        for blob in self._blobs if blobs is None else self._blobs.keys() & set(blobs):
            record = self._blobs[blob]
            links = sum(holder in self._blobs for holder in self._holders.get(blob, ()))
            if record.refcount != record.pins + links or record.pins < tags[blob] or record.refcount <= 0:
                found[blob] = RefCounts(record.refcount, record.pins, links, tags[blob])
        return found

    def edges(self) -> tuple[Column, Column]:
        """Return all links as positions among the blobs; a blob that is gone is -1."""
        at = {blob: position for position, blob in enumerate(self._blobs)}
        pairs = [(at.get(s, -1), at.get(t, -1)) for s, found in self._targets.items() for t in found]
        return [source for source, _ in pairs], [target for _, target in pairs]

    def numbered(self, numbers: Collection[int]) -> Mapping[int, Digest]:
        """Return the blobs at these positions."""
        blobs = list(self._blobs)
        return {number: blobs[number] for number in numbers if number >= 0}

    def resize(self, sizes: Mapping[Digest, int]) -> None:
        """Set sizes."""
        for blob, size in sizes.items():
            self._put(self._blobs, blob, replace(self._blobs[blob], size=size))

    def recount(self, counts: Mapping[Digest, tuple[int, int]]) -> None:
        """Set refcount and pins."""
        for blob, (refcount, pins) in counts.items():
            self._put(self._blobs, blob, replace(self._blobs[blob], refcount=refcount, pins=pins))

    def clear(self, codes: Collection[str]) -> None:
        """Take out the rows with faults of these kinds."""
        if "dangling-link" in codes:
            for source, target in self._dangling():
                self._unlink(source, target)
        if "dangling-expected" in codes:
            self.unexpect(self._expectations(here=False))
        if "dangling-tag" in codes:
            for name in self._nameless():
                self._pop(self._tags, name)
        if "buried-alive" in codes:
            self.forget(self._buried())

    def _dangling(self) -> list[tuple[Digest, Digest]]:
        links = ((source, target) for source, found in self._targets.items() for target in found)
        return [(s, t) for s, t in links if s not in self._blobs or t not in self._blobs]

    def _expectations(self, *, here: bool) -> list[Link]:
        """Return the expected links whose source is here, or is not."""
        return [link for found in self._expected.values() for link in found if (link.source in self._blobs) == here]

    def _nameless(self) -> list[str]:
        return [name for name, blob in self._tags.items() if blob not in self._blobs]

    def _buried(self) -> list[Digest]:
        return [blob for blob in self._tombstones if blob in self._blobs]

    @abstractmethod
    def unexpect(self, links: Collection[Link]) -> None:
        """Forget links to absent blobs."""

    @abstractmethod
    def forget(self, tombstones: Collection[Digest]) -> None:
        """Clear tombstones."""

    @abstractmethod
    def _unlink(self, source: Digest, target: Digest) -> None: ...

    @abstractmethod
    def _put(self, mapping: dict[K, V], key: K, value: V) -> None: ...

    @abstractmethod
    def _pop(self, mapping: dict[K, V], key: K) -> V | None: ...
