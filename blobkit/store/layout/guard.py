"""Detection of an index.json that another program wrote, and one warning, before a verb does anything.

A warning may be an error (`-W error`); raised after the commit it would deny what was done.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING

from blobkit.errors import LayoutChangedWarning

if TYPE_CHECKING:
    from blobkit.store.layout.layout import Layout
    from blobkit.transactions import Index

    Mark = tuple[int, int, int] | None

__all__ = ["Guard", "notice", "to_caller"]


class Guard:
    """Remembers the last state of index.json that was looked at, and warns once for each state that is not ours."""

    def __init__(self, layout: Layout, index: Index) -> None:
        self._layout = layout
        self._path = str(layout.path)
        self._index = index
        self._seen: Mark = None
        self._said = ""

    def look(self) -> None:
        """Warn where another program wrote index.json. Cost: one `stat` where it is as it was at the last look."""
        mark = self._mark()
        if mark == self._seen:
            return
        is_foreign = mark is not None and not self._is_ours()
        is_whole = not is_foreign or self._layout.parses()
        if is_foreign:
            is_foreign = not self._is_ours()  # it may have been half written a moment ago
        self._seen = mark
        if is_foreign and (now := self._layout.hash()) != self._said:
            self._said = now
            warnings.warn(notice(self._layout, is_whole=is_whole), LayoutChangedWarning, stacklevel=to_caller())

    def _mark(self) -> Mark:
        try:
            found = os.stat(self._path)  # noqa: PTH116 (before every verb: a Path takes five times as long)
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _is_ours(self) -> bool:
        """Return whether blobkit wrote index.json; in doubt under the write lock, where nobody of ours rewrites it."""
        if self._index.read(self._layout.is_ours):
            return True
        return self._index.write(lambda rows: self._layout.is_absent() or self._layout.is_ours(rows))


def notice(layout: Layout, *, is_whole: bool = True) -> str:
    """Return what is the matter where index.json is not ours, and what to do."""
    root = layout.path.parent
    if not is_whole:
        return (
            f"{layout.path} was changed by another program and cannot be read as an image index: it is left as it is, "
            f"and no file of a blob is removed, until it is restored and store.adopt() has taken it in, or is deleted"
        )
    return (
        f"{layout.path} was changed by another program: it is left as it is, and no file of a blob is removed, "
        f"until store.adopt() or blobkit.LocalStore({str(root)!r}, adopt=True) has taken the change in"
    )


def to_caller() -> int:
    """Return how many frames above the caller of this is the first one that is not blobkit's: a `stacklevel`."""
    level, frame = 1, sys._getframe(1)  # noqa: SLF001 (there is no other way before Python 3.12)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in ("blobkit", "contextlib"):
        level, frame = level + 1, frame.f_back
    return level
