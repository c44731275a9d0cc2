"""The storage of a registry in a bucket, as its collector sees it: names in folders, without links, none empty."""

from __future__ import annotations

import errno
import os
import stat
from operator import attrgetter
from typing import TYPE_CHECKING

from blobkit.buckets.keys import Folder, Key, file_at
from blobkit.digest import Digest, is_digest
from blobkit.scanners.buckets.counting import record_placeholder
from blobkit.scanners.buckets.placeholders import is_placeholder
from blobkit.scanners.registries.linkfiles import LinkFolder
from blobkit.scanners.registries.prefixes import Prefix
from blobkit.scanners.registries.tree import Is, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from blobkit.scanners.facts import Facts
    from blobkit.scanners.registries.stored import Stored

__all__ = ["Keys"]

_DATA = "data"
_NAME = attrgetter("name")


class Keys:
    """The keys of a registry's storage as places; `root` is the path of the storage in messages.

    In a bucket a file is never in the way of a folder: one name may be both, and then both are entries. Blobs that
    `facts` has are not kept here.
    """

    enters_all = True
    blocks = False

    def __init__(self, stored: Stored, root: str, facts: Facts) -> None:
        self.stored, self.root, self.facts = stored, root, facts
        self._has_repositories = False

    def real(self, path: str) -> str:
        """Return the path: there are no symbolic links."""
        return path

    def place(self, path: str) -> Place:
        """Return the place of a directory; a file there is none: the same name may be both."""
        above, _, name = path.rpartition("/")
        found = self._at(path)
        return self._place(above, name, _ABSENT if isinstance(found, Key) else found)

    def inside(self, directory: Place, name: str) -> Place:
        """Return the place of a directory in a directory."""
        return self.place(f"{directory.path}/{name}")

    def entries(self, directory: Place) -> list[Place]:
        """Return the sorted entries of a directory; OSError if it cannot be listed."""
        found = sorted(self._folder(directory.path).items())
        both = [(name, one[""]) for name, one in found if isinstance(one, dict) and "" in one]
        places = ((name, one) for name, one in (*found, *both) if name and not self._is_elsewhere(directory, name, one))
        return sorted((self._place(directory.path, name, one) for name, one in places), key=_NAME)

    def names(self, path: str) -> list[str]:
        """Return the names in a directory; OSError if it cannot be listed."""
        return [name for name in self._folder(path) if name]

    def stat(self, path: str, *, follow: bool = True) -> os.stat_result:
        """Return the status of what is at a path; OSError if it is absent, or the place of a blob that is elsewhere."""
        del follow
        found = self._at(path)
        if found is _ABSENT:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        found = file_at(found)
        if found is None:
            return _status(stat.S_IFDIR, 0, 0)
        if self._digest_of_placeholder(path, found):
            raise OSError(errno.ENODATA, "it is empty", path)
        return _status(stat.S_IFREG, found.size, found.modified)

    def shows(self, place: Place) -> bool:
        """Return whether a directory can be listed."""
        return place.is_directory and self._relative(place.path) not in self.stored.errors

    def link(self, path: str) -> tuple[str, int]:
        """Return the content and the time of a link file; OSError if it cannot be read."""
        found = file_at(self._at(path))
        if found is None or found is _ABSENT:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        text = self.stored.text(self._relative(path), found)
        return text.decode("utf-8", "replace"), found.modified

    def prefix(self, directory: Place, label: str, prefix: str) -> tuple[Prefix, list[Place]] | None:
        """Return the blobs in the directory of a prefix, and its other entries; None if no blob is usual."""
        if directory.kind is not Is.DIRECTORY:
            return None
        try:
            keys = self.stored.take(
                self._relative(directory.path), lambda name, key: _is_usual(name, key, label, prefix)
            )
        except OSError:
            return None
        if not keys:
            return None
        found = Prefix(directory.path, label, list(keys))
        found.sizes.extend([key.size for key in keys.values()])
        found.modified.extend([key.modified * 1000 for key in keys.values()])
        return found, self.entries(directory)

    def revisions(self, directory: Place, label: str) -> LinkFolder | None:
        """Return the revision links of one algorithm; None if there are other things than links with digests."""
        try:
            found = sorted(self._folder(directory.path).items())
            links = [self._revision(f"{directory.path}/{name}/link", f"{label}:{name}", one) for name, one in found]
        except OSError:
            return None
        names, whole = [name for name, _ in found], [one for one in links if one]
        if len(whole) < len(names):
            return None
        return LinkFolder(names, *(list(column) for column in zip(*whole, strict=True))) if names else LinkFolder()

    def layers(self, directory: Place) -> Sequence[str] | None:
        """Return None: they are looked at one by one."""

    def tags(self, directory: Place) -> LinkFolder | None:
        """Return None: they are read one by one."""

    def is_sound(self, history: str, labels: Iterable[str]) -> bool:
        """Return False: nothing is known about a history before it is listed."""
        del history, labels
        return False

    def _revision(self, path: str, named: str, folder: Folder | Key | None) -> tuple[Digest, int, int] | None:
        """Return the digest in a revision link, its time and size; None if anything else is there."""
        key = folder.get("link") if isinstance(folder, dict) and len(folder) == 1 else None
        if not isinstance(key, Key) or not is_digest(named):
            return None
        text, modified = self.link(path)
        return (Digest(text), modified, key.size) if is_digest(text) else None

    def _relative(self, path: str) -> str:
        return path[len(self.root) + 1 :]

    def _folder(self, path: str) -> Folder:
        """Return what is in a directory; list it if nothing did yet. OSError if it cannot be listed."""
        relative = self._relative(path)
        if relative in self.stored.errors:
            raise self.stored.errors[relative]
        found = self._at(path)
        if found is None:
            self.stored.list_here(relative)
            found = self._at(path)
        if isinstance(found, dict):
            return found
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)

    def _at(self, path: str) -> Folder | Key | None:
        """Return what is at a path, `_ABSENT` if there is nothing."""
        relative = self._relative(path)
        if relative == "repositories" and not self._has_repositories:
            self._has_repositories = True
            self.stored.list_repositories()
        try:
            return self.stored.folders.at(relative)
        except KeyError:
            return Folder() if self._is_directory_of_blob(relative) else _ABSENT

    def _is_directory_of_blob(self, relative: str) -> bool:
        parts = relative.split("/")
        return len(parts) == 4 and parts[0] == "blobs" and self.facts.is_stored(f"{parts[1]}:{parts[3]}")  # noqa: PLR2004

    def _digest_of_placeholder(self, path: str, key: Key) -> str:
        """Return the digest of the blob that an empty object is in the place of; "" for any other object."""
        parts = self._relative(path).split("/") if not key.size else []
        if len(parts) != 5 or parts[0] != "blobs" or parts[4] != _DATA:  # noqa: PLR2004 (of a blob's path)
            return ""
        digest = f"{parts[1]}:{parts[3]}"
        return digest if is_digest(digest) and is_placeholder(digest, key.size) else ""

    def _is_elsewhere(self, directory: Place, name: str, found: Folder | Key | None) -> bool:
        """Return whether an empty object is in the place of a blob, and record that."""
        path = f"{directory.path}/{name}"
        digest = self._digest_of_placeholder(path, found) if isinstance(found, Key) else ""
        if digest:
            record_placeholder(self.facts, digest, path)
        return bool(digest)

    def _place(self, above: str, name: str, found: Folder | Key | None) -> Place:
        path = f"{above}/{name}"
        kind = Is.NOTHING if found is _ABSENT else Is.FILE if isinstance(found, Key) else Is.DIRECTORY
        return Place(name, path, kind, path, self.root)


_ABSENT = Key(-1, -1)
"""Stands for nothing at a path."""


def _is_usual(name: str, key: Key, label: str, prefix: str) -> bool:
    digest = f"{label}:{name}"
    return name.startswith(prefix) and is_digest(digest) and not is_placeholder(digest, key.size)


def _status(kind: int, size: int, modified: int) -> os.stat_result:
    """Return a status as of the system; `modified` in microseconds since 1970."""
    seconds = modified // 1_000_000
    return os.stat_result(
        (kind | 0o444, 0, 0, 1, 0, 0, size, seconds, seconds, seconds), {"st_mtime_ns": modified * 1000}
    )
