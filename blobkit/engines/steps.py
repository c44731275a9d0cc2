"""Walks over a graph in steps: an engine makes a table of the result of each, in the memory that it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from blobkit.engines import sql
from blobkit.errors import EngineLimitError, Hint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from blobkit.engines.dialect import Dialect

__all__ = ["DEPTH", "Engine", "FrameEngine", "References", "Walks"]

Frame_co = TypeVar("Frame_co", covariant=True)

DEPTH = 1_000
"""The most links on a way: each takes a query, and images have about five."""


class Engine(Protocol):
    """The things that the walks need of an engine. Names of tables are unquoted identifiers."""

    numbers: Iterator[int]
    prefix: str

    @property
    def dialect(self) -> Dialect:
        """The words of its SQL that are not those of others."""
        ...

    def view(self, name: str, paths: list[Path], columns: str) -> None:
        """Name the rows of these parquet files, with these columns."""
        ...

    def define(self, name: str, query: str) -> None:
        """Name a query, which runs each time it is used."""
        ...

    def step(self, name: str, query: str) -> None:
        """Make a table of the rows of a query, in place of one of this name, which the query may read."""
        ...

    def add(self, name: str, more: str) -> None:
        """Add the rows of a table to another one."""
        ...

    def load(self, name: str, table: pa.Table) -> None:
        """Make a table of rows in memory."""
        ...

    def drop(self, *names: str) -> None:
        """Remove tables, if they are there."""
        ...

    def number(self, table: str) -> int:
        """Return the number of rows of a table or query."""
        ...

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query that has few."""
        ...

    def arrow(self, query: str) -> pa.Table:
        """Return the rows of a query as a table in memory."""
        ...


class FrameEngine(Engine, Protocol[Frame_co]):
    """An engine that shows rows in frames of its own kind."""

    def frame(self, query: str) -> Frame_co:
        """Return the rows of a query as a frame of the engine."""
        ...

    def close(self) -> None:
        """Remove all tables."""
        ...


class References(NamedTuple):
    """The references that a counting store counts: `links`, how many links each node has, the nodes with pins.

    Tables: (source, target), (id, number), (node).
    """

    links: str
    held: str
    pinned: str


@dataclass(frozen=True, slots=True)
class Walks:
    """The walks in one engine, along at most `depth` links."""

    engine: Engine
    depth: int = DEPTH

    def number(self, table: str) -> int:
        """Return the number of rows of a table."""
        return self.engine.number(table)

    def reach(self, into: str, roots: str, links: str) -> None:
        """Make the table `into`(id) of what these roots (a query of ids) reach, a frontier at a time.

        Cost: each link is read once a level. EngineLimitError if a way is longer than the limit.
        """
        front = f"{into}_front"
        self.engine.step(front, f"SELECT DISTINCT id FROM ({roots}) AS given")
        self.engine.step(into, f"SELECT id FROM {front}")
        for _ in self._levels(front):
            self.engine.step(front, sql.frontier(links, front, into))
            self.engine.add(into, front)
        self.engine.drop(front)

    def pairs(self, into: str, roots: str, links: str, most: int) -> None:
        """Make the table `into`(id, grp) of the nodes that each group reaches; roots is a query of both columns.

        Cost: a row for each pair. EngineLimitError before there are more than `most`: then the groups are too many.
        """
        front, degree = f"{into}_front", f"{into}_degree"
        self.engine.step(front, f"SELECT DISTINCT id, grp FROM ({roots}) AS given")
        self.engine.step(into, f"SELECT id, grp FROM {front}")
        self.engine.step(degree, sql.degrees(links))
        for level in self._levels(front):
            next_ones = self.engine.rows(
                f"SELECT coalesce(sum(d.number), 0) FROM {front} f JOIN {degree} d ON d.id = f.id"
            )
            if (made := self.number(into)) + int(next_ones[0][0]) > most:
                msg = (
                    f"these groups reach {made:,} blobs after {level:,} links, and up to {int(next_ones[0][0]):,} more "
                    f"after the next: more than the limit of {most:,} pairs of group and blob"
                )
                coarser = "group by repo, or by a mapping to fewer groups"
                raise EngineLimitError(msg, hint=Hint(f"{coarser}, or give pairs=", coarser))
            self.engine.step(front, sql.pair_frontier(links, front, into))
            self.engine.add(into, front)
        self.engine.drop(front, degree)

    def count_down(self, into: str, nodes: str, links: str) -> bool:
        """Make the table `into`(id, level) of nodes by the longest way to them; return whether it has all of `nodes`.

        It lacks the nodes on cycles and those below. Only links from `nodes`, a table, count. Cost: each link twice.
        """
        held, done, last, front = (f"{into}_{name}" for name in ("held", "done", "last", "front"))
        self.engine.step(held, sql.counted(links, nodes))
        self.engine.step(front, sql.without(nodes, held))
        self.engine.step(into, f"SELECT id, 0 AS level FROM {front}")
        self.engine.step(done, f"SELECT id, number FROM {held} WHERE false")
        for level in self._levels(front):
            self.engine.step(last, sql.touched(links, front))
            self.engine.add(done, last)
            self.engine.step(front, sql.complete(done, last, held))
            self.engine.step(last, f"SELECT id, {level + 1} AS level FROM {front}")
            self.engine.add(into, last)
        whole = self.number(into) == self.number(nodes)
        self.engine.drop(held, done, last, front)
        return whole

    def cascade(self, into: str, references: References, dropped: str) -> None:
        """Make the table `into`(id) of what a counting store frees when the nodes of `dropped` lose all their pins.

        A node goes with the last reference to it, so what a cycle or garbage links to stays.
        """
        links, held, pinned = references
        done, last, front, kept = (f"{into}_{name}" for name in ("done", "last", "front", "kept"))
        self.engine.step(front, sql.without(dropped, held))
        self.engine.step(kept, sql.without(f"(SELECT DISTINCT node AS id FROM {pinned})", dropped))
        self.engine.step(into, f"SELECT id FROM {front}")
        self.engine.step(done, f"SELECT id, number FROM {held} WHERE false")
        for _ in self._levels(front):
            self.engine.step(last, sql.touched(links, front))
            self.engine.add(done, last)
            self.engine.step(front, sql.complete(done, last, held, kept))
            self.engine.add(into, front)
        self.engine.drop(done, last, front, kept)

    def _levels(self, front: str) -> Iterator[int]:
        """Yield 0, 1, ... as long as the table `front` has rows; EngineLimitError after the last that is allowed."""
        for level in range(self.depth + 1):
            if not self.number(front):
                return
            if level < self.depth:
                yield level
        msg = f"links go deeper than {self.depth:,}"
        raise EngineLimitError(
            msg, hint=Hint("load the snapshot (Snapshot.load), or give depth=", "leave out --engine")
        )
