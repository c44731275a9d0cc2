"""Read a bbolt database (the key-value file of containerd and BuildKit), while its daemon may be writing.

Format: bbolt 1.3, `page.go`, `db.go`, `node.go`. A file is a tree of pages; two meta pages name its root in turn, each
with a checksum and the number of its transaction. A writer puts changes into pages that neither the last state nor the
one that it makes uses; so all pages of a state keep their bytes until the next state is committed. A reader without a
lock therefore has one state if the newest meta page is the same before and after. Else it reads again.

Nothing in the file is trusted: each page is read once, and all offsets and counts are checked.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from io import SEEK_END, BufferedReader, BytesIO
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blobkit.sources.source import Source

__all__ = ["BoltError", "Bucket", "BusyError", "Tree", "read_bolt"]

T = TypeVar("T")
Tree = dict[bytes, "bytes | Tree"]
"""A bucket as a whole: values, and buckets in it."""

MAGIC, VERSION = 0xED0CDAED, 2
BRANCH, LEAF = 1, 2
"""Flags of pages."""
IS_BUCKET = 1
"""Flag of an element of a leaf page: its value is a bucket."""
FIRST = 2
"""The number of the first page that is not a meta page."""
PAGE_SIZES = range(10, 21)
"""Powers of two; bbolt takes the page size of the machine."""
_CHECKSUM = 8
"""Bytes of a meta page's checksum, at its end."""
_META = struct.Struct("=IIIIQQQQQQ")
"""magic, version, page size, flags, root page, sequence, freelist page, pages, transaction, checksum."""
_HEAD = struct.Struct("=QHHI")
"""Number of the page, flags, number of elements, overflow pages; as _META in the byte order of the machine."""
_BRANCH = struct.Struct("=IIQ")
"""Position and size of the key, page."""
_LEAF = struct.Struct("=IIII")
"""Flags, position, size of the key, size of the value."""
_BUCKET = struct.Struct("=QQ")
"""Root page (0: the page follows inline), sequence."""

TRIES = 50
"""Reads of a database that changes all the time, before that is an error."""
COPIED, COPIED_IF_BUSY = 64 << 20, 1 << 30
"""Bytes: a file up to this size is copied to memory at once; a larger one only after `STREAMED` reads of its pages, if
it changed during each of them: the copy of a second is one state more likely than the read of a minute."""
STREAMED = 3
DEEPEST = 32
"""Buckets inside each other; containerd has eight at most."""
LARGEST = 64 << 20
"""Bytes of one page with its overflow pages."""


class BoltError(ValueError):
    """A file is not a sound bbolt database; the message says why."""


class BusyError(BoltError):
    """A database changed during each of many reads."""


class _File(Protocol):
    """The functions of a file that are used here."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a position, and return it."""
        ...

    def read(self, size: int, /) -> bytes | None:
        """Return some of the next bytes."""
        ...


class Meta(NamedTuple):
    """One state of a database: page size, number of the root page, number of pages in use, transaction."""

    page_size: int
    root: int
    pages: int
    transaction: int


def read_bolt(source: Source, path: str, use: Callable[[Bucket], T]) -> T:
    """Return what `use` makes of the top bucket of one state of the database; it may be called again for a newer one.

    OSError if the file cannot be read, BoltError if it is damaged, BusyError if it changed during each of many reads.
    Cost: one read of a file up to `COPIED` bytes; of a larger one the pages that `use` asks for, one at a time; and
    again for each state that is committed meanwhile.
    """
    with source.open(path) as opened:
        file = opened.raw if isinstance(opened, BufferedReader) else opened  # a buffer would hold old bytes
        for turn in range(TRIES):
            before = _newest(file)
            pages = _copy(file, COPIED if turn < STREAMED else COPIED_IF_BUSY)
            if pages is not file and _newest(file) != before:
                continue
            found, why = _try(use, pages, before)
            if pages is not file or _newest(file) == before:
                if found:
                    return found[0]
                raise why
    msg = f"it changed during each of {TRIES} reads"
    raise BusyError(msg)


def _try(use: Callable[[Bucket], T], file: _File, state: Meta | str) -> tuple[tuple[T, ...], BoltError]:
    """Return what `use` makes of a state as a tuple, or an empty one and why there is nothing."""
    if isinstance(state, str):
        return (), BoltError(state)
    try:
        return (use(Bucket(_Pages(file, state), state.root)),), BoltError()
    except BoltError as error:
        return (), error


def _newest(file: _File) -> Meta | str:
    """Return the newest sound meta page, or why there is none. The second is at the end of the first page."""
    first = _meta(_read(file, 0, _HEAD.size + _META.size))
    places = [first.page_size] if isinstance(first, Meta) else [1 << power for power in PAGE_SIZES]
    others = [(at, _meta(_read(file, at, _HEAD.size + _META.size))) for at in places]
    sound = [one for at, one in ((0, first), *others) if isinstance(one, Meta) and at in (0, one.page_size)]
    return max(sound, key=lambda one: one.transaction) if sound else first


def _meta(page: bytes) -> Meta | str:
    """Return the state that a meta page tells, or why it is not sound."""
    if len(page) < _HEAD.size + _META.size:
        return "it is shorter than a bbolt database"
    fields = page[_HEAD.size :]
    magic, version, page_size, _, root, _, _, pages, transaction, checksum = _META.unpack(fields)
    if magic != MAGIC:
        return "it is not a bbolt database"
    if checksum != _fnv(fields[:-_CHECKSUM]):
        return "the checksums of its meta pages are wrong"
    if version != VERSION:
        return f"its format has the version {version}, and blobkit reads version {VERSION}"
    if page_size not in (1 << power for power in PAGE_SIZES):
        return f"a page size of {page_size} bytes is impossible"
    return Meta(page_size, root, pages, transaction)


def _fnv(data: bytes) -> int:
    """Return the 64-bit FNV-1a hash (Fowler, Noll, Vo)."""
    found = 0xCBF29CE484222325
    for byte in data:
        found = (found ^ byte) * 0x100000001B3 & 0xFFFF_FFFF_FFFF_FFFF
    return found


def _read(file: _File, at: int, size: int) -> bytes:
    """Return the bytes of a range, fewer at the end of the file."""
    file.seek(at)
    parts: list[bytes] = []
    while size and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _copy(file: _File, limit: int) -> _File:
    """Return a copy of a file of at most `limit` bytes; a larger file itself."""
    size = file.seek(0, SEEK_END)
    return BytesIO(_read(file, 0, size)) if size <= limit else file


@dataclass(slots=True)
class _Pages:
    """The pages of one state; each can be read once, so that no cycle and no page with many users costs more."""

    file: _File
    state: Meta
    read: set[int] = field(default_factory=set)

    def page(self, number: int) -> bytes:
        """Return a page with its overflow pages; BoltError if there is no such page, or it was read before."""
        size = self.state.page_size
        if not FIRST <= number < self.state.pages:
            msg = f"page {number} is outside of the {self.state.pages} pages in use"
            raise BoltError(msg)
        data = _read(self.file, number * size, size)
        if len(data) < size:
            msg = f"it ends before page {number}"
            raise BoltError(msg)
        found, _, _, overflow = _HEAD.unpack_from(data)
        numbers = range(number, number + overflow + 1)
        if found != number or numbers.stop > self.state.pages or len(numbers) * size > LARGEST:
            msg = f"page {number} has an impossible header"
            raise BoltError(msg)
        if not self.read.isdisjoint(numbers):
            msg = f"page {number} is used twice"
            raise BoltError(msg)
        self.read.update(numbers)
        if overflow:
            data = _read(self.file, number * size, len(numbers) * size)
        return data


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of a database: sorted keys, each with a value or a bucket. `inline`: its one page, if it is a value."""

    pages: _Pages
    root: int
    inline: bytes = b""
    depth: int = 0

    def items(self) -> Iterator[tuple[bytes, bytes | Bucket]]:
        """Yield each key with its value or bucket, in order. Once only: BoltError if a page was read before."""
        for page in self._leaves():
            for flags, key, value in _leaf(page):
                yield key, self._inside(value) if flags & IS_BUCKET else value

    def tree(self) -> Tree:
        """Return the whole bucket, with all buckets in it. Once only, as for `items`."""
        found: Tree = {}
        todo = [(self, found)]
        while todo:
            bucket, into = todo.pop()
            for key, value in bucket.items():
                if isinstance(value, Bucket):
                    todo.append((value, {}))
                    into[key] = todo[-1][1]
                else:
                    into[key] = value
        return found

    def _leaves(self) -> Iterator[bytes]:
        """Yield the leaf pages in order."""
        if not self.root:
            yield self.inline
            return
        todo = [self.root]
        while todo:
            page = self.pages.page(todo.pop())
            _, flags, _, _ = _HEAD.unpack_from(page)
            if flags & BRANCH:
                todo += reversed(_children(page))
            else:
                yield page

    def _inside(self, value: bytes) -> Bucket:
        """Return the bucket that is, or is named by, a value."""
        if len(value) < _BUCKET.size or self.depth == DEEPEST:
            msg = f"a bucket in it is {'too deep' if self.depth == DEEPEST else 'cut short'}"
            raise BoltError(msg)
        root, _ = _BUCKET.unpack_from(value)
        return Bucket(self.pages, root, value[_BUCKET.size :], self.depth + 1)


def _count(page: bytes, flag: int, size: int) -> int:
    """Return the number of elements of a page of this type; BoltError if it is of another, or they do not fit."""
    if len(page) >= _HEAD.size:
        _, flags, count, _ = _HEAD.unpack_from(page)
        if flags & flag and _HEAD.size + count * size <= len(page):
            return int(count)
    msg = "a page of it is of the wrong type, or cut short"
    raise BoltError(msg)


def _children(page: bytes) -> list[int]:
    """Return the numbers of the pages below a branch page."""
    count = _count(page, BRANCH, _BRANCH.size)
    return [_BRANCH.unpack_from(page, _HEAD.size + i * _BRANCH.size)[2] for i in range(count)]


def _leaf(page: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield flags, key and value of each element of a leaf page; their bytes follow each other, and do not overlap."""
    count = _count(page, LEAF, _LEAF.size)
    free = _HEAD.size + count * _LEAF.size
    for at in range(_HEAD.size, free, _LEAF.size):
        flags, position, key_size, value_size = _LEAF.unpack_from(page, at)
        start = at + position
        middle, end = start + key_size, start + key_size + value_size
        if start < free or end > len(page):
            msg = "the elements of a page in it overlap, or end after the page"
            raise BoltError(msg)
        free = end
        yield flags, page[start:middle], page[middle:end]
