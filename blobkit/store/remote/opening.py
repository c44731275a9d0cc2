"""Open the two parts of a remote store, and see that they belong together.

An object at the top of the prefix, `blobkit-store.json`, names the store that owns it. Without it, two stores could
share a prefix, and each would take the content of the other for nobody's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.buckets.connecting import account_of, root_of
from blobkit.buckets.options import read_options
from blobkit.errors import AddressError, MissingExtraError, NotAStoreError, StoreTooNewError
from blobkit.errors.remote import REMOTE_EXTRA
from blobkit.remotes import Remote, read_remote
from blobkit.render import printable
from blobkit.sources.private import cache_directory

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from blobkit.content.s3 import S3Content
    from blobkit.transactions import Index

__all__ = ["DATABASES", "check_owner", "database_of", "open_content", "open_index", "place_of"]

FORMAT = 1
OWN = "blobkit"
SPOOL = "blobkit-spool"
"""A directory of our own: whatever is in it, and is not locked, is a dead process's."""
DATABASES = ("postgresql://", "postgres://")
"""The schemes of addresses of databases."""


def database_of(address: str) -> str:
    """Return the address of a database without what may be a secret; AddressError where it is none."""
    if not isinstance(address, str) or not address.startswith(DATABASES):
        shown = printable(address.partition("://")[0]) if isinstance(address, str) else type(address).__name__
        shown = shown if isinstance(address, str) and "://" in address else "what was given"
        msg = f"the rows of a remote store are in a PostgreSQL database, not at {shown}"
        raise AddressError(msg, hint="give postgresql://HOST/DATABASE")
    scheme, _, rest = address.partition("://")
    return printable(f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}")


def open_index(address: str, *, schema: str, timeout: float, create: bool) -> Index:
    """Return the index in a schema of a database; StoreError, CredentialsError, MissingExtraError."""
    try:
        from blobkit.index.postgres.index import PostgresIndex  # noqa: PLC0415 (an extra)
    except ImportError as error:
        msg = f"databases are asked with {error.name or 'psycopg'}, which is not installed"
        raise MissingExtraError(msg, hint=REMOTE_EXTRA) from error
    return PostgresIndex(address, schema=schema, timeout=timeout, create=create, notes_names=False)


def place_of(address: str) -> Remote:
    """Return the bucket and prefix that an address names; AddressError."""
    if not isinstance(address, str) or not address.startswith("s3://"):
        shown = printable(address.partition("://")[0]) if isinstance(address, str) else type(address).__name__
        msg = f"the content of a remote store is in a bucket of S3, not at {shown}"
        raise AddressError(msg, hint="give s3://BUCKET/PREFIX")
    there = read_remote(f"{OWN}+{address}", {OWN: ("s3",)})
    if there.asked:
        msg = f"{printable(address.partition('?')[0])} is followed by ?..., which means nothing here"
        raise AddressError(msg, hint="leave that out")
    root_of(there)
    return there


def open_content(
    there: Remote, storage_options: Mapping[str, object] | None, spool: str | os.PathLike[str] | None
) -> S3Content:
    """Return the content below a prefix, once it has been seen that it can be listed; errors as `scan` of a bucket.

    `spool` is the directory in which one of ours has what is on its way there; what dead processes left in that one is
    removed.
    """
    options = read_options(storage_options or {}, {})
    account = account_of(there, options)
    root = root_of(there)
    account.check(root)
    try:
        from blobkit.buckets import client  # noqa: PLC0415 (an extra)
        from blobkit.content.s3 import S3Content  # noqa: PLC0415 (the same)
    except ImportError as error:
        msg = f"content in buckets is written with {error.name or 'obstore'}, which is not installed"
        raise MissingExtraError(msg, hint=REMOTE_EXTRA) from error
    store = client.s3(there.place, account.endpoint, account.region, account.credentials())
    directory = (cache_directory(None) if spool is None else Path(spool).absolute()) / SPOOL
    content = S3Content(store, root, directory, address=f"s3://{there.place}/{root}".rstrip("/"), account=account)
    content.reclaim()
    return content


def check_owner(content: S3Content, index: Index, *, create: bool) -> None:
    """Check that the bucket belongs to the store of this index; an empty prefix comes to do so, with `create`.

    NotAStoreError, StoreTooNewError.
    """
    uuid, has_blobs = index.read(lambda tx: (tx.meta("uuid"), bool(tx.digests(None, 1))))
    mark = content.mark()
    if mark is None:
        _check_new(content, has_blobs=has_blobs, create=create)
        mark = content.set_mark(json.dumps({"format": FORMAT, "store": uuid}).encode())
    owner = _owner(mark, content.address)
    if owner != uuid:
        msg = f"{printable(content.address)} belongs to another store than this database"
        raise NotAStoreError(msg, hint="give the bucket and prefix of this store, or an empty prefix for a new one")


def _check_new(content: S3Content, *, has_blobs: bool, create: bool) -> None:
    shown = printable(content.address)
    if has_blobs:
        msg = f"{shown} holds no store, but the database has blobs of one"
        raise NotAStoreError(msg, hint="give the bucket and prefix that it was made with")
    if not create:
        msg = f"{shown} holds no store"
        raise NotAStoreError(msg, hint="give the bucket and prefix of one (create=False makes none)")
    if not content.is_empty():
        msg = f"{shown} is no store and not empty"
        raise NotAStoreError(msg, hint="give another prefix")


def _owner(mark: bytes, address: str) -> object:
    """Return the store that a mark names; it comes from a foreign place."""
    try:
        found = json.loads(mark)
        form, owner = found["format"], found["store"]
    except (ValueError, KeyError, TypeError, RecursionError):
        msg = f"{printable(address)} has a blobkit-store.json that names no store"
        raise NotAStoreError(msg, hint="give the bucket and prefix of a store") from None
    if form != FORMAT:
        msg = f"{printable(address)} is a store of format {printable(str(form))[:20]}, made by a newer blobkit"
        raise StoreTooNewError(msg, hint="install a newer blobkit")
    return owner
