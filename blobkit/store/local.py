"""The store in a directory: an OCI image layout that blobkit owns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.content.directory import DirectoryContent
from blobkit.content.readonly import ReadOnlyContent
from blobkit.errors import NotAStoreError
from blobkit.index.readonly import ReadOnlyIndex
from blobkit.index.sqlite import SqliteIndex
from blobkit.store.layout import Layout
from blobkit.store.opening import check_root, index_path
from blobkit.store.store import Store

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from blobkit.protocols import Reading, Writing

__all__ = ["LocalStore", "ReadOnlyStore", "open_read_only"]

LEVELS = ("full", "normal", "off")


class LocalStore(Store):
    """The store in the directory `root`, made there if it is missing or empty (unless `create=False`).

    `durability`: "full" = what a verb returned survives a loss of power; "normal" = content does, the last
    transactions may vanish; "off" = safe against the death of processes only. Any number of processes and threads
    may use one directory; whoever wants to write waits up to `timeout` seconds for the others (StoreBusyError).
    NotAStoreError, NotAdoptedError, StoreTooNewError.
    """

    def __init__(
        self, root: str | os.PathLike[str], *, durability: str = "full", create: bool = True, timeout: float = 60.0
    ) -> None:
        if durability not in LEVELS:
            msg = f"durability {durability!r} is none of {', '.join(LEVELS)}"
            raise ValueError(msg)
        self.root = Path(root).absolute()
        self.durability = durability
        check_root(self.root, create=create)
        sync = durability != "off"
        self._files = DirectoryContent(self.root, sync=sync)
        self._files.lay_out()
        self._layout = Layout(self.root, sync=sync)
        self._layout.lay_out()
        super().__init__(
            self._files,
            SqliteIndex(index_path(self.root), durability=durability, timeout=timeout),
            address=str(self.root),
        )
        try:
            self._wake()
        except BaseException:
            super().close()
            raise

    def close(self) -> None:
        """Unlink what removals left behind, then let go of the store. A second time is nothing."""
        try:
            if not self._index.closed and self._index.read(lambda rows: rows.tombstones(1)):
                self.sweep()
        finally:
            super().close()

    def _wake(self) -> None:
        """Do what a dead process left undone: temporary files, index.json, unsynced writes, removed blobs."""
        self._files.reclaim()
        unsynced, due, ours, left = self._index.read(self._state)
        if unsynced and self.durability != "off":
            with self._writing():
                pass  # admitting it syncs
        if due:
            self._show_tags()
        elif not ours:
            self._layout.say()
        if left:
            self.sweep()

    def _state(self, rows: Reading) -> tuple[bool, bool, bool, bool]:
        return (
            rows.meta("unsynced") is not None,
            self._layout.is_due(rows),
            self._layout.is_ours(rows),
            bool(rows.tombstones(1)),
        )

    def _admit(self, rows: Writing) -> bool:
        """Return whether this transaction may write. What a weaker store wrote is made durable first.

        Under "off" the flag that says so must be durable before anything that is not, even where a stronger store
        has just cleared it.
        """
        unsynced = rows.meta("unsynced") is not None
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
        ours = self._layout.is_ours(rows)
        if not ours:
            self._layout.say()
        return ours

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


class ReadOnlyStore(Store):
    """The store in the directory `root` as it is: no file, mode or time changes, and verbs that write raise."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root).absolute()
        path = index_path(self.root)
        if not path.is_file():
            msg = f"{self.root} is no blobkit store: it has no {path.relative_to(self.root)}"
            raise NotAStoreError(msg)
        self._layout = Layout(self.root, sync=False)
        super().__init__(ReadOnlyContent(self.root), ReadOnlyIndex(path), address=str(self.root))

    def _notices(self, rows: Reading) -> Sequence[tuple[str, str, str, str]]:
        return _layout_notices(self._layout, rows)


def open_read_only(root: str | os.PathLike[str]) -> ReadOnlyStore:
    """Return the store in `root`, for reading: it works on media that cannot be written, and beside other processes.

    Every answer is about the state at the time of the question. NotAStoreError, StoreTooNewError, StoreBusyError.
    """
    return ReadOnlyStore(root)


def _layout_notices(layout: Layout, rows: Reading) -> Sequence[tuple[str, str, str, str]]:
    if layout.is_absent() or layout.is_ours(rows):
        return ()
    return (("layout-changed", "", "index.json", layout.notice()),)
