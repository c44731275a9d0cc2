"""Open members of a zip archive as seekable files."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from typing import IO, BinaryIO, cast

from blobkit.errors import SnapshotFormatError

__all__ = ["member"]

_PACKED_LIMIT = 4 << 20
"""Bytes: a member that another program compressed is unpacked in memory up to this size."""
_NAME_LENGTH, _HEADER = 26, 30
"""Position of the lengths of name and extra field in a member's header; its length without both (APPNOTE 4.3.7)."""
_PIECE = 1 << 20


def member(archive: zipfile.ZipFile, whole: BinaryIO, name: str) -> IO[bytes]:
    """Return a member of an archive, its checksum verified; `whole` is the archive's file. Cost: one read of it."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        if info.file_size > _PACKED_LIMIT:
            msg = f"{name} is compressed in the zip archive: store it without compression"
            raise SnapshotFormatError(msg)
        return io.BytesIO(archive.read(info))
    with archive.open(info):  # this compares the two headers, and rejects an encrypted member
        pass
    whole.seek(info.header_offset + _NAME_LENGTH)
    lengths = sum(int.from_bytes(whole.read(2), "little") for _ in ("name", "extra field"))
    part = Part(whole, info.header_offset + _HEADER + lengths, info.file_size)
    if part.checksum() != info.CRC:
        msg = f"{name} is damaged: its checksum differs from the one in the zip archive"
        raise SnapshotFormatError(msg)
    return cast("IO[bytes]", part)


class Part:
    """A part of a file as a seekable file; the `zipfile` module would read a member again from its start to seek."""

    closed = False

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self.file, self.start, self.size, self.at = file, start, size, 0

    def read(self, amount: int = -1) -> bytes:
        """Return up to `amount` bytes, all that are left for -1."""
        left = max(self.size - self.at, 0)
        self.file.seek(self.start + self.at)
        data = self.file.read(left if amount < 0 else min(amount, left))
        self.at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position and return it."""
        self.at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.size}[whence]
        return self.at

    def tell(self) -> int:
        """Return the position."""
        return self.at

    def readable(self) -> bool:
        """Return True: the file is open for reading."""
        return True

    def close(self) -> None:
        """Do nothing: the caller closes the whole file."""

    def checksum(self) -> int:
        """Return the CRC-32 of all bytes, and set the position to the start."""
        found = 0
        while piece := self.read(_PIECE):
            found = zlib.crc32(piece, found)
        self.seek(0)
        return found
