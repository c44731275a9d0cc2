"""The journal of a store, emptied as it empties itself: files made durable, then their entries dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blobkit.store.store import Store

__all__ = ["drain"]


def drain(store: Store) -> None:
    """Drain the journal, and let a transaction drop the entries."""
    store._session.journal.drain()
    with store._session.writing():
        pass
