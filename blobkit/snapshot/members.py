"""Members of a zip archive as files that can be sought in."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from typing import IO, BinaryIO, cast

from blobkit.errors import SnapshotFormatError

__all__ = ["member"]

_PACKED_LIMIT = 16 << 20
"""Bytes: what other programs packed once more is unpacked up to this size, in memory."""
_NAME_LENGTH, _HEADER = 26, 30
"""Where a member's header says how long its name and its extra field are, its length without them (APPNOTE 4.3.7)."""
_PIECE = 1 << 20


def member(archive: zipfile.ZipFile, whole: BinaryIO, name: str) -> IO[bytes]:
    """Return a member of an archive, which is the file `whole`; its checksum is compared. Cost: reading it once."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        if info.file_size > _PACKED_LIMIT:
            msg = f"{name} is packed in the zip archive: store it as it is"
            raise SnapshotFormatError(msg)
        return io.BytesIO(archive.read(info))
    with archive.open(info):  # this compares the two headers, and refuses what is encrypted
        pass
    whole.seek(info.header_offset + _NAME_LENGTH)
    lengths = sum(int.from_bytes(whole.read(2), "little") for _ in ("name", "extra field"))
    part = Part(whole, info.header_offset + _HEADER + lengths, info.file_size)
    if part.checksum() != info.CRC:
        msg = f"{name} is damaged: it has another checksum than the zip archive says"
        raise SnapshotFormatError(msg)
    return cast("IO[bytes]", part)


class Part:
    """A part of a file as a file of its own; seeking in a member of an archive would read it from its start."""

    closed = False

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self.file, self.start, self.size, self.at = file, start, size, 0

    def read(self, amount: int = -1) -> bytes:
        """Return up to so many bytes, all that are left for -1."""
        left = max(self.size - self.at, 0)
        self.file.seek(self.start + self.at)
        data = self.file.read(left if amount < 0 else min(amount, left))
        self.at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place and return it."""
        self.at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.size}[whence]
        return self.at

    def tell(self) -> int:
        """Return the place."""
        return self.at

    def readable(self) -> bool:
        """Return True, as files do that are read."""
        return True

    def close(self) -> None:
        """Leave the whole file open: who opened it closes it."""

    def checksum(self) -> int:
        """Return the CRC-32 of all bytes, and go back to the first."""
        found = 0
        while piece := self.read(_PIECE):
            found = zlib.crc32(piece, found)
        self.seek(0)
        return found
