"""Weigh what each record stands for, and all other files of a data root, each inode once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.access import reason
from blobkit.render import count
from blobkit.scanners.docker_roots.cache import DATABASES
from blobkit.snapshot.disk import Disk
from blobkit.snapshot.estimates import ESTIMATED
from blobkit.snapshot.notices import leftover, upload
from blobkit.sources.source import Is
from blobkit.sources.trees import Totals, weigh_each

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blobkit.scanners.docker_roots.state import State
    from blobkit.scanners.facts import Facts
    from blobkit.sources.directory import Directory
    from blobkit.sources.trees import Weight

__all__ = ["Scales"]

NAMES = 9
"""Names of metadata files that are recorded."""


@dataclass(frozen=True, slots=True)
class Thing:
    """A node to weigh: its paths, the bytes that its record claims for directories, why these cannot be weighed."""

    key: str
    node: int
    paths: tuple[str, ...]
    claimed: int
    lost: str


class Scales:
    """Takes down what each node of a data root consists of; `close` weighs all files at once, also those of no node."""

    def __init__(self, source: Directory, facts: Facts, state: State) -> None:
        self.source, self.facts, self.state = source, facts, state
        self._things: list[Thing] = []
        self._trees: set[str] = set()

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

        A directory that several records name is part of the first node only.
        `claimed`: the bytes that the record claims for the directories, for an estimate if they cannot be weighed.
        """
        own, lost, trees = list(paths), "", tuple(trees)
        if self.state.trees is None:
            lost = self.state.why_not if trees else ""
        else:
            new = [name for name in trees if name in self.state.trees and name not in self._trees]
            self._trees.update(new)
            own += [f"{self.state.place}/{name}" for name in new]
        node = self.facts.thing(key, kind, 0, 0, modified=self._modified(own), created=created)
        self._things.append(Thing(key, node, tuple(own), claimed, lost))
        return node

    def _modified(self, paths: list[str]) -> int:
        """Return when the last of these was made or changed; files inside have times of their own."""
        times = [-1]
        for path in paths:
            try:
                times.append(self.source.stat(path).modified)
            except OSError:
                continue
        return max(times)

    def close(self, *, progress: bool) -> Disk:
        """Weigh all files, record the sizes of nodes and a notice for each group of other files; return the totals."""
        groups: dict[str, list[str]] = {"": []}
        for path in self._rest():
            groups.setdefault(self._group(path), []).append(path)
        paths: dict[Thing | str, list[str]] = {thing: list(thing.paths) for thing in self._things}
        whole = {key: map(self.source.path, some) for key, some in (paths | groups).items()}
        weights = weigh_each(whole, progress=progress)
        for thing in self._things:
            self._fill(thing, weights[thing])
        described = weights[""]
        for name in sorted(groups.keys() - {""}):
            self._record(name, weights[name])
        totals = Totals()
        for weight in weights.values():
            totals.add(weight)
        return Disk(totals.files, totals.size, described.files, described.size, tuple(groups[""][:NAMES]))

    def _fill(self, thing: Thing, weight: Weight) -> None:
        """Record the size of a node; a notice, if it is an estimate."""
        lost, size = thing.lost, weight.size
        if weight.unread:
            path, error = weight.unread[0]
            lost = lost or f"{count(len(weight.unread), 'directory')} cannot be read ({reason(error, path)})"
        if lost:
            size = size + max(thing.claimed, 0) if self.state.trees is None else max(size, thing.claimed)
        elif weight.outside:
            lost = "files of it have more names elsewhere (hard links)"
        self.facts.size[thing.node], self.facts.disk[thing.node] = size, weight.disk
        if lost:
            place = self.source.path(next(iter(thing.paths), ""))
            self.facts.notice(ESTIMATED, f"the size of {thing.key} is an estimate: {lost}", thing.key, place)

    def _record(self, name: str, found: Weight) -> None:
        """Record a group of files that belong to no node."""
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
        weighed = {path for thing in self._things for path in thing.paths}
        above = {path[:at] for path in (*weighed, *DATABASES) for at, char in enumerate(path) if char == "/"}
        above.update(("image", self.state.database, f"{self.state.database}/layerdb"))
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
                elif path not in weighed:
                    yield path
