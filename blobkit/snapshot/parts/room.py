"""Whether a snapshot in parts fits the memory of this machine: told before it is loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.errors import Hint, SnapshotFormatError
from blobkit.render import human_bytes, in_shell
from blobkit.snapshot import tables

if TYPE_CHECKING:
    from blobkit.snapshot.parts.layout import Parts

__all__ = ["check_room", "needed", "room"]

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Files with the most memory that a container may use, in bytes; "max" for no limit."""
_NODE, _LINK, _PIN, _NOTICE = 200, 50, 200, 200
"""Bytes that a row takes, with its share of the graph and of an answer; 1M blobs with 16M links were measured."""


def check_room(directory: Path, parts: Parts) -> None:
    """Raise SnapshotFormatError, which names the engine to use, if a snapshot has more rows than this machine holds."""
    nodes, links = parts.number, sum(parts.links)
    what = f"{directory} has {nodes:,} nodes and {links:,} links: "
    if nodes >= tables.NODE_LIMIT or links >= 2 * tables.NODE_LIMIT:
        why = f"more than a snapshot in memory can hold ({tables.NODE_LIMIT:,} nodes, twice as many links)"
    elif needed(parts) > room():
        why = f"they need about {human_bytes(needed(parts))}, and this machine has {human_bytes(room())} of memory"
    else:
        return
    use = f"blobkit usage {in_shell(directory)} --engine duckdb"
    ask = f"from blobkit.engines import DuckSnapshot; DuckSnapshot({str(directory)!r})"
    hint = Hint(f"let DuckDB answer: {ask}", f"let DuckDB answer: {use}")
    raise SnapshotFormatError(what + why, hint=hint)


def needed(parts: Parts) -> int:
    """Return about how many bytes a snapshot takes when it is loaded and asked."""
    nodes, links, pins, notices = map(sum, parts)
    return nodes * _NODE + links * _LINK + pins * _PIN + notices * _NOTICE


def room() -> int:
    """Return the memory that this process may use, in bytes: that of the machine, or of its container."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *(limit for path in _LIMITS if (limit := _limit(path)))])


def _limit(path: Path) -> int:
    """Return the number in a file, 0 if there is none."""
    try:
        said = path.read_text().strip()
    except OSError:
        return 0
    return int(said) if said.isdecimal() else 0
