"""A descriptor with the way to the content."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.model import Descriptor

if TYPE_CHECKING:
    from typing import BinaryIO

    from blobkit.store.reading import BlobReader

__all__ = ["Blob"]


@dataclass(frozen=True, slots=True, repr=False)
class Blob(Descriptor):
    """The facts of a blob when it was looked up; its content, which never changes, is read on demand.

    >>> store = demo.small()
    >>> store.get(store.put(b"hello").digest).read()
    b'hello'
    """

    _reader: BlobReader = field(repr=False, compare=False)

    def open(self) -> BinaryIO:
        """Return the content as a file to read.

        ContentMissingError where the file is gone or truncated, BlobNotFoundError where it went with the blob.
        """
        return self._reader.open(self.digest, self.size)

    def read(self) -> bytes:
        """Return the content; errors as `open`. Cost: a small blob takes one step."""
        return self._reader.read(self.digest, self.size)
