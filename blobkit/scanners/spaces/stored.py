"""Keys and texts in files: keys in a table of SQLite, which finds and sorts them, texts one after the other."""

from __future__ import annotations

import sqlite3
from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from blobkit.render import to_utf8

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from blobkit.scanners.spaces.space import Column

__all__ = ["StoredKeys", "StoredTexts"]

RECENT = 1 << 16
"""Keys that are kept in memory with their numbers."""
SCRIPT = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -16384;
CREATE TABLE keys (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);
BEGIN
"""
ADD = "INSERT INTO keys VALUES (?, ?)"
FIND = "SELECT number FROM keys WHERE key = ?"
KEY = "SELECT key FROM keys WHERE number = ?"


class StoredKeys(MutableMapping[str, int]):
    """The keys of nodes and their numbers, in a database of their own that nothing else opens."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript(SCRIPT)
        self._recent: dict[str, int] = {}
        self._length = 0

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def __len__(self) -> int:
        """Return the number of keys."""
        return self._length

    def __iter__(self) -> Iterator[str]:
        """Yield the keys in the order in which they came."""
        return (key for (key,) in self._db.execute("SELECT key FROM keys ORDER BY number"))

    def __contains__(self, key: object) -> bool:
        """Return whether a key is there."""
        return isinstance(key, str) and self.get(key) is not None

    def __getitem__(self, key: str) -> int:
        """Return the number of a key; KeyError if it is not there."""
        found: int | None = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 (as of a dictionary)
        """Return the number of a key; the default if it is not there."""
        found = self._recent.get(key)
        if found is None:
            row = self._db.execute(FIND, (to_utf8(key),)).fetchone()
            if row is None:
                return default
            found = row[0]
            self._remember(key, found)
        return found

    def _remember(self, key: str, number: int) -> None:
        if len(self._recent) >= RECENT:
            self._recent.clear()
        self._recent[key] = number

    def __setitem__(self, key: str, number: int) -> None:
        """Add a key that is not there."""
        self._db.execute(ADD, (number, to_utf8(key)))
        self._length += 1
        self._remember(key, number)

    def update(self, rows: Iterable[tuple[str, int]]) -> None:  # type: ignore[override] # (of pairs only)
        """Add keys that are not there."""
        before = self._db.total_changes
        self._db.executemany(ADD, ((number, to_utf8(key)) for key, number in rows))
        self._length += self._db.total_changes - before

    def __delitem__(self, key: str) -> None:
        """Refuse, because a key stays."""
        raise NotImplementedError(key)

    def sequence(self) -> Sequence[str]:
        """Return the key of each number; each is read when it is asked for."""
        return _Sequence(self, self._db)

    def in_order(self, rows: int) -> Iterator[tuple[list[str], list[int]]]:
        """Yield the keys and their numbers, so many at once, by key."""
        cursor = self._db.execute("SELECT key, number FROM keys ORDER BY key")
        while found := cursor.fetchmany(rows):
            keys, numbers = map(list, zip(*found, strict=True))
            yield keys, numbers


class _Sequence(Sequence[str]):
    """The keys by number."""

    def __init__(self, keys: StoredKeys, db: sqlite3.Connection) -> None:
        self._keys, self._db = keys, db

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, number: int) -> str: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[str]: ...
    def __getitem__(self, number: int | slice) -> str | Sequence[str]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        row = self._db.execute(KEY, (int(number),)).fetchone()
        if row is None:
            raise IndexError(number)
        key: str = row[0]
        return key


class StoredTexts:
    """Texts one after the other, and where each ends; `~end` for None."""

    def __init__(self, ends: Column, letters: Column) -> None:
        self._ends, self._letters = ends, letters

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._ends)

    def append(self, text: str | None) -> None:
        """Add a text."""
        if text is not None:
            self._letters.frombytes(to_utf8(text).encode())
        end = len(self._letters)
        self._ends.append(~end if text is None else end)

    def __iter__(self) -> Iterator[str | None]:
        """Yield the texts."""
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, row: int) -> str | None:
        """Return a text."""
        end = self._ends[row]
        if end < 0:
            return None
        before = self._ends[row - 1] if row else 0
        found: bytes = self._letters[max(before, ~before) : end].tobytes()
        return found.decode()
