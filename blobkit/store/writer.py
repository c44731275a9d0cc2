"""New content on its way in, as in the original package: write, look at the digest, commit or cancel."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from blobkit.digest import Digest
from blobkit.errors import WriterClosedError
from blobkit.render import human_bytes
from blobkit.store.hashing import CHUNK, Hasher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import BinaryIO, Self

    from typing_extensions import Buffer
    from typing_extensions import TypeVar as DefaultingTypeVar

    from blobkit.contents import Staged
    from blobkit.digest import Algorithm
    from blobkit.model import Descriptor
    from blobkit.store.ingest import Data

__all__ = ["BlobWriter", "bytes_of"]

if TYPE_CHECKING:
    R = DefaultingTypeVar("R", default=Descriptor)
    """What a commit returns: for a store a Descriptor."""
else:
    R = TypeVar("R")  # a default needs Python 3.13

SMALL = 2 << 20
"""Up to this size, a thread costs more than it saves."""
PIECE = 1 << 16
FAILED = "stopped by an error"


class BlobWriter(Generic[R]):
    """Hashes and stages what is written; nobody sees it before `commit`. Made by `store.new_writer`.

    `with` commits on success and cancels on an error; after an explicit commit or cancel, leaving it does nothing.
    A writer belongs to one process and one thread at a time.

    >>> with demo.small().new_writer() as writer:
    ...     _ = writer.write(b"hello, "), writer.write(b"world")
    >>> writer.digest[:19]
    'sha256:09ca7e4eaa6e'
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
        self._hasher: Hasher | None = None
        self._media_type = media_type
        self._commit = commit
        self._pid = os.getpid()
        self._end = ""
        self.size = 0

    @property
    def digest(self) -> Digest:
        """The digest of what was written so far."""
        if self._end == FAILED or self._hasher is not None:
            self._check()
        return self._settled()

    def write(self, data: Buffer) -> int:
        """Append all of `data`, any object with a C-contiguous buffer, which may change afterwards; return its bytes.

        Where that fails nothing is kept and the writer is closed. Cost: large content is hashed beside the writing.
        """
        self._check()
        view = bytes_of(data)
        try:
            if self._hasher is None and self.size + len(view) <= SMALL:
                self._staged.write(view)
                self._hash.update(view)
            else:
                self._write_large(view)
        except BaseException:
            self._stop(FAILED)
            raise
        self.size += len(view)
        return len(view)

    def draw(self, data: Data) -> None:
        """Append bytes, the file at a path by the cheapest way that the file system has, or the rest of an open file.

        What opening and reading raise is passed on; then nothing is kept and the writer is closed.
        """
        if isinstance(data, bytes | bytearray | memoryview):
            self.write(data)
        elif isinstance(data, str | os.PathLike):
            with open(data, "rb", buffering=0) as file:  # noqa: PTH123 (unbuffered: the kernel may copy it)
                self._draw(file)
        elif hasattr(data, "read"):
            self._draw(cast("BinaryIO", data))
        else:
            self.write(data)

    def commit(self) -> R:
        """Return the descriptor of the blob, which is in the store now, as durable as it promises, with one pin more.

        MediaTypeConflictError where it is there under another media type. Whatever happens, the writer is closed.
        """
        self._check()
        self._end = "committed"
        try:
            digest = self._settled()
            self._end_hasher()
            return self._commit(self._staged, digest, self.size, self._media_type)
        finally:
            self._staged.discard()

    def cancel(self) -> None:
        """Forget what was written; once committed or cancelled this does nothing."""
        if not self._end:
            try:
                if self._pid == os.getpid():
                    self._settled()
            finally:
                self._stop("cancelled")

    def __repr__(self) -> str:
        """Return how much was written, and whether more can be."""
        return f"<BlobWriter: {human_bytes(self.size)} written, {self._end or 'open'}>"

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

    def _write_large(self, view: memoryview) -> None:
        """Write and hash at once, piece by piece; bytes that cannot change are not copied for the hash."""
        hasher = self._begun_hasher()
        lasting = type(view.obj) is bytes and len(view) >= CHUNK
        for start in range(0, len(view), CHUNK):
            piece = view[start : start + CHUNK]
            if lasting:
                hasher.hand(piece)
            else:
                hasher.copy(piece)
            self._staged.write(piece)

    def _draw(self, file: BinaryIO) -> None:
        self._check()
        try:
            for piece in self._staged.draw(file, self._buffers()):
                if self._hasher is None and self.size + len(piece) <= SMALL:
                    self._hash.update(piece)
                else:
                    self._begun_hasher().hand(piece)
                self.size += len(piece)
        except BaseException:
            self._stop(FAILED)
            raise

    def _buffers(self) -> Iterator[memoryview]:
        """Yield room for a piece, again and again: a small one while what is in it is hashed at once."""
        room = memoryview(bytearray(PIECE))
        while self._hasher is None:
            yield room
        while True:
            yield self._hasher.buffer()

    def _settled(self) -> Digest:
        if self._hasher is not None:
            self._hasher.settle()
        return Digest(f"{self._algorithm.label}:{self._hash.hexdigest()}")

    def _begun_hasher(self) -> Hasher:
        if self._hasher is None:
            self._hasher = Hasher(self._hash.update)
        return self._hasher

    def _end_hasher(self) -> None:
        hasher, self._hasher = self._hasher, None
        if hasher is not None:
            hasher.stop()

    def _stop(self, end: str) -> None:
        """Close the writer without a blob."""
        self._end = end
        self._end_hasher()
        self._staged.discard()


def bytes_of(data: Buffer) -> memoryview:
    """Return the bytes of any object with a C-contiguous buffer; TypeError for others."""
    try:
        view = memoryview(data)
    except TypeError as error:
        msg = f"a blob is made of bytes, not of {type(data).__name__}: encode it, or give a binary file"
        raise TypeError(msg) from error
    if not view.c_contiguous:
        msg = "the buffer is not C-contiguous: give bytes(buffer)"
        raise TypeError(msg)
    try:
        return view.cast("B")
    except (TypeError, ValueError, NotImplementedError):  # no size, or items that memoryview cannot name
        return memoryview(view.tobytes())
