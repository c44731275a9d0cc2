"""Scan the storage of a container registry (distribution 2 and 3) in a bucket: S3, Google Cloud Storage or Azure.

The rules are those of `blobkit.scanners.registry`; only the files are asked of the bucket. Blobs are listed by the
first two digits of their digests, all at once; repositories folder by folder. Small files are fetched in bulk: link
files whose ETag does not tell the content, manifests and configs, and the beginnings of blobs that nothing names.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from blobkit.buckets.connecting import root_of
from blobkit.errors import UnreadableStoreError
from blobkit.render import printable, to_utf8
from blobkit.scanners.buckets.counting import beside, record_odd, record_unverified
from blobkit.scanners.buckets.files import ObjectFiles
from blobkit.scanners.buckets.scanning import scanned
from blobkit.scanners.facts import Facts
from blobkit.scanners.leftovers import Ledger
from blobkit.scanners.places import registry as registry_place
from blobkit.scanners.registries.keys import Keys
from blobkit.scanners.registries.look import Look
from blobkit.scanners.registries.stored import Stored
from blobkit.scanners.registry import path_in, record
from blobkit.scanners.spaces.space import MEMORY

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from blobkit.buckets.objects import Objects
    from blobkit.remotes import Remote
    from blobkit.scanners.scanned import Scanned
    from blobkit.scanners.spaces.space import Space
    from blobkit.sources.kept import Kept

__all__ = ["scan"]

BELOW = "docker/registry/v2"
_OWN = frozenset({"blobs", "repositories"})


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
    """Return the snapshot of the registry whose storage has this bucket and prefix (its `rootdirectory`).

    `verify` reads and hashes every blob; otherwise only manifests and configs are. `every_file` lists all keys below
    the prefix, the links of all layers too. `options`: `endpoint`, `region`, `profile`, `anonymous`, `at_once`,
    `inventory`, `uploads`, `versions`, `allow_http` (see `blobkit.buckets.options.Options`). AddressError for
    options that are not known, CredentialsError or UnreadableStoreError if the bucket cannot be listed or holds no
    registry. `cache`: where documents are kept for the next scan; False for nowhere. Cost: a request for each thousand
    keys, and one for each small file.
    """
    find = partial(facts_of, there, progress=progress, every_file=every_file, space=space)
    return scanned(find, there, policy=policy, verify=verify, cache=cache, options=options)


def facts_of(  # noqa: PLR0913 (the choices of a scan)
    there: Remote, objects: Objects, kept: Kept | None, *, progress: bool, every_file: bool, space: Space = MEMORY
) -> Facts:
    """Return the facts of the registry in these objects. Without `kept`, all blobs are read and hashed."""
    verify = kept is None
    below = _storage_of(there, objects)
    stored = Stored(objects, f"{root_of(there)}{below and f'{below}/'}", layers=every_file, show=progress)
    facts = _facts(there, stored, below, every_file=every_file, space=space)
    root = f"{there.address}/{below}".rstrip("/")
    stored.list_blobs()
    files = ObjectFiles(facts, there.address, objects, partial(path_in, f"{stored.base}blobs"), kept)
    record(Look(Keys(stored, root, facts), facts, root), files, progress=progress, verify=verify)
    record_odd(facts, there.address, stored.folders.odd)
    if not verify:
        record_unverified(facts)
    return facts


def _facts(there: Remote, stored: Stored, below: str, *, every_file: bool, space: Space) -> Facts:
    """Return empty facts; at the end each key that is no blob is counted as metadata, an upload or a leftover."""
    place, prefix = registry_place(below), root_of(there)

    def members() -> Iterator[tuple[str, str, int, int]]:
        uploads = {path for code, _, path, _ in facts.notices if code == "upload"}
        inside = ((f"{stored.base}{path}", key) for path, key in stored.files())
        for name, key in chain(inside, stored.folders.odd, beside(stored.objects, prefix, below, _OWN)):
            path = name[len(prefix) :]
            role = place.role(path)
            digest = place.behind(path) or ""
            if role == "upload":
                yield "upload" if to_utf8(f"{there.address}/{path}") in uploads else "", path, key.size, key.modified
            elif not (role == "blob" and facts.is_stored(digest)):
                yield "blob" if role == "blob" else "", path, key.size, key.modified

    ledger = Ledger(there.address, place, members=members)
    ledger.totals = every_file
    facts = Facts(ledger, space)
    return facts


def _storage_of(there: Remote, objects: Objects) -> str:
    """Return the folder with `repositories` and `blobs`, relative to the prefix: `docker/registry/v2` or ""."""
    prefix = root_of(there)
    try:
        if {"repositories", "blobs"} & set(objects.folder(f"{prefix}{BELOW}/")[0]):
            return BELOW
        own = set(objects.folder(prefix)[0])
    except OSError as error:
        msg = f"{printable(there.address)} cannot be listed: {error.strerror}"
        raise UnreadableStoreError(msg) from error
    if "repositories" in own or ("blobs" in own and there.prefix.endswith(BELOW)):
        return ""
    msg = f"{printable(there.address)} is not a registry: it has no folder {BELOW}/repositories"
    raise UnreadableStoreError(msg, hint="give the rootdirectory of the registry's S3 storage as the prefix")
