"""The client of buckets of every service: obstore; no other file imports it.

Its synchronous verbs are called in threads: its asynchronous ones have ended processes at their exit. What it raises is
one of FAILURES, and its text may hold anything: `os_error` keeps a status and a code of it.
"""

from __future__ import annotations

import errno
import io
import re
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from blobkit.buckets.keys import PAGE, Key
from blobkit.errors import CredentialsError
from blobkit.render import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from obstore.store import ObjectStore

    from blobkit.buckets.keys import Row

__all__ = [
    "FAILURES",
    "BaseError",
    "Stream",
    "azure",
    "code_of",
    "copy",
    "create",
    "delete",
    "folder",
    "google",
    "head",
    "is_path_error",
    "listed",
    "os_error",
    "piece",
    "put",
    "s3",
]

FAILURES = (BaseError, FileNotFoundError, ValueError)
"""The errors of the client."""
RETRIES: Any = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
}
"""How often a request is sent again; without a bound of our own, errors would show after minutes."""
CONNECT, WHOLE = timedelta(seconds=10), timedelta(seconds=120)
FAILED = errno.EREMOTEIO
PART, MOST_PARTS = 8 << 20, 9_000
"""Bytes of a part of a large object, and how many parts it has at most (S3 allows 10,000)."""
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9._-]{1,80})</Code>")


def s3(bucket: str, endpoint: str, region: str, credentials: Callable[[], Any] | None) -> ObjectStore:
    """Return the client of a bucket of S3; without `credentials`, requests are not signed."""
    return S3Store(
        bucket,
        endpoint=endpoint,
        region=region,
        virtual_hosted_style_request=False,
        skip_signature=credentials is None,
        client_options=_client(endpoint),
        retry_config=RETRIES,
        credential_provider=credentials,
    )


def google(bucket: str, endpoint: str, *, anonymous: bool) -> ObjectStore:
    """Return the client of a bucket of Google Cloud Storage; credentials are those of the environment."""
    more: dict[str, Any] = {"base_url": endpoint} if endpoint else {}
    more |= {"skip_signature": True} if anonymous else {}
    return GCSStore(bucket, client_options=_client(endpoint), retry_config=RETRIES, **more)


def azure(container: str, endpoint: str, *, anonymous: bool) -> ObjectStore:
    """Return the client of a container of Azure; account and credentials are those of the environment."""
    more: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
    more |= {"skip_signature": True} if anonymous else {}
    try:
        return AzureStore(container, client_options=_client(endpoint), retry_config=RETRIES, **more)
    except BaseError:
        msg = f"the storage account of the container {printable(container)} is not known"
    raise CredentialsError(msg, hint="set AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or another login")


def _client(endpoint: str) -> Any:  # noqa: ANN401 (a typed dictionary of obstore)
    return {"allow_http": endpoint.startswith("http://"), "connect_timeout": CONNECT, "timeout": WHOLE}


def listed(store: ObjectStore, prefix: str, after: str = "") -> Iterator[list[Row]]:
    """Yield the keys below a prefix, sorted, behind `after`, page by page."""
    for page in obstore.list(store, prefix or None, chunk_size=PAGE, offset=after or None):
        yield list(map(_row, page))


def folder(store: ObjectStore, prefix: str) -> tuple[list[str], list[Row]]:
    """Return the prefixes and the keys in a folder."""
    found = obstore.list_with_delimiter(store, prefix or None)
    return list(found["common_prefixes"]), list(map(_row, found["objects"]))


def head(store: ObjectStore, key: str) -> Key:
    """Return the status of an object; FileNotFoundError."""
    return _row(obstore.head(store, key))[1]


def piece(store: ObjectStore, key: str, start: int, end: int) -> bytes:
    """Return the bytes from `start` up to `end` of an object that has some there; FileNotFoundError."""
    return bytes(obstore.get_range(store, key, start=start, end=end))


def put(store: ObjectStore, key: str, data: bytes | Path, size: int) -> None:
    """Write an object, a large one in parts; it is seen whole or not at all, and is durable on return."""
    obstore.put(store, key, data, chunk_size=max(PART, size // MOST_PARTS), use_multipart=size > PART)


def create(store: ObjectStore, key: str, data: bytes) -> None:
    """Write a small object, unless there is one."""
    with suppress(AlreadyExistsError):
        obstore.put(store, key, data, mode="create")


def delete(store: ObjectStore, keys: Collection[str]) -> None:
    """Delete objects, 1,000 with a request; those that are absent are no error."""
    if keys:
        obstore.delete(store, list(keys))


def copy(store: ObjectStore, source: str, target: str) -> None:
    """Copy an object within the service; FileNotFoundError."""
    obstore.copy(store, source, target)


class Stream(io.RawIOBase):
    """The pieces of an object as a file."""

    def __init__(self, store: ObjectStore, key: str) -> None:
        self._pieces, self._key, self._left = iter(obstore.get(store, key).stream()), key, memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read the next bytes; OSError."""
        try:
            while not self._left:
                piece = next(self._pieces, None)
                if piece is None:
                    return 0
                self._left = memoryview(bytes(piece))
        except BaseError as error:
            raise os_error(error, self._key) from error
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def _row(meta: Any) -> Row:  # noqa: ANN401 (a typed dictionary of obstore)
    modified = round(meta["last_modified"].timestamp() * 1_000_000)
    return meta["path"], Key(meta["size"], modified, (meta["e_tag"] or "").strip('"'))


def is_path_error(error: Exception) -> bool:
    """Return whether obstore cannot express a key."""
    return type(error).__name__ == "InvalidPathError" or isinstance(error, ValueError)


def code_of(error: Exception) -> str:
    """Return the code that a service gave for an error, "" if none."""
    found = _CODE.search(str(error))
    return found[1] if found else ""


def os_error(error: Exception, key: str) -> OSError:
    """Return the error of the system for one of obstore; of its text only a status and a code are kept."""
    status, code = _STATUS.search(str(error)), code_of(error)
    if code == "InvalidObjectState":
        return OSError(FAILED, "its storage class is an archive: it must be restored before it can be read", key)
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "there is no such object", key)
    if is_path_error(error):
        return OSError(FAILED, "the client cannot express this key", key)
    if status:
        return OSError(FAILED, f"the service answers {' '.join(filter(None, (status[1], code)))}", key)
    return OSError(FAILED, "the service cannot be reached, or does not answer as it should", key)
