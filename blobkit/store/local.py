"""The store in a directory: an OCI image layout that blobkit owns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from blobkit.content.directory import DirectoryContent
from blobkit.content.readonly import ReadOnlyContent
from blobkit.errors import NO_STORE, NotAStoreError
from blobkit.index.readonly import ReadOnlyIndex
from blobkit.index.sqlite import SqliteIndex
from blobkit.store.layout.layout import Layout
from blobkit.store.layout.projection import LayoutProjection
from blobkit.store.opening import check_root, index_path, local_root, refuse_layout
from blobkit.store.store import Store

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from blobkit.digest import Digest
    from blobkit.index.ranges import Ranges
    from blobkit.index.rows import Rows
    from blobkit.model import FileSignature
    from blobkit.snapshot.disk import Disk
    from blobkit.snapshot.streamed import Saved
    from blobkit.snapshot.tables import Notice
    from blobkit.store.fsck.context import FsckContext
    from blobkit.store.fsck.report import Fsck
    from blobkit.store.session import Session
    from blobkit.store.transfer.results import Adopted

__all__ = ["LocalStore", "ReadOnlyStore", "open_read_only"]

LEVELS = ("full", "normal", "off")
LONGEST_WAIT = 1_000_000
"""Seconds; SQLite counts milliseconds in 32 bits."""


class LocalStore(Store):
    """The store in the directory `root`, made there if it is missing or empty (unless `create=False`).

    `durability`: "full" = what a verb returned survives a loss of power; "normal" = content does, the last
    transactions may vanish; "off" = safe against the death of processes only. Any number of processes and threads
    may use one directory; whoever wants to write waits up to `timeout` seconds for the others (StoreBusyError).
    `adopt=True` takes in what another program wrote there, as `adopt` does, and makes a plain OCI layout a store;
    `adopted` then says what that was. NotAStoreError, NotAdoptedError, StoreTooNewError.

    After a loss of power, other programs may miss small blobs until the store was opened once. Network file systems are
    refused. A process may fork with a store open, outside of batches: it goes on with it, and the child opens it again
    for itself (StoreClosedError).

    skopeo, buildah and umoci may read the directory as an OCI layout at any time. Once one of them has written
    index.json, a LayoutChangedWarning says so, and no file is removed until `adopt`. Do not remove blobs here while
    another program copies into the store: it reuses layers whose files it finds. index.json shows tags and adopted
    entries only, so `umoci gc` may remove other blobs: these raise ContentMissingError, and putting them again heals
    them.

    >>> with blobkit.LocalStore("store") as store:
    ...     note = store.put(b"hello", tag="greeting:1")
    ...     store.untag("greeting:1").digests == (note.digest,)
    True
    """

    adopted: Adopted | None = None
    _session: Session

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        durability: str = "full",
        create: bool = True,
        adopt: bool = False,
        timeout: float = 60.0,
    ) -> None:
        if durability not in LEVELS:
            msg = f"durability {durability!r} is none of {', '.join(LEVELS)}"
            raise ValueError(msg)
        if not (isinstance(timeout, int | float) and 0 <= timeout <= LONGEST_WAIT):
            msg = f"timeout {timeout!r} is no number of seconds from 0 to {LONGEST_WAIT:,}"
            raise ValueError(msg)
        self.root = local_root(root)
        sync = durability != "off"
        self._layout = Layout(self.root, sync=sync)
        check_root(self.root, create=create, adopt=adopt, layout=self._layout)
        self._files = DirectoryContent(self.root, sync=sync)
        self._files.lay_out()
        self._layout.lay_out()
        index = SqliteIndex(index_path(self.root), durability=durability, timeout=timeout)
        projection = LayoutProjection(self._layout, self._files, index, index_path(self.root))
        super().__init__(self._files, index, projection, address=str(self.root), durability=durability)
        try:
            self._open(adopt=adopt)
        except BaseException:
            super().close()
            raise

    def adopt(self, *, progress: bool = True) -> Adopted:
        """Take in what another program wrote into index.json; return what that was.

        New entries and what they reach are verified, indexed and linked, with pins of their own; no pin is ever
        dropped because of index.json, and nothing that cannot be taken in leaves it. Afterwards index.json is
        blobkit's own again. A second time is nothing. Cost: reads the new blobs, outside the lock.
        UnreadableStoreError, LinkCycleError, StoreBusyError.
        """
        from blobkit.store.layout.adoption import Target, adopt_into  # noqa: PLC0415 (rarely needed, and shows progress)

        session = self._session
        session.refuse_nesting()
        sync = session.journal.sync if self.durability != "off" else None
        target = Target(self._layout, self._content, self._index, session.writing, sync)
        return adopt_into(target, progress=progress)

    @classmethod
    def rebuild(cls, root: str | os.PathLike[str], *, progress: bool = True) -> Fsck:
        """Give the store in `root` a new index, where its own is broken or gone; return what was done.

        Every blob is hashed; those that are damaged, and the old index, go to quarantine. Tags, links and media types
        come from index.json and the manifests that it reaches; every other blob has one pin. Nobody may have the store
        open. NotAStoreError, StoreTooNewError, StoreBusyError.
        """
        from blobkit.store.fsck.rebuild import rebuild  # noqa: PLC0415 (rarely called, and it loads tqdm)

        return rebuild(local_root(root), progress=progress)

    def close(self) -> None:
        """Make small content durable in its place, unlink what removals left, and let go of the store. Idempotent.

        It waits for other writers, up to the `timeout` of the store.
        """
        self._session.refuse_nesting()
        try:
            if not self._index.closed:
                self._session.end()
        finally:
            super().close()

    def _open(self, *, adopt: bool) -> None:
        """Do what was left undone, and take in another program's index.json if that is wanted."""
        self._session.recover()
        if adopt:
            self.adopted = self.adopt()
        self._check_adopted()
        self._session.projection.check_foreign()
        self._session.catch_up()

    def _check_adopted(self) -> None:
        """Check that index.json was not there before the store: an older one is never overwritten, nor taken for empty.

        Its presence is looked at first: whoever makes the store announces its index.json before writing it.
        """
        if not self._layout.is_absent() and self._index.read(self._layout.never_shown):
            refuse_layout(self.root)


class ReadOnlyStore(Store):
    """The store in the directory `root` as it is: no file, mode or time changes, and verbs that write raise."""

    _session: Session

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = local_root(root)
        path = index_path(self.root)
        if not path.is_file():
            msg = f"{self.root} is no blobkit store: it has no {path.relative_to(self.root)}"
            raise NotAStoreError(msg, hint=NO_STORE)
        self._layout = Layout(self.root, sync=False)
        index = self._read_only = ReadOnlyIndex(path)
        content = ReadOnlyContent(self.root)
        projection = LayoutProjection(self._layout, content, index, None)
        super().__init__(content, index, projection, address=str(self.root))
        self._session.journal.find_odd()

    def save_snapshot(
        self,
        directory: Path,
        survey: Callable[[Mapping[Digest, FileSignature]], tuple[Sequence[Notice], Disk]],
        policy: str | None = None,
    ) -> Saved:
        """Write all facts of the store at one moment into a directory, in parts (see `blobkit.store.streaming.save`).

        `survey` returns notices about orphans and files, and the totals of these. UnknownPolicyError, FileExistsError.
        """
        from blobkit.store.streaming import save  # noqa: PLC0415 (the verbs must not wait for numpy and pyarrow)

        orphans = self.orphans()

        def beside(tx: Rows, ranges: Ranges) -> tuple[Sequence[Notice], Disk]:
            known = tx.counts(list(orphans))
            left = {one: file for one, file in orphans.items() if one not in known and not ranges.expects(one)}
            notices, disk = survey(left)
            return [*self._session.projection.notices(tx), *notices], disk

        return save(self._read_only, directory, self._session.address, policy, beside)

    def _context(self) -> FsckContext:
        """Return the parts of the store that `fsck` checks; nobody has it open where there is no WAL."""
        wal = index_path(self.root).with_name("index.sqlite-wal")
        return replace(super()._context(), is_read_only=True, is_live=wal.exists())


def open_read_only(root: str | os.PathLike[str]) -> ReadOnlyStore:
    """Return the store in `root`, for reading: it works on media that cannot be written, and beside other processes.

    Every answer is about the state at the time of the question. NotAStoreError, StoreTooNewError, StoreBusyError.
    """
    return ReadOnlyStore(root)
