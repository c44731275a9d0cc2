"""Verbs together: one transaction over the index, one staging area for the content.

A batch is the same verbs in a session whose transaction stays open, over a content that keeps what is published until
the end. What is put without links and tag waits for the lock until another verb takes it.
"""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from weakref import ref

from blobkit.errors import BatchError
from blobkit.model import Descriptor
from blobkit.store.buffered import BufferedContent
from blobkit.store.ingest import NO_OPTIONS, StagedBlob, check_type, described, whole
from blobkit.store.methods import Verbs
from blobkit.store.reading import BlobReader
from blobkit.store.session import put_bytes
from blobkit.store.verbs import Work, take_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from blobkit.contents import Staged
    from blobkit.digest import Digest
    from blobkit.store.ingest import PutOptions
    from blobkit.store.methods import Serving
    from blobkit.store.session import Session
    from blobkit.transactions import Reading, Writing

__all__ = ["Batch", "BatchSession", "OpenTransaction", "batched"]

T = TypeVar("T")

OVER = "this batch {}: begin another one with store.batch()"


@contextmanager
def batched(session: Session) -> Iterator[Batch]:
    """Give a batch over the store of a session; commit it at the end, or undo it where there is an error."""
    with BufferedContent(session.content) as content, OpenTransaction(session) as transaction:
        open_session = BatchSession(session, content, transaction)
        session.begin_batch(ref(open_session))
        yield Batch(open_session)
        open_session.finish(session)


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


class BatchSession:
    """The session of a batch: what is put before another verb needs the lock waits, and is recorded first then."""

    def __init__(self, session: Serving, content: BufferedContent, transaction: OpenTransaction) -> None:
        self.address = session.address
        self.shows_tags = session.shows_tags
        self.reader = BlobReader(content, self._ask, session.address)
        self._outside = session.index
        self._content = content
        self._transaction = ref(transaction)  # of the block alone: whoever keeps the batch keeps no lock
        self._waiting: list[StagedBlob] = []
        self._predicted: dict[Digest, Descriptor] = {}
        self._tags_changed = False
        transaction.first = self._flush

    @property
    def index(self) -> OpenTransaction:
        """The open transaction, as an index."""
        transaction = self._transaction()
        if transaction is None:
            raise BatchError(OVER.format("has ended"))
        return transaction

    @property
    def is_open(self) -> bool:
        """Whether the block of this batch goes on, in this thread."""
        transaction = self._transaction()
        return transaction is not None and not transaction.closed and transaction.is_here()

    def run(self, plan: Callable[[Work], T], *, durable: bool = False) -> T:  # noqa: ARG002 (the batch is durable)
        """Give a part of the transaction to one verb, which leaves nothing where it fails."""
        tx = self.index.begin()
        with tx.savepoint():
            work = self._work(tx)
            result = plan(work)
            self._take_over(work)
        return result

    def stage(self) -> Staged:
        """Return a place for new bytes."""
        self.index.check()
        return self._content.stage()

    def put_small(self, content: bytes, digest: Digest, media_type: str, options: PutOptions) -> Descriptor:
        """Stage bytes, and put them."""
        return put_bytes(self, content, digest, media_type, options)

    def put_staged(self, new: StagedBlob, staged: Staged) -> Descriptor:
        """Make staged bytes a blob: at once where the lock is held or it takes more than a row, else later."""
        staged.seal()
        if self.index.begun or new.options is not NO_OPTIONS:
            return self.run(lambda work: take_in(work, [new])[0])
        found = self.index.look(lambda tx: self._foreseen(tx, new))
        self._waiting.append(new)
        self._predicted[new.digest] = found
        return found

    def finish(self, session: Session) -> None:
        """Make the content durable, outside the lock if nothing needed it so far, and put it in its place."""
        if not self._waiting and not self.index.begun:
            return
        self._content.seal()
        tx = self.index.begin()
        alive = self._content.alive(tx)
        if alive:
            session.content.publish(alive)
        if self._tags_changed:
            session.projection.announce(tx, durable=True)

    def _work(self, tx: Writing) -> Work:
        """Return the work of a verb in the transaction of the batch."""
        return Work(tx, partial(whole, self._content))

    def _ask(self, question: Callable[[Reading], T]) -> T:
        """Return the answer of the batch or, once that has ended, of the store."""
        transaction = self._transaction()
        return self._outside.read(question) if transaction is None or transaction.closed else transaction.read(question)

    def _flush(self, tx: Writing) -> None:
        """Record, as the first thing under the lock, what was put before."""
        came, self._waiting = self._waiting, []
        if came:
            work = self._work(tx)
            take_in(work, came)
            self._take_over(work)

    def _take_over(self, work: Work) -> None:
        """Keep for the end of the batch what a verb left to do."""
        self._content.publish(work.staged)
        self._tags_changed |= work.is_shown

    def _foreseen(self, tx: Reading, new: StagedBlob) -> Descriptor:
        """Return what will be known of a blob that waits, unless other writers come first."""
        known = self._predicted.get(new.digest)
        if known is None and tx.counts([new.digest]):
            known = described(tx, new.digest)
        if known is None:
            return Descriptor(new.digest, new.size, 1, 1, (), new.media_type, datetime.now(UTC), ())
        media_type = check_type(new.digest, known.media_type, new.media_type)
        return replace(known, refcount=known.refcount + 1, pins=known.pins + 1, media_type=media_type)


class OpenTransaction:
    """One transaction of an index, which begins at the first question and stays open."""

    def __init__(self, session: Serving) -> None:
        self._session = session
        self._stack = ExitStack()
        self._tx: Writing | None = None
        self._owner = (os.getpid(), threading.get_ident())
        self._over = ""
        self.first: Callable[[Writing], None] = _do_nothing

    @property
    def begun(self) -> bool:
        """Whether the write lock is held."""
        return self._tx is not None

    @property
    def closed(self) -> bool:
        """Whether the batch has ended."""
        return bool(self._over)

    def begin(self) -> Writing:
        """Return the transaction; take the write lock for it, and do what waits for that, if that was not done."""
        self.check()
        if self._tx is None:
            tx = self._stack.enter_context(self._session.writing(durable=True))
            self._over = "failed at what was put first, and is undone"
            self.first(tx)
            self._tx, self._over = tx, ""
        return self._tx

    def look(self, question: Callable[[Reading], T]) -> T:
        """Return the answer to a question that can do without the lock."""
        self.check()
        return self._session.index.read(question)

    def read(self, question: Callable[[Reading], T]) -> T:
        """Return the answer of the transaction, of what this batch did included."""
        return question(self.begin())

    def peek(self, blob: Digest) -> None:
        """Return None: `read` is as cheap."""

    def __enter__(self) -> Self:
        """Return the transaction itself."""
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


def _do_nothing(_: Writing) -> None:
    """Do nothing."""
