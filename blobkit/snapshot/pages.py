"""The headers of the pages in a parquet file: what each page unpacks to, before anything is unpacked.

The footer of a file says it too, and a stranger may let it say anything; a reader goes by the headers. Format: Apache
Parquet, `parquet.thrift` (PageHeader), in Thrift's compact protocol. Cost: one small read a page.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, NamedTuple

from blobkit.errors import SnapshotFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DICTIONARY_PAGE", "PREFIX_SHARING", "Page", "pages"]

DICTIONARY_PAGE = 2
PREFIX_SHARING = 7
"""The encoding DELTA_BYTE_ARRAY: each text repeats the start of the one before, so that it unpacks to any length."""

_USUAL, _MOST = 1 << 10, 16 << 20
"""Bytes: most headers are shorter than the one, and no reader takes a header longer than the other."""
_DEPTH = 8
_STOP, _BYTE, _I32, _DOUBLE, _BINARY, _STRUCT = 0, 3, 5, 7, 8, 12
_BOOLEANS, _VARINTS, _LISTS = (1, 2), (4, _I32, 6), (9, 10)

Struct = dict[int, "int | Struct"]
"""The integers (of 32 bits) and structs in a struct, by the numbers of their fields; nothing else matters here."""


class Page(NamedTuple):
    """A page: its type, the bytes that it takes packed and unpacked, its encoding."""

    type: int
    packed: int
    unpacked: int
    encoding: int


def pages(file: IO[bytes], start: int, size: int) -> Iterator[Page]:
    """Yield the pages of one column in one row group; SnapshotFormatError where there is no valid header."""
    at, end = start, start + size
    while at < end:
        header, length = _header(file, at)
        kind, unpacked, packed = (_integer(header, field) for field in (1, 2, 3))
        page = Page(kind, packed, unpacked, _encoding(header))
        if min(page) < 0:
            msg = f"a page of {page.packed} bytes that unpacks to {page.unpacked}"
            raise SnapshotFormatError(msg)
        yield page
        at += length + page.packed


def _header(file: IO[bytes], at: int) -> tuple[Struct, int]:
    """Return the header at this place and its length."""
    amount = _USUAL
    while True:
        file.seek(at)
        data = file.read(amount)
        reader = _Compact(data)
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
        found = header.get(field)
        if isinstance(found, dict):
            return _integer(found, inner)
    return 0


def _integer(struct: Struct, field: int) -> int:
    value = struct.get(field, 0)
    return value if isinstance(value, int) else 0


class _Compact:
    """Reads values from `data` at `at`; IndexError where they go on behind its end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def struct(self, depth: int = 0) -> Struct:
        if depth > _DEPTH:
            msg = "a page whose header is nested too deeply"
            raise SnapshotFormatError(msg)
        found: Struct = {}
        field = 0
        while (head := self._byte()) & 15 != _STOP:
            field = field + (head >> 4) if head >> 4 else self._zigzag()
            value = self._value(head & 15, depth)
            if value is not None:
                found[field] = value
        return found

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _skip(self, amount: int) -> None:
        self.at += amount
        if self.at > len(self.data):
            raise IndexError

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:  # noqa: PLR2004 (ten bytes hold any number)
                msg = "a page whose header holds a number without end"
                raise SnapshotFormatError(msg)
        return value | byte << shift

    def _zigzag(self) -> int:
        """Return a number of 32 bits; longer ones are cut, as the readers of parquet do."""
        value = self._varint() & 0xFFFF_FFFF
        return (value >> 1) ^ -(value & 1)

    def _value(self, kind: int, depth: int) -> int | Struct | None:
        """Return an integer of 32 bits or a struct; None for anything else, which is skipped."""
        if kind == _I32:
            return self._zigzag()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in _VARINTS:
            self._varint()
        elif kind == _BYTE:
            self._skip(1)
        elif kind == _DOUBLE:
            self._skip(8)
        elif kind == _BINARY:
            self._skip(self._varint())
        elif kind not in _BOOLEANS:
            msg = "a page whose header holds what no header does"
            raise SnapshotFormatError(msg)
        return None
