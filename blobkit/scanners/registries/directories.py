"""The storage of a registry in a directory, as its collector sees it: sorted, and through symbolic links.

docker-registry follows every link. Here links that stay below the root are followed; the target of others is not read,
and the caller must record that its content is unknown.
"""

from __future__ import annotations

import errno
import os
import stat
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING

from blobkit.scanners.facts import micros
from blobkit.scanners.files import read
from blobkit.scanners.registries.histories import have_only_directories
from blobkit.scanners.registries.linkfiles import LINK_BYTES
from blobkit.scanners.registries.tree import AwayError, Is, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from blobkit.scanners.leftovers import Ledger
    from blobkit.scanners.registries.linkfiles import LinkFolder
    from blobkit.scanners.registries.listing import Listing
    from blobkit.scanners.registries.prefixes import Prefix

__all__ = ["Directories"]

FOLLOWED = 10_000
"""The most links to directories that are followed: links in linked directories can make an endless number of paths."""


class Directories:
    """The places below a root; links are followed if they stay there.

    `listing` reads what is of the usual form, many files at once. `ledger` counts what is in each directory.
    """

    blocks = True

    def __init__(self, root: str, listing: Listing, ledger: Ledger | None = None) -> None:
        self.root, self.listing, self.ledger = os.path.realpath(root), listing, ledger
        self.enters_all = os.geteuid() == 0
        self._real: Callable[[str], str] = cache(os.path.realpath)
        self._followed = 0

    def real(self, path: str) -> str:
        """Return a path without symbolic links."""
        return self._real(path)

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
        self._listed(directory.path, inside)
        if inside:
            os.stat(f"{directory.path}/.")
        return self._places(directory, inside)

    def names(self, path: str) -> list[str]:
        """Return the names in a directory; OSError if it cannot be listed."""
        return os.listdir(path)

    def stat(self, path: str, *, follow: bool = True) -> os.stat_result:
        """Return the status of what is at a path; OSError if it is absent."""
        return os.stat(path, follow_symlinks=follow)

    def shows(self, place: Place) -> bool:
        """Return whether this user may list and enter a directory."""
        return place.is_directory and os.access(place.path, os.R_OK | os.X_OK)

    def link(self, path: str) -> tuple[str, int]:
        """Return the content and the time of a link file; OSError from the system, AwayError if it leaves the store."""
        info = os.lstat(path)
        if stat.S_ISLNK(info.st_mode) or os.path.islink(os.path.dirname(path)):
            info = os.stat(path)
            if not self.holds(path):
                raise AwayError
        if not stat.S_ISREG(info.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        return read(path, LINK_BYTES).decode("utf-8", "replace"), micros(info)

    def prefix(self, directory: Place, label: str, prefix: str) -> tuple[Prefix, list[Place]] | None:
        """Return the blobs in the directory of a prefix, and its other entries; None if no blob is usual."""
        if directory.kind is not Is.DIRECTORY or directory.is_link:
            return None
        try:
            found = self.listing.list(directory.path, label, prefix)
            others = found.others()
        except OSError:
            return None
        if not found.names:
            return None
        self._listed(directory.path, others)
        return found, self._places(directory, others)

    def revisions(self, directory: Place, label: str) -> LinkFolder | None:
        """Return the revision links of one algorithm; None if there are other things than links with digests."""
        if directory.kind is not Is.DIRECTORY or directory.is_link:
            return None
        found = self.listing.links.revisions(directory.path, label)
        if found and found.names:
            self._listed(directory.path, [])
            if self.ledger:
                self.ledger.links(f"{directory.path}/{found.names[0]}/link", found.sizes)
        return found

    def layers(self, directory: Place) -> Sequence[str] | None:
        """Return the names of the layer links of sha256; None if there are other things than link files."""
        if directory.kind is not Is.DIRECTORY or directory.is_link:
            return None
        found = self.listing.links.layers(directory.path)
        if found and found.names:
            self._listed(directory.path, [])
            if self.ledger:
                self.ledger.links(f"{directory.path}/{found.names[0]}/link", found.sizes)
        return found.names if found else None

    def tags(self, directory: Place) -> LinkFolder | None:
        """Return the current links of all tags; None if there are other things."""
        if directory.kind is not Is.DIRECTORY or directory.is_link:
            return None
        found = self.listing.links.tags(directory.path)
        if found and self.ledger and self.ledger.totals:
            self.entries(directory)  # the ledger counts the files
        return found

    def is_sound(self, history: str, labels: Iterable[str]) -> bool:
        """Return whether a look at what is below these algorithms of a tag's history cannot fail."""
        return self.enters_all and have_only_directories(history, labels, self.listing.recall.directories)

    def _listed(self, path: str, entries: list[os.DirEntry[str]]) -> None:
        if self.ledger:
            self.ledger.listed(path, entries)

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
