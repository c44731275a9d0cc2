"""A store: its verbs, in transactions of their own, in bulk, or together in a batch; and what keeps it sound.

The order of writes. In: stage the bytes, make them durable, take the write lock, record the blob, publish the bytes,
commit. Out: one durable commit takes the rows away and leaves tombstones; only then, under the write lock again,
files are unlinked and their tombstones cleared. Unlinking without the lock would take a file away that another
process has just found and referenced again.
"""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager, suppress
from html import escape
from typing import TYPE_CHECKING, Self
from weakref import ref

from blobkit.digest import of as digest_of
from blobkit.digest import parse
from blobkit.errors import BatchError, BlobkitError, LayoutBehindWarning
from blobkit.methods import Questions
from blobkit.protocols import as_source
from blobkit.store.admission import Admission
from blobkit.store.arrival import NOTHING, Arrived, check_text
from blobkit.store.batch import batched
from blobkit.store.bulk import Bulk
from blobkit.store.fsck.subject import Subject
from blobkit.store.journal import LIMIT, Journal, entries
from blobkit.store.projection import Hidden

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import BinaryIO

    from blobkit.digest import Digest
    from blobkit.model import Descriptor, Stamp
    from blobkit.protocols import Address, Inspected, Source, Staged
    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.store.arrival import Wish
    from blobkit.store.batch import Batch
    from blobkit.store.fsck.report import Fsck
    from blobkit.store.projection import Projection
    from blobkit.store.transfer.exported import Exported
    from blobkit.store.transfer.imported import Imported
    from blobkit.transactions import Index, Reading, Writing

__all__ = ["Store"]

KEPT = frozenset({"full", "normal"})
"""Levels of durability under which small content is kept in the journal."""
SWEEP = 512
"""Files unlinked under one lock: other writers wait for no longer than that."""


class Store(Bulk, Questions):
    """Blobs with reference counts and links. Every verb holds as a whole or not at all; threads may share a store.

    Verbs that take a digest raise InvalidDigestError for what is none, and BlobNotFoundError for what is not here. The
    questions (`usage`, `why`, `plan`, `audit`, ...) are asked of a snapshot of the store.

    >>> store = demo.small()  # a Store over content and an index in memory
    >>> len(store), "shop/web:1.0" in store.tags()
    (33, True)
    """

    _content: Inspected

    def __init__(
        self,
        content: Inspected,
        index: Index,
        projection: Projection | None = None,
        *,
        address: str = "memory",
        durability: str = "",
    ) -> None:
        super().__init__(content, index, address)
        self._here = threading.local()
        self._projection = projection or Hidden()
        self.shows_tags = self._projection.shows_tags
        self.durability = durability
        self._journal = Journal(content, index, durability=durability or "off")
        self._writing = Admission(self._journal.sync, index, durability).writing

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """Give the verbs of this store as one transaction: all that is done by them becomes true, or nothing.

        What is put is staged without the lock; the first verb that must look at the index takes the write lock and
        holds it to the end, so keep it short: other writers wait, for StoreBusyError in the end. At the end come one
        group sync, one durable commit, one index.json. An exception undoes everything, files included. Meanwhile the
        store's own verbs see what is committed, and those that write raise BatchError in this thread.
        """
        self._refuse_nesting()
        self._refuse_closed()
        self._look()
        with batched(self._content, self._index, self._address, self._committing, self._retagged) as batch:
            batch.shows_tags = self.shows_tags
            self._here.batch = ref(batch)
            yield batch

    @property
    def identity(self) -> str:
        """The identity by which other stores remember this one, wherever it is opened from."""
        return f"blobkit:{self._index.read(lambda rows: rows.meta('uuid')) or id(self._index)}"

    def open(self, digest: str) -> BinaryIO:
        """Return the content of a blob as a file to read, as `get(digest).open()` does."""
        return self._opened(parse(digest))

    def import_(self, source: Source | Address, *, strict: bool = False, progress: bool = True) -> Imported:
        """Take in what a store or an address holds, verified, as often as one likes: only the difference is added.

        Afterwards every blob that the source's policy holds there is here, with at least as many pins, its names as
        tags and its links. A name that is taken here, a link that leads nowhere or closes a cycle, a blob that is
        damaged: each is left out and said in `notices`. `strict` refuses a source that is not sound (SourceError)
        before anything is written. Works in chunks of 1,000, each whole; a repeat completes what was interrupted.
        """
        from blobkit.store.transfer.importing import Into, import_from  # noqa: PLC0415 (reads a snapshot, which needs numpy)

        into = Into(self._content, self._index, self._changing, self._retagged, self.identity, self.shows_tags)
        with as_source(source) as opened:
            return import_from(opened, into, strict=strict, progress=progress)

    def export(self, what: str, target: str | os.PathLike[str]) -> Exported:
        """Write a tag or digest, with all that it links to, verified, to an OCI image layout or an archive of one.

        `target` is a directory (new, empty or a layout, which is added to) or a new `.tar` file; `oci:` or
        `oci-archive:` before it say so. What was not here to export is said in `notices`. TagNotFoundError,
        BlobNotFoundError, ContentMissingError, ExportError; after an error there is no half archive.
        """
        from blobkit.store.transfer.exporting import export  # noqa: PLC0415 (rarely needed)

        return export(self._index, self._opened, what, target)

    def sweep(self) -> int:
        """Unlink the files that earlier removals left behind; return how many are gone.

        A file that cannot be unlinked stays for the next time, without an error.
        """
        removed, after, more = 0, None, True
        while more:
            with self._writing(later=True) as rows:
                left = rows.tombstones(SWEEP, after)
                removed += self._unlink(rows, left) if left and self._projection.may_delete(rows) else 0
            more, after = len(left) == SWEEP, left[-1] if left else None
        return removed

    def _unlink(self, rows: Writing, left: Sequence[Digest]) -> int:
        """Delete the content of these tombstones, then clear them; return how many are gone.

        The commit need not be durable: where it is lost, the tombstones are cleared once more.
        """
        alive = rows.counts(left)  # none, unless the index is damaged: then bytes that are needed would go
        absent = set(left).difference(self._content.sizes(left))
        gone = self._content.delete([digest for digest in left if digest not in alive])
        # the writer of a file that is absent may be about to place it, until the journal forgets it
        awaited = absent.intersection(entry.digest for entry in entries(rows)) if absent else set()
        rows.forget([*awaited.symmetric_difference(gone), *alive])
        return len(gone) - len(awaited)

    def snapshot(self) -> Snapshot:
        """Return all facts of the store at one moment. Cost: reads the whole index, no content."""
        from blobkit.store.picture import picture  # noqa: PLC0415 (the verbs must not wait for numpy and pyarrow)

        facts, notices = self._index.read(lambda rows: (rows.facts(), self._projection.notices(rows)))
        return picture(facts, self._address, notices)

    def orphans(self) -> Mapping[Digest, Stamp]:
        """Return the content that the index does not know, as killed writers leave it: `fsck` moves it away.

        Cost: a look-up for every file of content.
        """
        from blobkit.store.fsck.files import orphans  # noqa: PLC0415 (rarely needed)

        return orphans(self._subject())

    def fsck(self, *, repair: bool = False, content: bool = True, progress: bool = True) -> Fsck:
        """Return every kind of damage that is found in the index, the content and what is around them.

        `content` reads and hashes every blob. Nothing is written, unless `repair`: that moves what is damaged to
        quarantine and makes the index right where nothing is lost by it; it deletes no content. Living writers go on
        meanwhile. StoreDamagedError where the index cannot be read: `blobkit fsck --repair` rebuilds it.
        """
        from blobkit.store.fsck.fsck import fsck  # noqa: PLC0415 (it loads numpy and scipy)

        self._refuse_nesting()
        return fsck(self._subject(), repair=repair, content=content, progress=progress)

    def close(self) -> None:
        """Let go of the store; its verbs raise StoreClosedError from then on. A second time is nothing."""
        self._index.close()
        self._content.close()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def _repr_html_(self) -> str:
        """Return the store at a glance. Cost: the number of blobs and tags; up to 200,000 blobs also a snapshot."""
        from blobkit.store.card import SUMMED, Card  # noqa: PLC0415 (for notebooks only)

        try:
            blobs, tags = self._index.read(lambda rows: (rows.total(), len(rows.tags())))
            card = Card(repr(self), blobs, tags, self.snapshot() if blobs <= SUMMED else None)
            return card._repr_html_()
        except (BlobkitError, OSError):  # a closed or damaged store shows its place
            return f"<code>{escape(repr(self))}</code>"

    def _subject(self) -> Subject:
        """Return what `fsck` checks."""
        parts = (self._content, self._index, self._address, self._writing, self.sweep)
        outside = self._projection.outside(self._show_again)
        return Subject(*parts, outside, reading=self._index.read)

    def _look(self) -> None:
        """Warn, before anything is done, of what other programs did."""
        self._projection.look()

    def _check_place(self) -> None:
        self._projection.check_place()

    def _odd(self) -> Collection[Digest]:
        return self._journal.odd

    def _retagged(self, rows: Writing, *, durable: bool) -> None:
        self._projection.announce(rows, durable=durable)

    def _recover(self) -> None:
        """Put right what a dead process, or a loss of power, left of content: staged, absent and torn files."""
        self._content.reclaim()
        self._journal.recover()

    def _wake(self) -> None:
        """Do what a dead process left undone beside that: unsynced writes, index.json, removed blobs."""
        unsynced, due, left = self._index.read(self._left_undone)
        if unsynced and self.durability != "off":
            with self._writing():
                pass  # admitting it syncs
        if left:
            with suppress(OSError):
                self._journal.drain()  # else what it holds keeps tombstones for those who may be about to place it
        self._settle(dirty=due, left=left)

    def _left_undone(self, rows: Reading) -> tuple[bool, bool, bool]:
        return rows.meta("unsynced") is not None, self._projection.is_due(rows), bool(rows.tombstones(1))

    def _refuse_nesting(self) -> None:
        batch = self._here.batch() if hasattr(self._here, "batch") else None
        if batch is not None and batch.is_open:
            msg = "this thread has a batch open on this store: use the verbs of the batch, or end it first"
            raise BatchError(msg)

    def _put_small(self, content: bytes, algorithm: str, media_type: str, wish: Wish) -> Descriptor:
        if len(content) > LIMIT:
            return super()._put_small(content, algorithm, media_type, wish)
        if media_type != "":
            check_text(media_type)
        return self._put_hashed(content, digest_of(content, algorithm), media_type, wish)

    def _commit(self, wish: Wish, staged: Staged, digest: Digest, size: int, media_type: str) -> Descriptor:
        """Make what a writer staged a blob; little of it is read back, because the journal makes it durable at once."""
        if size <= LIMIT and self.durability in KEPT:
            return self._put_hashed(staged.read(size), digest, media_type, wish)
        return super()._commit(wish, staged, digest, size, media_type)

    def _put_hashed(self, content: bytes, digest: Digest, media_type: str, wish: Wish) -> Descriptor:
        if wish is NOTHING:
            self._refuse_nesting()
            self._look()
            found = self._journal.put_plain(digest, content, media_type)
            if found is not None:
                return found
        is_durable = wish.tag is not None or self._journal.wants_durable(digest, len(content))
        small: dict[Digest, bytes] = {}
        with self._changing(durable=is_durable, small=small) as rows:
            came = Arrived(digest, len(content), media_type, wish, "")
            return self._record(rows, [came], lambda fresh: small.update(dict.fromkeys(fresh, content)))[0]

    def _changing(
        self, *, durable: bool = False, later: bool = False, small: Mapping[Digest, bytes] | None = None
    ) -> AbstractContextManager[Writing]:
        """Hold the write lock, commit, then do what the commit leaves to do; refused beside a batch of this thread."""
        self._refuse_nesting()
        self._look()
        return self._committing(durable=durable, later=later, small=small)

    @contextmanager
    def _committing(
        self, *, durable: bool = False, later: bool = False, small: Mapping[Digest, bytes] | None = None
    ) -> Iterator[Writing]:
        """Hold the write lock, commit, then do what the commit leaves to do: its own work and what others left.

        What is in `small` at the end of the block is put in its place; the journal keeps it until it is durable.
        """
        with self._writing(durable=durable, later=later) as rows:
            yield rows
            number = self._journal.enter(rows, small, durable=durable) if small else 0
            self._journal.drop(rows)
            standing = rows.standing()
        if small and number:
            self._journal.place(small, number)
        self._settle(dirty=standing.dirty is not None, left=standing.buried)

    def _settle(self, *, dirty: bool, left: bool) -> None:
        """Do what a commit left to do. The verb has held: what fails now fails no verb, whoever comes next does it."""
        if not dirty and not left:
            return
        try:
            self._clean_up(dirty=dirty, left=left)
        except OSError as error:
            if dirty:
                msg = f"{self._address}: index.json could not be written ({error}); the next change or opening does it"
                with suppress(LayoutBehindWarning):  # where warnings are errors
                    warnings.warn(msg, LayoutBehindWarning, stacklevel=2)

    def _clean_up(self, *, dirty: bool, left: bool) -> None:
        """Unlink removed files, then show the tags: one transaction, unless there are many files.

        It need not be durable: where its commit is lost, both are done once more.
        """
        with self._writing(later=True) as rows:
            self._journal.drop(rows)
            graves = rows.tombstones(SWEEP) if left else ()
            if graves and self._projection.may_delete(rows):
                self._unlink(rows, graves)
            if dirty:
                self._journal.show(rows)
            shown = not dirty or self._projection.show(rows)
        if not shown:
            self._show_again()
        if len(graves) == SWEEP:
            self.sweep()

    def _show_again(self) -> None:
        """Show the tags as they are."""
        with self._writing(durable=True) as rows:
            self._projection.announce(rows, durable=True)
        self._clean_up(dirty=True, left=False)
