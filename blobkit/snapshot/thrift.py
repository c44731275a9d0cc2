"""Parse values in Thrift's compact protocol: the headers and footers of parquet files.

The bytes are untrusted, and parsed here before any parquet library sees them: a value that goes beyond the end is
rejected. If a field is repeated, the last value counts, and structs are merged, as generated readers do.
"""

from __future__ import annotations

from blobkit.errors import SnapshotFormatError

__all__ = ["BINARY", "I32", "I64", "LIST", "STRUCT", "Compact", "Struct", "Value"]

STOP, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = 0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
_TRUE, _FALSE = 1, 2
_BITS = {I16: 16, I32: 32, I64: 64}
_DEPTH = 16
_LONG = 15
_KEPT = 256
"""Bytes: longer texts are dropped, because none of the needed ones is longer."""

Struct = dict[tuple[int, int], "Value"]
"""A struct: values by the number and the type of their field."""
Value = int | bytes | Struct | list["Value"] | None
"""A value; None for values that are not needed: floating-point numbers, long texts, lists of numbers, maps."""


def _int16(number: int) -> int:
    """Return a number truncated to a signed integer of 16 bits."""
    return ((number + 0x8000) & 0xFFFF) - 0x8000


class Compact:
    """Reads values from `data` at `at`; IndexError if a value goes beyond the end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def struct(self, depth: int = 0) -> Struct:
        """Return the struct that begins here; SnapshotFormatError if it is not valid."""
        if depth > _DEPTH:
            msg = "a page or footer nested too deeply"
            raise SnapshotFormatError(msg)
        found: Struct = {}
        field = 0
        while (head := self._byte()) & 15 != STOP:
            field = _int16(field + (head >> 4) if head >> 4 else self._integer(16))
            key = field, head & 15
            value, before = self._value(key[1], depth), found.get(key)
            found[key] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
        return found

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _take(self, amount: int) -> bytes:
        """Return the next bytes; skip them and return b"" if they are many."""
        start, self.at = self.at, self.at + amount
        if self.at > len(self.data):
            raise IndexError
        return self.data[start : self.at] if amount <= _KEPT else b""

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:  # noqa: PLR2004 (ten bytes hold any number)
                msg = "a page or footer with a number without end"
                raise SnapshotFormatError(msg)
        return value | byte << shift

    def _integer(self, bits: int) -> int:
        """Return an integer of `bits` bits; truncate a longer one, as generated readers do."""
        value = self._varint() & ((1 << max(bits, 32)) - 1)
        value = (value >> 1) ^ -(value & 1)
        return _int16(value) if bits == 16 else value  # noqa: PLR2004 (only these numbers are truncated twice)

    def _value(self, kind: int, depth: int) -> Value:
        if kind in _BITS:
            return self._integer(_BITS[kind])
        if kind == BINARY:
            return self._take(self._varint())
        if kind == STRUCT:
            return self.struct(depth + 1)
        if kind in (LIST, SET):
            return self._list(depth + 1)
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind == MAP:
            self._map(depth + 1)
        elif kind in (BYTE, DOUBLE):
            self._take(8 if kind == DOUBLE else 1)
        else:
            msg = "a page or footer with a value of unknown type"
            raise SnapshotFormatError(msg)
        return None

    def _list(self, depth: int) -> Value:
        """Return a list of structs or texts; skip other lists."""
        head = self._byte()
        number, kind = head >> 4, head & 15
        number = self._varint() if number == _LONG else number
        kept = kind in (BINARY, STRUCT)
        found: list[Value] = []
        for _ in range(number):
            value = self._element(kind, depth)
            if kept:
                found.append(value)
        return found if kept else None

    def _map(self, depth: int) -> None:
        number = self._varint()
        kinds = self._byte() if number else 0
        for _ in range(number):
            self._element(kinds >> 4, depth)
            self._element(kinds & 15, depth)

    def _element(self, kind: int, depth: int) -> Value:
        """Return one element of a list or map; there, a boolean has a byte of its own."""
        if depth > _DEPTH:
            msg = "a page or footer nested too deeply"
            raise SnapshotFormatError(msg)
        return self._byte() if kind in (_TRUE, _FALSE) else self._value(kind, depth)
