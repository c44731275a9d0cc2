"""The keys of a bucket: one record for each, the seam to a service, and the folders that `/` makes of keys.

A key names a file. A key that ends in `/` is the marker of a folder that a console made, and counts as an empty folder.
A key with an empty part, `.` or `..` is in no folder (`Folders.odd`). One name may be both a file and a folder: then
the file is in the folder, with the name "".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Folder", "Folders", "Key", "Lister", "Row", "file_at", "files_below", "is_odd"]

PAGE = 1000
"""Keys in one answer of a service."""
FILES = frozenset({"data", "link"})
"""Names that no folder has."""


class Key(NamedTuple):
    """Status of a key: bytes, time of last change (microseconds since 1970), ETag without quotes, storage class."""

    size: int
    modified: int
    etag: str = ""
    storage: str = ""


Row = tuple[str, Key]
"""A key, whole, and its status."""
Folder = dict[str, "Folder | Key | None"]
"""What is in a folder, by name: files, folders, and folders that are not listed (None)."""


class Lister(Protocol):
    """A bucket that is listed. Prefixes are "" or end in `/`. OSError if it cannot be listed."""

    def first(self, prefix: str) -> tuple[list[Row], bool]:
        """Return the first keys below a prefix, sorted, at any depth, and whether these are all."""
        ...

    def all(self, prefix: str, *, after: str = "") -> Iterator[list[Row]]:
        """Yield all keys below a prefix (after a key), sorted, at any depth, page by page."""
        ...

    def folder(self, prefix: str) -> tuple[list[str], list[Row]]:
        """Return the names of the folders in a folder, and the keys in it."""
        ...


def is_odd(path: str) -> bool:
    """Return whether a key, relative to its root, has a part that is no name."""
    return not {"", ".", ".."}.isdisjoint(path.split("/"))


class Folders:
    """Keys below a prefix in folders; `odd`: keys that are in none."""

    def __init__(self, prefix: str) -> None:
        self.prefix, self.top = prefix, Folder()
        self.odd: list[Row] = []
        self._last = "", self.top

    def add(self, rows: Iterable[Row]) -> None:
        """Put keys into their folders."""
        cut = len(self.prefix)
        for key, info in rows:
            path = key[cut:]
            folder, _, name = path.rpartition("/")
            if is_odd(path if name else folder):
                if path:
                    self.odd.append((key, info))
                continue
            inside = self.folder(folder) if folder else self.top
            if name:
                _put(inside, name, info)

    def folder(self, path: str) -> Folder:
        """Return the folder at a path; make it, and those above it, if there is none."""
        if path == self._last[0]:
            return self._last[1]
        inside = self.top
        for name in path.split("/") if path else ():
            below = inside.get(name)
            if not isinstance(below, dict):
                made = Folder()
                if below is not None:
                    _put(made, "", below, name)
                below = inside[name] = made
            inside = below
        self._last = path, inside  # keys come sorted
        return inside

    def at(self, path: str) -> Folder | Key | None:
        """Return what is at a path; None for a folder that is not listed. KeyError if there is nothing."""
        inside: Folder | Key | None = self.top
        for name in path.split("/") if path else ():
            if not isinstance(inside, dict) or not name:
                raise KeyError(path)
            inside = inside[name]
        return inside


def _put(folder: Folder, name: str, info: Key, called: str = "") -> None:
    """Put a file into a folder; an empty one that is a folder too is a marker, of which a client dropped the slash."""
    there = folder.get(name)
    if isinstance(there, dict):
        folder, name, called = there, "", name
    if name or info.size or called in FILES:
        folder[name] = info


def file_at(found: Folder | Key | None) -> Key | None:
    """Return the file at a place, which may be a folder, too."""
    if isinstance(found, dict):
        found = found.get("")
    return found if isinstance(found, Key) else None


def files_below(folder: Folder, path: str) -> Iterator[tuple[str, Key]]:
    """Yield the files at any depth in a folder, with their paths; `path`: of the folder, "" for the top."""
    todo = [(folder, path)]
    while todo:
        inside, above = todo.pop()
        for name, one in inside.items():
            own = f"{above}/{name}" if above and name else above or name
            if isinstance(one, Key):
                yield own, one
            elif one is not None:
                todo.append((one, own))
