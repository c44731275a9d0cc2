"""Weigh what each record stands for, and all other files of a data root, each inode once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.access import reason
from blobkit.render import count
from blobkit.scanners.docker_roots.cache import DATABASES
from blobkit.snapshot.disk import Disk
from blobkit.snapshot.estimates import ESTIMATED
from blobkit.snapshot.notices import leftover, upload
from blobkit.sources.source import Is
from blobkit.sources.trees import Weight, weigh

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blobkit.scanners.docker_roots.state import State
    from blobkit.scanners.facts import Facts
    from blobkit.sources.directory import Directory

__all__ = ["Scales"]

NAMES = 9
"""Names of metadata files that are recorded."""


class Scales:
    """Weighs the nodes of a data root into `facts`; `close` weighs the rest and returns the totals."""

    def __init__(self, source: Directory, facts: Facts, state: State) -> None:
        self.source, self.facts, self.state = source, facts, state
        self._weighed: set[str] = set()
        self._inodes: set[tuple[int, int]] = set()
        self._files = self._bytes = 0

    def node(  # noqa: PLR0913 (the columns of one row)
        self,
        key: str,
        kind: str,
        paths: Iterable[str],
        trees: Iterable[str] = (),
        *,
        claimed: int = -1,
        created: int = -1,
    ) -> int:
        """Record what is at these paths and in these directories of layers as a node, and return it.

        `claimed`: the bytes that the record claims for the directories, for an estimate if they cannot be weighed.
        """
        own, lost, trees = list(paths), "", tuple(trees)
        if self.state.trees is None:
            lost = self.state.why_not if trees else ""
        else:
            own += [f"{self.state.place}/{name}" for name in trees if name in self.state.trees]
        weight = self._weight(own)
        size, disk = weight.size, weight.disk
        if weight.unread:
            path, error = weight.unread[0]
            lost = lost or f"{count(len(weight.unread), 'directory')} cannot be read ({reason(error, path)})"
        if lost:
            size = size + max(claimed, 0) if self.state.trees is None else max(size, claimed)
        elif weight.outside:
            lost = "files of it have more names elsewhere (hard links)"
        node = self.facts.thing(key, kind, size, disk, modified=self._modified(own), created=created)
        if lost:
            self.facts.notice(
                ESTIMATED, f"the size of {key} is an estimate: {lost}", key, self.source.path(own[0] if own else "")
            )
        return node

    def _weight(self, paths: list[str]) -> Weight:
        """Return the weight of some paths, and add it to the totals."""
        self._weighed.update(paths)
        found = weigh(self.source.path(path) for path in paths)
        again = [inode for inode in found.outside if inode in self._inodes]
        self._inodes.update(found.outside)
        self._files += found.files - len(again)
        self._bytes += found.size - sum(found.outside[inode] for inode in again)
        return found

    def _modified(self, paths: list[str]) -> int:
        """Return when the last of these was made or changed; files inside have times of their own."""
        times = [-1]
        for path in paths:
            try:
                times.append(self.source.stat(path).modified)
            except OSError:
                continue
        return max(times)

    def close(self) -> Disk:
        """Weigh all files that belong to no node, record a notice for each group, and return the totals."""
        groups: dict[str, list[str]] = {}
        for path in self._rest():
            groups.setdefault(self._group(path), []).append(path)
        described = groups.pop("", [])
        for name, paths in sorted(groups.items()):
            self._record(name, paths)
        metadata = self._weight(described)
        names = tuple(described[:NAMES])
        return Disk(self._files, self._bytes, metadata.files, metadata.size, names)

    def _record(self, name: str, paths: list[str]) -> None:
        found = self._weight(paths)
        lost = "".join(f" ({reason(error, path)})" for path, error in found.unread[:1])
        what = f"{name}, {count(found.files, 'file')}{lost},"
        if name == self._pulls and found.files:
            self.facts.notice("upload", upload(what, found.size, found.modified), "", name)
        elif found.files or lost:
            self.facts.notice("other", leftover(what, found.size, found.modified), "", name)

    @property
    def _pulls(self) -> str:
        """The directory of layers that are being written."""
        return f"{self.state.database}/layerdb/tmp"

    def _group(self, path: str) -> str:
        """Return what a path that belongs to no node is part of: "" for metadata."""
        if path in (*DATABASES, f"{self.state.database}/repositories.json", f"{self.state.database}/distribution"):
            return ""
        top, _, rest = path.partition("/")
        if path.startswith(self._pulls):
            return self._pulls
        return f"{top}/{rest.partition('/')[0]}" if top == "image" else top

    def _rest(self) -> Iterator[str]:
        """Yield the paths that belong to no node; a directory is entered only if something in it does."""
        above = {path[:at] for path in (*self._weighed, *DATABASES) for at, char in enumerate(path) if char == "/"}
        above.add(f"{self.state.database}/layerdb")
        above.add(self.state.database)
        todo = [""]
        while todo:
            here = todo.pop()
            try:
                entries = self.source.list(here)
            except OSError as error:
                if not isinstance(error, FileNotFoundError):
                    self.facts.unreadable(f"{here}/ cannot be listed", error, self.source.path(here))
                continue
            for entry in entries:
                path = f"{here}/{entry.name}" if here else entry.name
                if path in above and entry.kind is Is.DIRECTORY:
                    todo.append(path)
                elif path not in self._weighed:
                    yield path
