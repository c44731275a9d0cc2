"""Weigh the things in a containers-storage root, and the files beside them: each regular file counts once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.access import reason
from blobkit.render import human_bytes, to_utf8
from blobkit.snapshot.disk import NAMES, Disk
from blobkit.snapshot.estimates import ESTIMATED
from blobkit.snapshot.notices import leftover, upload
from blobkit.sources.trees import Totals, Weight, weigh

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blobkit.scanners.facts import Facts
    from blobkit.sources.directory import Directory

__all__ = ["Scales"]

_UNFINISHED = re.compile(r".*/(?:staging|tempdirs)/[^/]+|.*/\.tmp-[^/]+")
"""What podman writes before it becomes a part of the store, and what it has not removed yet."""
_DESCRIBES = re.compile(
    r"[a-z]+-(?:layers|images|containers)/[^/]+\.(?:json|lock)|overlay/(?:l|compat[^/]*|\.has-mount-program)"
    r"|(?:overlay|btrfs|zfs|vfs)(?:-[a-z]+)?"
    r"|libpod|mounts|networks|secrets|cache|artifacts|tmp|[a-z]+\.lock|defaultNetworkBackend|db\.sql[^/]*"
)
"""What describes the store, or belongs to its tool beside images and containers."""


@dataclass(slots=True)
class Scales:
    """Weighs the trees of things in one root, and adds up what was weighed."""

    source: Directory
    facts: Facts
    totals: Totals = field(default_factory=Totals)
    taken: set[str] = field(default_factory=set)

    def weigh(self, paths: Iterable[str]) -> Weight:
        """Return the weight of the trees at these relative paths."""
        every = list(paths)
        found = weigh(map(self.source.path, every))
        self.taken.update(every)
        self.totals.add(found)
        return found

    def thing(self, key: str, kind: str, paths: Iterable[str], *, least: int = -1, created: int = -1) -> int:
        """Record a node that is the trees at these relative paths, and return it.

        The first path tells when it was modified. `least`: the length of its tar (-1: unknown), which is its size where
        its files cannot be looked at.
        """
        every = list(paths)
        found = self.weigh(every)
        size, disk = found.size, found.disk
        if found.unread:
            path, error = found.unread[0]
            size, disk = max(size, least), max(disk, least)
            what = "the length of its tar" if least > found.size else "all that can be looked at"
            self.estimate(key, f"{human_bytes(size)} is {what} ({reason(error, path)})")
        elif found.outside:
            inside = human_bytes(sum(found.outside.values()))
            self.estimate(key, f"{inside} of it are files with other names elsewhere (hard links)")
        return self.facts.thing(key, kind, size, disk, modified=self.changed(every[0]), created=created)

    def estimate(self, key: str, why: str) -> None:
        """Record that the size of a node is an estimate."""
        self.facts.notice(ESTIMATED, f"the size of {key} is an estimate: {why}", key)

    def changed(self, path: str) -> int:
        """Return the time when a file or directory changed, in microseconds since 1970; -1 if that is unknown."""
        try:
            return self.source.stat(path).modified
        except OSError:
            return -1

    def rest(self, parts: Iterable[str]) -> Disk:
        """Record what is in no tree of a thing, and return the totals of all files; `parts`: directories of the store.

        What does not describe the store is a leftover.
        """
        described, names = Weight(), []
        inside = set(parts)
        for path in self._beside(inside):
            found = self.weigh([path])
            if _DESCRIBES.fullmatch(path):
                described.files, described.size = described.files + found.files, described.size + found.size
                names += [to_utf8(path)] * (found.files > 0)
            elif found.files or found.unread:
                self._tell(path, found)
        return Disk(self.totals.files, self.totals.size, described.files, described.size, tuple(names[:NAMES]))

    def _beside(self, parts: set[str]) -> Iterator[str]:
        """Yield the highest paths that are not weighed yet."""
        for part in sorted(parts):
            try:
                entries = self.source.list(part)
            except OSError:
                continue
            for entry in entries:
                path = f"{part}/{entry.name}".lstrip("/")
                if path not in self.taken and path not in parts:
                    yield path

    def _tell(self, path: str, found: Weight) -> None:
        """Record something that is not a part of the store."""
        code, say = ("upload", upload) if _UNFINISHED.fullmatch(path) else ("leftover", leftover)
        what = f"{path}{f' ({reason(found.unread[0][1], found.unread[0][0])})' if found.unread else ''}"
        self.facts.notice(code, say(what, found.size, max(found.modified, self.changed(path))), "", path)
