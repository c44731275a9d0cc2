"""Scan a store in a bucket: what the scanners of all kinds do before and after their own part."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from blobkit.buckets.connecting import check_not_empty, connected
from blobkit.buckets.options import read_options
from blobkit.scanners.buckets.counting import record_uncounted
from blobkit.scanners.scanned import completed
from blobkit.sources.buckets.listing import inventory_of
from blobkit.sources.kept import kept_in

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from blobkit.buckets.objects import Objects
    from blobkit.remotes import Remote
    from blobkit.scanners.facts import Facts
    from blobkit.scanners.scanned import Scanned
    from blobkit.sources.kept import Kept

__all__ = ["scanned"]


def scanned(  # noqa: PLR0913 (the choices of a scan)
    facts_of: Callable[[Objects, Kept | None], Facts],
    there: Remote,
    *,
    policy: str | None,
    verify: bool,
    cache: bool | str | os.PathLike[str] | None,
    options: Mapping[str, object] | None,
) -> Scanned:
    """Return the facts of the facts that `facts_of` finds in the objects of this bucket and prefix.

    With `verify` it gets no documents of earlier scans. AddressError for options that are not known, CredentialsError
    or UnreadableStoreError if the bucket cannot be listed or holds nothing.
    """
    chosen = read_options(options or {}, dict(there.asked))
    inventory = inventory_of(there, chosen)
    with connected(there, chosen) as (objects, account), closing(kept_in(cache)) as kept:
        objects.listed = inventory
        check_not_empty(there, objects)
        facts = facts_of(objects, None if verify else kept)
        record_uncounted(facts, there, account, chosen, inventory)
        return completed(facts, there.kind, there.address, policy, time=inventory.time if inventory else None)
