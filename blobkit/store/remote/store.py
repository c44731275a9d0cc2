"""The store for many hosts: rows in PostgreSQL, content in a bucket of S3."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from blobkit.store.methods import Verbs
from blobkit.store.remote.batch import remote_batched
from blobkit.store.remote.session import LEASE, RemoteSession
from blobkit.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from blobkit.contents import PlacedContent
    from blobkit.digest import Digest
    from blobkit.model import FileSignature
    from blobkit.store.batch import Batch
    from blobkit.store.fsck.report import Fsck
    from blobkit.transactions import Index

__all__ = ["PlacedStore"]


class PlacedStore(Store):
    """A store over content with places, and an index that keeps them (`blobkit.transactions.Places`)."""

    _session: RemoteSession

    def __init__(self, content: PlacedContent, index: Index, *, address: str = "memory", lease: float = LEASE) -> None:
        self.durability = "full"
        self._places = content
        self._index = index
        Verbs.__init__(self, RemoteSession(content, index, address, lease=lease))

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """Give the verbs of this store as one transaction: all that is done by them becomes true, or nothing.

        What is put is staged on this machine; the first verb that must look at the index opens a transaction, so keep
        the rest short: other writers may wait for it. At the end content is sent while none is open, and one
        transaction does everything. StoreBusyError, with nothing done, where others changed meanwhile what the batch
        had read or removed. The store's own verbs see what is committed, and raise BatchError in this thread.
        """
        self._session.refuse_nesting()
        self._session.refuse_closed()
        with remote_batched(self._session) as batch:
            yield batch

    def sweep(self) -> int:
        """Delete the content that removals, and writers that died, have left; return how many objects that was.

        Any number of processes may sweep at once. One removing call in 16 sweeps by itself.
        """
        self._session.refuse_nesting()
        return self._session.sweep()

    def orphans(self) -> Mapping[Digest, FileSignature]:
        """Return the content that the index does not know, as writers leave it that came after their lease.

        Cost: lists the bucket. Of several objects for one digest the last one is returned.
        """
        from blobkit.store.remote.checking import orphans  # noqa: PLC0415 (rarely needed)

        return orphans(self._places, self._index)

    def fsck(self, *, repair: bool = False, content: bool = True, progress: bool = True) -> Fsck:
        """Return every kind of damage that is found in the index and in the bucket.

        One listing is compared with the rows: objects that are missing or of another size, and those that nobody knows;
        `content` reads and hashes every blob. `repair` makes the index right where nothing is lost by it, copies what
        is damaged or unknown to `quarantine/` before it deletes it, drops unfinished uploads that nobody can complete,
        and sweeps. What may be another writer's work in the making stays, and is a note.
        """
        from blobkit.store.remote.checking import fsck  # noqa: PLC0415 (it loads numpy and scipy)

        self._session.refuse_nesting()
        return fsck(self._session, repair=repair, content=content, progress=progress)

    def close(self) -> None:
        """Let go of the store; its verbs raise StoreClosedError from then on. A second time is nothing."""
        self._index.close()
        self._places.close()
