"""Bytes and names made durable. A sync that failed is never tried again: the kernel has dropped the pages by then.

(https://wiki.postgresql.org/wiki/Fsync_Errors: a second fsync returns success over lost data.)
"""

from __future__ import annotations

import errno
import os
from functools import cache
from typing import TYPE_CHECKING

from blobkit.filehandle import FileHandle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["sync_directory", "sync_file_system", "sync_files"]

THREADS = 8


def sync_directory(path: str | Path) -> None:
    """Make the names in a directory durable."""
    _sync_path(path, os.O_DIRECTORY)


def sync_files(fd: int, paths: Sequence[str]) -> None:
    """Make these files durable; `fd` is any descriptor in their file system. Cost: one syncfs, else an fsync each."""
    if not sync_file_system(fd):
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 (rarely needed, and it costs 10 ms)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(_sync_path, paths))


def sync_file_system(fd: int) -> bool:
    """Make all of the file system of this descriptor durable; return False where the system has no way to.

    Linux before 5.8 reports no error of writing back here, only that of a bad descriptor (syncfs(2), "ERRORS"), and
    nothing better would: an fsync of each file is what a batch is there to avoid. From 5.8 on a descriptor hears of
    every error since it was opened.
    """
    syncfs = _syncfs()
    if syncfs is None:
        return False
    failed = syncfs(fd)
    if failed == errno.ENOSYS:
        return False
    if failed:
        raise OSError(failed, f"syncfs: {os.strerror(failed)}")
    return True


@cache
def _syncfs() -> Callable[[int], int] | None:
    """Return syncfs as a function that returns the error or 0; None where the system has it not."""
    import ctypes  # noqa: PLC0415 (rarely needed, and it costs 10 ms)

    call = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if call is None:
        return None
    return lambda fd: ctypes.get_errno() if call(fd) else 0


def _sync_path(path: str | Path, flags: int = 0) -> None:
    with FileHandle(path, os.O_RDONLY | flags) as handle:
        os.fsync(handle.fileno())
