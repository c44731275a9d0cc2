"""A place for the columns, keys and texts of a scan: the memory of this process, or a directory.

Columns of numbers are arrays, or have those methods of an array that scans use; columns of texts are like lists. Keys
are the keys of nodes in the order in which they came, each with its number.
"""

from __future__ import annotations

from array import array
from contextlib import ExitStack, closing
from itertools import count
from typing import TYPE_CHECKING, Self

from blobkit.scanners.spaces.mapped import Mapped
from blobkit.scanners.spaces.stored import StoredKeys, StoredTexts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    Column = array[int] | Mapped
    Keys = dict[str, int] | StoredKeys
    Texts = list[str | None] | StoredTexts

__all__ = ["MEMORY", "Scratch", "Space", "in_order", "sequence"]


class Space:
    """The memory of this process."""

    def column(self, code: str) -> Column:
        """Return a new column of numbers; `code`: their type, as of an `array`."""
        return array(code)

    def texts(self) -> Texts:
        """Return a new column of texts."""
        return []

    def keys(self) -> Keys:
        """Return a new set of keys."""
        return {}


MEMORY = Space()


class Scratch(Space):
    """A new directory, which is removed at the end of the block: for stores beyond the memory."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._names = map(str, count())
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Make the directory."""
        self.place.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        """Close all files and remove them."""
        self._open.close()
        for path in list(self.place.iterdir()):
            path.unlink()
        self.place.rmdir()

    def column(self, code: str) -> Column:
        """Return a new column of numbers in a file."""
        return self._open.enter_context(closing(Mapped(self.place / next(self._names), code)))

    def texts(self) -> Texts:
        """Return a new column of texts in files."""
        return StoredTexts(self.column("q"), self.column("b"))

    def keys(self) -> Keys:
        """Return a new set of keys in a database."""
        return self._open.enter_context(closing(StoredKeys(self.place / next(self._names))))


def sequence(keys: Keys) -> Sequence[str]:
    """Return the key of each number."""
    return keys.sequence() if isinstance(keys, StoredKeys) else list(keys)


def in_order(keys: Keys, rows: int) -> Iterator[tuple[list[str], list[int]]]:
    """Yield the keys and their numbers, so many at once, by key."""
    if isinstance(keys, StoredKeys):
        yield from keys.in_order(rows)
        return
    names = sorted(keys)
    for at in range(0, len(names), rows):
        some = names[at : at + rows]
        yield some, [keys[key] for key in some]
