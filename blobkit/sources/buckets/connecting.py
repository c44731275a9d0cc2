"""Connect to the bucket of an address: the one place that chooses the client of its service."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from blobkit.errors import AddressError, MissingExtraError, UnreadableStoreError
from blobkit.errors.remote import REMOTE_EXTRA
from blobkit.render import join_some, printable
from blobkit.sources.buckets.keys import is_odd
from blobkit.sources.buckets.options import check_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import ObjectStore

    from blobkit.remotes import Remote
    from blobkit.sources.buckets.account import Account
    from blobkit.sources.buckets.inventory import Inventory
    from blobkit.sources.buckets.objects import Objects
    from blobkit.sources.buckets.options import Options

__all__ = ["check_not_empty", "connected", "inventory_of", "root_of"]


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
        from blobkit.sources.buckets.objects import Objects  # noqa: PLC0415 (an extra)
    except ImportError as error:
        msg = f"buckets are read with {error.name or 'obstore'}, which is not installed"
        raise MissingExtraError(msg, hint=REMOTE_EXTRA) from error
    account = _account(there, options) if there.transport == "s3" else None
    if account:
        account.check(root_of(there))
    with Objects(_store(there, options, account), exact=account, at_once=options.at_once) as objects:
        yield objects, account


def _account(there: Remote, options: Options) -> Account:
    try:
        from blobkit.sources.buckets.account import Account  # noqa: PLC0415 (an extra)
    except ImportError as error:
        msg = f"the credentials of S3 are found with {error.name or 'boto3'}, which is not installed"
        raise MissingExtraError(msg, hint=REMOTE_EXTRA) from error
    return Account(there.place, options)


def _store(there: Remote, options: Options, account: Account | None) -> ObjectStore:
    """Return the client of the service."""
    from blobkit.sources.buckets import objects  # noqa: PLC0415 (an extra)

    if account:
        return objects.s3(there.place, account.endpoint, account.region, account.credentials())
    if options.endpoint:
        check_endpoint(options, options.endpoint)
    make = objects.google if there.transport == "gs" else objects.azure
    return make(there.place, options.endpoint, anonymous=options.anonymous)


def inventory_of(there: Remote, options: Options) -> Inventory | None:
    """Return the inventory that an address or the options name; None if there is none.

    AddressError if it is no address of one, UnreadableStoreError if it cannot be read.
    """
    if not options.inventory:
        return None
    parts = urlsplit(options.inventory)
    if parts.scheme != "s3" or not parts.netloc or not parts.path.endswith(".json"):
        msg = f"the inventory {printable(options.inventory)} is not the address of a manifest.json"
        raise AddressError(msg, hint="give s3://BUCKET/KEY/manifest.json")
    if there.transport != "s3":
        msg = f"{printable(there.address)} is not in S3: there are no inventories of it"
        raise AddressError(msg, hint="leave that out")
    from blobkit.sources.buckets.inventory import read_inventory  # noqa: PLC0415 (pyarrow takes time to load)

    place = replace(there, place=parts.netloc, prefix="")
    with connected(place, options) as (objects, _):
        key = parts.path.lstrip("/")
        return read_inventory(options.inventory, key, there.place, root_of(there), objects.open)


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
