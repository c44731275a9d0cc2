"""Scan the storage directory of a container registry (distribution 2 and 3, filesystem driver), read-only.

Layout: `registry/storage/paths.go` of distribution. All repositories share the blobs; a repository holds manifests by
revision links and names them by tags. Media types are not stored: each manifest contains its own.
"""

from __future__ import annotations

import os
import stat
from dataclasses import replace
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
from blobkit.scanners.registries.linkfiles import LinkFiles
from blobkit.scanners.registries.listing import Listing
from blobkit.scanners.registries.look import Look
from blobkit.scanners.registries.pins import pin_repository
from blobkit.scanners.registries.prefixes import Prefix
from blobkit.scanners.registries.repositories import repositories
from blobkit.scanners.registries.served import record_passed_over, record_unserved
from blobkit.scanners.registries.tree import Tree
from blobkit.scanners.remember import remember

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.scanners.registries.links import Repository
    from blobkit.scanners.registries.tree import Place
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["path_of", "scan", "storage_of"]

BELOW = Path("docker", "registry", "v2")


def storage_of(root: Path) -> Path | None:
    """Return the directory with `repositories` and `blobs`: `docker/registry/v2` below `root`, or `root` itself."""
    for candidate in (root / BELOW, root):
        if (candidate / "repositories").is_dir():
            return candidate
    return None


def path_of(root: Path) -> Callable[[Digest], str]:
    """Return a function from a digest to the path of its content."""
    blobs = os.fspath((storage_of(root) or root) / "blobs")

    def path(digest: Digest) -> str:
        label, hexa = split(digest)
        return f"{blobs}/{label}/{hexa[:2]}/{hexa}/data"

    return path


def scan(  # noqa: PLR0913 (each is an independent choice, keyword-only)
    root: Path,
    *,
    policy: str | None = None,
    progress: bool = True,
    verify: bool = False,
    every_file: bool = True,
    cache: bool | str | os.PathLike[str] = False,
) -> Snapshot:
    """Return the snapshot of the registry storage at `root`; UnreadableStoreError if it is not a registry.

    The scan writes nothing, and follows no symbolic link out of `root`. `verify` hashes every blob. `every_file` counts
    all files, and looks at the links of all layers: more than a half of the files, which no collector reads. `cache`:
    use what an earlier scan found, and keep what this one finds (True, or a directory for it).
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
    facts = Facts(ledger)
    kept = file_for(cache, "registry", root) if cache else None
    look = Look(Tree(os.fspath(root), ledger.listed), facts, os.fspath(storage))
    with paused_collector():
        _scan(look, path_of(root), kept, progress=progress, verify=verify)
    return facts.snapshot("registry", os.fspath(root), policy)


def _scan(look: Look, path: Callable[[Digest], str], kept: Path | None, *, progress: bool, verify: bool) -> None:
    """Record all facts; `kept`: the file with what an earlier scan found, None for no such file."""
    recall = Recall(look.facts, kept, trusted=not verify)
    look = replace(look, links=LinkFiles(look.root, recall.links))
    facts, every_file = look.facts, bool(look.facts.ledger and look.facts.ledger.totals)
    files = RecalledFiles(facts, look.root, path, recall)
    elsewhere = _list_blobs(look, recall, progress=progress, every_file=every_file)
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
        record_unserved(facts, known)
    unread = facts.stored_digests(None if verify else SMALL, facts.checked, recall.unchanged)
    files.verify(iter(watched(unread, "verifying", show=progress)))
    remember(recall, manifests.documents)


def _list_blobs(look: Look, recall: Recall, *, progress: bool, every_file: bool) -> dict[Digest, str]:
    """Record the stored blobs; return those at paths where a registry does not look for them."""
    with Listing(look.facts, recall, every=every_file) as listing:
        blobs = Blobs(look.with_rules("gc", ()), listing.list)
        for one in watched(blobs.places(f"{look.root}/blobs"), "listing", show=progress, unit=" directories"):
            if isinstance(one, Prefix):
                listing.record(one)
            else:
                _store_one(look.facts, *one)
    recall.finish()
    return blobs.elsewhere


def _store_one(facts: Facts, digest: Digest, place: Place) -> None:
    """Record a stored blob."""
    try:
        info = os.stat(place.path)
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
    documents.follow_named(tags, "tag")
    documents.follow_named(revisions, "revision")
    unnamed = facts.stored_digests(None, documents.named)
    documents.parse_unnamed(watched(unnamed, "looking", show=progress), referrers=False)
    documents.finish()
    named = {one: to for repository in known for one, to in repository.stored_as.items() if not facts.is_stored(one)}
    for digest, stored_as in named.items():
        node = facts.virtual_node(digest, -1)
        facts.link(node, facts.describe(stored_as, facts.kind[node], facts.media_type[node]), "stored-as")
    if named:
        facts.notices = [one for one in facts.notices if not (one[0] == "missing" and one[1] in named)]
