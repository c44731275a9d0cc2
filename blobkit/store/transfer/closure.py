"""The closure of descriptors of a foreign layout, read and verified: all that is slow, without a lock.

Links come from manifests and indexes, by the media type of the descriptor that names them, as `put` derives them: a
`subject` is no link. What is verified is remembered, so that a second walk reads only what is new.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from blobkit.digest import matches, read_through, split
from blobkit.filehandle import FileHandle
from blobkit.oci.documents import DOCUMENT_LIMIT
from blobkit.oci.walk import ABSENT, UNPARSEABLE, Walk, followed_type, levels
from blobkit.progress import watched

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from blobkit.digest import Digest
    from blobkit.oci.documents import Document, Reference
    from blobkit.oci.walk import Fault, Key, Step

__all__ = ["Closure"]

MISSING = "it is not here"
DAMAGED = "other content than its digest says"


class Closure:
    """Verified blobs of the layout at `root` (`sizes`), the documents among them, and what is wrong (`bad`).

    Blobs that `known` says the store has are not read again, except documents, for their links.
    """

    def __init__(self, root: Path, known: Callable[[Collection[Digest]], Collection[Digest]]) -> None:
        self._blobs = root / "blobs"
        self._known = known
        self._documents: dict[Key, Document] = {}
        self.sizes: dict[Digest, int] = {}
        self.types: dict[Digest, str] = {}
        self.bad: dict[Digest, str] = {}
        self.bytes = 0
        self._lengths: dict[Digest, int] = {}
        self._present: set[Digest] = set()

    def walk(self, entries: Iterable[Reference], *, progress: bool) -> None:
        """Verify all that these reach. What was wrong before is tried again."""
        self.bad.clear()
        self._present.clear()
        walk = Walk(self._contents, read_as, inline=False, remembered=self._documents)
        for level in walk.levels(entries):
            leaves = {step.reference.digest: step.reference for step in reversed(level) if self._is_leaf(step)}
            known = set(self._known(leaves.keys()))
            for reference in watched(list(reversed(leaves.values())), "verifying", show=progress):
                self._verify(reference, is_known=reference.digest in known)
            for step in level:
                self._note(step)

    def reached(self, entries: Iterable[Reference]) -> list[Reference]:
        """Return these and what they reach, each blob once, as far as it was read."""
        return [reference for level in levels(entries, self._after, _key) for reference in level]

    def named(self, reference: Reference) -> tuple[Reference, ...]:
        """Return what a document that was read names; nothing for other blobs."""
        document = self._document(reference)
        return document.references if document else ()

    def forget(self, digests: Collection[Digest]) -> None:
        """Verify these again in the next walk."""
        for digest in digests:
            self.sizes.pop(digest, None)
        for key in [key for key in self._documents if key[0] in digests]:
            del self._documents[key]

    def is_read(self, reference: Reference) -> bool:
        """Return whether the blob is verified; a manifest or an index is then also understood."""
        digest = reference.digest
        is_whole = digest in self.sizes or digest in self._present
        return self._document(reference) is not None or (not reference.followed and is_whole)

    def fault(self, reference: Reference) -> str:
        """Return what is wrong with a blob that is not here, "" where it need not be: an index may miss children."""
        why = self.bad.get(reference.digest, "")
        is_optional = reference.kind == "child" or reference.foreign or reference.inline is not None
        return "" if why == MISSING and is_optional else why

    def _document(self, reference: Reference) -> Document | None:
        digest, media_type = _key(reference)
        return None if media_type is None else self._documents.get((digest, media_type))

    def _is_leaf(self, step: Step) -> bool:
        """Return whether a blob is to be verified as bytes: nothing says that it is a document, and it is none."""
        return not step.reference.followed and self._document(step.reference) is None

    def _after(self, level: list[Reference]) -> Iterator[Reference]:
        return (named for reference in level for named in self.named(reference))

    def _note(self, step: Step) -> None:
        """Remember as what a blob is called, and why a document is none."""
        digest, media_type = step.reference.digest, step.reference.media_type
        if step.document is not None:
            self.types[digest] = step.document.media_type
            if digest not in self.sizes:
                self.sizes[digest] = self._lengths[digest]
                self.bytes += self.sizes[digest]
        elif step.reference.followed and step.fault is not None:
            self.bad[digest] = _said(step.fault, media_type)
        elif digest not in self.bad:
            self.types.setdefault(digest, media_type)

    def _contents(self, digests: Iterable[Digest]) -> Iterator[tuple[Digest, bytes | str]]:
        """Yield the bytes of documents, verified; one that is too large is none, and is not hashed."""
        for digest in digests:
            try:
                with self._opened(digest) as file:
                    data = file.read(DOCUMENT_LIMIT + 1)
            except FileNotFoundError:
                continue
            except OSError as error:
                yield digest, f"it cannot be read ({error.strerror})"
                continue
            if len(data) <= DOCUMENT_LIMIT and not matches(data, digest):
                yield digest, f"it cannot be read ({DAMAGED})"
            else:
                self._lengths[digest] = len(data)
                yield digest, data

    def _verify(self, reference: Reference, *, is_known: bool) -> None:
        """Verify a blob that names nothing; one that the store has is only looked at."""
        digest = reference.digest
        try:
            if is_known:
                self._opened(digest).close()
                self._present.add(digest)
            elif digest not in self.sizes:
                self.sizes[digest] = self._hashed(digest)
        except FileNotFoundError:
            self.bad[digest] = MISSING
        except OSError as error:
            self.bad[digest] = f"it cannot be read ({error.strerror})"

    def _hashed(self, digest: Digest) -> int:
        """Return the size of the blob; OSError where it has other content than its digest says."""
        with self._opened(digest) as file:
            good = read_through(file, digest, lambda _: None)
            size = file.tell()
        self.bytes += size
        if not good:
            raise OSError(errno.EIO, DAMAGED)
        return size

    def _opened(self, digest: Digest) -> BinaryIO:
        """Return the file of a blob, to be read; no link is followed, and nothing else than a file is opened."""
        label, hexa = split(digest)
        handle = FileHandle(self._blobs / label / hexa, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
            raise OSError(errno.EINVAL, "no regular file")
        return handle.file(buffering=0)


def read_as(reference: Reference) -> str | None:
    """Return as what a blob is read: an entry of index.json without a media type as what its content says it is."""
    return "" if reference.kind == "entry" and not reference.media_type else followed_type(reference)


def _key(reference: Reference) -> tuple[Digest, str | None]:
    return reference.digest, read_as(reference)


def _said(fault: Fault, media_type: str) -> str:
    """Return in words why a document cannot be taken in."""
    if fault.code == ABSENT:
        return MISSING
    return f"it cannot be read as {media_type} ({fault.why})" if fault.code == UNPARSEABLE else fault.why
