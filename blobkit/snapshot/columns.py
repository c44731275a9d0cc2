"""Make Arrow columns from the input of makers and saved files: lists, numpy or Arrow arrays, texts or their codes.

A column is rejected (SnapshotFormatError) if its values would have to be guessed: 4.9 is not a node id, and the text
"false" is not a boolean.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blobkit.errors import SnapshotFormatError
from blobkit.render import join_some, to_utf8, truncate

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LATEST",
    "TEXT",
    "TIME",
    "arrow",
    "combine",
    "dictionary",
    "flags_of",
    "text",
    "text_dictionary",
    "times",
    "vocabulary_dictionary",
    "whole_numbers",
]

TIME = pa.timestamp("us", tz="UTC")
TEXT = pa.large_string()
_SHOWN = 40
LATEST = (datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
    microseconds=1
)


def combine(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one chunk; without a copy if it has one already (`combine_chunks` would copy it)."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def arrow(values: NDArray[np.integer] | NDArray[np.bool_]) -> pa.Array:
    """Return numbers or booleans as an Arrow array, numbers without a copy; `pa.array` would load numpy.ma."""
    n, buffer = len(values), np.packbits(values, bitorder="little") if values.dtype == np.bool_ else values
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, n, [None, pa.py_buffer(np.ascontiguousarray(buffer))])


def as_array(values: object) -> object:
    """Return values with their chunks combined, if they have chunks."""
    return combine(values) if isinstance(values, pa.ChunkedArray) else values


def whole_numbers(values: object, noun: str) -> NDArray[np.integer]:
    """Return integers as a numpy array, narrow types too: copying many takes longer than most work with them."""
    found = np.asarray(as_array(values))
    if found.dtype.kind not in "iu" and found.size:
        msg = f"{noun} is not a whole number, or unknown ({found.dtype} instead of integers)"
        raise SnapshotFormatError(msg)
    return found if found.dtype.kind == "i" else found.astype(np.int64)


def flags_of(values: object, n: int, noun: str) -> NDArray[np.bool_]:
    """Return n booleans, also from a single one for all."""
    found = np.asarray(as_array(values))
    if found.dtype.kind != "b" and found.size:
        msg = f"{noun} is neither true nor false ({found.dtype} instead of booleans)"
        raise SnapshotFormatError(msg)
    return np.broadcast_to(found.astype(np.bool_, copy=False), n)


def text(values: object) -> pa.Array:
    """Return a column of text; invalid UTF-8, as in names of unknown origin, is replaced."""
    values = as_array(values)
    if isinstance(values, pa.Array):
        return values.cast(TEXT)
    if isinstance(values, np.ndarray) and values.dtype.kind == "S":
        return _ascii(values)
    if isinstance(values, np.ndarray):
        values = values.tolist()
    try:
        return pa.array(values, TEXT)
    except UnicodeEncodeError:
        return pa.array([value if value is None else to_utf8(str(value)) for value in np.asarray(values, object)], TEXT)


def _ascii(values: NDArray[np.bytes_]) -> pa.Array:
    """Return a column of ASCII; without a copy if all texts have one length, as digests of one algorithm have."""
    width, n = values.itemsize, len(values)
    letters = np.ascontiguousarray(values).view(np.uint8).reshape(n, width)
    if not n or not letters[:, -1].all() or letters.max() > 0x7F:  # noqa: PLR2004 (the last ASCII code)
        return pa.array(values, pa.large_binary()).cast(TEXT)
    starts = np.arange(0, (n + 1) * width, width)
    return pa.Array.from_buffers(TEXT, n, [None, pa.py_buffer(starts), pa.py_buffer(letters)])


def text_dictionary(values: object, n: int) -> pa.Array:
    """Return texts, or (codes, texts), as a dictionary column: for columns of few different texts; "" if unknown."""
    if values is None:
        return pa.DictionaryArray.from_arrays(arrow(np.zeros(n, np.int32)), pa.array([""]))
    if isinstance(values, tuple):
        codes, vocabulary = values
        codes = arrow(codes) if isinstance(codes, np.ndarray) else codes
        return pa.DictionaryArray.from_arrays(codes, pa.array(vocabulary, pa.string()))
    found = as_array(values)
    if not isinstance(found, pa.DictionaryArray) or not _is_sound(found):
        found = text(found).fill_null("").dictionary_encode()
    return pa.DictionaryArray.from_arrays(found.indices, found.dictionary.cast(pa.string()))


def _is_sound(values: pa.DictionaryArray) -> bool:
    """Return whether a dictionary has no repeated text and no null; one from another program may have both."""
    known = not values.null_count and not values.dictionary.null_count
    return known and len(values.dictionary.unique()) == len(values.dictionary)


def vocabulary_dictionary(values: object, vocabulary: tuple[str, ...], noun: str, n: int) -> pa.Array:
    """Return a dictionary column over a fixed vocabulary, from texts, from codes (int8), or from one text for all."""
    values = as_array(values)
    if isinstance(values, np.ndarray) and values.dtype == np.int8:
        return dictionary(values, vocabulary)
    some = pa.array([values]) if isinstance(values, str) else values
    encoded = some if isinstance(some, pa.DictionaryArray) else text(some).dictionary_encode()
    found = encoded.dictionary.to_pylist()
    odd = [str(word) for word in found if word not in vocabulary]
    if odd or encoded.null_count:
        msg = (
            f"unknown {noun} {join_some([truncate(word, _SHOWN) for word in odd]) or 'null'}: it needs a newer blobkit"
        )
        raise SnapshotFormatError(msg)
    table = np.array([vocabulary.index(word) for word in found], np.int8)
    index = np.asarray(encoded.indices)
    return dictionary(np.broadcast_to(table[index], n) if isinstance(values, str) else table[index], vocabulary)


def dictionary(index: NDArray[np.integer], vocabulary: tuple[str, ...]) -> pa.Array:
    """Return a dictionary column of these codes."""
    return pa.DictionaryArray.from_arrays(arrow(index.astype(np.int8, copy=False)), pa.array(vocabulary))


def times(values: object, n: int) -> pa.Array:
    """Return microseconds since 1970, or timestamps, as a column of UTC times; null outside of 1970 to 9999."""
    if values is None:
        return pa.nulls(n, TIME)
    values = as_array(values)
    if isinstance(values, pa.Array) and pa.types.is_timestamp(values.type):
        since = values.cast(TIME).cast(pa.int64())
    else:
        is_plain = isinstance(values, np.ndarray) and values.dtype == np.int64
        since = arrow(np.asarray(values)) if is_plain else pa.array(values, pa.int64())
    if not _all_within(since):
        within = pc.and_(pc.greater_equal(since, 0), pc.less_equal(since, LATEST))
        since = pc.if_else(within, since, pa.scalar(None, pa.int64()))
    return since.cast(TIME)


def _all_within(since: pa.Array) -> bool:
    ends = pc.min_max(since).as_py()
    return ends["min"] is None or (ends["min"] >= 0 and ends["max"] <= LATEST)
