"""The closure of descriptors in the store's own directory, read and verified: all that is slow, without a lock.

Links come from manifests and indexes, by the media type of the descriptor that names them, as `put` derives them: a
`subject` is no link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.oci.walk import ABSENT, UNPARSEABLE, Walk, followed_type
from blobkit.progress import watched
from blobkit.render import abbreviate
from blobkit.store.transfer.verifying import documents, verified

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from blobkit.contents import Inspected
    from blobkit.digest import Digest
    from blobkit.model import FileSignature, Link
    from blobkit.oci.documents import Reference
    from blobkit.oci.walk import Fault, Step
    from blobkit.transactions import Index

__all__ = ["Closure"]

MISSING = "it is not here"


class Closure:
    """The blobs that descriptors reach: the `verified` ones, with the signatures of their files; why others are `bad`.

    `types` are media types, `links` what documents name. Blobs that the index has are not read, except documents, for
    their links; nor are files again that an `earlier` closure has verified.
    """

    def __init__(self, content: Inspected, index: Index, earlier: Mapping[Digest, FileSignature]) -> None:
        self._content = content
        self._index = index
        self._earlier = earlier
        self.verified: dict[Digest, FileSignature] = {}
        self.types: dict[Digest, str] = {}
        self.links: dict[Digest, dict[Digest, Reference]] = {}
        self.bad: dict[Digest, str] = {}
        self._present: set[Digest] = set()
        self._files: Mapping[Digest, FileSignature] = {}
        self._walk = Walk(self._documents, _read_as, inline=False)

    def walk(self, entries: Iterable[Reference], *, progress: bool) -> None:
        """Verify all that these reach."""
        for level in self._walk.levels(entries):
            for step in level:
                self._note(step)
            leaves = (step.reference.digest for step in level if not step.reference.followed)
            self._verify(dict.fromkeys(leaf for leaf in leaves if leaf not in self.verified), progress=progress)

    def is_read(self, reference: Reference) -> bool:
        """Return whether the blob is verified; a manifest or an index is then also understood."""
        if reference.followed:
            return self._walk.has_read(reference.digest, reference.media_type)
        return reference.digest in self.verified or reference.digest in self._present

    def media_type(self, link: Link) -> str:
        """Return what a document calls a blob that it names."""
        return self.links[link.source][link.target].media_type

    def missing(self, link: Link) -> str:
        """Return what is wrong with a target that is not here, "" where it need not be: an index may miss children."""
        named, why = self.links[link.source][link.target], self.bad.get(link.target, "")
        is_optional = named.kind == "child" or named.foreign or named.inline is not None
        is_fault = why and not (why == MISSING and is_optional)
        return f"{abbreviate(link.source)} names {link.target}: {why}" if is_fault else ""

    def _documents(self, digests: Collection[Digest]) -> Iterable[tuple[Digest, bytes | str]]:
        self._files = self._content.signatures(digests)
        return documents(self._content.open, self._files)

    def _note(self, step: Step) -> None:
        """Remember as what a blob is called, what a document names, and why a document is none."""
        digest, media_type = step.reference.digest, step.reference.media_type
        if step.document is not None:
            self.types[digest] = step.document.media_type
            self.verified[digest] = self._files[digest]
            named = self.links.setdefault(digest, {})
            for reference in step.document.references:
                named.setdefault(reference.digest, reference)
        elif step.reference.followed and step.fault is not None:
            self.bad[digest] = _reason(step.fault, media_type)
        elif not self.types.get(digest):
            self.types[digest] = media_type

    def _verify(self, leaves: Collection[Digest], *, progress: bool) -> None:
        """Verify blobs that name nothing; those that the index has are only looked at."""
        files, known = self._content.signatures(leaves), self._index.read(lambda tx: tx.counts(leaves))
        for digest in watched(leaves, "verifying", show=progress):
            file = files.get(digest)
            if file is None:
                self.bad[digest] = MISSING
            elif not file.regular:
                self.bad[digest] = "it cannot be read (no regular file)"
            elif digest in known:
                self._present.add(digest)
            elif self._earlier.get(digest) == file or isinstance(found := verified(self._content.open, digest), int):
                self.verified[digest] = file
            else:
                self.bad[digest] = f"it {found}"


def _read_as(reference: Reference) -> str | None:
    """Return as what a blob is read: an entry of index.json without a media type as what its content says it is."""
    return "" if reference.kind == "entry" and not reference.media_type else followed_type(reference)


def _reason(fault: Fault, media_type: str) -> str:
    """Return in words why a document cannot be taken in."""
    if fault.code == ABSENT:
        return MISSING
    return f"it cannot be read as {media_type} ({fault.why})" if fault.code == UNPARSEABLE else fault.why
