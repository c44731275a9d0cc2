"""Admission of write transactions: what a weaker store wrote is made durable before a stronger one commits.

A store that promises nothing about a loss of power (`off`) marks itself as `unsynced`, durably, before its first write.
The next stronger commit or opening syncs everything first and takes the mark away.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blobkit.transactions import Index, Writing

__all__ = ["Admission"]

MARK = "unsynced"


class Admission:
    """The write transactions of a store with this durability; "" for one in memory, which needs no mark.

    `sync` makes all content durable.
    """

    def __init__(self, sync: Callable[[], None], index: Index, durability: str) -> None:
        self._sync = sync
        self._index = index
        self._durability = durability

    @contextmanager
    def writing(self, *, durable: bool = False, later: bool = False) -> Iterator[Writing]:
        """Hold the write lock, then commit; `durable` and `later` as in `Index.writing`."""
        while True:
            with self._index.writing(durable=durable, later=later) as tx:
                if self._admits(tx):
                    yield tx
                    return
            self._mark()

    def _admits(self, tx: Writing) -> bool:
        """Return whether this transaction may write; if not, `_mark` is called without the lock.

        Under "off" the mark must be durable before anything that is not, even where a stronger store has just taken it
        away.
        """
        if not self._durability:
            return True
        unsynced = tx.pending().unsynced is not None
        if self._durability == "off":
            return unsynced
        if unsynced:
            self._sync()
            tx.set_meta(MARK, None)
        return True

    def _mark(self) -> None:
        with self._index.writing(durable=True) as tx:
            tx.set_meta(MARK, "1")
