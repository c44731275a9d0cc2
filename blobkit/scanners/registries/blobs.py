"""List the files below blobs/ of a registry's storage: blobs, files that its collector mistakes for blobs, and others.

docker-registry 2.8.2 reads every file named `data`, at any depth, and makes a digest from its path
(`registry/storage/blobstore.go`, `digestFromPath` in `paths.go`); it stops if the result is not a digest.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.digest import ALGORITHMS, Digest, is_digest
from blobkit.scanners.registries.look import NEVER
from blobkit.scanners.registries.tree import Is, exists

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.scanners.registries.look import Look
    from blobkit.scanners.registries.prefixes import Prefix
    from blobkit.scanners.registries.tree import Place

__all__ = ["Blobs"]

ABOVE = ("docker", "registry", "v2", "blobs")
DEEP = 3
"""The number of directories above the data of a blob: algorithm, prefix, digest."""


@dataclass
class Blobs:
    """Lists the files below blobs/; `elsewhere` maps digests to data at a wrong path, as the collector reads paths."""

    look: Look
    elsewhere: dict[Digest, str] = field(default_factory=dict)

    def places(self, top: str) -> Iterator[Prefix | tuple[Digest, Place]]:
        """Yield the data files of blobs, many at once if they are of the usual form, and record all other files."""
        look, place = self.look, self.look.tree.place(top)
        if place.kind is Is.NOTHING:
            look.stop("no-blobs", f"the directory {look.relative(top)} is absent")
        todo: list[tuple[Place, tuple[str, ...], bool]] = [(place, (), True)]
        while todo:
            directory, names, is_regular = todo.pop()
            prefix = self._prefix(directory, names) if is_regular and len(names) == DEEP - 1 else None
            yield from [prefix[0]] if prefix else ()
            for entry in prefix[1] if prefix else look.entries(directory):
                fits = is_regular and _fits((*names, entry.name))
                if entry.kind is Is.DIRECTORY:
                    todo.append((entry, (*names, entry.name), fits))
                    if not fits and len(names) == DEEP - 1:
                        self._junk(entry, names)
                elif entry.kind is Is.AWAY and not (exists(look.tree, f"{entry.path}/.") and entry.name != "data"):
                    look.with_rules(NEVER, ()).blocked(entry)
                elif entry.kind is not Is.FILE:
                    look.blocked(entry)
                elif entry.name == "data":
                    yield from self._data(entry, names, is_blob=fits)
            if is_regular and len(names) == DEEP:
                self._has_data(directory, names)

    def _prefix(self, directory: Place, names: tuple[str, ...]) -> tuple[Prefix, list[Place]] | None:
        """Return the blobs in the directory of a prefix, and its other entries; None if no blob is usual."""
        label, prefix = names
        found = self.look.tree.prefix(directory, label, prefix)
        return found and (found[0], [one for one in found[1] if one.kind is not Is.NOTHING])

    def _data(self, entry: Place, names: tuple[str, ...], *, is_blob: bool) -> Iterator[tuple[Digest, Place]]:
        """Yield a blob; for any other data, record the digest that its path implies, or that it implies none."""
        if is_blob:
            yield Digest(f"{names[0]}:{names[2]}"), entry
        else:
            self._elsewhere(entry, [*ABOVE, *names])

    def _elsewhere(self, entry: Place, names: list[str]) -> None:
        prefixed, name = names[-2], names[-1]
        if len(os.fsencode(name)) < 2:  # noqa: PLR2004 (it takes two bytes of the name)
            self.look.stop("data-crash", f"{self.look.relative(entry.path)} is below a name of one character")
            return
        label = names[-3] if os.fsencode(name)[:2] == os.fsencode(prefixed) else prefixed
        digest = f"{label}:{name}"
        if is_digest(digest):
            self.elsewhere.setdefault(Digest(digest), entry.path)
        else:
            self.look.stop("data", f"{self.look.relative(entry.path)} is named like a blob, and is not one")

    def _junk(self, entry: Place, names: tuple[str, ...]) -> None:
        digest = f"{names[0]}:{entry.name}"
        self.look.facts.notice("junk", f"{digest} below blobs/ is not named like a blob", digest, entry.path)

    def _has_data(self, directory: Place, names: tuple[str, ...]) -> None:
        digest = f"{names[0]}:{names[2]}"
        try:
            is_file = not stat.S_ISDIR(self.look.tree.stat(f"{directory.path}/data", follow=False).st_mode)
        except FileNotFoundError:
            is_file = False
        except OSError:
            return
        if not is_file:
            self.look.facts.notice("junk", f"{digest} has a directory and no data", digest, directory.path)


def _fits(names: tuple[str, ...]) -> bool:
    """Return whether a path with these names, from blobs/ down, is a blob's data or a directory above it."""
    if len(names) == 1:
        return names[0] in ALGORITHMS
    if len(names) == 2:  # noqa: PLR2004 (the prefix)
        return len(names[1]) == 2 and all(one in "0123456789abcdef" for one in names[1])  # noqa: PLR2004 (its length)
    if len(names) == DEEP:
        return names[2].startswith(names[1]) and is_digest(f"{names[0]}:{names[2]}")
    return names[DEEP:] == ("data",)
