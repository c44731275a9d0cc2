"""Read many link files of the usual form at once: `revisions/sha256/<hex>/link`, `tags/<tag>/current/link`.

A directory with anything else in it is left to the code for all forms, which costs several times as much. A link file
that did not change since an earlier scan is not read: its size, times of modification and of change, and inode are the
same, and so are the times and inode of its directory. One that was young then is read again: it may have changed once
more within the tick of the file system's clock.
"""

from __future__ import annotations

import os
import re
import stat
from array import array
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blobkit.digest import ALGORITHMS, Digest, are_digests
from blobkit.filehandle import Held, close, open_into

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from blobkit.scanners.recalledlinks import RecalledLinks

__all__ = ["LINK_BYTES", "LinkFiles", "LinkFolder"]

LINK_BYTES = 256
"""Bytes: a link file contains one digest, and no digest is longer."""
LINK = ["link"]
TOGETHER = 64
"""Files that are open at once."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_TAG, _HEX = re.compile(r"[A-Za-z0-9._-]+"), re.compile("[0-9a-f]+")
CODES = "qqqQqqqQ"
"""The types of the numbers in a stamp."""
_STATUS = attrgetter("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino")


class LinkFolder(NamedTuple):
    """The link files in one directory: sorted names, the digest in each, time of modification (us), size."""

    names: Sequence[str] = ()
    digests: Sequence[Digest] = ()
    modified: Sequence[int] = ()
    sizes: Sequence[int] = ()


class _UnusualError(Exception):
    """A directory has something else in it."""


class LinkFiles:
    """Reads link files, but those that an earlier scan has read, and that did not change (`recalled`)."""

    def __init__(self, recalled: RecalledLinks) -> None:
        self.recalled = recalled

    def revisions(self, path: str, label: str) -> LinkFolder | None:
        """Return the revision links in the directory of an algorithm; None if anything else is there."""
        return _folder(path, partial(_is_hash, label), partial(self._read, path, below=""))

    def layers(self, path: str) -> LinkFolder | None:
        """Return the layer links in the directory of sha256 without their contents; None if anything else is there."""
        return _folder(path, partial(_is_hash, "sha256"), partial(_sizes, path))

    def tags(self, path: str) -> LinkFolder | None:
        """Return the current links of tags; None if anything else is there."""
        return _folder(path, _is_tag, partial(self._read, path, below="/current"))

    def _read(self, path: str, top: int, names: list[str], below: str) -> LinkFolder:
        """Return the links in the directories with these names, or `below` them."""
        look = partial(os.stat, dir_fd=top, follow_symlinks=False)
        above = [look(f"{name}{below}") for name in names] if below or self.recalled.is_kept else []
        if not all(stat.S_ISDIR(info.st_mode) for info in above):
            raise _UnusualError
        known = self.recalled.folder(path)
        infos = [look(f"{name}{below}/link") for name in names] if known.names else []
        none: list[Digest | None] = [None] * len(names)
        digests = known.unchanged(names, stamps(infos, above)) if infos else none
        fresh = [row for row, digest in enumerate(digests) if digest is None]
        if not below and any(os.listdir(f"{path}/{names[row]}") != LINK for row in fresh):
            raise _UnusualError
        texts, now = _contents(top, [f"{names[row]}{below}/link" for row in fresh])
        infos = infos or now
        for row, text, info in zip(fresh, texts, now, strict=True):
            digests[row], infos[row] = Digest(text), info
        if not all(stat.S_ISREG(info.st_mode) and (below or info.st_nlink == 1) for info in infos):
            raise _UnusualError
        found = [digest for digest in digests if digest is not None]
        self.recalled.add(path, names, found, stamps(infos, above) if above else None, len(fresh))
        return LinkFolder(names, found, [info.st_mtime_ns // 1000 for info in infos], [info.st_size for info in infos])


def _is_hash(label: str, name: str) -> bool:
    return len(name) == 2 * ALGORITHMS[label].size and _HEX.fullmatch(name) is not None


def _is_tag(name: str) -> bool:
    return _TAG.fullmatch(name) is not None


def _folder(path: str, fits: Callable[[str], bool], read: Callable[[int, list[str]], LinkFolder]) -> LinkFolder | None:
    """Return what `read` finds in a directory, of which it gets the descriptor and the names; None if it is unusual."""
    held = Held()
    try:
        open_into(held, path, _DIRECTORY)
        return read(held[0], sorted(_directories(held[0], fits)))
    except (OSError, _UnusualError):
        return None
    finally:
        close(held)


def _sizes(path: str, top: int, names: list[str]) -> LinkFolder:
    """Return the link files in the directories with these names, without their contents."""
    if any(os.listdir(f"{path}/{name}") != LINK for name in names):
        raise _UnusualError
    infos = [os.stat(f"{name}/link", dir_fd=top, follow_symlinks=False) for name in names]
    if not all(stat.S_ISREG(info.st_mode) and info.st_nlink == 1 for info in infos):
        raise _UnusualError
    return LinkFolder(names, sizes=[info.st_size for info in infos])


def _directories(top: int, fits: Callable[[str], bool]) -> list[str]:
    """Return the names in a directory; _UnusualError if one does not fit, or is no directory."""
    with os.scandir(top) as entries:
        found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False) or _raise()]
    if not all(map(fits, found)):
        raise _UnusualError
    return found


def _raise() -> bool:
    raise _UnusualError


def _contents(top: int, paths: list[str]) -> tuple[list[str], list[os.stat_result]]:
    """Return the digest in each file, and its status before it was read; _UnusualError if one contains no digest."""
    texts: list[str] = []
    infos: list[os.stat_result] = []
    for at in range(0, len(paths), TOGETHER):
        held = Held()
        try:
            held.extend(map(partial(os.open, flags=_FILE, dir_fd=top), paths[at : at + TOGETHER]))
            infos += map(os.fstat, held)
            texts += [os.read(fd, LINK_BYTES).decode("utf-8", "replace") for fd in held]
        finally:
            while held:
                close(held)
    if texts and not are_digests(texts):
        raise _UnusualError
    return texts, infos


def stamps(infos: Sequence[os.stat_result], above: Iterable[os.stat_result]) -> NDArray[np.uint64]:
    """Return a row of eight numbers for each link file: of its own status, and of that of its directory."""
    found = [(*_STATUS(info), *_STATUS(directory)) for info, directory in zip(infos, above, strict=True)]
    columns = list(zip(*found, strict=True)) or [()] * len(CODES)
    whole = [array(code, column) for code, column in zip(CODES, columns, strict=True)]
    return np.column_stack([np.frombuffer(column, np.uint64) for column in whole])
