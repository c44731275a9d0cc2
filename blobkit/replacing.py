"""Write a file, or a directory, that appears at its path complete or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import ExitStack, contextmanager
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.locked import lock, remove_dead

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_directory", "check_place", "replacing", "replacing_directory"]

_DEVICES = Path("/dev")


def check_place(path: Path) -> None:
    """Raise IsADirectoryError if `path` is a directory, FileNotFoundError if there is no directory to write it in.

    OSError for a device or pipe, such as /dev/stdout: it would be replaced by a file.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a directory: give the name of a file in it", str(path))
    if (path.exists() and not path.is_file()) or path.parent.resolve() == _DEVICES:
        raise OSError(errno.EINVAL, "is a device or pipe, which is not replaced: give the name of a file", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such directory: make it first", str(path.parent))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write a file at; the end of the block moves it to `path`, atomically, in place of an old file.

    The given path is in a new directory beside `path`, which is removed in any case. Errors: as `check_place`.
    """
    check_place(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        whole = Path(scratch) / "whole"
        yield whole
        os.replace(whole, path)  # noqa: PTH105 (the call whose atomicity POSIX promises)


def check_directory(path: Path, sign: str) -> None:
    """Raise FileExistsError if `path` is there, but for a directory that is empty or has the file `sign`.

    FileNotFoundError if there is no directory to make it in.
    """
    if path.exists() and not (path.is_dir() and ((path / sign).is_file() or not any(path.iterdir()))):
        raise FileExistsError(errno.EEXIST, f"is there, and has no {sign}: give the name of a new directory", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such directory: make it first", str(path.parent))


@contextmanager
def replacing_directory(path: Path, sign: str) -> Iterator[Path]:
    """Give a new directory to write in; the end of the block moves it to `path`, in place of an old one.

    An old one is moved away before the new one comes: if the process is killed between the two, both are still beside
    `path`, in a directory whose name begins with a dot. What a process leaves that was killed before is removed by the
    next one that writes to `path`. Errors: as `check_directory`.
    """
    check_directory(path, sign)
    prefix = f".{path.name}."
    remove_dead(path.parent.glob(f"{escape(prefix)}*"), but_with="old")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as scratch, ExitStack() as ended:
        ended.callback(os.close, lock(Path(scratch)))
        whole, old = Path(scratch) / "whole", Path(scratch) / "old"
        whole.mkdir()
        yield whole
        if path.exists():
            path.rename(old)
        whole.rename(path)
