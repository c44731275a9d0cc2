"""Give memory back to the system between two answers."""

from __future__ import annotations

import ctypes
from functools import cache

__all__ = ["give_back"]


def give_back() -> None:
    """Give memory that this process has freed back to the system, where its C library can. Cost: milliseconds.

    After large arrays, glibc keeps what is free between others, and up to 64 MB at the end of the heap of each thread
    (mallopt(3): its thresholds grow with what is freed): a third of what the explorer of a million blobs takes.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> ctypes._NamedFuncPointer | None:
    """Return `malloc_trim` of glibc; None where there is another C library."""
    try:
        found: ctypes._NamedFuncPointer = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return found
