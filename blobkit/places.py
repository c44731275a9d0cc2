"""The seam of a content whose places are used once: for a service where a request may arrive after its sender died.

The content holds bytes by place (`PlacedContent`), and the index says which place belongs to a blob (`Places`). The
order of writes is that of `blobkit.store.remote.session`. `blobkit.testing.places` has the suite for an index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from blobkit.contents import Area, Staged
    from blobkit.digest import Digest
    from blobkit.model import PlacedObject

__all__ = ["PlacedContent", "Places"]


class PlacedContent(Protocol):
    """Bytes by place, for a content where a request may arrive long after its sender died.

    A place is a name that `fresh` gives once; it never holds the bytes of two uploads. The index remembers which place
    belongs to a blob (`blobkit.places.Places`), and nothing here does. Every method may be called at any time,
    without a lock; what the service refuses is an error of blobkit.
    """

    def stage(self) -> Staged:
        """Return a place for new bytes on this machine."""
        ...

    def area(self) -> Area:
        """Return a place on this machine for many new blobs."""
        ...

    def fresh(self, digest: Digest) -> str:
        """Return a place for this content that was never given before."""
        ...

    def upload(self, sources: Mapping[str, str | bytes]) -> None:
        """Write the bytes, given themselves or as the token of what is staged, to new places; durable on return."""
        ...

    def read(self, place: str, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to `end`, as many as there are; FileNotFoundError."""
        ...

    def stream(self, place: str) -> BinaryIO:
        """Return the bytes as a file to read once, from its start to its end; FileNotFoundError."""
        ...

    def delete(self, places: Collection[str]) -> None:
        """Delete the bytes at these places; those that are absent are no error."""
        ...

    def look(self, places: Collection[str]) -> Mapping[str, PlacedObject]:
        """Return what is at these places; those that are absent are left out."""
        ...

    def listed(self, after: Digest | None = None) -> Iterator[PlacedObject]:
        """Yield all that is where content belongs, by place: first what belongs to the digests behind `after`."""
        ...

    def set_aside(self, places: Iterable[str], what: str) -> Mapping[str, str]:
        """Copy what is at these places to quarantine; return where each copy is. Absent ones are left out."""
        ...

    def unfinished(self) -> Sequence[PlacedObject]:
        """Return the uploads that were begun and not ended, as far as the service tells of them."""
        ...

    def abort(self, uploads: Collection[PlacedObject]) -> None:
        """Drop unfinished uploads, with what they have written so far."""
        ...

    def reclaim(self) -> int:
        """Remove what dead processes staged on this machine; return the number of places and areas."""
        ...

    def close(self) -> None:
        """Release all resources of the content."""
        ...


@runtime_checkable
class Places(Protocol):
    """Places of content, in the transaction that may write: for a content where a late request may still arrive.

    There a place is used once, for one blob, and never again. An intent is written, and committed, before anything is
    sent to a place; `settle` turns it into the place of a blob. What a blob leaves behind, and intents that ran out,
    are tombstones: `claim`, delete, `forget_places`, each in a transaction of its own or in none. `places` and
    `known_places` are questions, which `Index.read` asks, too.
    """

    def places(self, blobs: Collection[Digest]) -> Mapping[Digest, str]:
        """Return the place of each of these blobs; those that have none, or none any more, are left out."""
        ...

    def intend(self, places: Collection[str]) -> None:
        """Write intents for new places, born at the time of the index's own clock."""
        ...

    def intend_absent(self, places: Mapping[Digest, str]) -> Collection[Digest]:
        """Write the intents of those blobs that have no place at this moment; return these blobs.

        Nothing is locked: whether a blob has a place, or is here at all, may be another answer at the commit.
        """
        ...

    def settle(self, places: Mapping[Digest, str]) -> Collection[Digest]:
        """Make each of these the place of its blob, and drop the intents; return the blobs whose intents are gone.

        Those places become tombstones, and so do the places of blobs that have one already. A blob that is not
        recorded counts as one that has a place. What is settled already stays so: a plan may be run again.
        """
        ...

    def unsettle(self, places: Mapping[Digest, str]) -> None:
        """Take its place from each of these blobs that still has this one; the place becomes a tombstone."""
        ...

    def claim(self, limit: int, lease: float) -> Sequence[str]:
        """Return up to `limit` places to delete: those of tombstones that nobody claimed in the last `lease` seconds.

        Intents older than the lease become tombstones, which stay for one lease more: their writer may be late.
        """
        ...

    def forget_places(self, places: Collection[str]) -> None:
        """Clear the tombstones of these, but those that stay for a late writer; they may be claimed again at once."""
        ...

    def known_places(self, places: Collection[str]) -> Collection[str]:
        """Return those of these that belong to a blob, an intent or a tombstone."""
        ...
