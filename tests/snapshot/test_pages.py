"""Headers of pages, written by hand in Thrift's compact protocol."""

from __future__ import annotations

import io

import pyarrow.parquet as pq
import pytest

from blobkit.errors import SnapshotFormatError
from blobkit.snapshot.pages import DICTIONARY_PAGE, PREFIX_SHARING, Chunk, Page, chunks, pages
from blobkit.snapshot.thrift import Compact
from crafted import parquet, tables


def varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes((number & 0x7F | 0x80,))
        number >>= 7
    return found + bytes((number,))


def i32(field: int, number: int) -> bytes:
    """A field of 32 bits that says its own number."""
    return b"\x05" + varint(field * 2) + varint(number * 2 if number >= 0 else -number * 2 - 1)


def header(kind: int, unpacked: int, packed: int, *more: bytes) -> bytes:
    return i32(1, kind) + i32(2, unpacked) + i32(3, packed) + b"".join(more) + b"\0"


def struct(field: int, *inside: bytes) -> bytes:
    return b"\x0c" + varint(field * 2) + b"".join(inside) + b"\0"


def read(data: bytes, start: int = 0) -> list[Page]:
    return list(pages(io.BytesIO(data), start, len(data) - start))


def test_pages_follow_each_other() -> None:
    statistics = struct(5, b"\x08" + varint(2) + varint(5000) + b"x" * 5000)  # longer than a first look
    data = b"xx" + header(DICTIONARY_PAGE, 70, 3) + b"abc"
    data += header(0, 1 << 30, 2, struct(5, i32(1, 9), i32(2, 8), statistics)) + b"de"
    data += header(3, 0, 0, struct(8, i32(4, PREFIX_SHARING)))
    assert read(data, 2) == [
        Page(DICTIONARY_PAGE, 3, 70, 0),
        Page(0, 2, 1 << 30, 8),
        Page(3, 0, 0, PREFIX_SHARING),
    ]


def test_fields_of_every_type_are_passed_over() -> None:
    more = b"\x11" + b"\x12"  # true and false, the next fields
    more += b"\x13x" + b"\x16" + varint(1 << 60) + b"\x17" + b"x" * 8 + b"\x14\x02" + b"\x18\x02xy"
    assert read(header(0, 5, 0, more)) == [Page(0, 0, 5, 0)]


def test_a_number_of_more_than_32_bits_is_cut_as_readers_cut_it() -> None:
    size = b"\x05" + varint(4) + varint((1 << 40) + 14)
    assert read(i32(1, 0) + size + i32(3, 0) + b"\0") == [Page(0, 0, 7, 0)]


def test_headers_that_would_take_long_to_read() -> None:
    with pytest.raises(SnapshotFormatError, match="without end"):
        read(b"\x05\x02" + b"\xff" * 100)
    with pytest.raises(SnapshotFormatError, match="too deeply"):
        read(b"\x1c" * 5000)


@pytest.mark.parametrize(
    "data",
    [
        b"\x05",
        header(0, 5, 0)[:-1],
        header(0, -5, 0),
        header(0, 5, -1),
        header(-1, 5, 0),
        b"\x19\xf5" + varint(1 << 30),
        b"\x1f",
        b"\x18" + varint(1 << 40),
    ],
)
def test_what_is_no_header_is_refused(data: bytes) -> None:
    with pytest.raises(SnapshotFormatError, match="page"):
        read(data)


def test_the_columns_of_each_row_group_are_those_that_pyarrow_finds() -> None:
    data = parquet(tables()["nodes"], row_group_size=3)
    metadata = pq.ParquetFile(io.BytesIO(data)).metadata
    found = list(chunks(io.BytesIO(data), metadata.num_columns))
    assert len(found) == 2 * metadata.num_columns
    for number, chunk in enumerate(found):
        place, column = divmod(number, metadata.num_columns)
        told = metadata.row_group(place).column(column)
        start = min(filter(None, (told.dictionary_page_offset, told.data_page_offset)))
        rows = metadata.row_group(place).num_rows
        assert chunk == Chunk(place, column, told.num_values, rows, start, told.total_compressed_size)
        assert sum(page.packed for page in pages(io.BytesIO(data), chunk.start, chunk.size)) < chunk.size


@pytest.mark.parametrize("data", [b"", b"PAR1", b"\xff\xff\xff\x7fPAR1", b"\x05\x05\x01\0\0\0PAR1", b"\0" * 20])
def test_a_file_without_a_footer_is_refused(data: bytes) -> None:
    with pytest.raises(SnapshotFormatError, match="a file"):
        list(chunks(io.BytesIO(data), 1))


def test_a_row_group_of_other_columns_is_refused() -> None:
    data = parquet(tables()["nodes"])
    with pytest.raises(SnapshotFormatError, match="10 columns in a file of 9"):
        list(chunks(io.BytesIO(data), 9))


def test_fields_are_numbered_and_merged_as_generated_readers_do() -> None:
    """A field of number 65,537 is field 1 to them; of a struct that is there twice, both halves count."""
    far = b"\x05" + varint(2 * 65_537) + varint(14)
    assert Compact(far + b"\0").struct() == {(1, 5): 7}
    twice = struct(3, i32(1, 5), i32(2, 6)) + struct(3, i32(2, 7))
    assert Compact(twice + b"\0").struct() == {(3, 12): {(1, 5): 5, (2, 5): 7}}
    other = b"\x05" + varint(2) + varint(2) + b"\x08" + varint(2) + b"\x01x"
    assert Compact(other + b"\0").struct() == {(1, 5): 1, (1, 8): b"x"}
