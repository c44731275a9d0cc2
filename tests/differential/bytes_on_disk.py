"""The bytes of directories as an independent reader counts them: each regular file once, whatever its names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def bytes_of(paths: Iterable[Path]) -> int:
    every = {file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))}
    inodes = {
        (info.st_dev, info.st_ino): info.st_size
        for file in every
        if file.is_file() and not file.is_symlink()
        for info in [file.lstat()]
    }
    return sum(inodes.values())
