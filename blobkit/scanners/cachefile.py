"""Keep columns of an earlier scan in a file of this user's cache, for the next scan of the same store.

A file that is damaged, of another version, or that others may write is not used: then the scan reads everything. So is
a directory that cannot be read or written. Deleting these files is always safe.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from blobkit.filehandle import FileHandle
from blobkit.log import log
from blobkit.replacing import replacing
from blobkit.sources.private import cache_directory, check_private, refuse

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.integer]]

__all__ = ["Columns", "file_for", "read", "write"]

MAGIC = b"blobkit scan cache, version 2\n"
SUM = 32
MOST = 1 << 32
"""Bytes of the largest file that is read."""


@dataclass(slots=True)
class Columns:
    """Arrays and lists of texts, by name."""

    arrays: Arrays = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)


def file_for(cache: bool | str | os.PathLike[str], kind: str, root: Path) -> Path:  # noqa: FBT001 (or a path)
    """Return the cache file of a store; `cache` is True, or names another directory than `~/.cache/blobkit`."""
    name = hashlib.sha256(os.fsencode(f"{kind}:{os.path.realpath(root)}")).hexdigest()
    return cache_directory(cache) / f"{name}.scan"


def read(path: Path) -> Columns | None:
    """Return the columns in a file; None if there is none, or none that can be trusted."""
    try:
        check_private(os.stat(path.parent))
        with FileHandle(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK) as handle:
            info = os.fstat(handle.fileno())
            check_private(info)
            if not stat.S_ISREG(info.st_mode) or info.st_size > MOST:
                refuse("is no file of a usual size")
            with handle.file() as file:
                return _parsed(file.read())
    except FileNotFoundError:
        return None
    except (OSError, LookupError, TypeError, ValueError) as error:
        log.warning("the cache %s is not used: %s", path, error)
        return None


def write(path: Path, columns: Columns) -> None:
    """Write columns into a file, atomically; only this user can read it. A warning in the log if that fails."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_private(path.parent.stat())
        with replacing(path) as whole:
            whole.touch(mode=0o600)
            with whole.open("wb") as file:
                for piece in _pieces(columns):
                    file.write(piece)
    except (OSError, ValueError) as error:
        log.warning("the cache %s is not written: %s", path, error)


def _pieces(columns: Columns) -> list[bytes]:
    found = {name: np.ascontiguousarray(array) for name, array in columns.arrays.items()}
    shapes = [(name, array.dtype.str, len(array)) for name, array in found.items()]
    head = json.dumps({"arrays": shapes, "texts": columns.texts}).encode()
    pieces = [len(head).to_bytes(8, "little"), head, *(array.tobytes() for array in found.values())]
    whole = hashlib.sha256()
    for piece in pieces:
        whole.update(piece)
    return [MAGIC, whole.digest(), *pieces]


def _parsed(data: bytes) -> Columns:
    start = len(MAGIC) + SUM
    if not data.startswith(MAGIC) or hashlib.sha256(memoryview(data)[start:]).digest() != data[len(MAGIC) : start]:
        refuse("damaged, or of another version")
    end = start + 8 + int.from_bytes(data[start : start + 8], "little")
    head = json.loads(data[start + 8 : end])
    found = Columns(texts=head["texts"])
    for name, dtype, length in head["arrays"]:
        found.arrays[name] = np.frombuffer(data, np.dtype(dtype), length, end)
        end += found.arrays[name].nbytes
    return found
