"""The seam between a store and its index: questions about one consistent state, and the transaction that may write.

An index knows no rule: the rules are in `blobkit.store`, written once for every index. It is asked in bulk. What it
answers is in three parts: references for the rules, a small ledger, and checks for `fsck` only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from blobkit.digest import Digest
    from blobkit.model import (
        Change,
        Column,
        Facts,
        IndexFault,
        JournalEntry,
        Link,
        NewBlob,
        PendingWork,
        Record,
        RefCounts,
    )

    Peeked = tuple[int, int, int, str, datetime]
    """Size, refcount, pins, media type and moment of the first commit of a blob that has no links and no tags."""

__all__ = [
    "Checked",
    "Index",
    "Ledger",
    "Plain",
    "Put",
    "Reading",
    "References",
    "Repairable",
    "Transaction",
    "Writing",
]

T = TypeVar("T")


class Plain(NamedTuple):
    """Content to be recorded, and nothing else: `journal` is what the journal is to keep of it.

    `unsynced` says whether the store is marked as one that was written to without a sync.
    """

    digest: Digest
    size: int
    media_type: str
    journal: bytes | None = None
    unsynced: bool = False


class Put(NamedTuple):
    """The row of a blob that was put, and the number of its journal entry, 0 if it has none."""

    refcount: int
    pins: int
    created: datetime
    number: int


class References(Protocol):
    """The questions of the rules about one consistent state. Digests that are not in it are left out of every answer.

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

    def facts(self) -> Facts:
        """Return everything, as columns."""
        ...


class Ledger(Protocol):
    """The records of a store about itself: facts, work that is left, pins by source, changed names, the journal."""

    def given(self, source: str, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        """Return how many anonymous pins were recorded as given to each of these by `source`, where there are any."""
        ...

    def changed_names(self) -> Mapping[str, Digest | None]:
        """Return the names that came, moved or went since `settle_names`, with what each one named then."""
        ...

    def journalled(self, after: int, limit: int) -> Sequence[JournalEntry]:
        """Return up to `limit` entries of the journal with numbers above `after`, by number."""
        ...

    def journal_content(self, number: int) -> bytes | None:
        """Return the content of an entry of the journal, None where it is gone."""
        ...

    def pending(self) -> PendingWork:
        """Return what is left to do, as this transaction has it now. Cheap: every write asks it."""
        ...

    def meta(self, key: str) -> str | None:
        """Return a fact about the store itself."""
        ...


class Reading(References, Ledger, Protocol):
    """One consistent state of an index."""


class Writing(Reading, Protocol):
    """The one transaction that may write, and what it has written so far."""

    def savepoint(self) -> AbstractContextManager[None]:
        """Return a block of which all writes are undone where it raises; the transaction goes on."""
        ...

    def add(self, arrivals: Collection[NewBlob]) -> None:
        """Record new blobs with one anonymous pin each; their tombstones are cleared."""
        ...

    def pin(self, pins: Mapping[Digest, int]) -> Mapping[Digest, Record]:
        """Add so many anonymous pins to each of these blobs; return what is then recorded of those that exist."""
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

    def retype(self, media_types: Mapping[Digest, str]) -> None:
        """Set media types."""
        ...

    def forget(self, tombstones: Collection[Digest]) -> None:
        """Clear tombstones."""
        ...

    def give(self, source: str, pins: Mapping[Digest, int]) -> None:
        """Record how many pins each blob was given by `source`, in all; changes no pin. It goes with the blob."""
        ...

    def journal(self, contents: Mapping[Digest, bytes]) -> int:
        """Keep content in the journal; return the number of the last entry. No number is given twice."""
        ...

    def drain(self, number: int, kept: Collection[int] = ()) -> None:
        """Drop the entries of the journal up to this number, but those `kept`."""
        ...

    def settle_names(self) -> None:
        """Forget which names changed."""
        ...

    def set_meta(self, key: str, value: str | None) -> None:
        """Set a fact about the store itself, or drop it."""
        ...


@runtime_checkable
class Checked(Protocol):
    """The questions of a check, which an index need not answer: `fsck` then checks content only."""

    def faults(self) -> Sequence[IndexFault]:
        """Return what is wrong with single rows, or with the index as such. Cost: scans everything."""
        ...

    def miscounts(self, blobs: Collection[Digest] | None = None) -> Mapping[Digest, RefCounts]:
        """Return those of these (of all) blobs whose refcount is not pins plus links, or pins less than tags, or 0."""
        ...

    def edges(self) -> tuple[Column, Column]:
        """Return all links, dangling ones too, as sources and targets: numbers that `numbered` knows."""
        ...

    def numbered(self, numbers: Collection[int]) -> Mapping[int, Digest]:
        """Return the blobs with these numbers of `edges`."""
        ...


@runtime_checkable
class Repairable(Checked, Protocol):
    """The cures of what a check found, in the transaction that may write."""

    def resize(self, sizes: Mapping[Digest, int]) -> None:
        """Set sizes."""
        ...

    def recount(self, counts: Mapping[Digest, tuple[int, int]]) -> None:
        """Set refcount and pins."""
        ...

    def clear(self, codes: Collection[str]) -> None:
        """Take out, or make harmless, the rows with faults of these kinds: they name nothing, or nothing that is here.

        Blobs, and what counts them, stay as they are, unless their row has no digest.
        """
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

    def peek(self, blob: Digest) -> Peeked | None:
        """Return what is recorded of a blob without links and tags; None for others, or where `read` is as cheap."""
        ...

    def put_plain(self, new: Plain, put: Callable[[bool], bool]) -> Put | None:
        """Record new content, or one pin more on a blob without links and tags, in one transaction of few statements.

        `put` is called inside it and told whether the blob is new; False undoes everything. None, with nothing written,
        where more is to be done than that: links that wait, tombstones, tags to show, another media type.
        """
        ...

    def write(self, plan: Callable[[Writing], T], *, durable: bool = False) -> T:
        """Return what a plan returns, which reads and writes in one transaction, committed where it raises nothing.

        The plan touches nothing but the rows: an index may have to run it again (a deadlock, a server that is gone).
        """
        ...

    def writing(self, *, durable: bool = False, later: bool = False) -> AbstractContextManager[Writing]:
        """Hold the only write lock: all that was written is committed on success and undone on an error.

        `durable` makes this commit survive a loss of power even where the index promises less. `later` says that it
        may become durable with the next one only: a loss of power may take it back, but none that came before it.
        """
        ...

    def close(self) -> None:
        """Let go of what the index holds open."""
        ...


class Transaction(Protocol):
    """A context manager that takes the write lock of a store and, at the end of its block, commits."""

    def __call__(self, *, durable: bool = False) -> AbstractContextManager[Writing]:
        """Return the transaction; `durable` as in `Index.writing`."""
        ...
