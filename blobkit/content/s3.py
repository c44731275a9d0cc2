"""Bytes in a bucket of S3: `blobs/<alg>/<hex>/<number>` below a prefix, each key written once, and never again.

A request may take effect long after its sender died: a DELETE that lands late must not meet bytes that somebody put
meanwhile. So the key of a new copy is new, whatever the digest; which key belongs to a blob is written in its row.
New bytes are staged in files of this machine, or come from memory.
"""

from __future__ import annotations

import io
import os
import uuid
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from blobkit.buckets import client
from blobkit.buckets.account import Upload
from blobkit.buckets.client import FAILURES, PART
from blobkit.content.temporary import StagedFile, StagingArea, reclaim
from blobkit.digest import Digest, is_digest
from blobkit.errors import CredentialsError, StoreClosedError, StoreError
from blobkit.model import PlacedObject
from blobkit.render import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from obstore.store import ObjectStore

    from blobkit.buckets.account import Account
    from blobkit.buckets.keys import Key

    T = TypeVar("T")
    R = TypeVar("R")

__all__ = ["MARK", "S3Content"]

MARK = "blobkit-store.json"
"""The object that says which store a bucket belongs to."""
BLOBS, QUARANTINE = "blobs/", "quarantine/"
PRIVATE = 0o700
DENIED = ("401", "403")


class S3Content:
    """The objects below one prefix of a bucket, and the files of this machine that are on their way there.

    `store` is the client of the bucket, `account` asks what that cannot. `address` is what messages say.
    """

    def __init__(self, store: ObjectStore, prefix: str, spool: Path, *, address: str, account: Account) -> None:
        spool.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        self.address = address
        self._store, self._prefix, self._spool = store, prefix, str(spool)
        self._account = account
        self._threads = ThreadPoolExecutor(account.options.at_once, "blobkit-content")
        self._pid = os.getpid()
        self._closed = False

    def stage(self) -> StagedFile:
        """Return a new temporary file, locked by this process for as long as it is staged."""
        return StagedFile(self._spool, sync=False)

    def area(self) -> StagingArea:
        """Return a new directory of temporary files, locked by this process while it is there."""
        return StagingArea(self._spool, sync=False)

    def fresh(self, digest: Digest) -> str:
        """Return a key that nobody was given before: the digest, and 122 random bits."""
        return f"{BLOBS}{digest.replace(':', '/')}/{uuid.uuid4().hex}"

    def upload(self, sources: Mapping[str, str | bytes]) -> None:
        """Write an object for each place: small ones many at once, large ones one after the other, in parts."""
        sized = {place: len(data) if isinstance(data, bytes) else self._staged(data) for place, data in sources.items()}
        small = [place for place, size in sized.items() if size <= PART]
        self._each(lambda place: self._put(place, sources[place], sized[place]), small)
        for place in sized.keys() - set(small):
            self._put(place, sources[place], sized[place])

    def read(self, place: str, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to `end`, as many as there are; FileNotFoundError."""
        with self._told(place):
            try:
                return client.piece(self._store, self._key(place), start, end)
            except client.BaseError as error:
                if client.code_of(error) != "InvalidRange":
                    raise
                return b""

    def stream(self, place: str) -> BinaryIO:
        """Return an object to read from its beginning, in constant memory; FileNotFoundError."""
        with self._told(place):
            return io.BufferedReader(client.Stream(self._store, self._key(place)))

    def delete(self, places: Collection[str]) -> None:
        """Delete these objects, 1,000 with a request; those that are absent are no error."""
        with self._told():
            client.delete(self._store, [self._key(place) for place in places])

    def look(self, places: Collection[str]) -> Mapping[str, PlacedObject]:
        """Return what is at these places. Cost: a request each, many at once."""
        found = self._each(self._head, places)
        return {one.place: one for one in found if one is not None}

    def listed(self, after: Digest | None = None) -> Iterator[PlacedObject]:
        """Yield the objects where blobs belong, sorted by place. Cost: a request for 1,000."""
        behind = f"{BLOBS}{after.replace(':', '/')}/~" if after else ""
        with self._told():
            for rows in client.listed(self._store, self._key(BLOBS), behind and self._key(behind)):
                yield from (self._object(key.removeprefix(self._prefix), info) for key, info in rows)

    def set_aside(self, places: Iterable[str], what: str) -> Mapping[str, str]:
        """Copy these objects to `quarantine/`, within the service; return where each copy is."""
        moved = {}
        for place in places:
            target = f"{QUARANTINE}{place.removeprefix(BLOBS).replace('/', '-')}.{what}.{uuid.uuid4().hex[:8]}"
            try:
                with self._told(place):
                    client.copy(self._store, self._key(place), self._key(target))
            except FileNotFoundError:
                continue
            moved[place] = f"{self.address}/{target}"
        return moved

    def unfinished(self) -> Sequence[PlacedObject]:
        """Return the uploads in parts that were begun and not ended; none where the service does not tell."""
        try:
            found = list(self._account.uploads(self._key(BLOBS)))
        except OSError:
            return ()
        keys = ((one, one.key.removeprefix(self._prefix)) for one in found)
        return [PlacedObject(key, one.size, one.modified / 1e6, one.number, _digest(key)) for one, key in keys]

    def abort(self, uploads: Collection[PlacedObject]) -> None:
        """Drop unfinished uploads; one that is gone is no error."""
        for one in uploads:
            self._account.abort(Upload(self._key(one.place), one.size, 0, one.identity))

    def mark(self) -> bytes | None:
        """Return what marks the place as that of a store, None where nothing does."""
        try:
            return self.read(MARK, 0, 1 << 16)
        except FileNotFoundError:
            return None

    def set_mark(self, data: bytes) -> bytes:
        """Mark the place as that of a store, unless it is marked; return the mark that is there then."""
        with self._told():
            client.create(self._store, self._key(MARK), data)
        return self.mark() or data

    def is_empty(self) -> bool:
        """Return whether there is no object below the prefix."""
        with self._told():
            return not next(client.listed(self._store, self._prefix), [])

    def reclaim(self) -> int:
        """Remove the temporary files and areas of dead writers; return how many there were."""
        return reclaim(self._spool)

    def close(self) -> None:
        """End the threads; no request is sent any more."""
        self._closed = True
        if self._pid == os.getpid():
            self._threads.shutdown(cancel_futures=True)

    def __repr__(self) -> str:
        """Return the class and the address."""
        return f"{type(self).__name__}({self.address!r})"

    def _key(self, place: str) -> str:
        return self._prefix + place

    def _object(self, place: str, info: Key) -> PlacedObject:
        return PlacedObject(place, info.size, info.modified / 1e6, info.etag, _digest(place))

    def _staged(self, token: str) -> int:
        """Return the size of a file that is staged."""
        return Path(self._spool, token).stat().st_size

    def _put(self, place: str, data: str | bytes, size: int) -> None:
        with self._told():
            client.put(self._store, self._key(place), data if isinstance(data, bytes) else self._path(data), size)

    def _path(self, token: str) -> Path:
        return Path(self._spool, token)

    def _head(self, place: str) -> PlacedObject | None:
        try:
            with self._told(place):
                return self._object(place, client.head(self._store, self._key(place)))
        except FileNotFoundError:
            return None

    def _each(self, act: Callable[[T], R], items: Collection[T]) -> list[R]:
        """Return what `act` returns for each of these, many at once; no thread for one.

        Where one fails, the others end first: no request is on its way any more when the error shows.
        """
        if len(items) < 2:  # noqa: PLR2004 (one takes no thread)
            return list(map(act, items))
        self._check()
        begun = [self._threads.submit(act, item) for item in items]
        wait(begun)
        return [one.result() for one in begun]

    def _check(self) -> None:
        """Check that requests may be sent: the client does not work in a forked process."""
        if self._closed or self._pid != os.getpid():
            msg = f"{self.address} was closed" if self._closed else f"{self.address} was opened before a fork"
            raise StoreClosedError(msg, hint="open it again in this process")

    @contextmanager
    def _told(self, place: str = "") -> Iterator[None]:
        """Turn what the client raises into errors of blobkit; its own texts, which may hold anything, are not shown.

        FileNotFoundError where there is a `place` that is absent.
        """
        self._check()
        try:
            yield
        except FAILURES as error:
            failed = client.os_error(error, place)
            is_absent = isinstance(failed, FileNotFoundError) and client.code_of(error) != "NoSuchBucket"
        else:
            return
        if is_absent and place:
            raise failed from None
        raise self._refusal(failed) from None

    def _refusal(self, failed: OSError) -> Exception:
        """Return the error for a request that failed."""
        said = str(failed.strerror)
        if any(code in said.split() for code in DENIED):
            hint = "check the credentials, and that they may get, put, delete and list objects"
            return CredentialsError(f"{printable(self.address)}: {said}", hint=hint)
        if isinstance(failed, FileNotFoundError):
            return StoreError(f"{printable(self.address)}: there is no such bucket")
        return StoreError(f"{printable(self.address)}: {said}", hint="try again when it can be reached")


def _digest(place: str) -> Digest | None:
    """Return the digest of the blob that a place was made for."""
    parts = place.removeprefix(BLOBS).split("/")
    text = ":".join(parts[:2])
    return Digest(text) if len(parts) == 3 and len(parts[2]) == 32 and is_digest(text) else None  # noqa: PLR2004
