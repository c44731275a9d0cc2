"""Connect to the bucket of an address: the one place that chooses the client of its service."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from blobkit.buckets.keys import is_odd
from blobkit.buckets.options import check_endpoint
from blobkit.errors import AddressError, MissingExtraError, UnreadableStoreError
from blobkit.errors.remote import REMOTE_EXTRA
from blobkit.render import join_some, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import ObjectStore

    from blobkit.buckets.account import Account
    from blobkit.buckets.objects import Objects
    from blobkit.buckets.options import Options
    from blobkit.remotes import Remote

__all__ = ["account_of", "check_not_empty", "connected", "root_of"]


def root_of(there: Remote) -> str:
    """Return the prefix of all keys of a store: "", or text that ends in `/`; AddressError if it is no folder."""
    prefix = there.prefix.strip("/")
    if prefix and is_odd(prefix):
        msg = f"{printable(there.address)} names a folder with an empty part, `.` or `..`"
        raise AddressError(msg, hint="give the prefix as the keys have it")
    return f"{prefix}/" if prefix else ""


@contextmanager
def connected(there: Remote, options: Options) -> Iterator[tuple[Objects, Account | None]]:
    """Give the objects of a bucket, and for S3 its account, once it has been seen that it can be listed.

    CredentialsError or UnreadableStoreError says why it cannot.
    """
    try:
        from blobkit.buckets.objects import Objects  # noqa: PLC0415 (an extra)
    except ImportError as error:
        msg = f"buckets are read with {error.name or 'obstore'}, which is not installed"
        raise MissingExtraError(msg, hint=REMOTE_EXTRA) from error
    account = account_of(there, options) if there.transport == "s3" else None
    if account:
        account.check(root_of(there))
    with Objects(_store(there, options, account), exact=account, at_once=options.at_once) as objects:
        yield objects, account


def account_of(there: Remote, options: Options) -> Account:
    """Return the account of a bucket of S3; MissingExtraError without boto3."""
    try:
        from blobkit.buckets.account import Account  # noqa: PLC0415 (an extra)
    except ImportError as error:
        msg = f"the credentials of S3 are found with {error.name or 'boto3'}, which is not installed"
        raise MissingExtraError(msg, hint=REMOTE_EXTRA) from error
    return Account(there.place, options)


def _store(there: Remote, options: Options, account: Account | None) -> ObjectStore:
    """Return the client of the service."""
    from blobkit.buckets import client  # noqa: PLC0415 (an extra)

    if account:
        return client.s3(there.place, account.endpoint, account.region, account.credentials())
    if options.endpoint:
        check_endpoint(options, options.endpoint)
    make = client.google if there.transport == "gs" else client.azure
    return make(there.place, options.endpoint, anonymous=options.anonymous)


def check_not_empty(there: Remote, objects: Objects) -> None:
    """Raise UnreadableStoreError if the bucket cannot be listed, or has no key below the prefix."""
    prefix = root_of(there)
    try:
        if objects.first(prefix)[0]:
            return
        folders, _ = objects.folder("")
    except OSError as error:
        msg = f"{printable(there.address)} cannot be listed: {error.strerror}"
        raise UnreadableStoreError(msg) from error
    held = f"the bucket has the folders {join_some([printable(one) for one in sorted(folders)], 8)}" if folders else ""
    msg = f"{printable(there.address)} holds nothing"
    raise UnreadableStoreError(msg, hint=held or "the bucket is empty")
