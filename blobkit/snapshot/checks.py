"""Check the columns of an untrusted saved snapshot: their types, values and keys.

Every answer relies on these checks; `blobkit.snapshot.tables.make` checks that the tables fit together. The checks
work on whole columns: no row becomes a Python object. Cost: a few passes over the columns of text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blobkit.digest import FORM
from blobkit.errors import SnapshotFormatError
from blobkit.render import truncate
from blobkit.snapshot.columns import combine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Columns = Mapping[str, pa.ChunkedArray]

__all__ = [
    "TABLES",
    "again",
    "check_again",
    "check_counts",
    "check_ids",
    "check_keys",
    "check_schema",
    "check_values",
    "columns_of",
    "is_coded",
]

_SHOWN = 100
_AGAIN = 1 << 16
"""References beyond one for each pin that are accepted for stores that list each reference, not a count."""
_CONTROLS = r"[\x00-\x1f\x7f-\x{9f}]"
_STEP_UP = r"(^|/)\.\.(/|$)"


class Column(NamedTuple):
    """A column: `fits` tells whether a type is right for it, `holds` names its values, `nullable` allows nulls."""

    fits: Callable[[pa.DataType], bool]
    holds: str
    nullable: bool = False


def is_coded(kind: pa.DataType) -> bool:
    """Return whether this type is a dictionary of text."""
    return bool(pa.types.is_dictionary(kind) and _is_text(kind.value_type))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) and kind.tz is not None) or bool(pa.types.is_null(kind))


_NUMBER = Column(pa.types.is_integer, "integers")
_FLAG = Column(pa.types.is_boolean, "booleans")
_TEXT = Column(lambda kind: _is_text(kind) or is_coded(kind), "text")
_NAME = Column(lambda kind: _TEXT.fits(kind) or pa.types.is_null(kind), "text", nullable=True)
_TIME = Column(_is_time, "times with a zone", nullable=True)

TABLES: Mapping[str, Mapping[str, Column]] = {
    "nodes": {
        "id": _NUMBER,
        "key": _TEXT,
        "size": _NUMBER,
        "kind": _TEXT,
        "media_type": _TEXT,
        "platform": _TEXT,
        "created": _TIME,
        "modified": _TIME,
        "stored": _TEXT,
        "opaque": _FLAG,
    },
    "links": {"source": _NUMBER, "target": _NUMBER, "kind": _TEXT},
    "pins": {"node": _NUMBER, "name": _NAME, "kind": _TEXT, "group": _NAME, "count": _NUMBER, "modified": _TIME},
    "notices": {"code": _TEXT, "key": _TEXT, "path": _TEXT, "message": _TEXT},
}
"""The columns of each table; other columns of a file are not read."""
OPTIONAL: Mapping[str, Mapping[str, Column]] = {"nodes": {"disk": _NUMBER}}
"""The columns of each table that a file need not have."""


def columns_of(table: str, schema: pa.Schema) -> dict[str, Column]:
    """Return the columns of a table that are read from a file with this schema."""
    more = {name: column for name, column in OPTIONAL.get(table, {}).items() if name in schema.names}
    return {**TABLES[table], **more}


def check_schema(table: str, schema: pa.Schema) -> None:
    """Raise SnapshotFormatError if a column is absent, repeated, or of another type."""
    for name, column in columns_of(table, schema).items():
        found = schema.get_all_field_indices(name)
        if len(found) != 1:
            msg = f"{table} has {f'{len(found)} columns' if found else 'no column'} {name}"
            raise SnapshotFormatError(msg)
        kind = schema.field(found[0]).type
        if not column.fits(kind):
            msg = f"the column {name} of {table} holds {truncate(str(kind), _SHOWN)} instead of {column.holds}"
            raise SnapshotFormatError(msg)


def check_values(table: str, columns: Columns) -> None:
    """Raise SnapshotFormatError for nulls, invalid UTF-8, and codes outside their dictionary."""
    for name, column in columns.items():
        if column.null_count and not _column(table, name).nullable:
            msg = f"the column {name} of {table} has {column.null_count:,} nulls"
            raise SnapshotFormatError(msg)
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            reason = truncate(str(error).split("\n", maxsplit=1)[0], _SHOWN)
            msg = f"the column {name} of {table} is not valid ({reason})"
            raise SnapshotFormatError(msg) from error


def _column(table: str, name: str) -> Column:
    return TABLES[table].get(name) or OPTIONAL[table][name]


def check_ids(ids: pa.ChunkedArray) -> None:
    """Raise SnapshotFormatError if the ids of nodes are not their rows: other readers would find other links."""
    found = np.asarray(combine(ids))
    if not np.array_equal(found, np.arange(len(found))):
        msg = "the ids of the nodes are not their rows, so that links and pins could mean other nodes"
        raise SnapshotFormatError(msg)


def check_counts(counts: pa.ChunkedArray) -> None:
    """Raise SnapshotFormatError if pins count more references than a store can have that lists each of them."""
    check_again(again(counts))


def again(counts: pa.ChunkedArray) -> int:
    """Return how many references pins count beyond one for each pin."""
    return int(np.maximum(np.asarray(combine(counts)), 1).sum()) - len(counts)


def check_again(number: int) -> None:
    """Raise SnapshotFormatError if a store without counts cannot have so many references beyond one for each pin."""
    if number > _AGAIN:
        msg = f"the pins count {number:,} references more than there are pins, and such a store has no counts"
        raise SnapshotFormatError(msg)


def check_keys(key: pa.ChunkedArray, stored: pa.ChunkedArray, key_form: str) -> None:
    """Raise SnapshotFormatError if the key of a blob is neither a digest nor matches `key_form`.

    `key_form` is the form of keys in this kind of store, "" if it has digests only. A virtual node may have any key
    without control characters.
    """
    keys = combine(key)
    rest = np.flatnonzero(~_matches(keys, rf"\A(?:{FORM})\z"))
    if not len(rest):
        return
    keys = keys.take(rest)
    virtual = np.asarray(pc.equal(combine(stored).take(rest).cast(pa.string()), "virtual"))
    right = virtual.copy()
    if key_form:
        right |= _matches(keys, rf"\A(?:{key_form})\z") & ~_matches(keys, _STEP_UP)
    right &= ~_matches(keys, _CONTROLS) & ~_matches(keys, r"\A\z")
    if not right.all():
        shown = truncate(keys[int(np.argmin(right))].as_py(), _SHOWN)
        msg = f"the key {shown!r} is neither a digest nor a key that this kind of store has"
        raise SnapshotFormatError(msg)


def _matches(texts: pa.Array, expression: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(pc.match_substring_regex(texts, expression))
