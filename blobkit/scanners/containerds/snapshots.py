"""Find the directories of snapshots, and weigh them.

A snapshotter keeps snapshot number 7 below `snapshots/7` (overlayfs, native, erofs, blockfile). Only numbers from its
database become paths. Where there is no such directory, or this user may not look at it, the size is what the
snapshotter recorded, an estimate.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.access import reason
from blobkit.render import human_bytes
from blobkit.scanners.bolt import BoltError
from blobkit.scanners.containerds.database import read_directories
from blobkit.scanners.containerds.ledger import TreeLedger
from blobkit.scanners.containerds.places import SNAPSHOTTER
from blobkit.snapshot.estimates import ESTIMATED
from blobkit.sources.source import Is, LeavesError
from blobkit.sources.trees import Weight, weigh

if TYPE_CHECKING:
    from blobkit.scanners.containerds.database import Directory
    from blobkit.scanners.facts import Facts
    from blobkit.sources import directory

__all__ = ["Place", "Snapshotter", "record_tree", "record_unread", "snapshotters"]

DATABASE, TREES = "metadata.db", "snapshots"


@dataclass(frozen=True, slots=True)
class Place:
    """The place of the files of a snapshot: an absolute path, "" if unknown; `known`: as its snapshotter tells it.

    `is_absent`: it is certain that there are none.
    """

    path: str = ""
    known: Directory | None = None
    is_absent: bool = False


@dataclass(slots=True)
class Snapshotter:
    """A snapshotter: the path of its directory, and by name where it keeps each snapshot.

    `entries`: what is in its directory `snapshots`. `why`: the errors that say why these are not known.
    """

    path: str
    directories: dict[str, Directory] = field(default_factory=dict)
    entries: dict[str, Is] = field(default_factory=dict)
    why: dict[str, Exception] = field(default_factory=dict)

    def place(self, name: str, root: str) -> Place:
        """Return where the files of a snapshot are."""
        known = self.directories.get(name)
        kind = self.entries.get(str(known.number)) if known else None
        if known is None or kind not in (Is.DIRECTORY, Is.FILE):
            is_absent = kind is None and bool(self.entries) and DATABASE not in self.why
            return Place("", known, is_absent=is_absent)
        return Place(f"{root}/{self.path}/{TREES}/{known.number}", known)


def snapshotters(source: directory.Directory) -> dict[str, Snapshotter]:
    """Return the snapshotters that have a directory of their own in a root, by name. OSError if it cannot be listed."""
    paths = [entry.name for entry in source.list("") if entry.name.startswith(SNAPSHOTTER)]
    return {path.removeprefix(SNAPSHOTTER): _snapshotter(source, path) for path in paths}


def _snapshotter(source: directory.Directory, path: str) -> Snapshotter:
    found = Snapshotter(path)
    try:
        found.directories = read_directories(source, f"{path}/{DATABASE}")
    except (OSError, BoltError) as error:
        if not isinstance(error, FileNotFoundError):
            found.why[DATABASE] = error
    try:
        found.entries = {entry.name: entry.kind for entry in source.list(f"{path}/{TREES}")}
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            found.why[TREES] = error
    return found


def record_tree(facts: Facts, key: str, place: Place) -> int:
    """Record the node of a snapshot, and return it. Cost: one `lstat` for each file below its path."""
    found = weigh([place.path]) if place.path else Weight()
    size, disk, recorded = found.size, found.disk, max(place.known.size, 0) if place.known else 0
    is_there = not place.path or os.path.lexists(place.path)
    if place.path and isinstance(facts.ledger, TreeLedger):
        facts.ledger.tree(place.path, found)
    if found.unread:
        at, error = found.unread[0]
        size, disk = max(size, recorded), max(disk, recorded)
        _estimate(facts, key, f"{human_bytes(size)} is all that is known ({reason(error, at)})")
    elif found.outside:
        inside = human_bytes(sum(found.outside.values()))
        _estimate(facts, key, f"{inside} of it are files with other names elsewhere (hard links)")
    elif not place.path and not place.is_absent:
        size = disk = recorded
        _estimate(facts, key, f"{human_bytes(size)} is what its snapshotter recorded; its files are not seen here")
    stored = "yes" if is_there and not place.is_absent else "missing"
    if stored == "missing":
        size = disk = 0
        facts.notice("vanished", f"{key} has no files: it was removed, perhaps while it was looked at", key)
    created = place.known.created if place.known else -1
    return facts.thing(key, "snapshot", size, disk, modified=created, stored=stored)


def _estimate(facts: Facts, key: str, why: str) -> None:
    facts.notice(ESTIMATED, f"the size of {key} is an estimate: {why}", key)


def record_unread(facts: Facts, source: directory.Directory, found: Snapshotter) -> None:
    """Record why a snapshotter's database or directory could not be read."""
    for part, error in found.why.items():
        path = source.path(f"{found.path}/{part}")
        if isinstance(error, LeavesError):
            facts.not_followed(f"{found.path}/{part}", path)
        elif isinstance(error, OSError):
            facts.unreadable(f"{found.path}/{part} cannot be read", error, path)
        else:
            facts.notice("unreadable", f"{found.path}/{part} cannot be read: {error}", "", path)
