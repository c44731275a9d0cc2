"""Write bbolt databases for tests, by the format and without the reader: a tree of dicts becomes pages."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Written = dict[bytes, "bytes | Written"]
BRANCH, LEAF, META = 1, 2, 4


def bolt(tree: Written, *, page_size: int = 4096, transaction: int = 7) -> bytes:
    """Return a database with these buckets and values; the older meta page is of the transaction before."""
    return _Writer(page_size).database(tree, transaction)


def meta(number: int, page_size: int, root: int, pages: int, transaction: int) -> bytes:
    """Return a sound meta page."""
    fields = struct.pack("=IIIIQQQQQ", 0xED0CDAED, 2, page_size, 0, root, 0, 2, pages, transaction)
    head = struct.pack("=QHHI", number, META, 0, 0)
    return (head + fields + struct.pack("=Q", checksum(fields))).ljust(page_size, b"\0")


def checksum(data: bytes) -> int:
    found = 14695981039346656037
    for byte in data:
        found = (found ^ byte) * 1099511628211 % 2**64
    return found


class _Writer:
    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self.pages: list[bytes] = []
        self.first = 2

    def database(self, tree: Written, transaction: int) -> bytes:
        root = self.bucket(tree)
        top = self.first + len(self.pages)
        metas = [meta(i, self.page_size, root, top, transaction - (i != transaction % 2)) for i in (0, 1)]
        return b"".join([*metas, *self.pages])

    def bucket(self, tree: Written) -> int:
        """Write a bucket into pages of its own; return the number of its root page."""
        elements = list(self.elements(tree))
        groups = self.split(elements) or [[]]
        level = [(group[0][1] if group else b"", self.page(LEAF, _leaf(group))) for group in groups]
        while len(level) > 1:
            several = [level[at : at + 3] for at in range(0, len(level), 3)]
            level = [(some[0][0], self.page(BRANCH, _branch(some))) for some in several]
        return level[0][1]

    def elements(self, tree: Mapping[bytes, bytes | Written]) -> Iterator[tuple[int, bytes, bytes]]:
        for key, value in sorted(tree.items()):
            yield (0, key, value) if isinstance(value, bytes) else (1, key, self.value(value))

    def value(self, tree: Written) -> bytes:
        """Return the value of a bucket: its page inline if it is small and holds no bucket, else the page's number."""
        elements = list(self.elements(tree)) if all(isinstance(value, bytes) for value in tree.values()) else None
        inline = b"" if elements is None else struct.pack("=QHHI", 0, LEAF, len(tree), 0) + _leaf(elements)[1]
        if inline and len(inline) <= self.page_size // 4:
            return struct.pack("=QQ", 0, 0) + inline
        return struct.pack("=QQ", self.bucket(tree), 0)

    def split(self, elements: list[tuple[int, bytes, bytes]]) -> list[list[tuple[int, bytes, bytes]]]:
        groups: list[list[tuple[int, bytes, bytes]]] = []
        used = self.page_size
        for element in elements:
            size = 16 + len(element[1]) + len(element[2])
            if used + size > self.page_size:
                groups.append([])
                used = 16
            groups[-1].append(element)
            used += size
        return groups

    def page(self, flag: int, body: tuple[int, bytes]) -> int:
        number = self.first + len(self.pages)
        count, data = body
        overflow = (16 + len(data) - 1) // self.page_size
        page = struct.pack("=QHHI", number, flag, count, overflow) + data
        whole = page.ljust((overflow + 1) * self.page_size, b"\0")
        self.pages += [whole[at : at + self.page_size] for at in range(0, len(whole), self.page_size)]
        return number


def _leaf(elements: list[tuple[int, bytes, bytes]]) -> tuple[int, bytes]:
    heads, data = [], b""
    for i, (flags, key, value) in enumerate(elements):
        heads.append(struct.pack("=IIII", flags, 16 * (len(elements) - i) + len(data), len(key), len(value)))
        data += key + value
    return len(elements), b"".join(heads) + data


def _branch(children: list[tuple[bytes, int]]) -> tuple[int, bytes]:
    heads, data = [], b""
    for i, (key, number) in enumerate(children):
        heads.append(struct.pack("=IIQ", 16 * (len(children) - i) + len(data), len(key), number))
        data += key
    return len(children), b"".join(heads) + data
