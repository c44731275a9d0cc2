"""Read the manifests of a registry, once for blobkit and for what its collector marks."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from blobkit.digest import is_digest
from blobkit.oci.documents import DOCUMENT_LIMIT
from blobkit.scanners.documents import Documents
from blobkit.scanners.registries.manifests import UnreadError, marked

if TYPE_CHECKING:
    from blobkit.digest import Digest
    from blobkit.scanners.facts import Facts
    from blobkit.scanners.files import Files
    from blobkit.scanners.recall import Recall

__all__ = ["Manifests"]


class Manifests:
    """The documents of a registry; of each one it knows what the collector marks for it.

    Of a manifest of the usual form these are its config and layers. Any other document with a link in `wanted` is
    parsed a second time, by the rules of the collector.
    """

    def __init__(self, facts: Facts, files: Files, recall: Recall | None = None) -> None:
        self.facts, self.path, self.recall = facts, files.path, recall
        self.documents = Documents(facts, files, always=("revision", "tag"), unusual=self._keep, recall=recall)
        self.wanted: set[Digest] = set()
        self.files = files
        self._marks: dict[Digest, str | UnreadError] = {}

    def marks(self, digest: Digest) -> array[int]:
        """Return the nodes that the collector marks for a stored manifest; UnreadError if it stops."""
        nodes = self.documents.contained(digest)
        if nodes is not None:
            return nodes
        self.wanted.add(digest)
        if digest not in self._marks:
            self._keep(digest, self.files.whole(digest))
        found = self._marks[digest]
        if isinstance(found, UnreadError):
            raise found
        return array("i", map(self.facts.node, found.split()))

    def _keep(self, digest: Digest, data: bytes | None) -> None:
        if self.recall is not None:
            self.recall.keep(digest, data)
        if digest in self.wanted and digest not in self._marks:
            self._marks[digest] = self._read(digest, data)

    def _read(self, digest: Digest, data: bytes | None) -> str | UnreadError:
        if data is None:
            too_large = self.facts.size[self.facts.ids[digest]] > DOCUMENT_LIMIT
            return UnreadError(*(("size", "is larger than 4 MiB") if too_large else ("unread", "cannot be read")))
        try:
            return " ".join(filter(is_digest, marked(data)))
        except UnreadError as error:
            return error
