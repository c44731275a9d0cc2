"""A session over content with places: content is sent before the transaction that records it, and deleted after.

The order of writes. In: one transaction looks whether the blob is here, and is all where it is; else it commits an
intent for a new place. The bytes are sent there, under no lock. A second transaction records the blob, and makes the
intent its place. Where the intent is gone by then, because somebody took its writer for dead, the copy is a tombstone
and the put begins again. Out: the transaction that takes rows away leaves tombstones of their places; a sweep claims
some, commits, deletes them, and only then forgets them.

No place is ever used twice, so a request that arrives late, even after its sender died, meets nothing that is needed.
No clock decides what is lost: it decides how long something useless stays. `blobkit/store/README.md` tells the rest.
"""

from __future__ import annotations

import random
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from blobkit.errors import BlobkitError, StoreBusyError
from blobkit.model import Freed
from blobkit.store.ingest import StagedBlob
from blobkit.store.nesting import Nesting
from blobkit.store.projection import Hidden
from blobkit.store.reading import BlobReader
from blobkit.store.remote.shelf import PlacedShelf, placed
from blobkit.store.verbs import Work, take_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from contextlib import AbstractContextManager
    from weakref import ref

    from blobkit.contents import Staged
    from blobkit.digest import Digest
    from blobkit.model import Descriptor
    from blobkit.places import PlacedContent
    from blobkit.store.ingest import PutOptions
    from blobkit.store.nesting import OpensOnce
    from blobkit.transactions import Index, Writing

    Sources = Mapping[Digest, str | bytes]
    """Content that comes: itself, or the token of what is staged."""

__all__ = ["LEASE", "RemoteSession"]

T = TypeVar("T")

LEASE = 86_400.0
"""Seconds after which a writer, or a sweeper, that did not end counts as dead. What it has left is deleted then."""
TRIES = 8
"""So many times content is sent for one verb: each time others took so long that its intents ran out."""
SWEEP = 1_000
"""Places claimed at once: as many as one request deletes."""
CURE = "let store.fsck(repair=True) note that, then put it again to heal it"
ONE_IN = 16
"""Of so many removing calls of a process, one sweeps."""


class _Undone(Exception):  # noqa: N818 (no error: what was written is taken back)
    """The plan is undone: it wants the content `sources` sent; `lost` was sent for intents that are gone."""

    def __init__(self, sources: Sources, lost: Mapping[Digest, str]) -> None:
        super().__init__()
        self.sources, self.lost = sources, lost


class _Done(NamedTuple, Generic[T]):
    """The result of a plan whose content is in its places."""

    result: T


class _Next(NamedTuple):
    """The content to send before the next attempt, with its new places, and the places that were `lost`."""

    sources: Sources
    places: Mapping[Digest, str]
    lost: Collection[Digest] = ()


class RemoteSession:
    """The transactions of one store over content with places and an index of them; threads may share it."""

    shows_tags = False

    def __init__(self, content: PlacedContent, index: Index, address: str, *, lease: float = LEASE) -> None:
        self.placed_content = content
        self.index = index
        self.address = address
        self.lease = lease
        self.projection = Hidden()
        self.content = PlacedShelf(content, index)
        self.reader = BlobReader(self.content, index.read, address, cure=CURE)
        self._nesting = Nesting()
        self._removals = random.randrange(ONE_IN)  # noqa: S311 (processes that remove once shall sweep, too)

    def begin_batch(self, batch: ref[OpensOnce]) -> None:
        """Note that this thread has a batch open, so that verbs beside it are refused."""
        self._nesting.begin(batch)

    def refuse_nesting(self) -> None:
        """Check that this thread has no batch open; BatchError."""
        self._nesting.refuse()

    def refuse_closed(self) -> None:
        """Check that the store is open, before anything is staged or sent; StoreClosedError."""
        if self.index.closed:
            self.index.read(lambda _: None)

    def run(
        self,
        plan: Callable[[Work], T],
        *,
        durable: bool = False,
        checked: bool = False,
        seal: Callable[[], object] = bool,  # noqa: ARG002 (what is staged here need not survive anything)
        coming: Sources | None = None,
    ) -> T:
        """Return what a plan returns, once the content that it wants is in its places; the plan may be run again.

        What is `coming` is looked for first, so that the plan is run when it has been sent.
        """
        if not checked:
            self.refuse_nesting()
        sent: dict[Digest, str] = {}
        try:
            result = self._run(plan, sent, coming or {}, durable=durable)
        except BaseException:
            self._abandon(sent)
            raise
        if isinstance(result, Freed) and result:
            self._sweep_now_and_then()
        return result

    def writing(self, *, durable: bool = False) -> AbstractContextManager[Writing]:
        """Return the transaction of a batch, which sends no content."""
        return self.index.writing(durable=durable)

    def stage(self) -> Staged:
        """Return a place for new bytes on this machine."""
        self.refuse_closed()
        return self.placed_content.stage()

    def put_small(self, content: bytes, digest: Digest, media_type: str, options: PutOptions) -> Descriptor:
        """Put bytes that cannot change: they are sent from where they are."""
        return self._put(StagedBlob(digest, len(content), media_type, options, data=content), content)

    def put_staged(self, new: StagedBlob, staged: Staged) -> Descriptor:
        """Make staged bytes a blob, or one reference more on the blob that is here: then nothing is sent."""
        staged.seal()
        return self._put(new, new.token)

    def sweep(self) -> int:
        """Delete what removals, and writers that died, have left; return how many objects that was.

        Each is claimed first, so that others leave it alone, and forgotten last, so that one whose sweeper dies is
        deleted by another.
        """
        done: set[str] = set()
        while True:
            claimed = self.index.write(self._claim)
            self.placed_content.delete(claimed)
            if claimed:
                self.index.write(lambda tx: placed(tx).forget_places(claimed))  # noqa: B023 (run at once)
            if len(claimed) < SWEEP or done.issuperset(claimed):  # the rest stays for writers that may be late
                return len(done.union(claimed))
            done.update(claimed)

    def _claim(self, tx: Writing) -> Sequence[str]:
        """Claim places to delete; forget the blobs that were removed before they had one."""
        unplaced = tx.tombstones(SWEEP)
        if unplaced:
            tx.forget(unplaced)
        return list(placed(tx).claim(SWEEP, self.lease))

    def _put(self, new: StagedBlob, source: str | bytes) -> Descriptor:
        durable = new.options.tag is not None
        return self.run(lambda work: take_in(work, [new])[0], durable=durable, coming={new.digest: source})

    def _run(self, plan: Callable[[Work], T], sent: dict[Digest, str], coming: Sources, *, durable: bool) -> T:
        """Return what the plan returns, when all that it wants was `sent`, which is kept up to date."""
        attempt = partial(self._attempt, plan, coming, sent)
        for _ in range(TRIES):
            try:
                found = self.index.write(attempt, durable=durable)
            except _Undone as undone:
                found = self.index.write(partial(self._intend, undone.sources, undone.lost))
            if not isinstance(found, _Next):
                sent.clear()
                return found.result
            for digest in found.lost:
                del sent[digest]
            sent.update(found.places)
            self.placed_content.upload({place: found.sources[digest] for digest, place in found.places.items()})
        msg = f"content was sent {TRIES} times, and each time its intent ran out before it could be recorded"
        raise StoreBusyError(msg, hint="try again with a longer lease")

    def _attempt(
        self, plan: Callable[[Work], T], coming: Sources, sent: Mapping[Digest, str], tx: Writing
    ) -> _Done[T] | _Next:
        """Run the plan, and settle what was sent; write intents instead where content that comes is not here."""
        lacking = {digest: self.placed_content.fresh(digest) for digest in coming if digest not in sent}
        absent = placed(tx).intend_absent(lacking) if lacking else ()
        if absent:
            return _Next({digest: coming[digest] for digest in absent}, {digest: lacking[digest] for digest in absent})
        return _Done(self._complete(plan, sent, tx))

    def _intend(self, sources: Sources, lost: Mapping[Digest, str], tx: Writing) -> _Next:
        """Write intents for new places of these; make tombstones of those that were lost."""
        places = {digest: self.placed_content.fresh(digest) for digest in sources}
        if lost:
            placed(tx).settle(lost)
        placed(tx).intend(list(places.values()))
        return _Next(sources, places, lost)

    def _complete(self, plan: Callable[[Work], T], sent: Mapping[Digest, str], tx: Writing) -> T:
        """Run the plan and settle what was sent; _Undone where content lacks."""
        work = Work(tx, lambda recorded: placed(tx).places(recorded))
        result = plan(work)
        wanted: dict[Digest, str | bytes] = {**work.staged, **work.small}
        lacking = wanted.keys() - sent.keys()
        if lacking:
            alive = tx.counts(lacking)  # what the plan itself freed again needs no content
            lacking = alive.keys() - placed(tx).places(alive).keys()
        if lacking:
            raise _Undone({digest: wanted[digest] for digest in lacking}, {})
        gone = placed(tx).settle(sent) if sent else ()
        if gone:
            raise _Undone({digest: wanted[digest] for digest in gone if digest in wanted}, {d: sent[d] for d in gone})
        return result

    def _abandon(self, sent: Mapping[Digest, str]) -> None:
        """Make tombstones of what was sent for nothing; where that fails, the lease ends it."""
        if sent:
            with suppress(BlobkitError, OSError):
                self.index.write(lambda tx: placed(tx).settle(sent))

    def _sweep_now_and_then(self) -> None:
        """Sweep once in a number of calls. The verb has held: what fails now fails no verb."""
        self._removals += 1
        if self._removals % ONE_IN == 0:
            with suppress(BlobkitError, OSError):
                self.sweep()
