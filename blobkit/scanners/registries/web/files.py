"""Read the documents of a registry over HTTP from the cache that they were brought into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.scanners.files import Files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.digest import Digest
    from blobkit.scanners.facts import Facts
    from blobkit.sources.kept import Kept

__all__ = ["FetchedFiles"]


class FetchedFiles(Files):
    """Documents that were fetched; why others were not is said by those who asked for them."""

    def __init__(self, facts: Facts, kept: Kept) -> None:
        super().__init__(facts, "", lambda _: "")
        self._kept = kept
        self._held: dict[Digest, bytes] = {}

    def bring(self, digests: Iterable[Digest]) -> None:
        """Take these documents out of the cache at once."""
        self._held = dict(self._kept.read(digests))

    def whole(self, digest: Digest) -> bytes | None:
        """Return a document whose hash is right; None if it was not fetched."""
        content = self._held.get(digest) or self._kept.one(digest)
        if content is not None:
            self.checked.add(digest)
        return content
