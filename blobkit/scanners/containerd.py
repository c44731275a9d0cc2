"""Scan the root directory of containerd 1.x and 2.x, also as docker's image store, read-only.

Its database (bbolt) tells what each namespace has and what holds it; the daemon may be writing. Manifests are read for
what is shown of them only: containerd's collector follows labels, not documents. Cost: one read of the databases, one
directory entry for each blob, one `lstat` for each file of a snapshot; small blobs are always verified.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import Digest, is_digest
from blobkit.oci.documents import Reference
from blobkit.progress import watched
from blobkit.scanners.columns import view
from blobkit.scanners.containerds.claims import Claims, snapshot_key
from blobkit.scanners.containerds.content import Blobs, record_ingests
from blobkit.scanners.containerds.docker import NAMESPACE, docker_containers
from blobkit.scanners.containerds.ledger import TreeLedger
from blobkit.scanners.containerds.look import Look, look_at, settle, state_of
from blobkit.scanners.containerds.places import BLOBS, CONTAINERD
from blobkit.scanners.containerds.snapshots import record_tree, record_unread
from blobkit.scanners.documents import Documents
from blobkit.scanners.facts import Facts
from blobkit.scanners.scanned import completed
from blobkit.sources.directory import Directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.scanners.containerds.database import State
    from blobkit.scanners.scanned import Scanned

__all__ = ["path_of", "scan"]

TRIES = 10
"""Looks at a store from which the daemon removes what the look before saw."""
IN_BODIES = frozenset({"config", "layer", "child", "subject", "referrer"})
"""Links of documents: they count for nothing here, and only stored blobs are shown with them."""


def path_of(root: Path) -> Callable[[Digest], str]:
    """Return a function from a digest to the path of its content."""
    blobs = os.fspath(root / BLOBS)
    return lambda digest: f"{blobs}/{digest.replace(':', '/')}"


def scan(root: Path, *, policy: str | None = None, progress: bool = True, verify: bool = False) -> Scanned:
    """Return the facts of containerd's root directory; UnreadableStoreError if its database cannot be read.

    The scan writes nothing, takes no lock, and follows no symbolic link that leaves `root`. `verify` hashes every blob.
    """
    source = Directory(root)
    look, facts, files = _whole_look(source, time.time(), progress=progress)
    _record_snapshots(facts, source, look, progress=progress)
    _record_namespaces(facts, look.state, source.address)
    record_ingests(source, facts)
    _describe(facts, files, look.state, progress=progress)
    files.verify(iter(watched(list(files.stored() if verify else files.small()), "verifying", show=progress)))
    settle(facts)
    return completed(facts, "containerd", source.address, policy)


def _whole_look(source: Directory, started: float, *, progress: bool) -> tuple[Look, Facts, Blobs]:
    """Return what the databases say, with the blobs recorded; again while the daemon removes what they name."""
    for _ in range(TRIES):
        look = look_at(source)
        facts = Facts(TreeLedger(source.address, CONTAINERD))
        files = Blobs(facts, source.address, path_of(Path(source.address)))
        look.record_blobs(files, started, progress=progress)
        if look.is_whole(files) or state_of(source) == look.state:
            break
    return look, facts, files


def _record_snapshots(facts: Facts, source: Directory, look: Look, *, progress: bool) -> None:
    """Record the snapshots with their bytes, and the links between those that no namespace has."""
    for found in look.snapshotters.values():
        record_unread(facts, source, found)
    for key, place in watched(look.places(source.address), "weighing", show=progress, unit=" snapshots"):
        record_tree(facts, key, place)
    by_name = {
        (one.snapshotter, one.name): snapshot_key(space.name, one.snapshotter, one.key)
        for space in look.state.namespaces
        for one in space.snapshots
    }
    for name, found in look.snapshotters.items():
        for one, known in found.directories.items():
            ends = (by_name.get((name, key), snapshot_key("", name, key)) for key in (one, known.parent))
            node, parent = (facts.ids.get(key) for key in ends)
            if known.parent and node is not None and parent is not None:
                facts.link(node, parent, "parent-layer")


def _record_namespaces(facts: Facts, state: State, root: str) -> None:
    """Record what each namespace holds, and what docker's containers use."""
    now = datetime.now(UTC)
    for space in state.namespaces:
        claims = Claims(facts, space, state.version, now)
        claims.record()
        if space.name == NAMESPACE:
            for container in docker_containers(root, facts):
                claims.use(*container)


def _describe(facts: Facts, files: Blobs, state: State, *, progress: bool) -> None:
    """Read the documents for what is shown of blobs; leave out links to blobs that are not stored."""
    documents = Documents(facts, files)
    images = (image for space in state.namespaces for image in space.images if is_digest(image.digest))
    named = (Reference(Digest(image.digest), "entry", image.media_type) for image in images)
    documents.follow(watched(named, "manifests", show=progress, unit=" images"), quiet=True)
    documents.parse_unnamed(watched(list(files.stored()), "looking", show=progress), referrers=False)
    documents.finish()
    source, target, kind = (view(column) for column in (*facts.links[:2], facts.links[2].codes))
    is_stored = view(facts.stored.codes) == facts.stored.code("yes")
    in_bodies = np.isin(kind, [facts.links[2].code(one) for one in IN_BODIES])
    facts.keep_links(~in_bodies | (is_stored[source] & is_stored[target]))
