"""Look at the databases of a containerd root while its daemon may be at work.

The order makes one picture of it: files are listed, the databases are read, files are listed again. containerd
writes a file before it claims it, and removes the claim before the file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from blobkit.access import reason
from blobkit.digest import is_digest
from blobkit.errors import UnreadableStoreError
from blobkit.progress import watched
from blobkit.render import printable
from blobkit.scanners.bolt import BoltError
from blobkit.scanners.containerds.claims import snapshot_key
from blobkit.scanners.containerds.content import blob_entries, names
from blobkit.scanners.containerds.database import META, read_state
from blobkit.scanners.containerds.snapshots import Place, snapshotters
from blobkit.snapshot.notices import upload
from blobkit.sources.source import LeavesError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.digest import Digest
    from blobkit.scanners.containerds.content import Blobs
    from blobkit.scanners.containerds.database import State
    from blobkit.scanners.containerds.snapshots import Snapshotter
    from blobkit.scanners.facts import Facts
    from blobkit.sources.directory import Directory

__all__ = ["Look", "look_at", "settle", "state_of"]

JUST_NOW = 10
"""Seconds before a scan: a file that is newer and unclaimed is about to be claimed."""


@dataclass
class Look:
    """One look at the databases. `listed`: the digests of files that were there before."""

    listed: set[str]
    state: State
    snapshotters: dict[str, Snapshotter]

    @cached_property
    def claimed(self) -> dict[str, int]:
        """The digests that namespaces claim, with the size that the database tells (-1: none)."""
        return {one.digest: one.size for space in self.state.namespaces for one in space.contents}

    def record_blobs(self, files: Blobs, started: float, *, progress: bool) -> None:
        """Record the blob files. One that came while the databases were read is an unfinished write."""
        for digest, entry in watched(blob_entries(files.root, files.facts), "listing", show=progress):
            if digest in self.claimed or (digest in self.listed and _is_old(entry, started)):
                files.add(digest, entry)
            else:
                _record_new(files.facts, digest, entry)
        _record_odd(files.facts, self.claimed)

    def is_whole(self, files: Blobs) -> bool:
        """Return whether all is there that the databases name."""
        facts = files.facts
        return all(map(facts.is_stored, self.claimed)) and not any(
            place.is_absent for _, place in self.places(files.root)
        )

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


def look_at(source: Directory) -> Look:
    """Return what the databases say. Errors: as `state_of`."""
    listed = names(source)  # before the databases: what they do not claim was no blob, or is garbage
    return Look(listed, state_of(source), snapshotters(source))


def state_of(source: Directory) -> State:
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


def _record_odd(facts: Facts, claimed: dict[str, int]) -> None:
    """Record sizes that differ from those in the database, and claims of no digest."""
    for claim, size in claimed.items():
        node = facts.ids.get(claim)
        if node is not None and size not in (-1, facts.size[node]) and facts.is_stored(claim):
            message = f"{claim} has {facts.size[node]:,} bytes where the database says {size:,}"
            facts.notice("size-mismatch", message, claim)
        if not is_digest(claim):
            facts.notice("odd", f"{printable(claim)} is claimed in the database, and is no digest", "", META)


def settle(facts: Facts) -> None:
    """Call what is gone by now removed, not unreadable: the daemon may remove what it is done with."""
    for at, (code, key, path, _) in enumerate(facts.notices):
        if code == "unreadable" and key and not os.path.lexists(path):
            facts.notices[at] = ("vanished", key, path, f"{key} was removed while the store was read")
