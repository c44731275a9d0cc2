"""A store at work: each verb in a transaction of its own, and after its commit what that leaves to do.

The order of writes. In: stage the bytes, make them durable, take the write lock, record the blob, publish the bytes,
commit; small content goes through the journal instead (`blobkit.store.journal`). Out: one durable commit takes the rows
away and leaves tombstones; only then, under the write lock again, files are unlinked and their tombstones cleared.
Unlinking without the lock would take a file away that another process has just found and referenced again.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from blobkit.errors import LayoutBehindWarning
from blobkit.store.admission import Admission
from blobkit.store.ingest import NO_OPTIONS, StagedBlob, whole
from blobkit.store.journal import LIMIT, Journal, entries
from blobkit.store.layout.projection import to_caller
from blobkit.store.nesting import Nesting
from blobkit.store.reading import BlobReader
from blobkit.store.verbs import Work, take_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeVar
    from weakref import ref

    from blobkit.contents import Inspected, Staged
    from blobkit.digest import Digest
    from blobkit.model import Descriptor
    from blobkit.store.ingest import PutOptions
    from blobkit.store.methods import Runs
    from blobkit.store.nesting import OpensOnce
    from blobkit.store.projection import Projection
    from blobkit.transactions import Index, Reading, Writing

    T = TypeVar("T")

__all__ = ["Session", "put_bytes"]

KEPT = frozenset({"full", "normal"})
"""Levels of durability under which small content is kept in the journal."""
SWEEP = 512
"""Files unlinked under one lock: other writers wait for no longer than that."""


class Session:
    """The transactions of one store over a content, an index and a projection; threads may share it."""

    def __init__(
        self, content: Inspected, index: Index, projection: Projection, address: str, *, durability: str = ""
    ) -> None:
        self.content = content
        self.index = index
        self.projection = projection
        self.address = address
        self.durability = durability
        self.shows_tags = projection.shows_tags
        self.journal = Journal(content, index, durability=durability or "off")
        self.reader = BlobReader(content, index.read, address, odd=self.journal.odd, check_place=projection.check_place)
        self.admitted = Admission(self.journal.sync, index, durability).writing
        self._whole = partial(whole, content)
        self._nesting = Nesting()

    def begin_batch(self, batch: ref[OpensOnce]) -> None:
        """Note that this thread has a batch open, so that verbs beside it are refused."""
        self._nesting.begin(batch)

    def check(self) -> None:
        """Check, before anything is done, that no batch of this thread is open; warn of what other programs did."""
        self.refuse_nesting()
        self.projection.check_foreign()

    def refuse_nesting(self) -> None:
        """Check that this thread has no batch open; BatchError."""
        self._nesting.refuse()

    def refuse_closed(self) -> None:
        """Check that the store is open, before anything is staged in it; StoreClosedError."""
        if self.index.closed:
            self.index.read(lambda _: None)

    def run(
        self,
        plan: Callable[[Work], T],
        *,
        durable: bool = False,
        checked: bool = False,
        seal: Callable[[], object] = bool,
        coming: Mapping[Digest, str] | None = None,  # noqa: ARG002 (for sessions that send content before they record it)
    ) -> T:
        """Return what a plan returns, which does one verb in a transaction; then do what its commit leaves to do.

        `seal` makes staged content durable that is to be published. `checked` says that the caller has called `check`.
        `durable` as in `Index.writing`.
        """
        if not checked:
            self.check()
        with self._work(durable=durable, seal=seal) as work:
            return plan(work)

    @contextmanager
    def _work(self, *, durable: bool, seal: Callable[[], object] = bool) -> Iterator[Work]:
        """Hold the write lock, publish what came, commit, then do what the commit leaves to do.

        The journal keeps small content until it is durable in its place.
        """
        with self.admitted(durable=durable) as tx:
            work = Work(tx, self._whole, anew=self.journal.is_doubted)
            yield work
            if work.staged:
                seal()
                self.content.publish(work.staged)
            if work.is_shown:
                self.projection.announce(tx, durable=durable)
            number = self.journal.enter(tx, work.small, durable=durable) if work.small else 0
            self.journal.drop(tx)
            pending = tx.pending()
        if number:
            self.journal.place(work.small, number)
        self.clean_up(dirty=pending.dirty is not None, left=pending.buried)

    @contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[Writing]:
        """Do the same for a caller who works on the rows alone, and has checked what `check` does."""
        with self._work(durable=durable) as work:
            yield work.tx

    def stage(self) -> Staged:
        """Return a place for new bytes."""
        self.refuse_closed()
        return self.content.stage()

    def put_small(self, content: bytes, digest: Digest, media_type: str, options: PutOptions) -> Descriptor:
        """Put bytes that cannot change and take no thread: through the journal, if they are few."""
        if len(content) > LIMIT:
            return put_bytes(self, content, digest, media_type, options)
        self.check()
        if options is NO_OPTIONS:
            found = self.journal.put_plain(digest, content, media_type)
            if found is not None:
                return found
        durable = options.tag is not None or self.journal.wants_durable(digest, len(content))
        new = StagedBlob(digest, len(content), media_type, options, data=content)
        return self.run(lambda work: take_in(work, [new])[0], durable=durable, checked=True)

    def put_staged(self, new: StagedBlob, staged: Staged) -> Descriptor:
        """Make staged bytes a blob, or one reference more on the blob that is here. A few are read back."""
        if new.size <= LIMIT and self.durability in KEPT:
            return self.put_small(staged.read(new.size), new.digest, new.media_type, new.options)
        if not whole(self.content, {new.digest: new.size}):
            staged.seal()  # outside the lock: this is the slow part
        return self.run(lambda work: take_in(work, [new])[0], durable=new.options.tag is not None, seal=staged.seal)

    def recover(self) -> None:
        """Put right what a dead process, or a loss of power, left of content: staged, absent and torn files."""
        self.content.reclaim()
        self.journal.recover()

    def catch_up(self) -> None:
        """Do what a dead process left undone beside that: unsynced writes, index.json, removed blobs."""
        unsynced, due, left = self.index.read(self._left_undone)
        if unsynced and self.durability != "off":
            with self.writing():
                pass  # admitting it syncs
        if left:
            with suppress(OSError):
                self.journal.drain()  # else what it holds keeps tombstones for those who may be about to place it
        self.clean_up(dirty=due, left=left)

    def end(self) -> None:
        """Make small content durable in its place, and unlink what removals left."""
        with suppress(OSError):
            self.journal.drain()
        left = self.index.read(lambda tx: bool(tx.tombstones(1)))
        self.clean_up(dirty=False, left=left or self.journal.has_drained)

    def clean_up(self, *, dirty: bool, left: bool) -> None:
        """Do what a commit left to do. The verb has held: what fails now fails no verb, whoever comes next does it."""
        if not dirty and not left:
            return
        try:
            self._clean_up(dirty=dirty, left=left)
        except OSError as error:
            if dirty:
                msg = f"{self.address}: index.json could not be written ({error}); the next change or opening does it"
                with suppress(LayoutBehindWarning):  # where warnings are errors
                    warnings.warn(msg, LayoutBehindWarning, stacklevel=to_caller())

    def sweep(self) -> int:
        """Unlink the files that earlier removals left behind; return how many are gone."""
        removed, after, more = 0, None, True
        while more:
            with self.admitted(later=True) as tx:
                left = tx.tombstones(SWEEP, after)
                removed += self._unlink(tx, left) if left and self.projection.may_delete(tx) else 0
            more, after = len(left) == SWEEP, left[-1] if left else None
        return removed

    def show_again(self) -> None:
        """Show the tags as they are."""
        with self.admitted(durable=True) as tx:
            self.projection.announce(tx, durable=True)
        self._clean_up(dirty=True, left=False)

    def _clean_up(self, *, dirty: bool, left: bool) -> None:
        """Show the tags, then unlink removed files: one transaction, unless there are many files.

        In this order, so that index.json names nothing that is gone. It need not be durable, nor admitted: where its
        commit is lost, both are done once more.
        """
        with self.index.writing(later=True) as tx:
            self.journal.drop(tx)
            if dirty:
                self.journal.show(tx)
            shown = not dirty or self.projection.show(tx)
            graves = tx.tombstones(SWEEP) if left and shown else ()
            if graves and self.projection.may_delete(tx):
                self._unlink(tx, graves)
        if not shown:
            self.show_again()
        if len(graves) == SWEEP or (left and not shown):
            self.sweep()

    def _unlink(self, tx: Writing, left: Sequence[Digest]) -> int:
        """Delete the content of these tombstones, then clear them; return how many are gone."""
        alive = tx.counts(left)  # none, unless the index is damaged: then bytes that are needed would go
        absent = set(left).difference(self.content.sizes(left))
        gone = self.content.delete([digest for digest in left if digest not in alive])
        # the writer of a file that is absent may be about to place it, until the journal forgets it
        awaited = absent.intersection(entry.digest for entry in entries(tx)) if absent else set()
        tx.forget([*set(gone).difference(awaited), *alive])
        return len(gone) - len(awaited)

    def _left_undone(self, tx: Reading) -> tuple[bool, bool, bool]:
        return tx.meta("unsynced") is not None, self.projection.is_due(tx), bool(tx.tombstones(1))


def put_bytes(session: Runs, content: bytes, digest: Digest, media_type: str, options: PutOptions) -> Descriptor:
    """Stage bytes and put them: without a writer, which would cost as much as the writing."""
    staged = session.stage()
    try:
        staged.write(memoryview(content))
        return session.put_staged(StagedBlob(digest, len(content), media_type, options, staged.token), staged)
    finally:
        staged.discard()
