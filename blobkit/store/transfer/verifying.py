"""Content of a source, read and verified: nothing is taken whose hash is not what its digest says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.digest import matches, read_through
from blobkit.errors import BlobNotFoundError
from blobkit.oci.documents import DOCUMENT_LIMIT
from blobkit.render import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    from blobkit.digest import Digest

    Open = Callable[[Digest], BinaryIO]
    """Returns content as a file to read."""

__all__ = ["documents", "verified"]

CHANGED = "has other content than its digest says"


def verified(opened: Open, digest: Digest, write: Callable[[memoryview], object] = len) -> int | str:
    """Write the content of a blob; return its size, or why it cannot be taken ("cannot be read (...)").

    What `write` raises is passed on: it says nothing of the source.
    """
    size = 0
    failed: list[OSError] = []

    def take(piece: bytes) -> None:
        nonlocal size
        try:
            write(memoryview(piece))
        except OSError as error:
            failed.append(error)
            raise
        size += len(piece)

    try:
        with opened(digest) as file:
            return size if read_through(file, digest, take) else CHANGED
    except (BlobNotFoundError, OSError) as error:
        if error in failed:
            raise
        return _unreadable(error)


def documents(opened: Open, digests: Iterable[Digest]) -> Iterator[tuple[Digest, bytes | str]]:
    """Yield the bytes of blobs that may be documents, or why they cannot be taken; not those that are absent.

    What is too large for a document is neither hashed nor read to its end.
    """
    for digest in digests:
        try:
            with opened(digest) as file:
                data = file.read(DOCUMENT_LIMIT + 1)
        except (BlobNotFoundError, FileNotFoundError):
            continue
        except OSError as error:
            yield digest, f"it {_unreadable(error)}"
        else:
            yield digest, data if len(data) > DOCUMENT_LIMIT or matches(data, digest) else f"it {CHANGED}"


def _unreadable(error: Exception) -> str:
    return f"cannot be read ({printable(str(getattr(error, 'strerror', None) or error))})"
