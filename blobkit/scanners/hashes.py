"""Find the nodes of many sha256 digests at once, by their 32 bytes instead of by text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Hashes = NDArray[np.integer]
    """Rows of 32 bytes (uint8)."""

__all__ = ["HASH", "HashTable", "hashes_of", "texts_of"]

HASH = 32
"""Bytes of a sha256 digest."""


class HashTable:
    """Rows of hashes, sorted by their first eight bytes; of equal ones any is found, and of a collision perhaps none.

    >>> HashTable(hashes_of(["00" * 32, "01" * 32])).find(hashes_of(["01" * 32, "02" * 32])).tolist()
    [1, -1]
    """

    def __init__(self, hashes: Hashes) -> None:
        self.hashes = hashes
        start = _starts(hashes)
        is_sorted = bool((start[1:] >= start[:-1]).all())
        self._order = None if is_sorted else np.argsort(start)
        self._start = start if self._order is None else start[self._order]

    def part(self, low: int, high: int) -> tuple[int, int]:
        """Return where the sorted hashes begin whose first byte is at least `low`, and where those of `high` do."""
        starts = [np.uint64(byte << 56) for byte in (low, high) if byte <= 0xFF]  # noqa: PLR2004 (all bits of a byte)
        first, *last = np.searchsorted(self._start, starts).tolist()
        return first, last[0] if last else len(self._start)

    def find(self, wanted: Hashes, first: int = 0, end: int | None = None) -> NDArray[np.int64]:
        """Return the row of each hash, -1 if there is none; `first`, `end`: in a part of the sorted rows only.

        Cost: a binary search for each.
        """
        start = self._start[first:end]
        if not len(start):
            return np.full(len(wanted), -1, np.int64)
        at = np.minimum(np.searchsorted(start, _starts(wanted)), len(start) - 1) + first
        row = at if self._order is None else self._order[at]
        row[(self.hashes[row] != wanted).any(axis=1)] = -1
        return row


def hashes_of(names: Sequence[str]) -> Hashes:
    """Return the hashes with these hexadecimal names of 64 digits."""
    return np.frombuffer(bytes.fromhex("".join(names)), np.uint8).reshape(-1, HASH)


def texts_of(hashes: Hashes) -> Iterator[Digest]:
    """Yield these hashes as digests."""
    whole = hashes.tobytes().hex()
    return (Digest(f"sha256:{whole[at : at + 2 * HASH]}") for at in range(0, len(whole), 2 * HASH))


def _starts(hashes: Hashes) -> NDArray[np.uint64]:
    """Return the first eight bytes of each hash as a number, in the order of the hashes."""
    return np.ascontiguousarray(hashes[:, :8]).view(">u8").ravel().astype(np.uint64)
