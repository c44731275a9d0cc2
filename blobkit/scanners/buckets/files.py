"""The blobs of a store in a bucket: fetched many at a time, before the scan reads them one by one."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

from blobkit.digest import Digest, is_digest, matches, split
from blobkit.oci.documents import DOCUMENT_LIMIT
from blobkit.render import count
from blobkit.scanners.files import PEEK, hash_of
from blobkit.scanners.layouts.entries import KeptFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    from blobkit.buckets.objects import Objects
    from blobkit.scanners.facts import Facts
    from blobkit.sources.kept import Kept

__all__ = ["ObjectFiles"]

ROOM = 64 << 20
"""Bytes that are fetched ahead at once; documents beyond that are fetched one by one."""
PEEKED = 100_000
"""Garbage blobs: so many are opened whatever their size."""
AHEAD = 512
"""Blobs whose beginnings are fetched at once."""


class ObjectFiles(KeptFiles):
    """The blobs of a store in a bucket; `key` returns the key of a digest.

    `documents` keeps those of earlier scans; without it all are fetched, and `verify` hashes all blobs.
    """

    def __init__(
        self,
        facts: Facts,
        root: str,
        objects: Objects,
        key: Callable[[Digest], str],
        documents: Kept | None,
    ) -> None:
        super().__init__(facts, root, lambda digest: f"{root}/{key(digest)}")
        self.objects, self.key, self.documents = objects, key, documents
        self._held: dict[Digest, bytes | OSError] = {}

    def bring(self, digests: Iterable[Digest]) -> None:
        """Fetch these documents, and the configs that they name."""
        wanted = list(digests)
        self._fetch(wanted, DOCUMENT_LIMIT)
        configs = (_config(self._held[digest]) for digest in wanted if digest in self._held)
        self._fetch([digest for digest in configs if digest], DOCUMENT_LIMIT)

    def _fetch(self, digests: Iterable[Digest], limit: int) -> None:
        """Fetch whole blobs that were not read, as long as there is room."""
        room, sizes = ROOM, {}
        for digest in dict.fromkeys(digests):
            size = self._size(digest)
            if 0 < size <= min(limit, room) and digest not in self._held and digest not in self.checked:
                room -= size
                sizes[digest] = size + 1
        if self.documents is None:
            self._take(sizes)
            return
        known = {one: data for one, data in self.documents.read(sizes) if len(data) == sizes[one] - 1}
        self._held.update(known)
        fresh = {digest: limit for digest, limit in sizes.items() if digest not in known}
        self._take(fresh)
        for digest in fresh:
            found = self._held[digest]
            if not isinstance(found, OSError) and matches(found, digest):
                self.documents.put(digest, found)

    def _take(self, limits: dict[Digest, int]) -> None:
        """Fetch up to so many bytes of each blob."""
        digests = {self.key(digest): digest for digest in limits}
        for key, data in self.objects.many((self.key(digest), limit) for digest, limit in limits.items()):
            self._held[digests[key]] = data

    def _size(self, digest: Digest) -> int:
        """Return the bytes of a stored blob, -1 for any other."""
        return self.facts.size[self.facts.ids[digest]] if self.facts.is_stored(digest) else -1

    def read(self, digest: Digest, limit: int) -> bytes:
        """Return up to `limit` bytes of a stored blob; OSError if it cannot be read."""
        held = self._held.pop(digest, None)
        if isinstance(held, OSError):
            raise held
        if held is not None and len(held) >= min(limit, self._size(digest)):
            return held[:limit]
        return self.objects.get(self.key(digest), limit) if self._size(digest) else b""

    def open(self, digest: Digest) -> BinaryIO:
        """Return a stored blob to read; OSError if it cannot be opened."""
        return self.objects.open(self.key(digest))

    def opens(self, digest: Digest) -> bool:
        """Return whether a stored blob can be opened: one that is listed counts as readable."""
        return self.facts.is_stored(digest)

    def worth_peeking(self, digests: list[Digest]) -> list[Digest]:
        """Return those of many garbage blobs that are worth a request to know their kind; of very many the small ones.

        A notice tells how many are left out.
        """
        if len(digests) <= PEEKED:
            return digests
        chosen = [digest for digest in digests if self._size(digest) <= PEEK]
        left = f"{count(len(digests) - len(chosen), 'blob')} of more than {PEEK >> 10} KiB that nothing names"
        self.facts.notice("not-counted", f"{left}: not opened, so the kind is unknown")
        return chosen

    def ahead(self, digests: Iterable[Digest]) -> Iterator[Digest]:
        """Yield blobs that no descriptor names, with their beginnings fetched."""
        todo = iter(digests)
        while piece := list(islice(todo, AHEAD)):
            sizes = ((digest, self._size(digest)) for digest in piece)
            self._take({digest: min(size, PEEK) for digest, size in sizes if 0 < size < DOCUMENT_LIMIT})
            yield from piece
            self._held.clear()

    def verify(self, digests: Iterator[Digest]) -> None:
        """Check the hashes of those blobs that were not read yet, if that was asked for: many at a time."""
        if self.documents is not None:
            return
        unread = (digest for digest in digests if digest not in self.checked)
        for digest, found in self.objects.each(self._hashed, unread):
            if isinstance(found, OSError):
                self.facts.unreadable(f"{digest} cannot be read", found, self.path(digest), digest)
            else:
                self._check(digest, found)

    def _hashed(self, digest: Digest) -> tuple[Digest, Digest | OSError]:
        try:
            with self.open(digest) as file:
                return digest, hash_of(file, split(digest)[0])
        except OSError as error:
            return digest, error


def _config(data: bytes | OSError) -> Digest | None:
    """Return the digest of the config that a document names, as far as it is easily seen."""
    try:
        found = json.loads(data)["config"]["digest"]  # type: ignore[arg-type]
    except (LookupError, RecursionError, TypeError, ValueError):
        return None
    return Digest(found) if isinstance(found, str) and is_digest(found) else None
