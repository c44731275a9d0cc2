"""A descriptor with the way to the content."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.model import Descriptor

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO, Self

    from blobkit.digest import Digest

__all__ = ["Blob"]


@dataclass(frozen=True, slots=True)
class Blob(Descriptor):
    """What was known of a blob when it was looked up; its content, which never changes, is read on demand."""

    _open: Callable[[Digest], BinaryIO] = field(repr=False, compare=False)

    @classmethod
    def of(cls, known: Descriptor, opener: Callable[[Digest], BinaryIO]) -> Self:
        """Return the blob that is described, whose content `opener` opens."""
        return cls(
            known.digest,
            known.size,
            known.refcount,
            known.pins,
            known.links,
            known.media_type,
            known.created,
            known.tags,
            opener,
        )

    def open(self) -> BinaryIO:
        """Return the content as a file to read.

        ContentMissingError where the file is gone or truncated, BlobNotFoundError where the blob was removed.
        """
        return self._open(self.digest)

    def read(self) -> bytes:
        """Return the content."""
        with self.open() as file:
            return file.read()
