"""Scan the root directory of containerd 1.x and 2.x, also as docker's image store, read-only.

Its database (bbolt) tells what each namespace has and what holds it; the daemon may be writing. Manifests are read for
what is shown of them only: containerd's collector follows labels, not documents. Cost: one read of the databases, one
directory entry for each blob, one `lstat` for each file of a snapshot; small blobs are always verified.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from blobkit.access import reason
from blobkit.digest import Digest, is_digest
from blobkit.errors import UnreadableStoreError
from blobkit.oci.documents import Reference
from blobkit.progress import watched
from blobkit.render import printable
from blobkit.scanners.bolt import BoltError
from blobkit.scanners.containerds.claims import Claims, snapshot_key
from blobkit.scanners.containerds.content import Blobs, blob_entries, names, record_ingests
from blobkit.scanners.containerds.database import META, State, read_state
from blobkit.scanners.containerds.ledger import TreeLedger
from blobkit.scanners.containerds.places import BLOBS, CONTAINERD
from blobkit.scanners.containerds.snapshots import Place, Snapshotter, record_tree, record_unread, snapshotters
from blobkit.scanners.documents import Documents
from blobkit.scanners.facts import Facts
from blobkit.snapshot.notices import upload
from blobkit.sources.directory import Directory
from blobkit.sources.source import LeavesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["path_of", "scan"]

TRIES = 5
"""Looks at a store from which the daemon removes what the look before saw."""
IN_BODIES = frozenset({"config", "layer", "child", "subject", "referrer"})
"""Links of documents: they count for nothing here, and only stored blobs are shown with them."""
JUST_NOW = 10
"""Seconds before a scan: a file that is newer and unclaimed is about to be claimed."""


def path_of(root: Path) -> Callable[[Digest], str]:
    """Return a function from a digest to the path of its content."""
    blobs = os.fspath(root / BLOBS)
    return lambda digest: f"{blobs}/{digest.replace(':', '/')}"


def scan(root: Path, *, policy: str | None = None, progress: bool = True, verify: bool = False) -> Snapshot:
    """Return the snapshot of containerd's root directory; UnreadableStoreError if its database cannot be read.

    The scan writes nothing, takes no lock, and follows no symbolic link that leaves `root`. `verify` hashes every blob.
    """
    source, started = Directory(root), time.time()
    ledger = TreeLedger(source.address, CONTAINERD)
    facts = Facts(ledger)
    files = Blobs(facts, source.address, path_of(root))
    look = _look(source)
    _record_blobs(facts, files, look, started, progress=progress)
    _record_snapshots(facts, ledger, source, look, progress=progress)
    now = datetime.now(UTC)
    for space in look.state.namespaces:
        Claims(facts, space, look.state.version, now).record()
    record_ingests(source, facts)
    _describe(facts, files, look.state, progress=progress)
    files.verify(iter(watched(list(files.stored() if verify else files.small()), "verifying", show=progress)))
    return facts.snapshot("containerd", source.address, policy)


@dataclass(slots=True)
class _Look:
    """One look at the databases. `listed`: the digests of files that were there before; `absent`: claimed, no file."""

    listed: set[str]
    state: State
    snapshotters: dict[str, Snapshotter]
    absent: set[str]

    @property
    def claimed(self) -> dict[str, int]:
        """The digests that namespaces claim, with the size that the database tells (-1: none)."""
        return {one.digest: one.size for space in self.state.namespaces for one in space.contents}

    def places(self, root: str) -> Iterator[tuple[str, Place]]:
        """Yield the key of each snapshot, and where its files are; those that no namespace has come last."""
        known: dict[str, set[str]] = {name: set() for name in self.snapshotters}
        for space in self.state.namespaces:
            for one in space.snapshots:
                found = self.snapshotters.get(one.snapshotter)
                known.get(one.snapshotter, set()).add(one.name)
                key = snapshot_key(space.name, one.snapshotter, one.key)
                yield key, found.place(one.name, root) if found else Place()
        for name, one_of in self.snapshotters.items():
            for other in sorted(one_of.directories.keys() - known[name]):
                yield snapshot_key("", name, other), one_of.place(other, root)


def _look(source: Directory) -> _Look:
    """Return what the databases say; if a file is absent that they name, look again while they change."""
    for _ in range(TRIES):
        listed, state, found = names(source), _state(source), snapshotters(source)
        look = _Look(listed, state, found, set())
        look.absent = look.claimed.keys() - listed - names(source)
        gone = [key for key, place in look.places(source.address) if place.is_absent]
        if not (look.absent or gone) or _state(source) == state:
            return look
    return look


def _state(source: Directory) -> State:
    """Return what the database says; UnreadableStoreError says why it cannot be read, and what to do."""
    path = f"{source.address}/{META}"
    try:
        return read_state(source)
    except LeavesError:
        why, step = "a symbolic link leads out of the directory", "scan the directory that it leads to"
    except FileNotFoundError:
        why, step = "it does not exist", "give the directory that `containerd config dump` calls root"
    except OSError as error:
        why, step = reason(error, path), "run blobkit as a user who may read it: sudo blobkit ..."
    except BoltError as error:
        why, step = str(error), "scan a copy of the directory, made while containerd does not run"
    msg = f"{printable(path)} cannot be read ({why})"
    raise UnreadableStoreError(msg, hint=step)


def _record_blobs(facts: Facts, files: Blobs, look: _Look, started: float, *, progress: bool) -> None:
    """Record the blob files. One that came while the databases were read is an unfinished write."""
    claimed = look.claimed
    for digest, entry in watched(blob_entries(files.root, facts), "listing", show=progress):
        if digest in claimed or (digest in look.listed and _is_old(entry, started)):
            files.add(digest, entry)
        else:
            _record_new(facts, digest, entry)
    for claim, size in claimed.items():
        node = facts.ids.get(claim)
        if node is not None and size not in (-1, facts.size[node]) and facts.is_stored(claim):
            message = f"{claim} has {facts.size[node]:,} bytes where the database says {size:,}"
            facts.notice("size-mismatch", message, claim)
        if not is_digest(claim):
            facts.notice("odd", f"{printable(claim)} is claimed in the database, and is no digest", "", META)


def _is_old(entry: os.DirEntry[str], started: float) -> bool:
    """Return whether a file was there well before the scan."""
    try:
        return entry.stat(follow_symlinks=False).st_mtime < started - JUST_NOW
    except OSError:
        return False


def _record_new(facts: Facts, digest: Digest, entry: os.DirEntry[str]) -> None:
    """Record a file that no namespace claims yet, if it is still there."""
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError:
        return
    what = f"{digest} came during the scan, and no namespace has it yet: it"
    facts.notice("upload", upload(what, info.st_size, info.st_mtime_ns // 1000), "", entry.path)


def _record_snapshots(facts: Facts, ledger: TreeLedger, source: Directory, look: _Look, *, progress: bool) -> None:
    """Record the snapshots with their bytes, and the links between those that no namespace has."""
    for found in look.snapshotters.values():
        record_unread(facts, source, found)
    for key, place in watched(look.places(source.address), "weighing", show=progress, unit=" snapshots"):
        record_tree(facts, ledger, key, place)
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


def _describe(facts: Facts, files: Blobs, state: State, *, progress: bool) -> None:
    """Read the documents for what is shown of blobs; leave out links to blobs that are not stored."""
    documents = Documents(facts, files)
    images = (image for space in state.namespaces for image in space.images if is_digest(image.digest))
    named = (Reference(Digest(image.digest), "entry", image.media_type) for image in images)
    documents.follow(watched(named, "manifests", show=progress, unit=" images"), quiet=True)
    documents.parse_unnamed(watched(list(files.stored()), "looking", show=progress), referrers=False)
    documents.finish()
    source, target, kind = facts.links
    kept = [
        at
        for at, one in enumerate(kind)
        if one not in IN_BODIES or (facts.stored[source[at]] == facts.stored[target[at]] == "yes")
    ]
    facts.links = ([source[at] for at in kept], [target[at] for at in kept], [kind[at] for at in kept])
