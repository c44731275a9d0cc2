"""The seam between the rules of a registry and the place of its storage: what they ask about files.

`registries.directories` answers for a directory, `registries.keys` for a bucket.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from blobkit.scanners.registries.linkfiles import LinkFolder
    from blobkit.scanners.registries.prefixes import Prefix

__all__ = ["AwayError", "Is", "Place", "Tree", "exists"]


class AwayError(Exception):
    """A file lies behind a symbolic link that leaves the store."""


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


class Tree(Protocol):
    """The files of a registry's storage.

    `enters_all`: a directory that can be listed can be entered. `blocks`: a file in the place of a directory is an
    error; where it is not, there is simply no directory.
    """

    enters_all: bool
    blocks: bool

    def real(self, path: str) -> str:
        """Return a path without symbolic links."""
        ...

    def place(self, path: str) -> Place:
        """Return the place at a path, which may be a link itself; OSError if it cannot be read."""
        ...

    def inside(self, directory: Place, name: str) -> Place:
        """Return the place of this name in a directory, without listing it; OSError if it cannot be read."""
        ...

    def entries(self, directory: Place) -> list[Place]:
        """Return the sorted entries of a directory; OSError if it cannot be listed or entered."""
        ...

    def names(self, path: str) -> Sequence[str]:
        """Return the names in a directory; OSError if it cannot be listed."""
        ...

    def stat(self, path: str, *, follow: bool = True) -> os.stat_result:
        """Return the status of what is at a path; OSError if it is absent."""
        ...

    def shows(self, place: Place) -> bool:
        """Return whether this user may list and enter a directory."""
        ...

    def link(self, path: str) -> tuple[str, int]:
        """Return the content and the time of a link file; OSError if it cannot be read, AwayError if it is away."""
        ...

    def prefix(self, directory: Place, label: str, prefix: str) -> tuple[Prefix, list[Place]] | None:
        """Return the blobs in the directory of a prefix, and its other entries; None if no blob is usual."""
        ...

    def revisions(self, directory: Place, label: str) -> LinkFolder | None:
        """Return the revision links of one algorithm; None if there are other things than links with digests."""
        ...

    def layers(self, directory: Place) -> Sequence[str] | None:
        """Return the names of the layer links of one algorithm; None if there are other things than link files."""
        ...

    def tags(self, directory: Place) -> LinkFolder | None:
        """Return the current links of all tags; None if there are other things, or they are read one by one."""
        ...

    def is_sound(self, history: str, labels: Iterable[str]) -> bool:
        """Return whether a look at what is below these algorithms of a tag's history cannot fail."""
        ...


def exists(tree: Tree, path: str, *, follow: bool = True) -> bool:
    """Return whether there is anything at a path."""
    try:
        tree.stat(path, follow=follow)
    except OSError:
        return False
    return True
