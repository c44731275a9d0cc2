"""Verbs together: one transaction over the index, one staging area for the content.

A batch is the same verbs over two stand-ins: an index whose transaction stays open, and a content that keeps what is
published until the end. What is put without links and tag waits for the lock until another verb takes it.
"""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from weakref import ref

from blobkit.errors import BatchError
from blobkit.model import Descriptor
from blobkit.store.arrival import NOTHING, Arrived, check_type, described
from blobkit.store.verbs import Verbs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import BinaryIO, Self

    from blobkit.digest import Digest
    from blobkit.protocols import Area, Content, Staged
    from blobkit.transactions import Index, Plain, Reading, Retagged, Transaction, Writing


__all__ = ["Batch", "batched"]

T = TypeVar("T")

OVER = "this batch {}: begin another one with store.batch()"


@contextmanager
def batched(
    content: Content, index: Index, address: str, transaction: Transaction, retagged: Retagged
) -> Iterator[Batch]:
    """Give a batch over a store of this content and index; commit it at the end, or undo it where there is an error."""
    with _Pending(content) as pending, _Held(index, transaction) as held:
        batch = Batch(pending, held, address)
        yield batch
        batch.finish(retagged)


class Batch(Verbs):
    """All verbs of a store in one transaction; made by `store.batch()`, used by one thread, over when that block ends.

    A verb that fails leaves nothing of itself; the batch goes on unless the error leaves its block.

    >>> store = demo.small()
    >>> with store.batch() as batch:
    ...     note = batch.put(b"hello")
    ...     moved = batch.tag("greeting:1", note.digest)
    >>> store.tags()["greeting:1"] == note.digest
    True
    """

    def __init__(self, pending: _Pending, held: _Held, address: str) -> None:
        super().__init__(pending, held, address)
        self._pending = pending
        self._waiting: list[Arrived] = []
        self._foretold: dict[Digest, Descriptor] = {}
        self._tags_changed = False
        held.first = self._flush

    @property  # type: ignore[override]  # its setter takes no other index
    def _index(self) -> _Held:
        """The transaction. It belongs to the block alone: whoever keeps the batch keeps no lock, even after Ctrl-C."""
        held = self._held()
        if held is None:
            raise BatchError(OVER.format("has ended"))
        return held

    @_index.setter
    def _index(self, held: _Held) -> None:
        self._held = ref(held)

    @property
    def is_open(self) -> bool:
        """Whether the block of this batch goes on."""
        held = self._held()
        return held is not None and not held.closed and held.is_here()

    def finish(self, retagged: Retagged) -> None:
        """Make the content durable, outside the lock if nothing needed it so far, and put it in its place."""
        if not self._waiting and not self._index.begun:
            return
        self._pending.seal()
        rows = self._index.begin()
        self._pending.settle(rows)
        if self._tags_changed:
            retagged(rows, durable=True)

    def _flush(self, rows: Writing) -> None:
        """Record, as the first thing under the lock, what was put before."""
        came, self._waiting = self._waiting, []
        if came:
            self._record(rows, came, self._pending.publish)

    @contextmanager
    def _changing(self, *, durable: bool = False) -> Iterator[Writing]:  # noqa: ARG002 (the batch itself is durable)
        rows = self._index.begin()
        with rows.savepoint():
            yield rows

    def _retagged(self, _rows: Writing, *, durable: bool) -> None:  # noqa: ARG002 (the batch itself is durable)
        self._tags_changed = True

    def _stage(self) -> Staged:
        self._index.check()
        return super()._stage()

    def _take_in(self, came: Arrived, staged: Staged) -> Descriptor:
        if self._index.begun or came.wish is not NOTHING:
            return super()._take_in(came, staged)
        found = self._index.look(lambda rows: self._foreseen(rows, came))
        staged.seal()
        self._waiting.append(came)
        self._foretold[came.digest] = found
        return found

    def _foreseen(self, rows: Reading, came: Arrived) -> Descriptor:
        """Return what will be known of a blob that waits, unless other writers come first."""
        known = self._foretold.get(came.digest)
        if known is None and rows.counts([came.digest]):
            known = described(rows, came.digest)
        if known is None:
            return Descriptor(came.digest, came.size, 1, 1, (), came.media_type, datetime.now(UTC), ())
        media_type = check_type(came.digest, known.media_type, came.media_type)
        return replace(known, refcount=known.refcount + 1, pins=known.pins + 1, media_type=media_type)


class _Held:
    """An index with one transaction that begins at the first question and stays open."""

    def __init__(self, index: Index, transaction: Transaction) -> None:
        self._index = index
        self._transaction = transaction
        self._stack = ExitStack()
        self._rows: Writing | None = None
        self._owner = (os.getpid(), threading.get_ident())
        self._over = ""
        self.first: Callable[[Writing], None] = _nothing

    @property
    def begun(self) -> bool:
        """Whether the write lock is held."""
        return self._rows is not None

    @property
    def closed(self) -> bool:
        """Whether the batch has ended."""
        return bool(self._over)

    def begin(self) -> Writing:
        """Return the transaction; take the write lock for it, and do what waits for that, if that was not done."""
        self.check()
        if self._rows is None:
            self._rows = self._stack.enter_context(self._transaction(durable=True))
            self._over = "failed at what was put first, and is undone"
            self.first(self._rows)
            self._over = ""
        return self._rows

    def look(self, question: Callable[[Reading], T]) -> T:
        """Return the answer to a question that can do without the lock."""
        self.check()
        return self._index.read(question)

    def read(self, question: Callable[[Reading], T]) -> T:
        """Return the answer of the transaction, of what this batch did included."""
        return question(self.begin())

    def glance(self, blob: Digest) -> None:
        """Return None: `read` is as cheap."""

    def put_plain(self, new: Plain, put: Callable[[bool], bool]) -> None:
        """Return None: the transaction is open already."""

    def write(self, plan: Callable[[Writing], T], *, durable: bool = False) -> T:  # noqa: ARG002 (it is durable)
        """Return what a plan returns; it is not committed before the end."""
        return plan(self.begin())

    @contextmanager
    def writing(self, *, durable: bool = False, later: bool = False) -> Iterator[Writing]:  # noqa: ARG002 (it is durable)
        """Give the transaction; it is not committed before the end."""
        yield self.begin()

    def close(self) -> None:
        """Do nothing: the batch ends with its block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Commit, or undo everything after an error."""
        self._over = "has ended"
        self._stack.__exit__(kind, error, traceback)

    def is_here(self) -> bool:
        """Return whether this is the thread, and the process, that began it."""
        return self._owner == (os.getpid(), threading.get_ident())

    def check(self) -> None:
        """Check that the batch is open and belongs to this thread."""
        if self._over:
            raise BatchError(OVER.format(self._over))
        if not self.is_here():
            msg = "a batch belongs to the thread that began it: begin another one in this thread"
            raise BatchError(msg)


class _Pending:
    """A content that keeps what is published in an area until `settle`."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._area: Area | None = None
        self._kept: dict[Digest, str] = {}

    def stage(self) -> Staged:
        """Return a place for new bytes."""
        return self.area().stage()

    def area(self) -> Area:
        """Return the one area of the batch."""
        if self._area is None:
            self._area = self._content.area()
        return self._area

    def publish(self, staged: Mapping[Digest, str]) -> None:
        """Keep these for the end."""
        self._kept.update(staged)

    def place(self, digest: Digest, data: bytes, *, durable: bool = False) -> None:  # noqa: ARG002 (the end makes it durable)
        """Keep this for the end."""
        staged = self.stage()
        staged.write(memoryview(data))
        staged.seal()
        self._kept[digest] = staged.token

    def sizes(self, digests: Collection[Digest]) -> Mapping[Digest, int]:
        """Return the size of each of these that is in its place, or kept."""
        found = dict(self._content.sizes(digests))
        for digest in self._kept.keys() & set(digests):
            with self.open(digest) as file:
                found[digest] = file.seek(0, os.SEEK_END)
        return found

    def open(self, digest: Digest) -> BinaryIO:
        """Return the bytes as a file to read."""
        return self.area().open(self._kept[digest]) if digest in self._kept else self._content.open(digest)

    def read(self, digest: Digest, size: int) -> bytes | None:
        """Return the bytes that are in their place; None where they are kept, or it takes `open`."""
        return None if digest in self._kept else self._content.read(digest, size)

    def digests(self) -> Iterator[Digest]:
        """Yield every digest that has bytes in its place."""
        return self._content.digests()

    def delete(self, digests: Collection[Digest]) -> Sequence[Digest]:  # noqa: ARG002 (a protocol's parameter)
        """Remove nothing: the store sweeps after the commit."""
        return ()

    def sync(self) -> None:
        """Do nothing before the end."""

    def reclaim(self) -> int:
        """Reclaim nothing: that is the store's."""
        return 0

    def close(self) -> None:
        """Do nothing: the content is the store's."""

    def seal(self) -> None:
        """Make all that was staged durable."""
        if self._area is not None:
            self._area.seal()

    def settle(self, rows: Reading) -> None:
        """Publish what was kept and is still a blob."""
        alive = rows.sizes(self._kept)
        if alive:
            self._content.publish({digest: self._kept[digest] for digest in alive})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of what was not published."""
        if self._area is not None:
            self._area.discard()


def _nothing(*_: object) -> None:
    """Do nothing."""
