"""A batch over content with places: its content is sent when its block ends, while no transaction is open.

The verbs run in an open transaction, as in every batch. If content came, that transaction is then undone, the content
is sent, and the same verbs run again in a second one, which records where the content is. Others may have written in
between: where a read, a removal or a refusal would be another one now, nothing is done, and StoreBusyError says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from weakref import ref

from blobkit.errors import BlobkitError, StoreBusyError
from blobkit.model import Descriptor, Freed, Record
from blobkit.store.batch import Batch, BatchSession, OpenTransaction
from blobkit.store.buffered import BufferedContent
from blobkit.store.remote.shelf import placed
from blobkit.store.verbs import Work, take_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blobkit.store.ingest import StagedBlob
    from blobkit.store.remote.session import RemoteSession
    from blobkit.transactions import Reading, Writing

    Step = Callable[[Work], None]
    """A verb, or a read, done once more."""

__all__ = ["remote_batched"]

T = TypeVar("T")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@contextmanager
def remote_batched(session: RemoteSession) -> Iterator[Batch]:
    """Give a batch over the store of a session; commit it at the end, or undo it where there is an error."""
    with BufferedContent(session.content) as content, _Repeatable(session) as transaction:
        open_session = _RemoteBatchSession(session, content, transaction)
        session.begin_batch(ref(open_session))
        yield Batch(open_session)
        open_session.complete(session, transaction)


class _Undo(Exception):  # noqa: N818 (no error: what was written is taken back)
    """Undoes a transaction."""


class _Repeatable(OpenTransaction):
    """An open transaction that notes each read and each verb, so that they can be done again in another one."""

    def __init__(self, session: RemoteSession) -> None:
        super().__init__(session)
        self.steps: list[Step] = []

    def read(self, question: Callable[[Reading], T]) -> T:
        """Return the answer of the transaction, and note it."""
        result = super().read(question)
        self.steps.append(partial(_read_again, question, result))
        return result

    def undo(self) -> None:
        """Take back what was written, and let go of the transaction; nothing more is done in it."""
        self._over = "has ended"
        try:
            self._stack.__exit__(_Undo, _Undo(), None)
        except _Undo:
            return


class _RemoteBatchSession(BatchSession):
    """The session of a batch whose verbs can be done again."""

    def __init__(self, session: RemoteSession, content: BufferedContent, transaction: _Repeatable) -> None:
        super().__init__(session, content, transaction)
        self._steps = transaction.steps
        self._first: list[StagedBlob] = []

    def run(self, plan: Callable[[Work], T], *, durable: bool = False) -> T:
        """Give a part of the transaction to one verb, and note how it ended."""
        self.index.begin()
        try:
            result = super().run(plan, durable=durable)
        except BlobkitError as error:
            self._steps.append(partial(_fail_again, plan, type(error)))
            raise
        self._steps.append(partial(_do_again, plan, result))
        return result

    def complete(self, session: RemoteSession, transaction: _Repeatable) -> None:
        """Send the content that came, then do everything once more; without content, the transaction is complete."""
        begun = transaction.begun
        kept = self._content.alive(transaction.begin()) if begun else {new.digest: new.token for new in self._waiting}
        if kept:
            transaction.undo()
            self._first = self._first or self._waiting
            session.run(self._again, durable=True, checked=True, coming=kept)

    def _again(self, work: Work) -> None:
        """Do all verbs once more."""
        if self._first:
            take_in(work, self._first)
        for step in self._steps:
            step(work)

    def _flush(self, tx: Writing) -> None:
        """Record what was put before, and keep it for the second time."""
        self._first = self._waiting
        super()._flush(tx)

    def _work(self, tx: Writing) -> Work:
        """Return the work of a verb; a blob is whole that has a place, or whose content came in this batch."""
        kept = self._content.tokens
        return Work(tx, lambda recorded: {*placed(tx).places(recorded), *(kept.keys() & recorded.keys())})


def _do_again(plan: Callable[[Work], T], result: T, work: Work) -> None:
    """Do a verb again; what it removes must be the same."""
    found = plan(work)
    if isinstance(result, Freed):
        _check_same(result, found)


def _fail_again(plan: Callable[[Work], object], error: type[BlobkitError], work: Work) -> None:
    """Do a verb again that failed: it must fail as it did."""
    try:
        with work.tx.savepoint():
            plan(Work(work.tx, work.whole))
    except error:
        return
    _check_same(error, None)


def _read_again(question: Callable[[Reading], T], result: T, work: Work) -> None:
    _check_same(result, question(work.tx))


def _check_same(before: object, now: object) -> None:
    """Check that an answer is what it was, but for the moment at which blobs of this batch were recorded."""
    if _timeless(before) != _timeless(now):
        msg = "other writers changed what this batch had read, while its content was sent; nothing of it was done"
        raise StoreBusyError(msg, hint="begin it again")


def _timeless(value: object) -> object:
    if isinstance(value, Descriptor | Record):
        return replace(value, created=EPOCH)
    if isinstance(value, Mapping):
        return {key: _timeless(one) for key, one in value.items()}
    return list(map(_timeless, value)) if isinstance(value, list | tuple) else value
