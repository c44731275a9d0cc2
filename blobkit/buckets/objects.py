"""The objects of a bucket, listed and read; many requests at once.

The client refuses keys that its own paths cannot express (control characters, empty parts), and drops the `/` at the
end of a marker; where that may be, the `exact` client of the service lists and reads instead, which costs many times
the CPU time.
"""

from __future__ import annotations

import io
import re
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from blobkit.buckets import client
from blobkit.buckets.client import FAILURES, is_path_error, os_error
from blobkit.buckets.keys import PAGE, Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO, Self, TypeVar

    from obstore.store import ObjectStore

    from blobkit.buckets.keys import Lister, Row

    T = TypeVar("T")
    R = TypeVar("R")

__all__ = ["Exact", "Objects"]

AHEAD = 4
"""Results that wait for each thread."""
_DIGITS = "123456789abcdef"
_PLAIN = re.compile(r"(?:[0-9a-f]{64,128}|data|link)\Z")
"""Names of empty objects that no marker has."""


class Exact(Protocol):
    """A client of one service that can express all keys."""

    def pages(self, prefix: str, delimiter: str, after: str) -> Iterator[tuple[list[str], list[Row]]]:
        """Yield the prefixes up to a delimiter and the keys below a prefix (after a key), page by page."""
        ...

    def get(self, key: str, limit: int) -> bytes:
        """Return up to `limit` bytes of an object."""
        ...


class Objects:
    """The objects of one bucket; `counts` has the number of requests by verb. Closed at the end of its `with` block.

    `listed`: an inventory that is the listing, instead of requests.
    """

    def __init__(self, store: ObjectStore, *, exact: Exact | None = None, at_once: int = 64) -> None:
        self._store, self._exact, self.at_once = store, exact, at_once
        self._threads = ThreadPoolExecutor(at_once, "blobkit-bucket")
        self.listed: Lister | None = None
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        """End the threads; requests that wait are not sent, and after an error or interrupt none is waited for."""
        self._threads.shutdown(wait=kind is None, cancel_futures=True)

    def first(self, prefix: str) -> tuple[list[Row], bool]:
        """Return the first keys below a prefix, sorted, at any depth, and whether these are all."""
        if self.listed:
            return self.listed.first(prefix)
        rows = next(self.all(prefix), [])
        return rows, len(rows) < PAGE

    def spread(self, prefix: str) -> Iterator[list[Row]]:
        """Yield all keys below a folder; those of many files, by the first digit of their names, many at once."""
        pages = self.all(prefix)
        rows = next(pages, [])
        yield rows
        if len(rows) < PAGE:
            return
        last = rows[-1][0]
        starts = [last, *(f"{prefix}{digit}" for digit in _DIGITS if f"{prefix}{digit}" > last)]

        def between(ends: tuple[str, str]) -> list[Row]:
            found: list[Row] = []
            for page in self.all(prefix, after=ends[0]):
                found += [row for row in page if not ends[1] or row[0] <= ends[1]]
                if ends[1] and page[-1][0] > ends[1]:
                    break
            return found

        yield from self.each(between, zip(starts, [*starts[1:], ""], strict=True))

    def all(self, prefix: str, *, after: str = "") -> Iterator[list[Row]]:
        """Yield all keys below a prefix (after a key), sorted, at any depth, page by page; OSError if it cannot be."""
        if self.listed:
            yield from self.listed.all(prefix, after=after)
            return
        done = 0
        try:
            for rows in client.listed(self._store, prefix, after):
                self.counts["list"] += 1
                if _may_have_markers(rows):
                    if self._exact:
                        yield from self._exactly(prefix, after, done)
                        return
                    yield self._told_apart(rows)
                else:
                    yield rows
                done += len(rows)
            self.counts["list"] += not done
        except FAILURES as error:
            if not is_path_error(error) or self._exact is None:
                raise os_error(error, prefix) from error
            yield from self._exactly(prefix, after, done)

    def folder(self, prefix: str) -> tuple[list[str], list[Row]]:
        """Return the names of the folders in a folder, and the keys in it; OSError if it cannot be listed."""
        if self.listed:
            return self.listed.folder(prefix)
        try:
            prefixes, rows = client.folder(self._store, prefix)
            self.counts["list"] += max(1, -(-(len(rows) + len(prefixes)) // PAGE))
        except FAILURES as error:
            if not is_path_error(error) or self._exact is None:
                raise os_error(error, prefix) from error
            return self._folder_exactly(prefix)
        if _may_have_markers(rows):
            if self._exact:
                return self._folder_exactly(prefix)
            rows = self._told_apart(rows)
        return [one.rpartition("/")[2] for one in prefixes], rows

    def _told_apart(self, rows: list[Row]) -> list[Row]:
        """Return keys with the `/` at the end of markers again: nothing is at such a key without it."""
        return [(f"{key}/" if _may_be_marker(key, info) and not self._has(key) else key, info) for key, info in rows]

    def _has(self, key: str) -> bool:
        """Return whether there is an object; so it counts if the service does not say."""
        self.counts["head"] += 1
        try:
            client.head(self._store, key)
        except FileNotFoundError:
            return False
        except FAILURES:
            return True
        return True

    def _exactly(self, prefix: str, after: str, done: int) -> Iterator[list[Row]]:
        """Yield the keys after so many, as the client of the service lists them."""
        assert self._exact is not None  # noqa: S101 (for the type checker)
        for _, rows in self._exact.pages(prefix, "", after):
            self.counts["list"] += 1
            yield rows[done:] if done else rows
            done = max(0, done - len(rows))

    def _folder_exactly(self, prefix: str) -> tuple[list[str], list[Row]]:
        assert self._exact is not None  # noqa: S101 (for the type checker)
        names: list[str] = []
        keys: list[Row] = []
        for prefixes, rows in self._exact.pages(prefix, "/", ""):
            self.counts["list"] += 1
            names += [one[len(prefix) :].rstrip("/") for one in prefixes]
            keys += rows
        return names, keys

    def get(self, key: str, limit: int) -> bytes:
        """Return up to `limit` bytes, at least one, of an object that is not empty; OSError if it cannot be read."""
        self.counts["get"] += 1
        try:
            return client.piece(self._store, key, 0, limit)
        except FAILURES as error:
            if is_path_error(error) and self._exact:
                return self._exact.get(key, limit)
            raise os_error(error, key) from error

    def many(self, wanted: Iterable[tuple[str, int]]) -> Iterator[tuple[str, bytes | OSError]]:
        """Yield each key with up to so many bytes of its object, or the error: in order, many requests at once."""

        def one(asked: tuple[str, int]) -> tuple[str, bytes | OSError]:
            try:
                return asked[0], self.get(*asked)
            except OSError as error:
                return asked[0], error

        return self.each(one, wanted)

    def each(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield the results of a function in the order of its arguments; a bounded number of calls is ahead."""
        todo = iter(items)
        waiting = deque(self._threads.submit(function, item) for item in islice(todo, AHEAD * self.at_once))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(self._threads.submit(function, item) for item in islice(todo, 1))
        finally:
            for one in waiting:
                one.cancel()

    def open(self, key: str) -> BinaryIO:
        """Return an object to read from its beginning, in constant memory; OSError if it cannot be read."""
        self.counts["get"] += 1
        try:
            return io.BufferedReader(client.Stream(self._store, key))
        except FAILURES as error:
            raise os_error(error, key) from error


def _may_be_marker(key: str, info: Key) -> bool:
    return not info.size and _PLAIN.match(key.rpartition("/")[2]) is None


def _may_have_markers(rows: list[Row]) -> bool:
    return any(not info.size and _may_be_marker(key, info) for key, info in rows)
