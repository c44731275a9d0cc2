"""The seam between a store and its content: bytes by digest, staged, published, read and deleted in bulk.

A content knows no rule: the rules are in `blobkit.store`, written once for every content. `blobkit.testing.content` has
the suite that each passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from blobkit.digest import Digest
    from blobkit.model import FileSignature

__all__ = ["Area", "Content", "Inspected", "Staged"]


class Staged(Protocol):
    """New bytes that stay invisible until `Content.publish` gets their token."""

    @property
    def token(self) -> str:
        """The name of these bytes for `publish`."""
        ...

    def write(self, data: memoryview) -> None:
        """Append all of `data`."""
        ...

    def draw(self, file: BinaryIO, buffers: Iterator[memoryview]) -> Iterator[memoryview]:
        """Append the rest of an open file in the cheapest way; yield the appended bytes in pieces.

        Each piece is in the next one of the buffers, or cannot change. The yielded bytes are the stored bytes, even if
        the file changes meanwhile.
        """
        ...

    def read(self, size: int) -> bytes:
        """Return the first `size` bytes, which are few."""
        ...

    def seal(self) -> None:
        """Make the bytes as durable as the content promises; idempotent."""
        ...

    def discard(self) -> None:
        """Release the resources of staging, and the bytes unless they were published; idempotent."""
        ...


class Area(Protocol):
    """A place for many new blobs that become durable together, and are discarded together.

    `seal` of a staged blob only ends its writing: then its bytes belong to the area, and its own `discard` does
    nothing. So thousands of staged blobs need no open file each. Threads may share an area.
    """

    def stage(self) -> Staged:
        """Return a place for new bytes in this area; needs no lock."""
        ...

    def open(self, token: str) -> BinaryIO:
        """Return staged bytes as a file to read; they must be sealed and not yet published."""
        ...

    def seal(self) -> None:
        """Make all bytes that are sealed so far as durable as the content promises; call it before `publish`.

        If that fails, it raises, and all of them are discarded. Afterwards more bytes may be staged and sealed.
        """
        ...

    def discard(self) -> None:
        """Release the area, and the bytes that were not published; idempotent."""
        ...


class Content(Protocol):
    """Bytes by digest. It trusts the given digests: the caller hashes."""

    def stage(self) -> Staged:
        """Return a place for new bytes; needs no lock."""
        ...

    def area(self) -> Area:
        """Return a place for many new blobs to publish together; needs no lock."""
        ...

    def publish(self, staged: Mapping[Digest, str]) -> None:
        """Store the bytes of these tokens under their digests, and replace existing bytes; durable on return."""
        ...

    def place(self, digest: Digest, data: bytes, *, durable: bool = False) -> None:
        """Store small content under its digest at once, whole or not at all; what is there already is not replaced.

        Other bytes there are replaced. `durable` stores it anew in any case, as durable as the content promises; else
        only `sync` makes it durable.
        """
        ...

    def sizes(self, digests: Collection[Digest]) -> Mapping[Digest, int]:
        """Return the sizes of the stored ones among these."""
        ...

    def open(self, digest: Digest) -> BinaryIO:
        """Return the bytes as a file to read; FileNotFoundError if they are absent."""
        ...

    def read(self, digest: Digest, size: int) -> bytes | None:
        """Return the bytes if there are exactly `size` and one step can read them; else None: then use `open`."""
        ...

    def digests(self) -> Iterator[Digest]:
        """Yield every stored digest, in no fixed order."""
        ...

    def delete(self, digests: Collection[Digest]) -> Sequence[Digest]:
        """Delete the bytes; return the digests that are absent now, without those that could not be deleted."""
        ...

    def sync(self) -> None:
        """Make all published bytes durable, also those that were published with a weaker promise."""
        ...

    def reclaim(self) -> int:
        """Remove staged bytes of dead processes, none of living ones; return the number of places and areas."""
        ...

    def close(self) -> None:
        """Release all resources of the content."""
        ...


class Inspected(Content, Protocol):
    """A content that can be checked and repaired: the methods for `fsck`, beside those for the verbs."""

    def signatures(self, digests: Collection[Digest]) -> Mapping[Digest, FileSignature]:
        """Return the signature of each stored one of these; it differs for other bytes under the same digest."""
        ...

    def strays(self) -> Iterator[str]:
        """Yield the names of files and directories among the content that are not content."""
        ...

    def abandoned(self) -> Sequence[str]:
        """Return the names of the bytes that dead processes had staged; `reclaim` would remove them."""
        ...

    def set_aside(self, names: Collection[str], what: str) -> Mapping[str, str]:
        """Move content (by digest) or strays (by name) to quarantine; return their new paths.

        Existing files are not overwritten; the reason `what` becomes part of the name. Absent ones are left out.
        """
        ...
