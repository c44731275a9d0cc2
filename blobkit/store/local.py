"""The store in a directory: an OCI image layout that blobkit owns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from blobkit.content.directory import DirectoryContent
from blobkit.content.readonly import ReadOnlyContent
from blobkit.errors import NO_STORE, NotAStoreError, ReadOnlyStoreError, StoreError, moved
from blobkit.index.readonly import ReadOnlyIndex
from blobkit.index.sqlite import SqliteIndex
from blobkit.render import truncate
from blobkit.store.fsck.outside import LayoutOutside
from blobkit.store.layout.guard import Guard, notice
from blobkit.store.layout.layout import Layout
from blobkit.store.layout.projection import Kept
from blobkit.store.opening import check_root, index_path, local_root, refuse_layout
from blobkit.store.store import Store

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    from blobkit.store.fsck.report import Fsck
    from blobkit.store.fsck.subject import Subject
    from blobkit.store.layout.adopted import Adopted
    from blobkit.transactions import Reading, Writing

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

    Network file systems are refused. A process may fork with a store open, outside of batches, and both go on with it.
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
    shows_tags = True

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
        self.durability = durability
        self._layout = Layout(self.root, sync=durability != "off")
        check_root(self.root, create=create, adopt=adopt, layout=self._layout)
        sync = durability != "off"
        self._files = DirectoryContent(self.root, sync=sync)
        self._files.lay_out()
        self._layout.lay_out()
        super().__init__(
            self._files,
            SqliteIndex(index_path(self.root), durability=durability, timeout=timeout),
            address=str(self.root),
        )
        self._guard = Guard(self._layout, self._index)
        self._opened_at = _identity(self.root)
        try:
            if adopt:
                self.adopted = self.adopt()
            self._check_adopted()
            self._look()
            self._wake()
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
        from blobkit.store.layout.adoption import Onto, adopt_into  # noqa: PLC0415 (rarely needed, and shows progress)

        self._refuse_nesting()
        sync = self.durability != "off"
        onto = Onto(self.root, self._layout, self._content, self._index, self._committing, sync)
        return adopt_into(onto, progress=progress)

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
        """Unlink what removals left behind, then let go of the store. A second time is nothing."""
        try:
            if not self._index.closed and self._index.read(lambda rows: rows.tombstones(1)):
                self._settle(dirty=False, left=True)
        finally:
            super().close()

    def _wake(self) -> None:
        """Do what a dead process left undone: temporary files, index.json, unsynced writes, removed blobs."""
        self._files.reclaim()
        unsynced, due, left = self._index.read(self._state)
        if unsynced and self.durability != "off":
            with self._writing():
                pass  # admitting it syncs
        self._settle(dirty=due, left=left)

    def _state(self, rows: Reading) -> tuple[bool, bool, bool]:
        return rows.meta("unsynced") is not None, self._layout.is_due(rows), bool(rows.tombstones(1))

    def _check_adopted(self) -> None:
        """Check that index.json was not there before the store: an older one is never overwritten, nor taken for empty.

        Its presence is looked at first: whoever makes the store announces its index.json before writing it.
        """
        if not self._layout.is_absent() and self._index.read(self._layout.never_shown):
            refuse_layout(self.root)

    def _look(self) -> None:
        self._check_place()
        self._guard.look()

    def _check_place(self) -> None:
        """Check that the directory is the one that was opened; StoreError where it was moved, removed or replaced.

        Else content would go to one store and its rows to another. Cost: one `stat`.
        """
        if _identity(self.root) != self._opened_at:
            raise StoreError(moved(self.root))

    def _admit(self, rows: Writing) -> bool:
        """Return whether this transaction may write. What a weaker store wrote is made durable first.

        Under "off" the flag that says so must be durable before anything that is not, even where a stronger store
        has just cleared it.
        """
        unsynced = rows.standing().unsynced is not None
        if self.durability == "off":
            return unsynced
        if unsynced:
            self._content.sync()
            rows.set_meta("unsynced", None)
        return True

    def _prepare(self) -> None:
        with self._index.writing(durable=True) as rows:
            rows.set_meta("unsynced", "1")

    def _may_delete(self, rows: Writing) -> bool:
        """Return whether index.json is ours: another program may have built on a blob that it found on disk."""
        return self._layout.is_ours(rows)

    def _retagged(self, rows: Writing, *, durable: bool) -> None:
        self._layout.announce(rows, durable=durable)

    def _show_tags(self) -> None:
        with self._writing() as rows:
            done = self._layout.rewrite(rows)
        if not done:
            with self._writing(durable=True) as rows:
                self._layout.announce(rows, durable=True)
            self._show_tags()

    def _notices(self, rows: Reading) -> Sequence[tuple[str, str, str, str]]:
        return _layout_notices(self._layout, rows)

    def _outside(self) -> LayoutOutside:
        return LayoutOutside(self.root, self._layout, self._content, self._show_again)

    def _show_again(self) -> None:
        with self._writing(durable=True) as rows:
            self._layout.announce(rows, durable=True)
        self._show_tags()


class ReadOnlyStore(Store):
    """The store in the directory `root` as it is: no file, mode or time changes, and verbs that write raise."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = local_root(root)
        path = index_path(self.root)
        if not path.is_file():
            msg = f"{self.root} is no blobkit store: it has no {path.relative_to(self.root)}"
            raise NotAStoreError(msg, hint=NO_STORE)
        self._layout = Layout(self.root, sync=False)
        self._reader = ReadOnlyIndex(path)
        super().__init__(ReadOnlyContent(self.root), self._reader, address=str(self.root))

    def _notices(self, rows: Reading) -> Sequence[tuple[str, str, str, str]]:
        return _layout_notices(self._layout, rows)

    def _subject(self) -> Subject:
        """Return what `fsck` checks; there is no lock to hold, but where there is no WAL nobody has the store open."""
        wal = index_path(self.root).with_name("index.sqlite-wal")
        return replace(super()._subject(), reading=self._reader.read_more, locked=False, quiet=not wal.exists())

    def _outside(self) -> LayoutOutside:
        return LayoutOutside(self.root, self._layout, self._content, self._refuse)

    def _refuse(self) -> None:
        msg = f"{self.root} is open for reading only: open it with blobkit.LocalStore to write"
        raise ReadOnlyStoreError(msg)


def _identity(root: Path) -> tuple[int, int] | None:
    """Return what tells the index of a store from any other file, None where it is gone."""
    try:
        info = index_path(root).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return info.st_dev, info.st_ino


def open_read_only(root: str | os.PathLike[str]) -> ReadOnlyStore:
    """Return the store in `root`, for reading: it works on media that cannot be written, and beside other processes.

    Every answer is about the state at the time of the question. NotAStoreError, StoreTooNewError, StoreBusyError.
    """
    return ReadOnlyStore(root)


def _layout_notices(layout: Layout, rows: Reading) -> Sequence[tuple[str, str, str, str]]:
    found = [
        ("layout-damaged", "", "index.json", f"an entry of index.json was not taken in: {truncate(str(raw), 200)}")
        for raw in Kept.of(rows).unheld
    ]
    if layout.is_absent() or layout.is_ours(rows):
        return found
    return [*found, ("layout-changed", "", "index.json", notice(layout))]
