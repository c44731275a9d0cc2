"""The seams: what a reader asks of a store, how an address becomes a snapshot, what a store asks of its backends.

A store is a `Content` (bytes by digest) and an `Index` (counts, links, tags; `blobkit.transactions`). Both are asked in
bulk, and neither knows a rule: the rules are in `blobkit.store`, written once for every pair.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from blobkit.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from blobkit.digest import Digest
    from blobkit.model import Stamp
    from blobkit.present.sections import SupportsSections
    from blobkit.snapshot.snapshot import Snapshot

    Address = str | os.PathLike[str]

__all__ = [
    "Area",
    "Content",
    "Inspected",
    "Source",
    "Staged",
    "SupportsSnapshot",
    "as_snapshot",
    "as_source",
    "as_surveyed",
    "open_addresses_with",
    "open_sources_with",
    "summarise_with",
    "summarised",
    "survey_with",
    "write_scripts_with",
    "written",
]

T = TypeVar("T")


@runtime_checkable
class SupportsSnapshot(Protocol):
    """Anything that can be audited: a store, a scanner, a snapshot itself."""

    def snapshot(self) -> Snapshot:
        """Return an immutable picture of the facts at one moment."""
        ...


_openers: list[Callable[[Address], Snapshot]] = []
_surveyors: list[Callable[[SupportsSnapshot | Address], Snapshot]] = []
_writers: list[Callable[..., str]] = []
_summarisers: list[Callable[[SupportsSnapshot], SupportsSections]] = []


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
    step = "give a store, a snapshot or an address (a path, or kind:path)"
    msg = f"an object of type {type(x).__name__} cannot be audited: {step}"
    raise TypeError(msg)


def survey_with(surveyor: Callable[[SupportsSnapshot | Address], Snapshot]) -> None:
    """Make `surveyor` what looks at the files of a store too; readers know no other way to these."""
    _surveyors[:] = [surveyor]


def as_surveyed(x: SupportsSnapshot | Address) -> Snapshot:
    """Return the snapshot of `x` as `as_snapshot` does, of a store on a disk with all its files counted."""
    return _surveyors[0](x)


def write_scripts_with(writer: Callable[..., str]) -> None:
    """Make `writer` what turns a preview into a script; questions know no other way to one."""
    _writers[:] = [writer]


def written(preview: object, tool: str | None, heading: Sequence[str] = ()) -> str:
    """Return the script that does with `tool` what a preview shows; the lines of `heading` come first."""
    return _writers[0](preview, tool, heading=heading)


def summarise_with(summariser: Callable[[SupportsSnapshot], SupportsSections]) -> None:
    """Make `summariser` what sums a store up; stores and snapshots know no other way to an analysis."""
    _summarisers[:] = [summariser]


def summarised(x: SupportsSnapshot) -> SupportsSections:
    """Return a store at a glance: what is live and what is garbage, the biggest blobs, the tags."""
    return _summarisers[0](x)


@runtime_checkable
class Source(Protocol):
    """A store that can be imported: facts and content. Where it has an `identity` (text), it is remembered by that.

    Else it is remembered by the kind and address of its snapshot.
    """

    def snapshot(self) -> Snapshot:
        """Return an immutable picture of the facts at one moment."""
        ...

    def open(self, digest: Digest) -> BinaryIO:
        """Return the content of a blob as a file to read; FileNotFoundError where there is none."""
        ...


_source_openers: list[Callable[[Address], AbstractContextManager[Source]]] = []


def open_sources_with(opener: Callable[[Address], AbstractContextManager[Source]]) -> None:
    """Make `opener` what turns an address into a source to import from."""
    _source_openers[:] = [opener]


def as_source(x: Source | Address) -> AbstractContextManager[Source]:
    """Return `x` as a source to import from, in a `with` block that closes what an address opened.

    SourceError for a snapshot, which has no content; TypeError for anything else that is none.
    """
    if isinstance(x, str | os.PathLike):
        return _source_openers[0](x)
    if isinstance(x, Source):
        return nullcontext(x)
    if isinstance(x, SupportsSnapshot):
        msg = "a snapshot has facts and no content"
        raise SourceError(msg, hint="import from the store itself, or its address")
    step = "give a store or an address (a path, or kind:path)"
    msg = f"an object of type {type(x).__name__} cannot be imported: {step}"
    raise TypeError(msg)


class Staged(Protocol):
    """Bytes on their way in, which nobody sees until `Content.publish` is given their token."""

    @property
    def token(self) -> str:
        """The name by which `publish` knows these bytes."""
        ...

    def write(self, data: memoryview) -> None:
        """Append all of `data`."""
        ...

    def draw(self, file: BinaryIO, buffers: Iterator[memoryview]) -> Iterator[memoryview]:
        """Append what is left of an open file, the cheapest way; yield what was appended, in pieces.

        Each piece is in the next one of the buffers, or cannot change. What is yielded is what is stored, even where
        the file changes meanwhile.
        """
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

    def open(self, token: str) -> BinaryIO:
        """Return staged bytes as a file to read, once they are sealed and as long as they are not published."""
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

    def read(self, digest: Digest, size: int) -> bytes | None:
        """Return the bytes where there are `size` of them and one step gets them; None where `open` must see to it."""
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


class Inspected(Content, Protocol):
    """A content that can be checked and repaired: what a whole store asks beside what its verbs ask."""

    def stamps(self, digests: Collection[Digest]) -> Mapping[Digest, Stamp]:
        """Return what tells the bytes of each of these that is there from others under the same digest."""
        ...

    def strays(self) -> Iterator[str]:
        """Yield the names of what is among the content and is no content: nothing of a blob."""
        ...

    def abandoned(self) -> Sequence[str]:
        """Return the names of what dead processes staged and left, which `reclaim` would remove."""
        ...

    def set_aside(self, names: Collection[str], what: str) -> Mapping[str, str]:
        """Move content (by digest) or strays (by name) to where nobody sees them; return where each of them is.

        Nothing is overwritten there; `what` happened becomes part of the name. What is gone already is left out.
        """
        ...
