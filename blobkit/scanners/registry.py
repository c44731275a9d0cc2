"""Scan the storage directory of a container registry (distribution 2 and 3, filesystem driver), read-only.

Layout: `registry/storage/paths.go` of distribution. All repositories share the blobs; a repository holds manifests by
revision links and names them by tags. Media types are not stored: each manifest contains its own.
"""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.digest import Digest, split
from blobkit.errors import UnreadableStoreError
from blobkit.progress import watched
from blobkit.scanners.cachefile import file_for
from blobkit.scanners.facts import Facts, micros, within
from blobkit.scanners.files import SMALL
from blobkit.scanners.leftovers import Ledger
from blobkit.scanners.links import link_out_message
from blobkit.scanners.pausing import paused_collector
from blobkit.scanners.places import registry as registry_place
from blobkit.scanners.recall import Recall, RecalledFiles
from blobkit.scanners.registries.blobs import Blobs
from blobkit.scanners.registries.collector import Collector
from blobkit.scanners.registries.contents import Manifests
from blobkit.scanners.registries.directories import Directories
from blobkit.scanners.registries.listing import Listing
from blobkit.scanners.registries.look import Look
from blobkit.scanners.registries.pins import pin_repository
from blobkit.scanners.registries.prefixes import Prefix
from blobkit.scanners.registries.repositories import repositories
from blobkit.scanners.registries.served import record_passed_over, record_unserved
from blobkit.scanners.remember import remember
from blobkit.scanners.scanned import completed
from blobkit.scanners.spaces.space import MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.scanners.files import Files
    from blobkit.scanners.registries.links import Repository
    from blobkit.scanners.registries.tree import Place
    from blobkit.scanners.scanned import Scanned
    from blobkit.scanners.spaces.space import Space

__all__ = ["path_in", "path_of", "record", "scan", "storage_of"]

BELOW = Path("docker", "registry", "v2")


def storage_of(root: Path) -> Path | None:
    """Return the directory with `repositories` and `blobs`: `docker/registry/v2` below `root`, or `root` itself."""
    for candidate in (root / BELOW, root):
        if (candidate / "repositories").is_dir():
            return candidate
    return None


def path_of(root: Path) -> Callable[[Digest], str]:
    """Return a function from a digest to the path of its content."""
    return partial(path_in, os.fspath((storage_of(root) or root) / "blobs"))


def path_in(blobs: str, digest: Digest) -> str:
    """Return the path of the content of a blob, below the directory `blobs` of the storage."""
    label, hexa = split(digest)
    return f"{blobs}/{label}/{hexa[:2]}/{hexa}/data"


def scan(  # noqa: PLR0913 (each is an independent choice, keyword-only)
    root: Path,
    *,
    policy: str | None = None,
    progress: bool = True,
    verify: bool = False,
    every_file: bool = True,
    cache: bool | str | os.PathLike[str] = False,
    space: Space = MEMORY,
) -> Scanned:
    """Return the facts of the registry storage at `root`; UnreadableStoreError if it is not a registry.

    The scan writes nothing, and follows no symbolic link out of `root`. `verify` hashes every blob. `every_file` counts
    all files, and looks at the links of all layers: more than a half of the files, which no collector reads. `cache`:
    use what an earlier scan found, and keep what this one finds (True, or a directory for it). `space`: where the facts
    are kept.
    """
    storage = storage_of(root)
    if storage is None:
        msg = f"{root} is not a registry: it has no directory {BELOW}/repositories"
        raise UnreadableStoreError(msg)
    for part in (storage / "blobs", storage / "repositories"):
        if not within(os.fspath(part), os.fspath(root)):
            raise UnreadableStoreError(link_out_message(part, root, "registry"))
    ledger = Ledger(os.fspath(root), registry_place("" if storage == root else os.fspath(BELOW)))
    ledger.totals = every_file
    facts = Facts(ledger, space)
    _record_directory(facts, root, storage, cache, progress=progress, verify=verify)
    return completed(facts, "registry", os.fspath(root), policy)


def _record_directory(  # noqa: PLR0913 (the choices of a scan)
    facts: Facts,
    root: Path,
    storage: Path,
    cache: bool | str | os.PathLike[str],  # noqa: FBT001 (or a path)
    *,
    progress: bool,
    verify: bool,
) -> None:
    """Record all facts of the storage in a directory; the memory for all but these is free afterwards."""
    recall = Recall(facts, file_for(cache, "registry", root) if cache else None, trusted=not verify)
    listing = Listing(facts, recall, every=bool(facts.ledger and facts.ledger.totals))
    look = Look(Directories(os.fspath(root), listing, facts.ledger), facts, os.fspath(storage))
    files = RecalledFiles(facts, look.root, path_of(root), recall)
    record(look, files, listing, progress=progress, verify=verify)


def record(look: Look, files: Files, listing: Listing | None = None, *, progress: bool, verify: bool) -> None:
    """Record all facts of the storage that `look` sees, wherever it is; `files` reads its blobs."""
    with paused_collector(), listing or Listing(look.facts, Recall(look.facts, None)) as opened:
        _record(look, files, opened, progress=progress, verify=verify)


def _record(look: Look, files: Files, listing: Listing, *, progress: bool, verify: bool) -> None:
    recall = listing.recall
    facts, every_file = look.facts, bool(look.facts.ledger and look.facts.ledger.totals)
    elsewhere = _list_blobs(look, listing, progress=progress)
    found = repositories(f"{look.root}/repositories", look, layers=every_file)
    known = list(watched(found, "repositories", show=progress, unit=" repositories"))
    manifests = Manifests(facts, files, recall)
    _read_documents(manifests, known, progress=progress)
    collector = Collector(look, manifests)
    collector.run(known, elsewhere)
    record_passed_over(facts, known)
    for repository in known:
        pin_repository(facts, repository, collector.ingested.get(repository.name, {}) if repository.seen else {})
    if every_file:
        record_unserved(facts, known, look.tree)
    unread = facts.stored_digests(None if verify else SMALL, facts.checked, recall.unchanged)
    files.verify(iter(watched(unread, "verifying", show=progress)))
    remember(recall, manifests.documents)


def _list_blobs(look: Look, listing: Listing, *, progress: bool) -> dict[Digest, str]:
    """Record the stored blobs; return those at paths where a registry does not look for them."""
    blobs = Blobs(look.with_rules("gc", ()))
    for one in watched(blobs.places(f"{look.root}/blobs"), "listing", show=progress, unit=" directories"):
        if isinstance(one, Prefix):
            listing.record(one)
        else:
            _store_one(look, *one)
    listing.finish()
    return blobs.elsewhere


def _store_one(look: Look, digest: Digest, place: Place) -> None:
    """Record a stored blob."""
    facts = look.facts
    try:
        info = look.tree.stat(place.path)
    except OSError as error:
        facts.unreadable(f"{digest} cannot be looked at", error, place.path, digest)
        facts.unseen(place.path)
        return
    if not stat.S_ISREG(info.st_mode):
        facts.notice("junk", f"{digest} is not a regular file", digest, place.path)
        return
    if place.is_link:
        facts.notice("symlink", f"{digest} is a symbolic link: removing it frees no content", digest, place.path)
    facts.blob(digest, info.st_size, micros(info))
    if facts.ledger:
        facts.ledger.blob(digest, place.path, info, linked=place.is_link)


def _read_documents(manifests: Manifests, known: list[Repository], *, progress: bool) -> None:
    """Follow the manifests that tags and revisions name. A layer that is stored under another digest is not missing."""
    facts, documents = manifests.facts, manifests.documents
    manifests.wanted = {link.digest for repository in known for link in repository.links}
    tags = [tag.digest for repository in known for _, tag in repository.tags]
    revisions = [link.digest for repository in known for link in repository.links]
    documents.follow_named(tags, "tag", partial(watched, what="tags", show=progress, unit=" tags"))
    documents.follow_named(revisions, "revision", partial(watched, what="manifests", show=progress, unit=" manifests"))
    unnamed = manifests.files.worth_peeking(facts.stored_digests(None, documents.named))
    documents.parse_unnamed(manifests.files.ahead(watched(unnamed, "looking", show=progress)), referrers=False)
    documents.finish()
    named = {one: to for repository in known for one, to in repository.stored_as.items() if not facts.is_stored(one)}
    for digest, stored_as in named.items():
        node = facts.virtual_node(digest, -1)
        facts.link(node, facts.describe(stored_as, facts.kind[node], facts.media_type[node]), "stored-as")
    if named:
        facts.notices = [one for one in facts.notices if not (one[0] == "missing" and one[1] in named)]
