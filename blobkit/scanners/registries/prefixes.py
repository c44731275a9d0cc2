"""List the directory of a prefix at once: blobs of the usual form, `blobs/sha256/<xx>/<hex>/data`.

A directory with anything else in it is left to the code for all forms, which costs several times as much. Like
`blobkit.scanners.registries.reading`, this may run in another process, and imports no more than that.
"""

from __future__ import annotations

import os
import re
import stat
from array import array
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING

from blobkit.digest import ALGORITHMS
from blobkit.filehandle import Held, close, open_into
from blobkit.scanners.registries.reading import SMALL, Contents, read_blobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["Prefix", "Stamp", "list_prefix", "read_prefix", "stamp_of"]

Stamp = tuple[int, int, int]
"""Of a directory: times of modification and of change (ns), and inode, as a signed number."""
LEAF = 2
"""The number of links of a directory without directories in it, on most file systems; others list it to know."""
DATA = ["data"]
_HEX = re.compile("[0-9a-f]*")
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(slots=True)
class Prefix:
    """The blobs in one directory that are regular files with nothing beside them, and the names of all other entries.

    `names` are sorted; `modified` is in ns. `several`: rows of blobs whose file has several names. `stamp`:
    that of the directory before it was listed. `contents`: what small ones contain, of those that were read.
    """

    path: str
    label: str
    names: list[str] = field(default_factory=list)
    sizes: array[int] = field(default_factory=lambda: array("q"))
    modified: array[int] = field(default_factory=lambda: array("q"))
    inodes: array[int] = field(default_factory=lambda: array("Q"))
    several: list[int] = field(default_factory=list)
    unusual: list[str] = field(default_factory=list)
    stamp: Stamp = (-1, -1, -1)
    contents: Contents | None = None

    def others(self) -> list[os.DirEntry[str]]:
        """Return the other entries that are still there; OSError if they cannot be listed."""
        if not self.unusual:
            return []
        chosen = set(self.unusual)
        with os.scandir(self.path) as entries:
            return [entry for entry in entries if entry.name in chosen]

    def read(self, rows: Iterable[int]) -> None:
        """Read the small ones among these rows of blobs; OSError if the directory cannot be opened."""
        held = Held()
        try:
            open_into(held, self.path, _FLAGS)
            small = [row for row in rows if self.sizes[row] <= SMALL]
            self.contents = read_blobs(held[0], self.label, self.names, self.sizes, small)
        finally:
            close(held)


def list_prefix(
    path: str,
    label: str,
    prefix: str,
    usual: str | None = None,
    is_same: Callable[[str, Stamp], bool] = lambda *_: False,
) -> Prefix:
    """Return the blobs in the directory of a prefix; OSError if it cannot be listed.

    Cost: a `stat` of each blob, and a listing of its directory. With `usual`, only a directory with others in it is
    listed, as far as its number of links tells; not even this is looked at for the blobs in `usual`, which are sorted
    names as one text. If the directory `is_same` as it was when it had only these in it, it is not listed.
    """
    found = Prefix(path, label)
    held = Held()
    try:
        open_into(held, path, _FLAGS)
        found.stamp = stamp_of(os.fstat(held[0]))
        if usual and is_same(path, found.stamp):
            names = _names(usual, label)
        else:
            names = _alone(found, _fitting(held[0], label, prefix, found.unusual), usual, held[0])
        _add(found, names, held[0])
    finally:
        close(held)
    return found


def read_prefix(path: str, label: str, prefix: str, *, listed: bool) -> Prefix:
    """Return the blobs in the directory of a prefix with their contents; `listed`: list the directory of each."""
    found = list_prefix(path, label, prefix, None if listed else "")
    found.read(range(len(found.names)))
    return found


def stamp_of(info: os.stat_result) -> Stamp:
    """Return the stamp of a directory with this status."""
    return info.st_mtime_ns, info.st_ctime_ns, (info.st_ino + (1 << 63)) % (1 << 64) - (1 << 63)


def _fitting(above: int, label: str, prefix: str, unusual: list[str]) -> list[str]:
    """Return the sorted names of directories that are named like blobs; append all other names to `unusual`."""
    with os.scandir(above) as found:
        entries = list(found)
    directories = sorted([entry.name for entry in entries if entry.is_dir(follow_symlinks=False)])
    length = 2 * ALGORITHMS[label].size
    names = [name for name in directories if len(name) == length and name.startswith(prefix)]
    if not _HEX.fullmatch("".join(names)):
        names = [name for name in names if _HEX.fullmatch(name)]
    if len(names) < len(entries):
        unusual += {entry.name for entry in entries}.difference(names)
    return names


def _alone(found: Prefix, names: list[str], usual: str | None, above: int) -> list[str]:
    """Return the names of directories with only data in them; append all others to the unusual ones."""
    if usual is None:
        odd = {name for name in names if not _has_only_data(f"{found.path}/{name}")}
    elif usual == "".join(names):
        return names
    else:
        known = set(_names(usual, found.label))
        new = [name for name in names if name not in known]
        infos = _each(partial(os.stat, dir_fd=above), new)
        leaves = [info is not None and info.st_nlink == LEAF for info in infos]
        odd = {name for name, is_leaf in zip(new, leaves, strict=True) if not is_leaf}
        odd = {name for name in odd if not _has_only_data(f"{found.path}/{name}")}
    found.unusual += odd
    return [name for name in names if name not in odd] if odd else names


def _names(usual: str, label: str) -> list[str]:
    """Return the names in a text."""
    length = 2 * ALGORITHMS[label].size
    return [usual[at : at + length] for at in range(0, len(usual), length)]


def _has_only_data(path: str) -> bool:
    try:
        return os.listdir(path) == DATA
    except OSError:
        return False


def _add(found: Prefix, names: list[str], above: int) -> None:
    """Add the blobs with these names, but those whose data is no regular file."""
    infos = _each(partial(os.stat, dir_fd=above, follow_symlinks=False), [f"{name}/data" for name in names])
    regular = [info for info in infos if info is not None and stat.S_ISREG(info.st_mode)]
    if len(regular) < len(names):
        is_usual = [info is not None and stat.S_ISREG(info.st_mode) for info in infos]
        found.unusual += [name for name, usual in zip(names, is_usual, strict=True) if not usual]
        names = list(compress(names, is_usual))
    found.names = names
    found.sizes.extend([info.st_size for info in regular])
    found.modified.extend([info.st_mtime_ns for info in regular])
    found.inodes.extend([info.st_ino for info in regular])
    found.several = [row for row, info in enumerate(regular) if info.st_nlink > 1]


def _each(look: Callable[[str], os.stat_result], names: list[str]) -> Sequence[os.stat_result | None]:
    """Return the status of each name, None where there is none."""
    try:
        return [look(name) for name in names]
    except OSError:
        return [_tried(look, name) for name in names]


def _tried(look: Callable[[str], os.stat_result], name: str) -> os.stat_result | None:
    try:
        return look(name)
    except OSError:
        return None
