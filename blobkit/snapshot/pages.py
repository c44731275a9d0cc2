"""Read the footer and page headers of a parquet file: its columns by row group, and the unpacked size of their pages.

The footer of an untrusted file may claim any unpacked size; readers use the headers of pages. Both are checked here
first, because pyarrow ends the whole process at some footers (26.0: histograms of the wrong length). Format: Apache
Parquet, `parquet.thrift`. Cost: the footer, and one small read for each page.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, NamedTuple

from blobkit.errors import SnapshotFormatError
from blobkit.snapshot.thrift import I32, I64, LIST, STRUCT, Compact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.snapshot.thrift import Struct, Value

__all__ = ["DICTIONARY_PAGE", "PREFIX_SHARING", "Chunk", "Page", "chunks", "pages"]

DICTIONARY_PAGE = 2
PREFIX_SHARING = 7
"""The encoding DELTA_BYTE_ARRAY: each text repeats the start of the previous one, so it can unpack to any length."""

MAGIC = b"PAR1"
_END = 8
_USUAL, _MOST = 1 << 10, 16 << 20
"""Bytes: most headers are shorter than the first; readers reject headers longer than the second."""


class Chunk(NamedTuple):
    """One column in one row group: the positions of both, its values and rows, start and size of its pages."""

    group: int
    place: int
    values: int
    rows: int
    start: int
    size: int


class Page(NamedTuple):
    """A page: its type, its packed and unpacked bytes, its encoding."""

    type: int
    packed: int
    unpacked: int
    encoding: int


def chunks(file: IO[bytes], columns: int) -> Iterator[Chunk]:
    """Yield each column in each row group; SnapshotFormatError if the footer is not valid or has other columns."""
    for number, group in enumerate(_structs(_footer(file).get((4, LIST)))):
        found = _structs(group.get((1, LIST)))
        if len(found) != columns:
            msg = f"a row group of {len(found)} columns in a file of {columns}"
            raise SnapshotFormatError(msg)
        for place, column in enumerate(found):
            about = _struct(column.get((3, STRUCT)))
            values, size, data, dictionary = (_integer(about, field, I64) for field in (5, 7, 9, 11))
            start = dictionary if 0 < dictionary < data else data
            yield Chunk(number, place, values, _integer(group, 3, I64), start, size)


def pages(file: IO[bytes], start: int, size: int) -> Iterator[Page]:
    """Yield the pages of one column in one row group; SnapshotFormatError if a header is not valid."""
    at, end = start, start + size
    while at < end:
        header, length = _header(file, at)
        kind, unpacked, packed = (_integer(header, field, I32) for field in (1, 2, 3))
        page = Page(kind, packed, unpacked, _encoding(header))
        if min(page) < 0:
            msg = f"a page of {page.packed} bytes that unpacks to {page.unpacked}"
            raise SnapshotFormatError(msg)
        yield page
        at += length + page.packed


def _footer(file: IO[bytes]) -> Struct:
    """Return the footer of a file; SnapshotFormatError if it is not valid."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(end - _END, 0))
    tail = file.read(_END)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or length > end - _END:
        msg = "a file that is not parquet"
        raise SnapshotFormatError(msg)
    file.seek(end - _END - length)
    try:
        return Compact(file.read(length)).struct()
    except IndexError:
        msg = "a file without a whole footer"
        raise SnapshotFormatError(msg) from None


def _header(file: IO[bytes], at: int) -> tuple[Struct, int]:
    """Return the header at this position and its length."""
    amount = _USUAL
    while True:
        file.seek(at)
        data = file.read(amount)
        reader = Compact(data)
        try:
            return reader.struct(), reader.at
        except IndexError:
            if len(data) < amount or amount >= _MOST:
                msg = "a page without a header"
                raise SnapshotFormatError(msg) from None
        amount *= 8


def _encoding(header: Struct) -> int:
    """Return the encoding of a data page (of either version), 0 for other pages."""
    for field, inner in ((5, 2), (8, 4)):
        if found := _struct(header.get((field, STRUCT))):
            return _integer(found, inner, I32)
    return 0


def _struct(value: Value) -> Struct:
    return value if isinstance(value, dict) else {}


def _structs(value: Value) -> list[Struct]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _integer(struct: Struct, field: int, kind: int) -> int:
    value = struct.get((field, kind), 0)
    return value if isinstance(value, int) else 0
