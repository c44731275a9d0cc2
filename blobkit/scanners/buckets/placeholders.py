"""Tell empty objects in the places of blobs: zot keeps them where repositories share blobs."""

from __future__ import annotations

from blobkit.digest import ALGORITHMS, of

__all__ = ["is_placeholder"]

_EMPTY = frozenset(of(b"", label) for label in ALGORITHMS)
"""The digests of no bytes: their blobs are whole."""


def is_placeholder(digest: str, size: int) -> bool:
    """Return whether so many bytes are only in the place of a blob: they are none, and the blob has some.

    >>> is_placeholder("sha256:" + "0" * 64, 0), is_placeholder("sha256:" + "0" * 64, 5)
    (True, False)
    """
    return not size and digest not in _EMPTY
