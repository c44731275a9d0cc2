"""Scan an OCI image layout in a bucket: S3, Google Cloud Storage or Azure.

All keys below the prefix are listed at once, documents are fetched in bulk. The answers about `umoci gc` are those for
a copy of the layout in a directory: umoci does not read buckets.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from blobkit.buckets.connecting import root_of
from blobkit.buckets.keys import files_below
from blobkit.digest import blob_path
from blobkit.errors import UnreadableStoreError
from blobkit.progress import watched
from blobkit.render import printable
from blobkit.scanners.buckets.counting import record_odd, record_placeholder, record_unverified
from blobkit.scanners.buckets.files import ObjectFiles
from blobkit.scanners.buckets.placeholders import is_placeholder
from blobkit.scanners.buckets.scanning import scanned
from blobkit.scanners.facts import Facts
from blobkit.scanners.layouts.entries import record, record_marks
from blobkit.scanners.layouts.sourced import blobs_in, junk_in, read_top
from blobkit.scanners.layouts.sweep import LAYOUT_LIMIT, record_layout, record_sweep_stop, record_unswept
from blobkit.scanners.leftovers import Ledger
from blobkit.scanners.places import LAYOUT
from blobkit.scanners.spaces.space import MEMORY
from blobkit.sources.buckets.bucket import Bucket
from blobkit.sources.source import Is

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from blobkit.buckets.objects import Objects
    from blobkit.digest import Digest
    from blobkit.remotes import Remote
    from blobkit.scanners.layouts.entries import Top
    from blobkit.scanners.scanned import Scanned
    from blobkit.scanners.spaces.space import Space
    from blobkit.sources.kept import Kept

__all__ = ["scan"]


def scan(  # noqa: PLR0913 (each is an independent choice, keyword-only)
    there: Remote,
    *,
    policy: str | None = None,
    progress: bool = True,
    verify: bool = False,
    every_file: bool = True,
    cache: bool | str | os.PathLike[str] | None = None,
    options: Mapping[str, object] | None = None,
    space: Space = MEMORY,
) -> Scanned:
    """Return the snapshot of the layout at this bucket and prefix.

    `verify` reads and hashes every blob; otherwise only documents are. `options`: see
    `blobkit.buckets.options.Options`. AddressError for options that are not known, CredentialsError or
    UnreadableStoreError if the bucket cannot be listed or holds no layout. `cache`: where documents are kept for the
    next scan; False for nowhere. Cost: a request for each thousand keys, one
    for each document, and one for each blob below 4 MiB that nothing names.
    """
    find = partial(facts_of, there, progress=progress, every_file=every_file, space=space)
    return scanned(find, there, policy=policy, verify=verify, cache=cache, options=options)


def facts_of(  # noqa: PLR0913 (the choices of a scan)
    there: Remote, objects: Objects, kept: Kept | None, *, progress: bool, every_file: bool, space: Space = MEMORY
) -> Facts:
    """Return the facts of the layout in these objects. Without `kept`, all blobs are read and hashed."""
    verify = kept is None
    bucket = Bucket(objects, root_of(there), there.address)
    top = _top(bucket)
    for folder in [""] if every_file else _labels(bucket):
        bucket.load(folder)
    facts = _facts(bucket, every_file=every_file, space=space)
    files = ObjectFiles(facts, there.address, objects, lambda one: f"{bucket.prefix}{blob_path(one)}", kept)
    for digest, path in watched(list(blobs_in(bucket, facts, str)), "listing", show=progress):
        _add(bucket, facts, digest, path)
    record(top, facts, files, progress=progress, verify=verify)
    _record_collector(bucket, facts)
    record_marks(top, facts, files, is_swept=_is_swept(bucket))
    record_unswept(facts, is_listed=_is_swept(bucket))
    record_odd(facts, there.address, bucket.folders.odd)
    if not verify:
        record_unverified(facts)
    return facts


def _top(bucket: Bucket) -> Top:
    """Return the entries of index.json; UnreadableStoreError if there is none."""
    try:
        return read_top(bucket)
    except FileNotFoundError:
        msg = f"{printable(bucket.address)} is not an OCI image layout: it has no index.json"
        raise UnreadableStoreError(msg, hint="give the folder of one layout as the prefix") from None


def _labels(bucket: Bucket) -> list[str]:
    """Return the folders of blobs."""
    try:
        return [f"blobs/{entry.name}" for entry in bucket.list("blobs") if entry.kind is Is.DIRECTORY]
    except OSError:
        return []


def _facts(bucket: Bucket, *, every_file: bool, space: Space) -> Facts:
    """Return empty facts; at the end each key that is no blob is counted as metadata or a leftover."""

    def members() -> Iterator[tuple[str, str, int, int]]:
        inside = files_below(bucket.folders.top, "")
        odd = ((key[len(bucket.prefix) :], info) for key, info in bucket.folders.odd)
        for path, key in chain(inside, odd):
            is_blob = LAYOUT.role(path) == "blob"
            yield "blob" if is_blob else "", path, key.size, key.modified

    ledger = Ledger(bucket.address, LAYOUT, members=members)
    ledger.totals = every_file
    return Facts(ledger, space)


def _add(bucket: Bucket, facts: Facts, digest: Digest, path: str) -> None:
    """Record the stored blob at a key, or a notice why it is none."""
    info, where = bucket.stat(path), f"{bucket.address}/{path}"
    if info.kind is not Is.FILE:
        junk_in(bucket, facts, f"{digest} is not a regular file", path, digest)
    elif is_placeholder(digest, info.size):
        record_placeholder(facts, digest, where)
    else:
        facts.blob(digest, info.size, info.modified)


def _is_swept(bucket: Bucket) -> bool:
    """Return whether umoci would list blobs/sha256."""
    try:
        return bucket.stat("blobs/sha256").kind is Is.DIRECTORY
    except OSError:
        return False


def _record_collector(bucket: Bucket, facts: Facts) -> None:
    """Record why umoci would refuse a copy of this layout, and where its sweep would stop."""
    try:
        has_blobs = bucket.stat("blobs").kind is Is.DIRECTORY
    except OSError:
        has_blobs = False
    record_layout(lambda: bucket.read("oci-layout", LAYOUT_LIMIT), bucket.address, facts, has_blobs)
    if _is_swept(bucket):
        names = [(one.name, one.kind is Is.DIRECTORY) for one in bucket.list("blobs/sha256")]
        record_sweep_stop(names, f"{bucket.address}/blobs/sha256", facts)
