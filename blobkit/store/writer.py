"""New content on its way in, as in the original package: write, look at the digest, commit or cancel."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Generic, TypeVar

from blobkit.digest import Digest
from blobkit.errors import WriterClosedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from blobkit.digest import Algorithm
    from blobkit.protocols import Staged


__all__ = ["BlobWriter"]

R = TypeVar("R")
"""What a commit returns: for a store a Descriptor."""


class BlobWriter(Generic[R]):
    """Hashes and stages what is written; nobody sees it before `commit`. Made by `store.new_writer`.

    `with` commits on success and cancels on an error; after an explicit commit or cancel, leaving it does nothing.
    A writer belongs to one process and one thread at a time.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        media_type: str,
        stage: Callable[[], Staged],
        commit: Callable[[Staged, Digest, int, str], R],
    ) -> None:
        self._staged = stage()
        self._algorithm = algorithm
        self._hash = algorithm.new()
        self._media_type = media_type
        self._commit = commit
        self._pid = os.getpid()
        self._end = ""
        self.size = 0

    @property
    def digest(self) -> Digest:
        """The digest of what was written so far."""
        return Digest(f"{self._algorithm.label}:{self._hash.hexdigest()}")

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append all of `data`, any object with the buffer protocol; return its length in bytes."""
        self._check()
        view = memoryview(data).cast("B")
        self._staged.write(view)
        self._hash.update(view)
        self.size += len(view)
        return len(view)

    def commit(self) -> R:
        """Return the descriptor of the blob, which is in the store now, as durable as it promises, with one pin more.

        MediaTypeConflictError where it is there under another media type. Whatever happens, the writer is closed.
        """
        self._check()
        self._end = "committed"
        try:
            return self._commit(self._staged, self.digest, self.size, self._media_type)
        finally:
            self._staged.discard()

    def cancel(self) -> None:
        """Forget what was written; once committed or cancelled this does nothing."""
        if not self._end:
            self._end = "cancelled"
            self._staged.discard()

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Commit, or cancel on an error, unless that was done."""
        if kind is not None:
            self.cancel()
        elif not self._end:
            self.commit()

    def _check(self) -> None:
        if self._end:
            msg = f"this writer was {self._end} already: take another one with store.new_writer()"
            raise WriterClosedError(msg)
        if self._pid != os.getpid():
            msg = "this writer belongs to the process that forked this one: take another one with store.new_writer()"
            raise WriterClosedError(msg)
