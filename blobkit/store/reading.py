"""Content of blobs as the verbs give it: from its file or, where that is absent or not to be believed, the journal."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from blobkit.errors import ContentMissingError
from blobkit.store import rules
from blobkit.store.journal import content_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import BinaryIO

    from blobkit.digest import Digest
    from blobkit.transactions import Reading

    T = TypeVar("T")

    class Readable(Protocol):
        """The part of a content that is read."""

        def sizes(self, digests: Collection[Digest], /) -> Mapping[Digest, int]: ...

        def open(self, digest: Digest, /) -> BinaryIO: ...

        def read(self, digest: Digest, size: int, /) -> bytes | None: ...

    class Ask(Protocol):
        """Returns the answer to a question over one state of an index."""

        def __call__(self, question: Callable[[Reading], T], /) -> T: ...


__all__ = ["BlobReader"]


class BlobReader:
    """Reads the content of the blobs of one store; `ask` asks its index a question.

    `odd` are the blobs whose files are not to be believed while the journal has their content, a set that changes;
    `check_place` raises where the store is not where it was opened. `cure` says what to do where content is gone.
    """

    def __init__(  # noqa: PLR0913 (each about another part of the store)
        self,
        content: Readable,
        ask: Ask,
        address: str,
        *,
        odd: Collection[Digest] = (),
        check_place: Callable[[], None] = lambda: None,
        cure: str = "put it again to heal it",
    ) -> None:
        self._content = content
        self._ask = ask
        self._address = address
        self._odd = odd
        self._check_place = check_place
        self._cure = cure

    def read(self, digest: Digest, size: int) -> bytes:
        """Return the content of a blob of this size; errors as `open`."""
        content = None if digest in self._odd else self._content.read(digest, size)
        if content is not None:
            return content
        with self.open(digest, size) as file:
            return file.read()

    def open(self, digest: Digest, size: int | None = None) -> BinaryIO:
        """Return the content as a file to read; where its size is known, the index is asked only if it is not there.

        Else it tries twice, because the blob may have gone and come back, or found its place, meanwhile.
        BlobNotFoundError, ContentMissingError.
        """
        if size is not None and digest not in self._odd:
            with suppress(FileNotFoundError):
                file = self._content.open(digest)
                if _length(file) == size:
                    return file
                file.close()
        for _ in range(2):
            found = self._stored(digest) or self._journalled(digest)
            if found is not None:
                return found
        msg = f"the content of {digest} is gone or truncated in {self._address}: {self._cure}"
        raise ContentMissingError(msg, digest=digest)

    def _stored(self, digest: Digest) -> BinaryIO | None:
        """Return the file in its place, if it is whole; BlobNotFoundError."""
        size = self._ask(lambda tx: rules.held(tx, [digest])[digest].size)
        kept = self._journalled(digest) if digest in self._odd else None
        with suppress(FileNotFoundError):
            if kept is None and self._content.sizes([digest]).get(digest) == size:
                return self._content.open(digest)
        return kept

    def _journalled(self, digest: Digest) -> BinaryIO | None:
        """Return the content that the journal has of a blob."""
        self._check_place()
        content = self._ask(lambda tx: content_of(tx, digest))
        return None if content is None else io.BytesIO(content)


def _length(file: BinaryIO) -> int:
    """Return how many bytes a file holds that was just opened; one system call where it has a descriptor."""
    try:
        return os.fstat(file.fileno()).st_size
    except OSError:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        return length
