"""Columns of facts in few bytes a row: numbers as machine words, texts as numbers of a vocabulary.

Columns grow many rows at a time, so a new node costs one dictionary entry and no call for each column.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

from blobkit.scanners.spaces.mapped import Mapped
from blobkit.scanners.spaces.space import MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from blobkit.scanners.spaces.space import Column, Keys, Space

__all__ = ["Digests", "Words", "assign", "extend", "numbers", "repeated", "view"]


class Words:
    """A column of few different texts; each is stored once, and a row is its number.

    A row of a fixed vocabulary (at most 128 texts) takes one byte, and another text is a KeyError. Otherwise a row
    takes four bytes, and the vocabulary grows.
    """

    __slots__ = ("codes", "number", "texts")

    def __init__(self, vocabulary: Iterable[str], *, fixed: bool = False, space: Space = MEMORY) -> None:
        self.texts = list(vocabulary)
        self.number = {text: number for number, text in enumerate(self.texts)}
        self.codes = space.column("b" if fixed else "i")

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.codes)

    def __getitem__(self, row: int) -> str:
        """Return the text of a row."""
        return self.texts[self.codes[row]]

    def __setitem__(self, row: int, text: str) -> None:
        """Change the text of a row."""
        self.codes[row] = self.code(text)

    def __iter__(self) -> Iterator[str]:
        """Yield the text of each row."""
        return map(self.texts.__getitem__, self.codes)

    def append(self, text: str, rows: int = 1) -> None:
        """Add equal rows."""
        if rows == 1:
            self.codes.append(self.code(text))
        else:
            self.codes.extend(repeated(self.codes.typecode, self.code(text), rows))

    def assign(self, rows: NDArray[np.integer], text: str) -> None:
        """Change the text of many rows."""
        assign(self.codes, rows, np.full(len(rows), self.code(text)))

    def code(self, text: str) -> int:
        """Return the number of a text."""
        found = self.number.get(text)
        if found is not None:
            return found
        if self.codes.itemsize == 1:
            raise KeyError(text)
        self.number[text] = len(self.texts)
        self.texts.append(text)
        return len(self.texts) - 1

    def column(self, rows: int) -> NDArray[np.int8] | tuple[NDArray[np.int32], list[str]]:
        """Return the first rows as the tables of a snapshot take them; a fixed vocabulary is known there."""
        if self.codes.itemsize == 1:
            return numbers(self.codes, rows).astype(np.int8, copy=False)
        return numbers(self.codes, rows).astype(np.int32, copy=False), self.texts


class Digests:
    """A set of digests; a digest of a node takes one byte."""

    __slots__ = ("_flags", "_ids", "_others")

    def __init__(self, ids: Keys) -> None:
        self._ids, self._flags, self._others = ids, bytearray(), set[str]()

    def add(self, digest: str) -> None:
        """Add a digest."""
        node = self._ids.get(digest)
        if node is None:
            self._others.add(digest)
        else:
            self.add_node(node)

    def add_node(self, node: int) -> None:
        """Add the digest of a node."""
        if node >= len(self._flags):
            self._flags += bytes(node + 1024)
        self._flags[node] = 1

    def add_nodes(self, nodes: NDArray[np.integer] | array[int]) -> None:
        """Add the digests of many nodes."""
        if len(nodes):
            self.add_node(max(nodes) if isinstance(nodes, array) else int(nodes.max()))
            np.frombuffer(self._flags, np.uint8)[nodes] = 1

    def __contains__(self, digest: str) -> bool:
        """Return whether a digest is in the set."""
        node = self._ids.get(digest)
        return (node is not None and node < len(self._flags) and self._flags[node] == 1) or digest in self._others

    def flags(self, rows: int) -> NDArray[np.bool_]:
        """Return whether each of the first nodes is in the set."""
        found = np.zeros(rows, np.bool_)
        found[self.nodes()] = True
        return found

    def nodes(self) -> NDArray[np.int64]:
        """Return the nodes of the digests that have one, in order."""
        early = np.flatnonzero(np.frombuffer(bytes(self._flags), np.uint8))
        late = [self._ids[digest] for digest in self._others if digest in self._ids]
        return np.union1d(early, np.array(late, np.int64)) if late else early


def repeated(code: str, value: int, rows: int) -> array[int]:
    """Return a column with the same number in all rows."""
    return array(code, [value]) * rows


def numbers(column: Column, rows: int) -> NDArray[np.integer]:
    """Return the first rows of a column of numbers as a numpy array; a copy, so the column can still grow."""
    return view(column)[:rows].copy()


def assign(column: Column, rows: NDArray[np.integer], values: NDArray[np.integer]) -> None:
    """Change many rows of a column of numbers."""
    view(column)[rows] = values


def extend(column: Column, values: NDArray[np.integer]) -> None:
    """Add many rows to a column of numbers."""
    column.frombytes(values.astype(column.typecode).tobytes())


def view(column: Column) -> NDArray[np.integer]:
    """Return a column of numbers as a numpy array; the column cannot grow while this is there."""
    if isinstance(column, Mapped):
        return column.view()
    return np.frombuffer(column, np.dtype(column.typecode))
