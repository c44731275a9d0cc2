"""Read untrusted blobs.

A blob is read whole only up to `DOCUMENT_LIMIT`, and then its hash is always checked. Paths are built from checked
digests only. A symbolic link that leaves the store, a file that is not regular, and an unreadable file get a notice
and are never followed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING, cast

from blobkit.access import is_denied
from blobkit.digest import Digest, of, split
from blobkit.filehandle import FileHandle, Held, close, open_into
from blobkit.oci.documents import DOCUMENT_LIMIT, Document, read_document
from blobkit.oci.untrusted import DocumentError
from blobkit.scanners.facts import micros, within
from blobkit.scanners.registries.reading import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from io import BufferedReader
    from typing import BinaryIO

    from blobkit.scanners.facts import Facts

__all__ = ["PEEK", "SMALL", "Files", "PlainFiles", "hash_of", "read"]

AS_EFFECTIVE = os.access in os.supports_effective_ids
PEEK = 16 << 10
"""Bytes read first of a blob that may be a document; most documents are shorter."""


def read(path: str, limit: int, *, follow: bool = True) -> bytes:
    """Return up to `limit` bytes of a file. For a pipe, return nothing instead of waiting for a writer.

    Paths are text and files are bare descriptors here: for small files `pathlib` costs more than reading them.
    Without `follow`, a symbolic link is an error.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK
    held = Held()
    try:
        open_into(held, path, flags if follow else flags | os.O_NOFOLLOW)
        return os.read(held[0], limit)
    finally:
        close(held)


def hash_of(file: BinaryIO, label: str) -> Digest:
    """Return the digest of what is left in a file, in constant memory."""
    return Digest(f"{label}:{hashlib.file_digest(cast('BufferedReader', file), label).hexdigest()}")


class Files:
    """The untrusted blob files of a store below `root`; `path` returns the path of a digest's file."""

    def __init__(self, facts: Facts, root: str, path: Callable[[Digest], str]) -> None:
        self.facts, self.root, self.path = facts, root, path
        self.checked = facts.checked

    def add(self, digest: Digest, entry: os.DirEntry[str]) -> None:
        """Record the stored blob at a directory entry, or a notice why it is not a blob."""
        try:
            info = entry.stat(follow_symlinks=False)
            linked = stat.S_ISLNK(info.st_mode)
            if linked:
                info = self._linked(digest, entry)
        except OSError as error:
            self.facts.unreadable(f"{digest} cannot be looked at", error, entry.path, digest)
            if is_denied(error):
                self.facts.unseen(entry.path)
            return
        if stat.S_ISLNK(info.st_mode):
            return  # it leads out of the store
        if not stat.S_ISREG(info.st_mode):
            self.facts.notice("junk", f"{digest} is not a regular file", digest, entry.path)
            return
        self.facts.blob(digest, info.st_size, micros(info))
        if self.facts.ledger:
            self.facts.ledger.blob(digest, entry.path, info, linked=linked)

    def _linked(self, digest: Digest, entry: os.DirEntry[str]) -> os.stat_result:
        """Return the status of a symbolic link's target; of the link itself if it leaves the store."""
        if not within(self.path(digest), self.root):
            self.facts.not_followed(str(digest), entry.path, digest)
            return entry.stat(follow_symlinks=False)
        self.facts.notice("symlink", f"{digest} is a symbolic link: removing it frees no content", digest, entry.path)
        return entry.stat()

    def bring(self, digests: Iterable[Digest]) -> None:
        """Prepare to read these blobs: a source that is far away fetches them at once. A directory needs nothing."""

    def worth_peeking(self, digests: list[Digest]) -> list[Digest]:
        """Return those of many garbage blobs that are worth a read to know their kind: all of them, in a directory."""
        return digests

    def ahead(self, digests: Iterable[Digest]) -> Iterable[Digest]:
        """Return blobs that will be peeked at in turn: a source that is far away fetches their beginnings at once."""
        return digests

    def read(self, digest: Digest, limit: int) -> bytes:
        """Return up to `limit` bytes of a stored blob; OSError if it cannot be read."""
        return read(self.path(digest), limit)

    def open(self, digest: Digest) -> BinaryIO:
        """Return a stored blob to read; OSError if it cannot be opened."""
        return FileHandle(self.path(digest), os.O_RDONLY | os.O_NONBLOCK).file()

    def opens(self, digest: Digest) -> bool:
        """Return whether a stored blob can be opened; small blobs are read later anyway, and get a notice then."""
        is_small = self.facts.size[self.facts.ids[digest]] <= SMALL
        return is_small or os.access(self.path(digest), os.R_OK, effective_ids=AS_EFFECTIVE)

    def ordered(self, digests: Iterable[Digest]) -> Iterable[Digest]:
        """Return blobs in the order in which it is cheapest to read them."""
        return digests

    def whole(self, digest: Digest) -> bytes | None:
        """Return the content of a stored blob of at most `DOCUMENT_LIMIT` bytes, checked; else None, with a notice."""
        facts = self.facts
        if not facts.is_stored(digest):
            return None
        if facts.size[facts.ids[digest]] > DOCUMENT_LIMIT:
            facts.notice("too-large", f"{digest} is larger than {DOCUMENT_LIMIT >> 20} MiB: not read", digest)
            return None
        try:
            data = self.read(digest, facts.size[facts.ids[digest]] + 1)
        except OSError as error:
            facts.unreadable(f"{digest} cannot be read", error, self.path(digest), digest)
            return None
        self._check(digest, of(data, split(digest)[0]))
        return data

    def peek(self, digest: Digest) -> Document | None:
        """Return the document in a blob that no descriptor names; None, without a notice, if it is not a document."""
        if not 0 < self.facts.size[self.facts.ids[digest]] < DOCUMENT_LIMIT:
            return None
        try:
            data = self.read(digest, PEEK)
            if data[:1] not in b"{ \t\r\n":
                return None
            data = data if len(data) < PEEK else self.read(digest, DOCUMENT_LIMIT + 1)
            document = read_document(data)
        except (DocumentError, OSError):
            return None
        self._check(digest, of(data, split(digest)[0]))
        return document

    def verify(self, digests: Iterator[Digest]) -> None:
        """Check the hashes of those blobs that were not read yet, in constant memory."""
        for digest in digests:
            if digest in self.checked:
                continue
            try:
                self._check(digest, self._hash(digest))
            except OSError as error:
                self.facts.unreadable(f"{digest} cannot be read", error, self.path(digest), digest)

    def _hash(self, digest: Digest) -> Digest:
        """Return the digest of the content of a blob; OSError if it cannot be read."""
        with self.open(digest) as file:
            return hash_of(file, split(digest)[0])

    def small(self) -> Iterator[Digest]:
        """Yield the stored blobs that are always verified: those of at most `SMALL` bytes."""
        return iter(self.facts.stored_digests(SMALL))

    def stored(self) -> Iterator[Digest]:
        """Yield the stored blobs in sorted order."""
        return iter(self.facts.stored_digests())

    def _check(self, digest: Digest, found: str) -> None:
        self.checked.add(digest)
        if found != digest:
            self.facts.notice("digest-mismatch", f"{digest} has content that does not match its digest", digest)


class PlainFiles(Files):
    """Blob files that hold the content as it is: small ones are read at once, which takes less time than a stream."""

    def _hash(self, digest: Digest) -> Digest:
        """Return the digest of the content of a blob; OSError if it cannot be read."""
        size = self.facts.size[self.facts.ids[digest]]
        return of(self.read(digest, size + 1), split(digest)[0]) if size <= SMALL else super()._hash(digest)
