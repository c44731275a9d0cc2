"""An index in plain dicts for a content with places: for tests of what works over one, and for what need not stay."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, NamedTuple

from blobkit.index.memory import MemoryIndex, _State

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from blobkit.digest import Digest

__all__ = ["PlacedMemoryIndex"]


class PlacedMemoryIndex(MemoryIndex):
    """Counts, links, tags and places in memory; `clock` returns the seconds that leases are counted in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(_PlacedState(clock))


class _Grave(NamedTuple):
    """A tombstone: claimed at this time; it stays until `again` for a writer that may be late."""

    claimed: float | None = None
    again: float | None = None


class _PlacedState(_State):
    """The dicts with places. What a blob with a place leaves is a tombstone of that, none of its digest."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._places: dict[Digest, str] = {}
        self._intents: dict[str, float] = {}
        self._graves: dict[str, _Grave] = {}
        self._meta["uuid"] = str(uuid.uuid4())

    def places(self, blobs: Collection[Digest]) -> Mapping[Digest, str]:
        return {blob: self._places[blob] for blob in blobs if blob in self._places}

    def intend(self, places: Collection[str]) -> None:
        for place in places:
            self._put(self._intents, place, self._clock())

    def intend_absent(self, places: Mapping[Digest, str]) -> Collection[Digest]:
        absent = [blob for blob in places if blob not in self._places]
        self.intend([places[blob] for blob in absent])
        return absent

    def settle(self, places: Mapping[Digest, str]) -> Collection[Digest]:
        gone = []
        for digest, place in places.items():
            if self._places.get(digest) == place:
                continue
            if self._pop(self._intents, place) is None:
                gone.append(digest)
                self._bury(place)
            elif digest in self._blobs and digest not in self._places:
                self._put(self._places, digest, place)
            else:
                self._bury(place)
        return gone

    def unsettle(self, places: Mapping[Digest, str]) -> None:
        for digest, place in places.items():
            if self._places.get(digest) == place:
                self._pop(self._places, digest)
                self._bury(place)

    def claim(self, limit: int, lease: float) -> Sequence[str]:
        now = self._clock()
        for place in [place for place, born in self._intents.items() if born < now - lease]:
            self._pop(self._intents, place)
            self._put(self._graves, place, _Grave(again=now + lease))
        free = [place for place, (claimed, _) in self._graves.items() if claimed is None or claimed < now - lease]
        free.sort(key=lambda place: self._graves[place].again is not None)  # those that stay come last
        for place in free[:limit]:
            grave = self._pop(self._graves, place) or _Grave()
            self._put(self._graves, place, grave._replace(claimed=now))
        return free[:limit]

    def forget_places(self, places: Collection[str]) -> None:
        now = self._clock()
        for place in places:
            grave = self._graves.get(place, _Grave())
            if grave.again is not None and now < grave.again:
                self._put(self._graves, place, grave._replace(claimed=None))
            else:
                self._pop(self._graves, place)

    def known_places(self, places: Collection[str]) -> Collection[str]:
        known = {*self._places.values(), *self._intents, *self._graves}
        return known.intersection(places)

    def _bury(self, place: str) -> None:
        if place not in self._graves:
            self._put(self._graves, place, _Grave())

    def _remove(self, blob: Digest) -> None:
        super()._remove(blob)
        place = self._pop(self._places, blob)
        if place is not None:
            self._pop(self._tombstones, blob)
            self._bury(place)
