"""The projection of a store in a directory: index.json of the OCI image layout that it is at the same time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from blobkit.errors import StoreError, moved
from blobkit.render import truncate
from blobkit.store.fsck.outside import LayoutOutside
from blobkit.store.layout.guard import Guard, notice
from blobkit.store.layout.preserved import PreservedEntries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from blobkit.protocols import Content
    from blobkit.store.layout.layout import Layout
    from blobkit.transactions import Index, Reading, Writing

    Notice = tuple[str, str, str, str]

__all__ = ["LayoutProjection"]


class LayoutProjection:
    """The layout of one root. With the file of an index it is watched for changes by other programs."""

    shows_tags = True

    def __init__(self, layout: Layout, content: Content, index: Index, index_file: Path | None) -> None:
        self._layout = layout
        self._content = content
        self._guard = Guard(layout, index)
        self._root = layout.path.parent
        self._index_file = "" if index_file is None else str(index_file)
        self._opened_at = _identity(self._index_file)

    def look(self) -> None:
        """Warn where another program wrote index.json. Cost: two `stat`, where it is as it was at the last look."""
        if self._index_file:
            self.check_place()
            self._guard.look()

    def check_place(self) -> None:
        """Check that the directory is the one that was opened; StoreError where it was moved, removed or replaced.

        Else content would go to one store and its rows to another. Cost: one `stat`.
        """
        if self._index_file and _identity(self._index_file) != self._opened_at:
            raise StoreError(moved(self._root))

    def may_delete(self, rows: Reading) -> bool:
        """Return whether index.json is ours: another program may have built on a blob that it found on disk."""
        return self._layout.is_ours(rows)

    def announce(self, rows: Writing, *, durable: bool) -> None:
        """Record that index.json is to be rewritten, and how it will read."""
        self._layout.announce(rows, durable=durable)

    def show(self, rows: Writing) -> bool:
        """Rewrite index.json, unless another program wrote it; False where that was not announced durably."""
        return self._layout.rewrite(rows)

    def is_due(self, rows: Reading) -> bool:
        """Return whether index.json is to be rewritten, or was removed."""
        return self._layout.is_due(rows)

    def notices(self, rows: Reading) -> Sequence[Notice]:
        """Return the entries that were not taken in, and whether another program wrote index.json."""
        found = [
            ("layout-damaged", "", "index.json", f"an entry of index.json was not taken in: {truncate(str(raw), 200)}")
            for raw in PreservedEntries.load(rows).unresolved
        ]
        if self._layout.is_absent() or self._layout.is_ours(rows):
            return found
        return [*found, ("layout-changed", "", "index.json", notice(self._layout))]

    def outside(self, show: Callable[[], None]) -> LayoutOutside:
        """Return the layout as `fsck` sees it."""
        return LayoutOutside(self._root, self._layout, self._content, show)


def _identity(path: str) -> tuple[int, int] | None:
    """Return what tells the index of a store from any other file, None where it is gone."""
    try:
        info = os.stat(path)  # noqa: PTH116 (before every verb: a Path takes five times as long)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return info.st_dev, info.st_ino
