"""A prefix of a bucket as a source: there are no symbolic links, and no empty folders but those with a marker."""

from __future__ import annotations

import errno
import io
import os
from typing import TYPE_CHECKING

from blobkit.buckets.keys import Folder, Folders, Key, file_at
from blobkit.sources.source import Entry, Info, Is, check_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from blobkit.buckets.objects import Objects

__all__ = ["Bucket"]


class Bucket:
    """The keys below a prefix ("" or text that ends in `/`), read-only. See `blobkit.sources.source.Source`.

    A name that is both a file and a folder counts as a file. A folder is listed once, when it is first needed; `load`
    lists all keys below one at once.
    """

    def __init__(self, objects: Objects, prefix: str, address: str) -> None:
        self.objects, self.prefix, self.address = objects, prefix, address
        self.folders = Folders(prefix)
        self._listed: set[str] = set()
        self._whole: list[str] = []

    def load(self, path: str = "") -> None:
        """List all keys below a folder; OSError if it cannot be listed."""
        for page in self.objects.spread(f"{self.prefix}{path and f'{path}/'}"):
            self.folders.add(page)
        self._whole.append(path and f"{path}/")
        self._listed.add(path)

    def list(self, path: str) -> list[Entry]:
        """Return the sorted entries of a directory. OSError if it is absent or cannot be listed."""
        found = self._folder(path).items()
        return sorted(Entry(name, Is.FILE if file_at(one) else Is.DIRECTORY) for name, one in found if name)

    def stat(self, path: str) -> Info:
        """Return what is known of a file or directory. OSError if absent."""
        found = file_at(self._at(path))
        if found:
            return Info(Is.FILE, found.size, 0, found.modified)
        return Info(Is.DIRECTORY, 0, 0, -1)

    def read(self, path: str, limit: int) -> bytes:
        """Return up to `limit` bytes of a file. OSError if it cannot be read."""
        size = min(limit, self._file(path).size)
        return self.objects.get(self.prefix + path, size) if size else b""

    def read_many(self, paths: Iterable[str], limit: int) -> Iterator[tuple[str, bytes | OSError]]:
        """Yield each path with up to `limit` bytes of its file, or the error: many requests at once."""
        asked: list[tuple[str, int]] = []
        for path in paths:
            try:
                size = min(limit, self._file(path).size)
            except OSError as error:
                yield path, error
                continue
            if size:
                asked.append((self.prefix + path, size))
            else:
                yield path, b""
        cut = len(self.prefix)
        yield from ((key[cut:], found) for key, found in self.objects.many(asked))

    def open(self, path: str) -> BinaryIO:
        """Return a file to read from its beginning. OSError if it cannot be opened."""
        return self.objects.open(self.prefix + path) if self._file(path).size else io.BytesIO()

    def link(self, path: str) -> str:
        """Raise OSError: a bucket has no symbolic links."""
        self._at(path)
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)

    def _file(self, path: str) -> Key:
        found = file_at(self._at(path))
        if found:
            return found
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)

    def _at(self, path: str) -> Folder | Key:
        """Return what is at a path; the folders above it are listed. OSError if there is nothing."""
        check_path(path)
        found: Folder | Key | None = self.folders.top
        names = path.split("/") if path else []
        for number, name in enumerate(names):
            if not isinstance(found, dict):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            self._list("/".join(names[:number]), found)
            if name not in found:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            found = found[name]
        return {} if found is None else found

    def _folder(self, path: str) -> Folder:
        """Return a folder, listed. OSError if there is none."""
        found = self._at(path)
        if isinstance(found, Key):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        self._list(path, found)
        return found

    def _list(self, path: str, folder: Folder) -> None:
        """List one folder, if that was not done."""
        if path in self._listed or any(path.startswith(one) for one in self._whole):
            return
        names, rows = self.objects.folder(f"{self.prefix}{path and f'{path}/'}")
        self.folders.add(rows)
        for name in names:
            if not isinstance(folder.get(name), dict):
                self.folders.folder(f"{path}/{name}" if path else name)
        self._listed.add(path)
