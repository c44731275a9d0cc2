"""Directories of a registry's storage as its collector lists them: sorted, and through symbolic links.

docker-registry follows every link. Here those are followed that stay below the root; what lies behind one that leaves
it is not looked at, and whoever lists it has to say that it is unknown.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Is", "Place", "Tree"]

FOLLOWED = 10_000
"""Links to directories that are followed at most: links to links can make more paths than anybody has time for."""


class Is(Enum):
    """The thing at a place, once its links are followed."""

    DIRECTORY = "a directory"
    FILE = "a file"
    NOTHING = "a symbolic link that leads nowhere"
    CIRCLE = "a symbolic link to a directory above itself"
    LOOP = "a symbolic link that leads to no end"
    DENIED = "a symbolic link that nobody may follow"
    AWAY = "a symbolic link that is not followed"


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of a directory: its name, its path as the collector forms it, what it is.

    `is_link`: it is a symbolic link itself. `real`: its path without links. `start` and `above` tell which directories
    the way here led through: all from `start` down to `real`, and `above` from before the last link.
    """

    name: str
    path: str
    kind: Is
    real: str
    start: str
    above: frozenset[str] = frozenset()
    is_link: bool = False

    @property
    def is_directory(self) -> bool:
        """Whether it can be listed; whoever goes through all below a CIRCLE comes to no end."""
        return self.kind in (Is.DIRECTORY, Is.CIRCLE)


class Tree:
    """The places below a root; links are followed as long as they stay there. `listed` is told of each directory."""

    def __init__(self, root: str, listed: Callable[[str, list[os.DirEntry[str]]], object] = lambda *_: None) -> None:
        self.root, self.listed = os.path.realpath(root), listed
        self._followed = 0

    def place(self, path: str) -> Place:
        """Return the place at a path, which may be a link itself; OSError where it cannot be looked at."""
        above = os.path.realpath(os.path.dirname(path))
        return self.inside(Place("", os.path.dirname(path), Is.DIRECTORY, above, above), os.path.basename(path))

    def inside(self, directory: Place, name: str) -> Place:
        """Return the place of this name in a directory, without listing it; OSError where it cannot be looked at."""
        try:
            mode = os.lstat(f"{directory.path}/{name}").st_mode
        except FileNotFoundError:
            return Place(name, f"{directory.path}/{name}", Is.NOTHING, "", directory.start)
        return self._entry(directory, name, stat.S_ISLNK(mode), stat.S_ISDIR(mode))

    def entries(self, directory: Place) -> list[Place]:
        """Return what is in a directory, sorted; OSError where it cannot be listed, or nothing in it looked at."""
        with os.scandir(directory.path) as entries:
            inside = list(entries)
        self.listed(directory.path, inside)
        found = [(entry.name, entry.is_symlink(), entry.is_dir(follow_symlinks=False)) for entry in inside]
        if found:
            os.stat(f"{directory.path}/.")
        return [self._entry(directory, *one) for one in sorted(found)]

    def holds(self, path: str) -> bool:
        """Return whether a path, all links resolved, lies below the root."""
        return self._is_inside(os.path.realpath(path))

    def _is_inside(self, real: str) -> bool:
        return PurePath(real).is_relative_to(self.root)

    def _entry(self, above: Place, name: str, is_link: bool, is_directory: bool) -> Place:  # noqa: FBT001 (of an entry)
        if is_link:
            return self._linked(above, name)
        kind = Is.DIRECTORY if is_directory else Is.FILE
        return Place(name, f"{above.path}/{name}", kind, f"{above.real}/{name}", above.start, above.above)

    def _linked(self, above: Place, name: str) -> Place:
        """Return the place that a link leads to; a directory that the way here led through is a circle."""
        path = f"{above.path}/{name}"
        real = os.path.realpath(path)
        kind = self._kind(path, real)
        if kind is not Is.DIRECTORY:
            return Place(name, path, kind, real, above.start, above.above, is_link=True)
        through = above.above | _between(above.start, above.real)
        self._followed += 1
        if real in through:
            kind = Is.CIRCLE
        elif self._followed > FOLLOWED:
            kind = Is.AWAY
        return Place(name, path, kind, real, real, through, is_link=True)

    def _kind(self, path: str, real: str) -> Is:
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:
            return Is.NOTHING
        except PermissionError:
            return Is.DENIED
        except OSError:
            return Is.LOOP
        if not self._is_inside(real):
            return Is.AWAY
        return Is.DIRECTORY if stat.S_ISDIR(mode) else Is.FILE


def _between(start: str, real: str) -> frozenset[str]:
    """Return the directories from `start` down to `real`, both included."""
    found = {real}
    while real != start and len(real) > len(start):
        real = os.path.dirname(real)
        found.add(real)
    return frozenset(found)
