"""Values in Thrift's compact protocol, as the headers and footers of parquet files hold them.

Nothing is taken that does not fit in what is there: it is read before any reader of parquet files sees it. Of a field
that is there twice the last value counts, and structs are merged, as generated readers do.
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
"""Bytes: a longer text names nothing that is looked for."""

Struct = dict[tuple[int, int], "Value"]
"""A struct: values by the number and the type of their field."""
Value = int | bytes | Struct | list["Value"] | None
"""A value; None for what nobody asks for: numbers that are no integers, long texts, lists of numbers, maps."""


def _short(number: int) -> int:
    """Return a number cut to 16 bits and its sign."""
    return ((number + 0x8000) & 0xFFFF) - 0x8000


class Compact:
    """Reads values from `data` at `at`; IndexError where they go on behind its end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def struct(self, depth: int = 0) -> Struct:
        """Return the struct that begins here; SnapshotFormatError where there is none."""
        if depth > _DEPTH:
            msg = "a page or footer nested too deeply"
            raise SnapshotFormatError(msg)
        found: Struct = {}
        field = 0
        while (head := self._byte()) & 15 != STOP:
            field = _short(field + (head >> 4) if head >> 4 else self._integer(16))
            key = field, head & 15
            value, before = self._value(key[1], depth), found.get(key)
            found[key] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
        return found

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _take(self, amount: int) -> bytes:
        """Return the next bytes, and nothing where they are many."""
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
        """Return a number of so many bits; a longer one is cut, as generated readers do."""
        value = self._varint() & ((1 << max(bits, 32)) - 1)
        value = (value >> 1) ^ -(value & 1)
        return _short(value) if bits == 16 else value  # noqa: PLR2004 (the only numbers that are cut twice)

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
            msg = "a page or footer with what no such thing holds"
            raise SnapshotFormatError(msg)
        return None

    def _list(self, depth: int) -> Value:
        """Return a list of structs or texts; others are passed over."""
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
        """Return what stands in a list or map, where a truth value has a byte of its own."""
        if depth > _DEPTH:
            msg = "a page or footer nested too deeply"
            raise SnapshotFormatError(msg)
        return self._byte() if kind in (_TRUE, _FALSE) else self._value(kind, depth)
