"""The closure of descriptors in the store's own directory, read and verified: all that is slow, without a lock.

Links come from manifests and indexes, by the media type of the descriptor that names them, as `put` derives them: a
`subject` is no link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.oci.walk import ABSENT, UNPARSEABLE, Walk, followed_type
from blobkit.progress import watched
from blobkit.store.transfer.verifying import documents, verified

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from blobkit.digest import Digest
    from blobkit.oci.documents import Document, Reference
    from blobkit.oci.walk import Fault, Key, Step
    from blobkit.protocols import Inspected
    from blobkit.transactions import Index

__all__ = ["Closure"]

MISSING = "it is not here"


class Closure:
    """The blobs that the descriptors of the last walk reach: `sizes` of those that were verified, `bad` says why not.

    `types` are media types, `links` what documents name. Blobs that the index has are not read, except documents, for
    their links; nor are those that an earlier walk has verified.
    """

    def __init__(self, content: Inspected, index: Index) -> None:
        self._content = content
        self._index = index
        self._hashed: dict[Digest, int] = {}
        self._lengths: dict[Digest, int] = {}
        self._clear()

    def _clear(self) -> None:
        self._documents: dict[Key, Document] = {}
        self._present: set[Digest] = set()
        self.sizes: dict[Digest, int] = {}
        self.types: dict[Digest, str] = {}
        self.links: dict[Digest, dict[Digest, Reference]] = {}
        self.bad: dict[Digest, str] = {}

    def walk(self, entries: Iterable[Reference], *, progress: bool) -> None:
        """Verify all that these reach."""
        self._clear()
        walk = Walk(self._read, read_as, inline=False, remembered=self._documents)
        for level in walk.levels(entries):
            for step in level:
                self._note(step)
            leaves = (step.reference.digest for step in level if not step.reference.followed)
            self._verify(dict.fromkeys(leaf for leaf in leaves if leaf not in self.sizes), progress=progress)

    def is_read(self, reference: Reference) -> bool:
        """Return whether the blob is verified; a manifest or an index is then also understood."""
        if (reference.digest, read_as(reference)) in self._documents:
            return True
        return not reference.followed and (reference.digest in self.sizes or reference.digest in self._present)

    def forget(self, digests: Iterable[Digest]) -> None:
        """Verify these again in the next walk."""
        for digest in digests:
            self._hashed.pop(digest, None)

    def fault(self, reference: Reference) -> str:
        """Return what is wrong with a blob that is not here, "" where it need not be: an index may miss children."""
        why = self.bad.get(reference.digest, "")
        is_optional = reference.kind == "child" or reference.foreign or reference.inline is not None
        return "" if why == MISSING and is_optional else why

    def _note(self, step: Step) -> None:
        """Remember as what a blob is called, what a document names, and why a document is none."""
        digest, media_type = step.reference.digest, step.reference.media_type
        if step.document is not None:
            self.types[digest] = step.document.media_type
            self.sizes[digest] = self._lengths[digest]
            named = self.links.setdefault(digest, {})
            for reference in step.document.references:
                named.setdefault(reference.digest, reference)
        elif step.reference.followed and step.fault is not None:
            self.bad[digest] = _said(step.fault, media_type)
        elif not self.types.get(digest):
            self.types[digest] = media_type

    def _read(self, digests: Collection[Digest]) -> Iterator[tuple[Digest, bytes | str]]:
        for digest, content in documents(self._content.open, digests):
            self._lengths[digest] = len(content)
            yield digest, content

    def _verify(self, leaves: Collection[Digest], *, progress: bool) -> None:
        """Verify blobs that name nothing; those that the index has are only looked at."""
        stamps = self._content.stamps(leaves)
        known = self._index.read(lambda rows: rows.counts(leaves))
        for digest in watched(leaves, "verifying", show=progress):
            if digest not in stamps:
                self.bad[digest] = MISSING
            elif not stamps[digest].regular:
                self.bad[digest] = "it cannot be read (no regular file)"
            elif digest in known:
                self._present.add(digest)
            else:
                size = self._hashed.get(digest) or verified(self._content.open, digest)
                if isinstance(size, int):
                    self.sizes[digest] = self._hashed[digest] = size
                else:
                    self.bad[digest] = f"it {size}"


def read_as(reference: Reference) -> str | None:
    """Return as what a blob is read: an entry of index.json without a media type as what its content says it is."""
    return "" if reference.kind == "entry" and not reference.media_type else followed_type(reference)


def _said(fault: Fault, media_type: str) -> str:
    """Return in words why a document cannot be taken in."""
    if fault.code == ABSENT:
        return MISSING
    return f"it cannot be read as {media_type} ({fault.why})" if fault.code == UNPARSEABLE else fault.why
