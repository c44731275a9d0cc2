"""Look at the files of a cache through a source: an error becomes a notice, and never ends a scan."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from blobkit.render import to_utf8
from blobkit.scanners.facts import escape_controls
from blobkit.sources.source import HOPS, Is, LeavesError

if TYPE_CHECKING:
    from blobkit.scanners.facts import Facts
    from blobkit.sources.directory import Directory
    from blobkit.sources.source import Entry, Info

__all__ = ["Look"]

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR})


class Look:
    """The files of `source`; whatever cannot be looked at gets a notice in `facts`."""

    def __init__(self, source: Directory, facts: Facts) -> None:
        self.source, self.facts = source, facts

    def entries(self, path: str) -> list[Entry] | None:
        """Return the sorted entries of a directory, none if it is absent; None, with a notice, if it cannot be read."""
        try:
            return self.source.list(path)
        except OSError as error:
            if error.errno in _GONE:
                return []
            self.failed(path, error, "listed")
            return None

    def info(self, path: str) -> Info | None:
        """Return what is known of a path, of a link itself; None, with a notice if it is there but cannot be seen."""
        try:
            return self.source.stat(path)
        except OSError as error:
            if error.errno not in _GONE:
                self.failed(path, error, "looked at")
            return None

    def target(self, path: str) -> str | None:
        """Return where a link leads; None, with a notice, if it leads out of the cache or is no link any more."""
        try:
            return self.source.link(path)
        except OSError as error:
            self.failed(path, error, "followed")
            return None

    def exists(self, path: str) -> bool:
        """Return whether a path leads to anything; True also if that is out of the cache, or cannot be seen."""
        for _ in range(HOPS):
            try:
                if self.source.stat(path).kind is not Is.LINK:
                    return True
                path = self.source.link(path)
            except OSError as error:
                return error.errno not in _GONE
        return False

    def read(self, path: str, limit: int) -> bytes | None:
        """Return up to `limit` bytes of a file; None, with a notice, if it cannot be read."""
        try:
            return self.source.read(path, limit)
        except OSError as error:
            self.failed(path, error, "read")
            return None

    def failed(self, path: str, error: OSError, done: str) -> None:
        """Record that something could not be done with a path: it is gone, leads out of the cache, or is barred."""
        facts, shown = self.facts, to_utf8(path) or "."
        whole = f"{self.source.address}/{path}".rstrip("/")
        if isinstance(error, LeavesError):
            facts.not_followed(shown, whole, escape_controls(path))
        elif error.errno in _GONE:
            facts.notice("vanished", f"{shown} was gone when it was to be {done}", escape_controls(path), whole)
        else:
            facts.unreadable(f"{shown} cannot be {done}", error, whole, escape_controls(path))
