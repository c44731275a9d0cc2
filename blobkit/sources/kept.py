"""Keep documents of registries by digest, in one SQLite file of this user's cache: what a digest names never changes.

Only content whose hash is right is kept, never a tag, a token or an error. The hash is checked again when it is read.
A file that is damaged, of another program, or that others may write is not used: then all is kept in memory, for one
scan. Deleting the file is always safe.
"""

from __future__ import annotations

import sqlite3
import stat
import zlib
from contextlib import suppress
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from blobkit.digest import Digest, matches
from blobkit.log import log
from blobkit.oci.documents import DOCUMENT_LIMIT
from blobkit.sources.private import cache_directory, check_private, refuse

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

__all__ = ["Kept", "kept_in"]

NAME = "manifests.sqlite"
PROGRAM = 0x626C6F62
"""The number by which the header of a SQLite file names this program ("blob")."""
TABLE = "CREATE TABLE IF NOT EXISTS documents (digest TEXT PRIMARY KEY, content BLOB NOT NULL)"
BATCH = 256
"""Digests that are looked for at once."""
PIECE, SECONDS = 64, 1.0
"""Documents, and seconds, after which what is new is committed: so much is fetched again if the process is killed."""
WAIT = 5.0
"""Seconds to wait for another process that writes."""


class Kept:
    """Documents by digest, compressed. `place` is the file, "" for memory. Methods may not be called at once."""

    def __init__(self, database: sqlite3.Connection, place: str = "") -> None:
        self.place = place
        self._database: sqlite3.Connection | None = database
        self._new: dict[Digest, bytes] = {}
        self._rest: dict[Digest, bytes] = {}
        self._committed = monotonic()

    def read(self, digests: Iterable[Digest]) -> Iterator[tuple[Digest, bytes]]:
        """Yield each of these documents that is kept and whose hash is right; of many only a few are held at once."""
        left = iter(digests)
        while piece := list(islice(left, BATCH)):
            for digest, packed in self._packed(piece):
                content = _unpacked(packed)
                if content is not None and matches(content, digest):
                    yield digest, content

    def one(self, digest: Digest) -> bytes | None:
        """Return a document; None if it is not kept."""
        return next((content for _, content in self.read((digest,))), None)

    def put(self, digest: Digest, content: bytes) -> None:
        """Keep a document whose hash was checked."""
        self._new[digest] = zlib.compress(content, 1)
        if len(self._new) >= PIECE or monotonic() - self._committed > SECONDS:
            self.commit()

    def commit(self) -> None:
        """Write what is new: it outlives a killed process."""
        new, self._new = self._new, {}
        self._committed = monotonic()
        if not new:
            return
        try:
            if self._database is not None:
                with self._database:
                    self._database.executemany("INSERT OR REPLACE INTO documents VALUES (?, ?)", new.items())
                return
        except sqlite3.Error as error:
            self._give_up(error)
        self._rest.update(new)

    def close(self) -> None:
        """Write what is new, and close the file."""
        self.commit()
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
        self._database = None

    def _packed(self, digests: list[Digest]) -> list[tuple[Digest, bytes]]:
        """Return the compressed content of those that are kept."""
        found = ((digest, self._new.get(digest) or self._rest.get(digest)) for digest in digests)
        held = {digest: packed for digest, packed in found if packed}
        return [*held.items(), *self._rows([digest for digest in digests if digest not in held])]

    def _rows(self, digests: list[Digest]) -> list[tuple[Digest, bytes]]:
        if self._database is None:
            return []
        marks = ",".join("?" * len(digests))
        query = f"SELECT digest, content FROM documents WHERE digest IN ({marks})"  # noqa: S608 (question marks only)
        try:
            return [row for row in self._database.execute(query, digests) if isinstance(row[1], bytes)]
        except sqlite3.Error as error:
            self._give_up(error)
            return []

    def _give_up(self, error: sqlite3.Error) -> None:
        """Use the file no longer."""
        if self.place:
            log.warning("the cache %s is not used any more: %s", self.place, error)
        database, self._database = self._database, None
        if database is not None:
            with suppress(sqlite3.Error):
                database.close()


def kept_in(cache: bool | str | os.PathLike[str] | None) -> Kept:  # noqa: FBT001 (or a path)
    """Return the documents that are kept in a file; False: in memory only, None or True: in the usual directory.

    A path names the file (if it ends in `.sqlite`, or is a file), or its directory. Raises nothing: a file that cannot
    be used is replaced by memory, with a warning in the log.
    """
    if cache is not False:
        path = _file(cache)
        try:
            _prepare(path)
            return Kept(_opened(path), str(path))
        except (OSError, ValueError, sqlite3.Error) as error:
            log.warning("the cache %s is not used: %s", path, error)
    return Kept(_table(sqlite3.connect(":memory:", check_same_thread=False)))


def _file(cache: bool | str | os.PathLike[str] | None) -> Path:  # noqa: FBT001 (the same)
    if cache is not None and not isinstance(cache, bool):
        path = Path(cache).absolute()
        if path.suffix == ".sqlite" or path.is_file():
            return path
    return cache_directory(cache) / NAME


def _prepare(path: Path) -> None:
    """Make a file that only this user can read; ValueError or OSError if there is one that cannot be used.

    A file that is there is not opened here: closing it would end the locks that another scan of this process has.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_private(path.parent.stat())
    with suppress(FileExistsError):
        path.touch(mode=0o600, exist_ok=False)
    info = path.lstat()
    if not stat.S_ISREG(info.st_mode):
        refuse("is no regular file")
    check_private(info)


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=WAIT, check_same_thread=False)
    try:
        _check(database)
        path.chmod(0o600)
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        return _table(database)
    except (OSError, ValueError, sqlite3.Error):
        database.close()
        raise


def _check(database: sqlite3.Connection) -> None:
    """Raise ValueError or sqlite3.Error if a file is of another program; a new one gets the number of this program."""
    (number,) = database.execute("PRAGMA application_id").fetchone()
    if number == PROGRAM:
        database.execute("SELECT digest, content FROM documents LIMIT 1").fetchone()
        return
    if database.execute("PRAGMA page_count").fetchone() != (0,):
        refuse("is of another program")
    database.execute(f"PRAGMA application_id = {PROGRAM}")


def _table(database: sqlite3.Connection) -> sqlite3.Connection:
    database.execute(TABLE)
    return database


def _unpacked(packed: bytes) -> bytes | None:
    """Return the content; None if it is damaged, or longer than any document."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(packed, DOCUMENT_LIMIT + 1)
    except zlib.error:
        return None
    return content if unpacking.eof and len(content) <= DOCUMENT_LIMIT else None
