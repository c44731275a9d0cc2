"""The projection of a store in a directory: index.json of the OCI image layout that it is at the same time.

Before a verb does anything, it is looked whether another program wrote index.json, and said once: a warning may be an
error (`-W error`); raised after the commit it would deny what was done.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING

from blobkit.errors import LayoutChangedWarning, StoreError, moved
from blobkit.render import truncate
from blobkit.store.fsck.layoutcheck import LayoutCheck
from blobkit.store.layout.preserved import PreservedEntries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from blobkit.contents import Content
    from blobkit.store.layout.layout import Layout
    from blobkit.transactions import Index, Reading, Writing

    Notice = tuple[str, str, str, str]

__all__ = ["LayoutProjection", "to_caller"]


class LayoutProjection:
    """The layout of one root. With the file of an index it is watched for changes by other programs."""

    shows_tags = True

    def __init__(self, layout: Layout, content: Content, index: Index, index_file: Path | None) -> None:
        self._layout = layout
        self._content = content
        self._index = index
        self._path = str(layout.path)
        self._index_file = "" if index_file is None else str(index_file)
        self._opened_at = _identity(self._index_file)
        self._seen: tuple[int, ...] | None = None
        self._warned = ""

    def check_foreign(self) -> None:
        """Warn where another program wrote index.json. Cost: two `stat`, where it is as it was at the last look."""
        if not self._index_file:
            return
        self.check_place()
        found = _stat(self._path)
        mark = found and (found.st_ino, found.st_mtime_ns, found.st_size)
        if mark == self._seen:
            return
        text = self._change() if mark else ""
        self._seen = mark
        if text and (now := self._layout.hash()) != self._warned:
            self._warned = now
            warnings.warn(text, LayoutChangedWarning, stacklevel=to_caller())

    def check_place(self) -> None:
        """Check that the directory is the one that was opened; StoreError where it was moved, removed or replaced.

        Else content would go to one store and its rows to another. Cost: one `stat`.
        """
        if self._index_file and _identity(self._index_file) != self._opened_at:
            raise StoreError(moved(self._layout.path.parent))

    def may_delete(self, tx: Reading) -> bool:
        """Return whether index.json is ours: another program may have built on a blob that it found on disk."""
        return self._layout.is_ours(tx)

    def announce(self, tx: Writing, *, durable: bool) -> None:
        """Record that index.json is to be rewritten, and how it will read."""
        self._layout.announce(tx, durable=durable)

    def show(self, tx: Writing) -> bool:
        """Rewrite index.json, unless another program wrote it; False where that was not announced durably."""
        return self._layout.rewrite(tx)

    def is_due(self, tx: Reading) -> bool:
        """Return whether index.json is to be rewritten, or was removed."""
        return self._layout.is_due(tx)

    def notices(self, tx: Reading) -> Sequence[Notice]:
        """Return the entries that were not taken in, and whether another program wrote index.json."""
        found = [
            ("layout-damaged", "", "index.json", f"an entry of index.json was not taken in: {truncate(str(raw), 200)}")
            for raw in PreservedEntries.load(tx).unresolved
        ]
        changed = ("layout-changed", "", "index.json", _notice(self._layout))
        return [*found, changed] if self._layout.is_foreign(tx) else found

    def check(self, show: Callable[[], None]) -> LayoutCheck:
        """Return the check of the layout, for `fsck`."""
        return LayoutCheck(self._layout.path.parent, self._layout, self._content, show)

    def _change(self) -> str:
        """Return the notice that another program wrote index.json, "" where it is ours."""
        if not self._is_foreign():
            return ""
        is_whole = self._layout.parses()
        return _notice(self._layout, is_whole=is_whole) if self._is_foreign() else ""  # half written a moment ago

    def _is_foreign(self) -> bool:
        """Return whether another program wrote index.json; in doubt under the lock, where none of ours rewrites it."""
        return self._index.read(self._layout.is_foreign) and self._index.write(self._layout.is_foreign)


def to_caller() -> int:
    """Return how many frames above the caller of this is the first one that is not blobkit's: a `stacklevel`."""
    level, frame = 1, sys._getframe(1)  # noqa: SLF001 (there is no other way before Python 3.12)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in ("blobkit", "contextlib"):
        level, frame = level + 1, frame.f_back
    return level


def _notice(layout: Layout, *, is_whole: bool = True) -> str:
    """Return what is the matter where index.json is not ours, and what to do."""
    if not is_whole:
        return (
            f"{layout.path} was changed by another program and cannot be read as an image index: it is left as it is, "
            f"and no file of a blob is removed, until it is restored and store.adopt() has taken it in, or is deleted"
        )
    return (
        f"{layout.path} was changed by another program: it is left as it is, and no file of a blob is removed, "
        f"until store.adopt() or blobkit.LocalStore({str(layout.path.parent)!r}, adopt=True) has taken the change in"
    )


def _identity(path: str) -> tuple[int, int] | None:
    """Return what tells the index of a store from any other file, None where it is gone."""
    found = _stat(path)
    return found and (found.st_dev, found.st_ino)


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 (before every verb: a Path takes five times as long)
    except (FileNotFoundError, NotADirectoryError):
        return None
