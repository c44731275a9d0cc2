"""Decode Go's integers of variable length (`encoding/binary`: `Uvarint`, `Varint`)."""

from __future__ import annotations

__all__ = ["unsigned", "zigzag"]

_LONGEST = 10
"""Bytes of the longest integer of 64 bits."""


def unsigned(data: bytes, absent: int = -1) -> int:
    """Return an unsigned integer; `absent` if the bytes are none.

    >>> from blobkit.scanners.containerds.varint import unsigned
    >>> unsigned(bytes([0xE8, 0x06])), unsigned(b"")
    (872, -1)
    """
    found = 0
    for place, byte in enumerate(data[:_LONGEST]):
        found |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004 (the last byte has no highest bit)
            return found if found < 1 << 63 else absent
    return absent


def zigzag(data: bytes, absent: int = -1) -> int:
    """Return a signed integer >= 0; `absent` if the bytes are none, or a negative one."""
    found = unsigned(data, absent=1)
    return absent if found & 1 else found >> 1
