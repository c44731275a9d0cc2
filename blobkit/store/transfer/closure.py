"""What descriptors of a foreign layout reach, read and verified: everything slow about taking it in, without a lock.

Links come from manifests and indexes, by the media type of the descriptor that names them, as `put` derives them: a
`subject` is no link. What is verified is remembered, so that a second walk reads only what is new.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from blobkit.digest import of, read_through
from blobkit.oci.documents import DOCUMENT_LIMIT, read_document
from blobkit.oci.untrusted import DocumentError
from blobkit.progress import watched

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from blobkit.digest import Digest
    from blobkit.oci.documents import Reference

__all__ = ["Closure"]

ABSENT = "it is not here"


class Closure:
    """Verified blobs of the layout at `root` (`sizes`), what the documents among them name, and what is wrong (`bad`).

    Blobs that `known` says the store has are not read again, except documents, for their links.
    """

    def __init__(self, root: Path, known: Callable[[Collection[Digest]], Collection[Digest]]) -> None:
        self._blobs = root / "blobs"
        self._known = known
        self.sizes: dict[Digest, int] = {}
        self.names: dict[Digest, tuple[Reference, ...]] = {}
        self.types: dict[Digest, str] = {}
        self.bad: dict[Digest, str] = {}
        self.bytes = 0
        self._present: set[Digest] = set()

    def walk(self, entries: Iterable[Reference], *, progress: bool) -> None:
        """Verify all that these reach. What was wrong before is tried again."""
        self.bad.clear()
        self._present.clear()
        for level in self._levels(entries):
            known = set(self._known({reference.digest for reference in level}))
            for reference in watched(level, "verifying", show=progress):
                self._visit(reference, is_known=reference.digest in known)

    def reached(self, entries: Iterable[Reference]) -> list[Reference]:
        """Return these and what they reach, each blob once, as far as it was read."""
        return [reference for level in self._levels(entries) for reference in level]

    def forget(self, digests: Iterable[Digest]) -> None:
        """Verify these again in the next walk."""
        for digest in digests:
            self.sizes.pop(digest, None)
            self.names.pop(digest, None)

    def is_read(self, reference: Reference) -> bool:
        """Return whether the blob is verified; a manifest or an index is then also understood."""
        digest = reference.digest
        return digest in self.names if reference.followed else digest in self.sizes or digest in self._present

    def fault(self, reference: Reference) -> str:
        """Return what is wrong with a blob that is not here, "" where it need not be: an index may miss children."""
        why = self.bad.get(reference.digest, "")
        is_optional = reference.kind == "child" or reference.foreign or reference.inline is not None
        return "" if why == ABSENT and is_optional else why

    def _levels(self, entries: Iterable[Reference]) -> Iterator[list[Reference]]:
        """Yield what is to be looked at, level by level; one blob may be named as a document and as plain bytes."""
        seen: set[tuple[Digest, bool]] = set()
        level = list(entries)
        while level:
            fresh = {(reference.digest, reference.followed): reference for reference in reversed(level)}
            yield (now := [fresh[key] for key in reversed(fresh) if key not in seen])
            seen |= fresh.keys()
            level = [named for reference in now if reference.followed for named in self.names.get(reference.digest, ())]

    def _visit(self, reference: Reference, *, is_known: bool) -> None:
        digest = reference.digest
        try:
            if reference.followed:
                if digest not in self.names:
                    self._read(digest, reference.media_type)
            elif is_known:
                self._opened(digest).close()
                self._present.add(digest)
            elif digest not in self.sizes:
                self.sizes[digest] = self._hashed(digest)
        except FileNotFoundError:
            self.bad[digest] = ABSENT
        except OSError as error:
            self.bad[digest] = f"it cannot be read ({error.strerror})"
        except DocumentError as error:
            self.bad[digest] = f"it cannot be read as {reference.media_type} ({error})"
        else:
            if reference.followed or digest not in self.types:
                self.types[digest] = reference.media_type

    def _read(self, digest: Digest, media_type: str) -> None:
        """Read a document; one that is too large is none, and is not hashed."""
        with self._opened(digest) as file:
            data = file.read(DOCUMENT_LIMIT + 1)
        if len(data) <= DOCUMENT_LIMIT and of(data, digest.partition(":")[0]) != digest:
            raise _damaged()
        document = read_document(data, media_type)
        self.names[digest] = document.references
        self.sizes[digest] = len(data)
        self.bytes += len(data)

    def _hashed(self, digest: Digest) -> int:
        """Return the size of the blob; OSError where it has other content than its digest says."""
        with self._opened(digest) as file:
            good = read_through(file, digest, lambda _: None)
            size = file.tell()
        self.bytes += size
        if not good:
            raise _damaged()
        return size

    def _opened(self, digest: Digest) -> BinaryIO:
        """Return the file of a blob, to be read; no link is followed, and nothing else than a file is opened."""
        label, _, hexa = digest.partition(":")
        fd = os.open(self._blobs / label / hexa, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "no regular file")
        return open(fd, "rb", buffering=0)  # noqa: PTH123 (a descriptor)


def _damaged() -> OSError:
    return OSError(errno.EIO, "other content than its digest says")
