"""Tell where a look at the entries of a tag's history cannot fail: where there are only directories."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from blobkit.scanners.registries.prefixes import stamp_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.scanners.recalleddirectories import RecalledDirectories

__all__ = ["have_only_directories"]

LONGEST = 1000
"""Characters of a path to which a digest can be added, and the system still takes it."""


def have_only_directories(history: str, labels: Iterable[str], known: RecalledDirectories) -> bool:
    """Return whether all entries below these algorithms are directories, not links to them; True if there are none.

    Cost: a listing of each; a `stat` if an earlier scan has listed it.
    """
    return len(history) <= LONGEST and all(_has_only_directories(f"{history}/{label}", known) for label in labels)


def _has_only_directories(path: str, known: RecalledDirectories) -> bool:
    try:
        stamp = stamp_of(os.stat(path)) if known.is_kept else (-1, -1, -1)
        if not known.is_same(path, stamp):
            with os.scandir(path) as entries:
                if not all(entry.is_dir(follow_symlinks=False) for entry in entries):
                    return False
    except FileNotFoundError:
        return True
    except OSError:
        return False
    known.add(path, stamp)
    return True
