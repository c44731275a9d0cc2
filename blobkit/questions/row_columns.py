"""The columns of the tree table: figures of every name and repository, each found when it is first needed.

Places are those of `blobkit.analysis.tree`: names first, then repositories.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.firsts import closures
from blobkit.analysis.groups import sums
from blobkit.analysis.owners import owners_at_first, reached
from blobkit.analysis.reach import closure_sizes
from blobkit.analysis.repositories import repositories
from blobkit.analysis.tree import tree
from blobkit.questions.planning.newest import UNRANKED, image_ranks
from blobkit.snapshot.columns import arrow, combine
from blobkit.snapshot.sets import ranges, starts, unique, where
from blobkit.snapshot.tables import ids

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from blobkit.analysis.tree import Tree
    from blobkit.snapshot.snapshot import Snapshot

    Bools = NDArray[np.bool_]
    Ids = NDArray[np.int32]
    Ints = NDArray[np.int64]

__all__ = ["DAY", "NEVER", "RowColumns", "with_parts"]

DAY = 86_400_000_000
"""Microseconds."""
NEVER = np.iinfo(np.int64).min
"""The time of names that have none: before all others."""


def with_parts(tree: Tree, owned: Ints) -> Ints:
    """Return for each repository what goes with all of its names: its own bytes and those of its names."""
    names = np.zeros(len(tree.repositories), np.int64)
    np.add.at(names, tree.repository, owned[: tree.names])
    return names + owned[tree.names : tree.first_namespace]


@dataclass(frozen=True, eq=False)
class RowColumns:
    """Figures by name and by repository. Bytes are int64; times are microseconds since 1970, NEVER if unknown."""

    snapshot: Snapshot

    @cached_property
    def tree(self) -> Tree:
        """The places of the snapshot."""
        return tree(self.snapshot)

    @property
    def now(self) -> int:
        """The time of the snapshot."""
        return int(self.snapshot.time.timestamp() * 1_000_000)

    @cached_property
    def alone(self) -> Ints:
        """The bytes that go if only this name is dropped."""
        return owners_at_first(self.snapshot).bytes[: self.tree.names]

    @cached_property
    def repository_alone(self) -> Ints:
        """The bytes that go if all names of this repository are dropped."""
        return with_parts(self.tree, owners_at_first(self.snapshot).bytes)

    @cached_property
    def number(self) -> Ints:
        """The names of each repository that hold."""
        return np.bincount(self.tree.repository[self.tree.holds], minlength=len(self.tree.repositories))

    @cached_property
    def modified(self) -> Ints:
        """The last change of each name: its own time, else that of its blob; of several the newest."""
        times = _microseconds(self.snapshot.pins["modified"], self._pins)
        node = ids(self.snapshot.pins["node"])[self._pins]
        times = np.where(times == NEVER, _microseconds(self.snapshot.nodes["modified"], node), times)
        found = np.full(self.tree.names, NEVER)
        np.maximum.at(found, self._of_pin, times)
        found[self._of_pin[times == NEVER]] = NEVER
        return found

    @cached_property
    def repository_modified(self) -> Ints:
        """The last change of the newest name of each repository."""
        found = np.full(len(self.tree.repositories), NEVER)
        np.maximum.at(found, self.tree.repository, self.modified)
        return found

    @cached_property
    def same(self) -> Ids:
        """The number of other names that hold the image of each name."""
        image, place = np.unique(self._image, return_inverse=True)
        pairs = unique(place[self._of_pin] << 32 | self._of_pin)
        number = np.bincount(pairs >> 32, minlength=len(image))
        return np.maximum(number[place] - 1, 0).astype(np.int32)

    @cached_property
    def image_rank(self) -> Ints:
        """The rank of each name's image in its repository, the newest 0; -1 if a time is unknown."""
        dated = self.tree.holds & (self.modified != NEVER)
        rank = image_ranks(self.tree.repository, self._image, self.modified, dated)
        return np.where(dated, rank, UNRANKED)

    @cached_property
    def closure(self) -> Ints:
        """The bytes that each name reaches. Cost: all closures."""
        found = np.zeros(self.tree.names, np.int64)
        found[self.tree.holds] = closures(self.snapshot)
        return found

    def closure_of(self, names: Ints) -> Ints:
        """Return the bytes that these names reach. Cost: their closures."""
        start = self._start
        first = ids(self.snapshot.pins["node"])[self._pins[np.minimum(start[names], len(self._pins) - 1)]]
        found = np.where(start[names] < start[names + 1], closure_sizes(self.snapshot.graph, first), 0)
        for at in np.flatnonzero(start[names + 1] - start[names] > 1).tolist():
            found[at] = self._bytes(self.nodes(names[at : at + 1]))
        return found

    @cached_property
    def repository_closure(self) -> Ints:
        """The bytes that each repository reaches. Cost: all closures."""
        order = np.argsort(self.tree.repository[self._of_pin], kind="stable")
        by_repository = self.tree.repository[self._of_pin][order]
        start = np.searchsorted(by_repository, np.arange(len(self.tree.repositories) + 1))
        roots = ids(self.snapshot.pins["node"])[self._pins][order]
        return sums(self.snapshot.graph, start, roots, self.snapshot.graph.size)

    def repository_closure_of(self, repository: int) -> int:
        """Return the bytes that one repository reaches. Cost: what it reaches."""
        return self._bytes(self.nodes(self.names_of(repository)))

    def names_of(self, repository: int) -> Ids:
        """Return the names of a repository."""
        order, start = self._by_repository
        return order[start[repository] : start[repository + 1]]

    def nodes(self, names: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the nodes that the pins of these names are on."""
        at = ranges(self._start[names], self._start[names + 1])
        return ids(self.snapshot.pins["node"])[self._pins[at]]

    def _bytes(self, roots: NDArray[np.int32]) -> int:
        graph = self.snapshot.graph
        return int(graph.size[reached(graph, roots)].sum())

    @cached_property
    def _by_repository(self) -> tuple[Ids, Ints]:
        order = np.argsort(self.tree.repository, kind="stable").astype(np.int32)
        return order, np.searchsorted(self.tree.repository[order], np.arange(len(self.tree.repositories) + 1))

    @cached_property
    def _pins(self) -> Ids:
        """The pins that hold and have a name, by name."""
        return where(self.snapshot.holding & (self.tree.place_of < self.tree.names))

    @cached_property
    def _of_pin(self) -> Ids:
        return self.tree.place_of[self._pins]

    @cached_property
    def _start(self) -> Ids:
        """The places where the pins of each name begin."""
        return starts(self._of_pin, self.tree.names)

    @cached_property
    def _image(self) -> Ids:
        """The blob that the first pin of each name stands for."""
        first = self.tree.row.copy()
        first[self._of_pin[::-1]] = self._pins[::-1]
        return repositories(self.snapshot).blob[first]


def _microseconds(column: pa.ChunkedArray, rows: NDArray[np.integer]) -> Ints:
    """Return these rows of a column of times as numbers."""
    times = np.asarray(combine(column).take(arrow(rows))).astype("datetime64[us]")
    found: Ints = times.view(np.int64).copy()
    found[np.isnat(times)] = NEVER
    return found
