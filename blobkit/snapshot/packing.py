"""Sort links as a set: as one number for each link if that fits 63 bits, because this sorts several times faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Links = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int8]]
    """Sources, targets, kinds."""

__all__ = ["bits_for", "fits", "pack", "sorted_links", "unpack"]

WIDTH = 63
"""Bits of an int64 without its sign."""
_PIECE = 1 << 16


def bits_for(number: int) -> int:
    """Return the number of bits that store any of `number` different values."""
    return max(number - 1, 0).bit_length()


def fits(nodes: int, kinds: int) -> bool:
    """Return whether a link fits one number, with this many nodes and kinds of links."""
    return 2 * bits_for(nodes) + bits_for(kinds) <= WIDTH


def sorted_links(links: Links, nodes: int, kinds: int) -> Links:
    """Return these links as a set, sorted by source, target and kind. Cost: a sort of the links."""
    if fits(nodes, kinds):
        packed = pack(links, nodes, kinds)
        packed.sort()
        again = packed[1:] == packed[:-1]
        return unpack(packed[np.concatenate(([True], ~again))] if again.any() else packed, nodes, kinds)
    source, target, kind = links
    order = np.lexsort((kind, target, source))
    source, target, kind = source[order], target[order], kind[order]
    again = (source[1:] == source[:-1]) & (target[1:] == target[:-1]) & (kind[1:] == kind[:-1])
    once = np.concatenate((np.ones(min(1, len(source)), np.bool_), ~again))
    return source[once], target[once], kind[once]


def pack(links: Links, nodes: int, kinds: int) -> NDArray[np.int64]:
    """Return each link as one number; numbers sort in the order of links."""
    source, target, kind = links
    packed = source.astype(np.int64)
    packed <<= bits_for(nodes)
    packed |= target
    packed <<= bits_for(kinds)
    packed |= kind
    return packed


def unpack(packed: NDArray[np.int64], nodes: int, kinds: int) -> Links:
    """Return sources, targets and kinds of packed links; works piece by piece, so that no column is copied."""
    n, node_bits, kind_bits = len(packed), bits_for(nodes), bits_for(kinds)
    source, target, kind = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int8)
    for start in range(0, n, _PIECE):
        some = packed[start : start + _PIECE]
        rows = slice(start, start + len(some))
        source[rows] = some >> (node_bits + kind_bits)
        target[rows] = (some >> kind_bits) & ((1 << node_bits) - 1)
        kind[rows] = some & ((1 << kind_bits) - 1)
    return source, target, kind
