"""Find the inventory that stands for the listing of a bucket."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from blobkit.buckets.connecting import connected, root_of
from blobkit.errors import AddressError
from blobkit.render import printable

if TYPE_CHECKING:
    from blobkit.buckets.options import Options
    from blobkit.remotes import Remote
    from blobkit.sources.buckets.inventory import Inventory

__all__ = ["inventory_of"]


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
