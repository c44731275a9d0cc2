"""Forks of a process that has SQLite databases open.

SQLite must not carry an open database through a fork, and not only its connections: what it remembers of a file for
the whole process, the locks that it believes to hold, goes along. A connection that the child opens then takes no
lock of its own, and the parent, when it closes the store, removes the WAL that the child still writes to. So what is
open and not in use is closed before a fork, and the parent opens it again when it needs it. The child does not use
what it inherited; it may open the same store again, unless a thread of the parent was inside a transaction on it.
"""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING
from weakref import WeakSet

from blobkit.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Protocol

    class Opened(Protocol):
        """An object that has connections to the database at `path`."""

        path: Path

        def leave(self) -> bool:
            """Close what is not in use, before a fork; return whether nothing else is open."""
            ...

        def abandon(self) -> bool:
            """Refuse every use from now on, in a child; return whether nothing was open."""
            ...


__all__ = ["check", "register"]

_opened: WeakSet[Opened] = WeakSet()
_spoiled: set[Path] = set()
"""Databases that were in use when this process was forked: SQLite's memory of them is the parent's."""


def register(opened: Opened) -> None:
    """Let an object that has connections know of forks, for as long as it lives."""
    _opened.add(opened)


def check(path: Path) -> None:
    """Check that this process may open a database; StoreError where it was forked in the middle of a transaction."""
    if path in _spoiled:
        msg = (
            f"{path.parent.parent}: this process was forked in the middle of a transaction on this store, "
            "so that it cannot use it: fork outside of batches, or start a process of its own"
        )
        raise StoreError(msg)


def _leave() -> None:
    """Close all that is not in use. What an interrupt left in a cycle is not in use, once it is collected."""
    left = [opened for opened in list(_opened) if not opened.leave()]
    if left:
        del left
        gc.collect()
        for opened in list(_opened):
            opened.leave()


def _abandon() -> None:
    for opened in list(_opened):
        if not opened.abandon():
            _spoiled.add(opened.path)


os.register_at_fork(before=_leave, after_in_child=_abandon)
