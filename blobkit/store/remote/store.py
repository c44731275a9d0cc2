"""A store over content with places; the store for many hosts is one, with rows in PostgreSQL and content in S3."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from blobkit.store.methods import Verbs
from blobkit.store.remote.batch import remote_batched
from blobkit.store.remote.opening import check_owner, database_of, open_content, open_index, place_of
from blobkit.store.remote.session import LEASE, RemoteSession
from blobkit.store.store import Store

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from blobkit.digest import Digest
    from blobkit.model import FileSignature
    from blobkit.places import PlacedContent
    from blobkit.snapshot.streamed import Saved
    from blobkit.store.batch import Batch
    from blobkit.store.fsck.report import Fsck
    from blobkit.transactions import Index

__all__ = ["PlacedStore", "RemoteStore"]


LONGEST = 1_000_000
"""Seconds that a lease may last, and a writer wait: PostgreSQL counts milliseconds in 32 bits."""


class PlacedStore(Store):
    """A store over content with places, and an index that keeps them (`blobkit.places.Places`)."""

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

    def save_snapshot(self, directory: str | os.PathLike[str], policy: str | None = None) -> Saved:
        """Save the snapshot of the store in a directory, in parts, without holding all of it; return its totals.

        All rows are of one moment, and no writer waits. Engines answer from the directory, `Snapshot.load` loads it.
        FileExistsError if there is a directory with something else in it, UnknownPolicyError, StoreError. Memory: 13
        bytes a blob, and a slice of rows. Cost: each row is read about twice.

        >>> store.save_snapshot("now/").blobs  # doctest: +SKIP
        1000000
        """
        from blobkit.store.streaming import save  # noqa: PLC0415 (the verbs must not wait for numpy and pyarrow)

        self._session.refuse_nesting()
        index = cast("Any", self._index)  # each of them reads in ranges
        return save(index, Path(directory), self._session.address, policy, lambda _tx, _ranges: ((), None))

    def close(self) -> None:
        """Let go of the store; its verbs raise StoreClosedError from then on. A second time is nothing."""
        self._index.close()
        self._places.close()


class RemoteStore(PlacedStore):
    """The store of many hosts: rows in the PostgreSQL database `index`, content in the bucket of S3 `content`.

    It has every verb of a Store, and shows its tags to no other program. Any number of hosts, processes and threads may
    use it. What a verb returned is as durable as the database and the bucket are. Content is sent before the rows that
    name it, and deleted after them; it is never written to the same key twice, so that no request that arrives late
    can harm it. An empty database and an empty prefix become a store (unless `create=False`), and belong together from
    then on: NotAStoreError.

    `schema`: the schema of the database, so that one database may hold several stores.
    `storage_options` as for `scan`: endpoint, region, profile, allow_http, at_once. Credentials of S3 are those of the
    environment or the profile; give the password of the database in ~/.pgpass or PGPASSWORD, or in the URL: no message
    shows it. `timeout`: seconds to wait for other writers (StoreBusyError). `lease`: seconds after which a writer or
    sweeper that did not end counts as dead; a put that takes longer than that begins again. `spool`: a directory for
    files on their way to the bucket (`~/.cache/blobkit`); bytes in memory take no file.

    Removed content is deleted by `sweep` (`blobkit sweep`), by one removing call in 16, and by nobody else: run it from
    time to time. `put` of a blob that is here asks the database alone: that its object is there as well is for `fsck`
    to see. A file from `open` holds the first 8 MiB and reads the rest as needed: where its blob was removed and swept
    meanwhile, that raises ContentMissingError, unless the same content was put again. Hold a pin on what you read.
    CredentialsError, UnreadableStoreError (a bucket that cannot be listed), StoreError (the database, or the bucket
    later).

    >>> store = blobkit.RemoteStore("postgresql://db.example/blobs", "az://container")
    Traceback (most recent call last):
    blobkit.errors.AddressError: the content of a remote store is in a bucket of S3, not at az...
    """

    def __init__(  # noqa: PLR0913 (a store in two places)
        self,
        index: str,
        content: str,
        *,
        storage_options: Mapping[str, object] | None = None,
        schema: str = "blobkit",
        create: bool = True,
        timeout: float = 60.0,
        lease: float = LEASE,
        spool: str | os.PathLike[str] | None = None,
    ) -> None:
        for name, seconds in (("lease", lease), ("timeout", timeout)):
            if not (isinstance(seconds, int | float) and 0 < seconds <= LONGEST):
                msg = f"{name} {seconds!r} is no number of seconds from 0 to {LONGEST:,}"
                raise ValueError(msg)
        shown, there = database_of(index), place_of(content)
        objects = open_content(there, storage_options, spool)
        try:
            rows = open_index(index, schema=schema, timeout=timeout, create=create)
        except BaseException:
            objects.close()
            raise
        super().__init__(objects, rows, address=f"{shown} {objects.address}", lease=lease)
        try:
            check_owner(objects, rows, create=create)
        except BaseException:
            self.close()
            raise
