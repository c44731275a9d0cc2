"""The tree of a store's names: store > namespace > repository > name, as arrays of places.

A place is a number. First come all names, in the order of the pin table, then the repositories and the namespaces, both
sorted, then the pins without a name, and last the store itself. So a parent always has a larger number than its
children, and two places meet at the first common one if the smaller number goes up until both are equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from blobkit.cache import memoized
from blobkit.snapshot.columns import arrow, combine
from blobkit.snapshot.pins import count_named, name_numbers, name_starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

    Bools = NDArray[np.bool_]
    Ids = NDArray[np.int32]
    Ints = NDArray[np.int64]

__all__ = ["NO_PLACE", "RANKS", "Tree", "tree"]

NO_PLACE = -1
RANKS = ("tag", "repository", "namespace", "nameless", "store")
"""The ranks of places, in the order of their numbers."""


@dataclass(frozen=True, eq=False)
class Tree:
    """The places of a store.

    `parent`: the place above each place; the store is its own parent. `row`: the first pin of each name. `place_of`:
    for each row of the pin table the place of its name. `holds`: which names hold a node under the policy.
    `repositories` and `namespaces` are sorted; "" is the one of plain names. The namespace of `a/b/web` is `a/b`.
    """

    parent: Ids
    row: Ids
    place_of: Ids
    holds: Bools
    repositories: tuple[str, ...]
    namespaces: tuple[str, ...]

    @property
    def names(self) -> int:
        """The number of names: places below it are names."""
        return len(self.row)

    @property
    def first_namespace(self) -> int:
        """The place of the first namespace: places from `names` up to it are repositories."""
        return self.names + len(self.repositories)

    @property
    def nameless(self) -> int:
        """The place of pins without a name: it owns what these, or counted garbage, keep in any case."""
        return len(self.parent) - 2

    @property
    def store(self) -> int:
        """The place of the store: it owns what several namespaces keep."""
        return len(self.parent) - 1

    @cached_property
    def rank(self) -> NDArray[np.int8]:
        """The rank of each place, as a position in RANKS."""
        ends = (self.names, self.first_namespace, self.nameless, self.store)
        return np.searchsorted(ends, np.arange(len(self.parent)), "right").astype(np.int8)

    @property
    def plain(self) -> frozenset[int]:
        """The place of the repository of names without one, if there are such names."""
        return frozenset({self.names} if self.repositories[:1] == ("",) else ())

    @property
    def repository(self) -> Ids:
        """The repository of each name, as a position in `repositories`."""
        found: Ids = self.parent[: self.names] - self.names
        return found

    @property
    def namespace(self) -> Ids:
        """The namespace of each repository, as a position in `namespaces`."""
        found: Ids = self.parent[self.names : self.first_namespace] - self.first_namespace
        return found


@memoized
def tree(snapshot: Snapshot) -> Tree:
    """Return the places of a store under its policy. Cost: one pass over the pins."""
    end, row = count_named(snapshot), name_starts(snapshot)
    of_name, repositories = _repositories(snapshot, row)
    above = [repository.rpartition("/")[0] for repository in repositories]
    namespaces = sorted(set(above))
    middle = len(row) + len(repositories)
    at = {namespace: i for i, namespace in enumerate(namespaces, middle)}
    nameless = middle + len(namespaces)
    top = np.full(len(namespaces) + 2, nameless + 1)
    parent = np.concatenate((len(row) + of_name, [at[namespace] for namespace in above], top)).astype(np.int32)
    place_of = np.full(snapshot.pins.num_rows, nameless, np.int32)
    place_of[:end] = name_numbers(snapshot)
    holds = np.zeros(len(row), np.bool_)
    holds[place_of[np.flatnonzero(snapshot.holding[:end])]] = True
    return Tree(parent, row, place_of, holds, tuple(repositories), tuple(namespaces))


def _repositories(snapshot: Snapshot, row: Ids) -> tuple[Ints, list[str]]:
    """Return for each of these pins its repository, as a position, and all repositories, sorted."""
    coded = combine(snapshot.pins["group"]).take(arrow(row)).fill_null("").dictionary_encode()
    found = coded.dictionary.to_pylist()
    order = sorted(range(len(found)), key=found.__getitem__)
    rank = np.empty(len(found), np.int64)
    rank[order] = np.arange(len(found))
    return rank[np.asarray(coded.indices)], [found[i] for i in order]
