"""The seams: what a reader asks of a store, how an address becomes a snapshot, what a store asks of its backends.

A store is a `Content` (bytes by digest) and an `Index` (counts, links, tags). Both are asked in bulk, and neither
knows a rule: the rules are in `blobkit.store`, written once for every pair.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from blobkit.digest import Digest
    from blobkit.model import Arrival, Change, Facts, Link, Record
    from blobkit.snapshot import Snapshot

    Address = str | os.PathLike[str]

__all__ = [
    "Area",
    "Content",
    "Index",
    "Reading",
    "Staged",
    "SupportsSnapshot",
    "Writing",
    "as_snapshot",
    "open_addresses_with",
]

T = TypeVar("T")


@runtime_checkable
class SupportsSnapshot(Protocol):
    """Anything that can be audited: a store, a scanner, a snapshot itself."""

    def snapshot(self) -> Snapshot:
        """Return an immutable picture of the facts at one moment."""
        ...


_openers: list[Callable[[Address], Snapshot]] = []


def open_addresses_with(opener: Callable[[Address], Snapshot]) -> None:
    """Make `opener` what turns an address into a snapshot; readers know no other way to a store."""
    _openers[:] = [opener]


def as_snapshot(x: SupportsSnapshot | Address) -> Snapshot:
    """Return the snapshot of `x`: a snapshot itself, anything with `.snapshot()`, or an address.

    TypeError for anything else; what opening an address raises is passed on.
    """
    if isinstance(x, str | os.PathLike):
        return _openers[0](x)
    if isinstance(x, SupportsSnapshot):
        return x.snapshot()
    msg = f"a {type(x).__name__} cannot be audited: give a store, a snapshot or an address (a path, or kind:path)"
    raise TypeError(msg)


class Staged(Protocol):
    """Bytes on their way in, which nobody sees until `Content.publish` is given their token."""

    @property
    def token(self) -> str:
        """What `publish` knows these bytes by."""
        ...

    def write(self, data: memoryview) -> None:
        """Append all of `data`."""
        ...

    def seal(self) -> None:
        """Make the bytes as durable as the content promises; a second time is nothing."""
        ...

    def discard(self) -> None:
        """Let go of what staging holds, and of the bytes unless they were published; a second time is nothing."""
        ...


class Area(Protocol):
    """Places for many new bytes that become durable together, and go together.

    `seal` of a staged one only ends its writing: from then on its bytes belong to the area, and its own `discard` is
    nothing. So thousands of them cost no open file each. Threads may share an area.
    """

    def stage(self) -> Staged:
        """Return a place for new bytes in this area; needs no lock."""
        ...

    def seal(self) -> None:
        """Make all bytes sealed here so far as durable as the content promises; to be called before `publish`.

        Where that fails it raises and all of them are discarded. More may be staged afterwards, and sealed again.
        """
        ...

    def discard(self) -> None:
        """Let go of the area, and of the bytes that were not published; a second time is nothing."""
        ...


class Content(Protocol):
    """Bytes by digest. It believes what it is told: hashing is the caller's."""

    def stage(self) -> Staged:
        """Return a place for new bytes; needs no lock."""
        ...

    def area(self) -> Area:
        """Return a place for many new bytes that are to be published together; needs no lock."""
        ...

    def publish(self, staged: Mapping[Digest, str]) -> None:
        """Put the bytes with these tokens under their digests, over whatever was there; durable on return."""
        ...

    def sizes(self, digests: Collection[Digest]) -> Mapping[Digest, int]:
        """Return the size of each of these that is there."""
        ...

    def open(self, digest: Digest) -> BinaryIO:
        """Return the bytes as a file to read; FileNotFoundError where there are none."""
        ...

    def digests(self) -> Iterator[Digest]:
        """Yield every digest that has bytes here, in no order."""
        ...

    def delete(self, digests: Collection[Digest]) -> Sequence[Digest]:
        """Take the bytes away; return those that are not there now, without those that could not be removed."""
        ...

    def sync(self) -> None:
        """Make everything that was ever published durable, whatever was promised at the time."""
        ...

    def reclaim(self) -> int:
        """Remove what dead processes staged and left; return how many places and areas. The living lose nothing."""
        ...

    def close(self) -> None:
        """Let go of what the content holds open."""
        ...


class Reading(Protocol):
    """One consistent state of an index. Digests that are not in it are left out of every answer.

    `counts` and `links` are the two questions of a cascade (`blobkit.cascade.References`).
    """

    def counts(self, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        """Return the reference count of each of these."""
        ...

    def links(self, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        """Return each blob that these link to, with the number of links that come from these."""
        ...

    def sizes(self, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        """Return the size of each of these, as recorded."""
        ...

    def records(self, blobs: Collection[Digest]) -> Mapping[Digest, Record]:
        """Return what is recorded of each of these."""
        ...

    def targets(self, blobs: Collection[Digest]) -> Mapping[Digest, Sequence[Digest]]:
        """Return what each of these links to, sorted; those without links are left out."""
        ...

    def holders(self, blobs: Collection[Digest], limit: int = -1) -> Mapping[Digest, Sequence[Digest]]:
        """Return what links to each of these (at most `limit` in all); those without holders are left out."""
        ...

    def linked(self, links: Collection[Link]) -> Collection[Link]:
        """Return those of the links that exist, of whatever kind."""
        ...

    def expecting(self, digests: Collection[Digest]) -> Sequence[Link]:
        """Return the links that wait for one of these absent blobs to arrive."""
        ...

    def names(self, blobs: Collection[Digest]) -> Mapping[Digest, Sequence[str]]:
        """Return the tags of each of these, sorted; those without tags are left out."""
        ...

    def tags(self, names: Collection[str] | None = None) -> Mapping[str, Digest]:
        """Return what these names name, or all names, sorted."""
        ...

    def digests(self, after: Digest | None = None, limit: int = -1) -> Sequence[Digest]:
        """Return the blobs that sort behind `after`, sorted, at most `limit`."""
        ...

    def total(self) -> int:
        """Return the number of blobs."""
        ...

    def tombstones(self, limit: int, after: Digest | None = None) -> Sequence[Digest]:
        """Return up to `limit` blobs, behind `after`, that were removed while their bytes may still be there."""
        ...

    def given(self, source: str, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        """Return how many anonymous pins were recorded as given to each of these by `source`, where there are any."""
        ...

    def meta(self, key: str) -> str | None:
        """Return a fact about the store itself."""
        ...

    def facts(self) -> Facts:
        """Return everything, as columns."""
        ...


class Writing(Reading, Protocol):
    """The one transaction that may write, and what it has written so far."""

    def add(self, arrivals: Collection[Arrival]) -> None:
        """Record new blobs with one anonymous pin each; their tombstones are cleared."""
        ...

    def apply(self, change: Change) -> None:
        """Make a plan true: links and tags come and go, counts are set, what was freed goes and leaves tombstones."""
        ...

    def expect(self, links: Mapping[Link, str]) -> None:
        """Record links to absent blobs, each with the media type that its source claims."""
        ...

    def unexpect(self, links: Collection[Link]) -> None:
        """Forget links to absent blobs."""
        ...

    def give(self, source: str, pins: Mapping[Digest, int]) -> None:
        """Record how many pins each blob was given by `source`, in all; changes no pin. It goes with the blob."""
        ...

    def retype(self, media_types: Mapping[Digest, str]) -> None:
        """Set media types."""
        ...

    def forget(self, tombstones: Collection[Digest]) -> None:
        """Clear tombstones."""
        ...

    def set_meta(self, key: str, value: str | None) -> None:
        """Set a fact about the store itself, or drop it."""
        ...


class Index(Protocol):
    """Counts, links, tags and tombstones, in transactions."""

    @property
    def closed(self) -> bool:
        """Whether `close` was called; `read` and `writing` raise StoreClosedError then."""
        ...

    def read(self, question: Callable[[Reading], T]) -> T:
        """Return the answer to a question over one consistent state; the question may be asked again."""
        ...

    def writing(self, *, durable: bool = False) -> AbstractContextManager[Writing]:
        """Hold the only write lock: all that was written is committed on success and undone on an error.

        `durable` makes this commit survive a loss of power even where the index promises less.
        """
        ...

    def close(self) -> None:
        """Let go of what the index holds open."""
        ...
