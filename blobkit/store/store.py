"""A store: its verbs, in transactions of their own, in bulk, or together in a batch; its questions and its checks."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Self, cast

from blobkit.digest import algorithm as algorithm_of
from blobkit.digest import parse, parse_all
from blobkit.errors import BlobkitError
from blobkit.methods import Questions
from blobkit.model import Freed
from blobkit.protocols import as_source
from blobkit.store import rules, verbs
from blobkit.store.batch import batched
from blobkit.store.bulk import in_chunks, pair_of, put_chunk
from blobkit.store.fsck.context import FsckContext
from blobkit.store.ingest import check_text, pinned
from blobkit.store.methods import Verbs
from blobkit.store.projection import Hidden
from blobkit.store.session import Session

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import BinaryIO

    from blobkit.contents import Inspected
    from blobkit.digest import Digest
    from blobkit.model import Descriptor, FileSignature
    from blobkit.protocols import Address, Source
    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.store.batch import Batch
    from blobkit.store.fsck.report import Fsck
    from blobkit.store.ingest import Data
    from blobkit.store.methods import Serving
    from blobkit.store.projection import Projection
    from blobkit.store.transfer.results import Exported, Imported
    from blobkit.transactions import Index

__all__ = ["Store"]


class Store(Verbs, Questions):
    """Blobs with reference counts and links. Every verb holds as a whole or not at all; threads may share a store.

    Verbs that take a digest raise InvalidDigestError for what is none, and BlobNotFoundError for what is not here. The
    questions (`usage`, `why`, `plan`, `audit`, ...) are asked of a snapshot of the store.

    >>> store = demo.small()  # a Store over content and an index in memory
    >>> len(store), "shop/web:1.0" in store.tags()
    (33, True)
    """

    _session: Serving

    def __init__(
        self,
        content: Inspected,
        index: Index,
        projection: Projection | None = None,
        *,
        address: str = "memory",
        durability: str = "",
    ) -> None:
        self.durability = durability
        self._content = content
        self._index = index
        super().__init__(Session(content, index, projection or Hidden(), address, durability=durability))

    def put_many(self, items: Iterable[Data], *, algorithm: str = "sha256", media_type: str = "") -> list[Descriptor]:
        """Store each item as `put` does; return the descriptors in the same order, as of the end of their chunks.

        As all verbs for many it works in chunks of 1,000, each whole or not at all. The error that stops it says in
        `done` how many items, all of whole chunks, were done before.
        """
        check_text(media_type)
        act = partial(put_chunk, self._session, algorithm_of(algorithm), media_type)
        return [found for chunk in in_chunks(items, act) for found in chunk]

    def ref_many(self, digests: Iterable[str]) -> list[Descriptor]:
        """Add one anonymous pin for each digest, two for one that is given twice; return the descriptors."""
        return [found for chunk in in_chunks(digests, self._ref_chunk) for found in chunk]

    def deref_many(self, digests: Iterable[str]) -> Freed:
        """Drop one anonymous pin for each digest; return what went because nothing holds it any more."""
        return Freed.joined(
            list(in_chunks(digests, lambda chunk: self._change(partial(rules.deref, digests=parse_all(chunk)))))
        )

    def link_many(self, pairs: Iterable[tuple[str, str]], *, transfer: bool = True) -> int:
        """Link each pair (to, from_) as `link` does; return how many pairs there were."""
        return sum(in_chunks(pairs, partial(self._link_chunk, transfer)))

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """Give the verbs of this store as one transaction: all that is done by them becomes true, or nothing.

        What is put is staged without the lock; the first verb that must look at the index takes the write lock and
        holds it to the end, so keep it short: other writers wait, for StoreBusyError in the end. At the end come one
        group sync, one durable commit, one index.json. An exception undoes everything, files included. Meanwhile the
        store's own verbs see what is committed, and those that write raise BatchError in this thread.
        """
        session = cast("Session", self._session)
        session.refuse_nesting()
        session.refuse_closed()
        session.projection.check_foreign()
        with batched(session) as batch:
            yield batch

    @property
    def identity(self) -> str:
        """The identity by which other stores remember this one, wherever it is opened from."""
        return f"blobkit:{self._index.read(lambda tx: tx.meta('uuid')) or id(self._index)}"

    def open(self, digest: str) -> BinaryIO:
        """Return the content of a blob as a file to read, as `get(digest).open()` does."""
        return self._session.reader.open(parse(digest))

    def import_(self, source: Source | Address, *, strict: bool = False, progress: bool = True) -> Imported:
        """Take in what a store or an address holds, verified, as often as one likes: only the difference is added.

        Afterwards every blob that the source's policy holds there is here, with at least as many pins, its names as
        tags and its links. A name that is taken here, a link that leads nowhere or closes a cycle, a blob that is
        damaged: each is left out and said in `notices`. `strict` refuses a source that is not sound (SourceError)
        before anything is written. Works in chunks of 1,000, each whole; a repeat completes what was interrupted.
        """
        from blobkit.store.transfer.importing import import_from  # noqa: PLC0415 (reads a snapshot, which needs numpy)

        with as_source(source) as opened:
            return import_from(opened, self._session, self.identity, strict=strict, progress=progress)

    def export(self, what: str, target: str | os.PathLike[str]) -> Exported:
        """Write a tag or digest, with all that it links to, verified, to an OCI image layout or an archive of one.

        `target` is a directory (new, empty or a layout, which is added to) or a new `.tar` file; `oci:` or
        `oci-archive:` before it say so. What was not here to export is said in `notices`. TagNotFoundError,
        BlobNotFoundError, ContentMissingError, ExportError; after an error there is no half archive.
        """
        from blobkit.store.transfer.exporting import export  # noqa: PLC0415 (rarely needed)

        return export(self._index, self._session.reader.open, what, target)

    def sweep(self) -> int:
        """Unlink the files that earlier removals left behind; return how many are gone.

        A file that cannot be unlinked stays for the next time, without an error.
        """
        self._session.refuse_nesting()
        return self._session.sweep()

    def snapshot(self) -> Snapshot:
        """Return all facts of the store at one moment. Cost: reads the whole index, no content."""
        from blobkit.store.snapshot import to_snapshot  # noqa: PLC0415 (the verbs must not wait for numpy and pyarrow)

        facts, notices = self._index.read(lambda tx: (tx.facts(), self._session.projection.notices(tx)))
        return to_snapshot(facts, self._session.address, notices)

    def orphans(self) -> Mapping[Digest, FileSignature]:
        """Return the content that the index does not know, as killed writers leave it: `fsck` moves it away.

        Cost: a look-up for every file of content.
        """
        from blobkit.store.fsck.files import orphans  # noqa: PLC0415 (rarely needed)

        return {orphan.digest: orphan.signature for orphan in orphans(self._context()) if orphan.signature}

    def fsck(self, *, repair: bool = False, content: bool = True, progress: bool = True) -> Fsck:
        """Return every kind of damage that is found in the index, the content and what is around them.

        `content` reads and hashes every blob. Nothing is written, unless `repair`: that moves what is damaged to
        quarantine and makes the index right where nothing is lost by it; it deletes no content. Living writers go on
        meanwhile: what they may be about to finish is a note, unless `repair` finishes it. StoreDamagedError where the
        index cannot be read: `blobkit fsck --repair` rebuilds it. An index in memory is not checked, only its content.
        """
        from blobkit.store.fsck.fsck import fsck  # noqa: PLC0415 (it loads numpy and scipy)

        self._session.refuse_nesting()
        return fsck(self._context(), repair=repair, content=content, progress=progress)

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
            blobs, tags = self._index.read(lambda tx: (tx.total(), len(tx.tags())))
            card = Card(repr(self), blobs, tags, self.snapshot() if blobs <= SUMMED else None)
            return card._repr_html_()
        except (BlobkitError, OSError):  # a closed or damaged store shows its place
            return f"<code>{escape(repr(self))}</code>"

    def _context(self) -> FsckContext:
        """Return the parts of the store that `fsck` checks."""
        session = cast("Session", self._session)
        layout = session.projection.check(session.show_again)
        return FsckContext(self._content, self._index, session.address, session.admitted, session.sweep, layout)

    def _ref_chunk(self, digests: Sequence[str]) -> list[Descriptor]:
        keys = parse_all(digests)
        return self._session.run(lambda work: pinned(work.tx, keys))

    def _link_chunk(self, transfer: bool, pairs: Sequence[tuple[str, str]]) -> int:  # noqa: FBT001 (private, bound)
        keys = [pair_of(pair) for pair in pairs]
        return self._session.run(lambda work: verbs.link(work, keys, transfer=transfer))
