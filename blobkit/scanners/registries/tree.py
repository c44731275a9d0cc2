"""List directories of a registry's storage as its collector does: sorted, and through symbolic links.

docker-registry follows every link. This module follows links that stay below the root; it does not read the target of
others, and the caller must record that its content is unknown.
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
"""The most links to directories that are followed: links in linked directories can make an endless number of paths."""


class Is(Enum):
    """The type of a place after following its links; the value is its description in messages."""

    DIRECTORY = "a directory"
    FILE = "a file"
    NOTHING = "a symbolic link that leads nowhere"
    CIRCLE = "a symbolic link to a directory above itself"
    LOOP = "a symbolic link without an end"
    DENIED = "a symbolic link without permission to follow it"
    AWAY = "a symbolic link that is not followed"


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of a directory: its name, its path as the collector forms it, its kind.

    `is_link`: it is a symbolic link itself. `real`: its path without links. The directories on the way here are those
    from `start` down to `real`, and, before the last link, those in `above`.
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
        """Whether it can be listed; a walk below a CIRCLE never ends."""
        return self.kind in (Is.DIRECTORY, Is.CIRCLE)


class Tree:
    """The places below a root; links are followed if they stay there. `listed` is called with each listed directory."""

    def __init__(self, root: str, listed: Callable[[str, list[os.DirEntry[str]]], object] = lambda *_: None) -> None:
        self.root, self.listed = os.path.realpath(root), listed
        self._followed = 0

    def place(self, path: str) -> Place:
        """Return the place at a path, which may be a link itself; OSError if it cannot be read."""
        above = os.path.realpath(os.path.dirname(path))
        return self.inside(Place("", os.path.dirname(path), Is.DIRECTORY, above, above), os.path.basename(path))

    def inside(self, directory: Place, name: str) -> Place:
        """Return the place of this name in a directory, without listing it; OSError if it cannot be read."""
        try:
            mode = os.lstat(f"{directory.path}/{name}").st_mode
        except FileNotFoundError:
            return Place(name, f"{directory.path}/{name}", Is.NOTHING, "", directory.start)
        return self._entry(directory, name, stat.S_ISLNK(mode), stat.S_ISDIR(mode))

    def entries(self, directory: Place) -> list[Place]:
        """Return the sorted entries of a directory; OSError if it cannot be listed or entered."""
        with os.scandir(directory.path) as entries:
            inside = list(entries)
        self.listed(directory.path, inside)
        if inside:
            os.stat(f"{directory.path}/.")
        return self._places(directory, inside)

    def places(self, directory: Place, entries: list[os.DirEntry[str]]) -> list[Place]:
        """Return the sorted places of these entries of a directory, which need a closer look; the others are known."""
        self.listed(directory.path, entries)
        return self._places(directory, entries)

    def _places(self, directory: Place, entries: list[os.DirEntry[str]]) -> list[Place]:
        found = [(entry.name, entry.is_symlink(), entry.is_dir(follow_symlinks=False)) for entry in entries]
        return [self._entry(directory, *one) for one in sorted(found)]

    def holds(self, path: str) -> bool:
        """Return whether a path, with all links resolved, lies below the root."""
        return self._is_inside(os.path.realpath(path))

    def _is_inside(self, real: str) -> bool:
        return PurePath(real).is_relative_to(self.root)

    def _entry(self, above: Place, name: str, is_link: bool, is_directory: bool) -> Place:  # noqa: FBT001 (of an entry)
        if is_link:
            return self._linked(above, name)
        kind = Is.DIRECTORY if is_directory else Is.FILE
        return Place(name, f"{above.path}/{name}", kind, f"{above.real}/{name}", above.start, above.above)

    def _linked(self, above: Place, name: str) -> Place:
        """Return the place that a link leads to; it is a CIRCLE if it leads to a directory on the way here."""
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
