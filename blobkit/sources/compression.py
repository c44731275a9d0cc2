"""Read compressed files as a stream of their content: gzip, zstd, bzip2, xz, recognised by their first bytes."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import zlib
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

__all__ = ["Forward", "Piece", "compression_of", "decompressed", "inflated"]

BLOCK = 512
PIECE = 1 << 20
MOST = 1 << 62
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    **{bytes([0x50 + number]) + b"\x2a\x4d\x18": "zstd" for number in range(16)},  # a frame to be skipped
}


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class Forward:
    """The content of a compressed file, read from the beginning to the end. `at` is the place reached, in bytes.

    `passed` is called with the bytes of the compressed file that were read. Damage is an OSError.
    """

    def __init__(self, file: BinaryIO, compression: str, passed: Callable[[int], object] | None = None) -> None:
        self.at = 0
        self._raw, self._passed, self._reported = file, passed, 0
        self._file = _OPENERS[compression](file)

    def read(self, size: int, /) -> bytes:
        """Return this many bytes, fewer only at the end."""
        found = self._piece(size)
        if 0 < len(found) < size:
            parts, left = [found], size - len(found)
            while left and (found := self._piece(left)):
                parts.append(found)
                left -= len(found)
            found = b"".join(parts)
        return found

    def block(self, place: int, /) -> bytes:
        """Return the 512 bytes at a place that is not behind, fewer only at the end."""
        self.seek(place)
        return self.read(BLOCK) if self.at == place else b""

    def seek(self, place: int, /) -> None:
        """Read on to this place, or to the end; it must not be behind."""
        while self.at < place and self._piece(min(place - self.at, PIECE)):
            pass

    def tell(self) -> int:
        """Return the place reached."""
        return self.at

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._raw.close()

    def _piece(self, size: int) -> bytes:
        try:
            found = self._file.read(size)
        except EOFError as error:
            raise OSError(errno.EIO, "the compressed data end too early") from error
        except (OSError, zlib.error, lzma.LZMAError) as error:
            raise OSError(errno.EIO, f"the compressed data are damaged: {_first_line(error)}") from error
        self.at += len(found)
        if self._passed and size > BLOCK:
            place = self._raw.tell()
            self._passed(place - self._reported)
            self._reported = place
        return found


class Piece(io.RawIOBase):
    """The next bytes of a decompressed stream as a file; `done` takes the stream when the file is closed."""

    def __init__(self, run: Forward, size: int, done: Callable[[Forward], object]) -> None:
        self._run, self._left, self._done = run, size, done

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, all for -1."""
        found = self._run.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(found)
        return found

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read into a buffer; return the number of bytes."""
        found = self.read(len(buffer))
        memoryview(buffer)[: len(found)] = found
        return len(found)

    def close(self) -> None:
        """Give the stream back."""
        if not self.closed:
            self._done(self._run)
        super().close()


def inflated(file: BinaryIO) -> BinaryIO:
    """Return a file with the content of a file that may be compressed, and now belongs to it."""
    buffered = io.BufferedReader(cast("io.RawIOBase", file), PIECE)
    compression = compression_of(buffered.peek(8)[:8])
    if not compression:
        return buffered
    return cast("BinaryIO", Piece(decompressed(buffered, compression), MOST, Forward.close))


def compression_of(head: bytes) -> str:
    r"""Return how a file with these first bytes is compressed, "" if it is not.

    >>> compression_of(b"\x1f\x8b\x08"), compression_of(b"(\xb5/\xfd"), compression_of(b"index.json")
    ('gzip', 'zstd', '')
    """
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


def decompressed(file: BinaryIO, compression: str, passed: Callable[[int], object] | None = None) -> Forward:
    """Return the content of a compressed file, which is then owned by the stream."""
    return Forward(file, compression, passed)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0][:200]


def _zstd(file: BinaryIO) -> _Readable:
    from pyarrow import CompressedInputStream, PythonFile  # noqa: PLC0415 (it takes long to import)

    return cast("_Readable", CompressedInputStream(PythonFile(file, mode="r"), "zstd"))


_OPENERS: dict[str, Callable[[BinaryIO], _Readable]] = {
    "gzip": lambda file: cast("_Readable", gzip.GzipFile(fileobj=file, mode="rb")),
    "zstd": _zstd,
    "bzip2": lambda file: cast("_Readable", bz2.BZ2File(file, "rb")),
    "xz": lambda file: cast("_Readable", lzma.LZMAFile(file, "rb")),  # noqa: SIM115 (the stream closes it)
}
