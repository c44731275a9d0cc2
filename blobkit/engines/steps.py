"""Walks over a graph in steps: an engine makes a table of the result of each, so memory holds no more than it allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from blobkit.engines import sql
from blobkit.errors import EngineLimitError, Hint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

__all__ = ["DEPTH", "Engine", "cascade", "count_down", "number", "pairs", "reach"]

DEPTH = 1_000
"""The most links on a way: each takes a query, and images have about five."""


class Engine(Protocol):
    """The things that the walks need of an engine. Names of tables are unquoted identifiers."""

    def view(self, name: str, paths: list[Path]) -> None:
        """Name the rows of these parquet files."""
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

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query that has few."""
        ...

    def arrow(self, query: str) -> pa.Table:
        """Return the rows of a query as a table in memory."""
        ...


def number(engine: Engine, table: str) -> int:
    """Return the number of rows of a table."""
    return int(engine.rows(f"SELECT count(*) FROM {table}")[0][0])


def reach(engine: Engine, into: str, roots: str, links: str, depth: int = DEPTH) -> None:
    """Make the table `into`(id) of what these roots (a query of ids) reach, a frontier at a time.

    Cost: each link is read once a level. EngineLimitError if a way is longer than `depth`.
    """
    front = f"{into}_front"
    engine.step(front, f"SELECT DISTINCT id FROM ({roots}) AS given")
    engine.step(into, f"SELECT id FROM {front}")
    for _ in _levels(engine, front, depth):
        engine.step(front, sql.frontier(links, front, into))
        engine.add(into, front)
    engine.drop(front)


def pairs(engine: Engine, into: str, roots: str, links: str, *, most: int, depth: int = DEPTH) -> None:
    """Make the table `into`(id, grp) of the nodes that each group reaches; roots is a query of both columns.

    Cost: a row for each pair. EngineLimitError before there are more than `most`: then the groups are too many.
    """
    front, degree = f"{into}_front", f"{into}_degree"
    engine.step(front, f"SELECT DISTINCT id, grp FROM ({roots}) AS given")
    engine.step(into, f"SELECT id, grp FROM {front}")
    engine.step(degree, sql.degrees(links))
    for level in _levels(engine, front, depth):
        next_ones = engine.rows(f"SELECT coalesce(sum(d.number), 0) FROM {front} f JOIN {degree} d ON d.id = f.id")
        if (made := number(engine, into)) + int(next_ones[0][0]) > most:
            msg = (
                f"these groups reach {made:,} blobs after {level:,} links, and up to {int(next_ones[0][0]):,} more "
                f"after the next: more than the limit of {most:,} pairs of group and blob"
            )
            coarser = "group by repo, or by a mapping to fewer groups"
            raise EngineLimitError(msg, hint=Hint(f"{coarser}, or give pairs=", coarser))
        engine.step(front, sql.pair_frontier(links, front, into))
        engine.add(into, front)
    engine.drop(front, degree)


def count_down(engine: Engine, into: str, nodes: str, links: str, depth: int = DEPTH) -> bool:
    """Make the table `into`(id, level) of nodes by the longest way to them; return whether it has all of `nodes`.

    It lacks the nodes on cycles and those below. Only links from `nodes`, a table, count. Cost: each link twice.
    """
    held, done, last, front = (f"{into}_{name}" for name in ("held", "done", "last", "front"))
    engine.step(held, sql.counted(links, nodes))
    engine.step(front, f"SELECT id FROM {nodes} n WHERE NOT EXISTS (SELECT 1 FROM {held} h WHERE h.id = n.id)")
    engine.step(into, f"SELECT id, 0 AS level FROM {front}")
    engine.step(done, f"SELECT id, number FROM {held} WHERE false")
    for level in _levels(engine, front, depth):
        engine.step(last, sql.touched(links, front))
        engine.add(done, last)
        engine.step(front, sql.complete(done, last, held))
        engine.step(last, f"SELECT id, {level + 1} AS level FROM {front}")
        engine.add(into, last)
    whole = number(engine, into) == number(engine, nodes)
    engine.drop(held, done, last, front)
    return whole


def cascade(engine: Engine, into: str, links: str, held: str, pinned: str, dropped: str, depth: int = DEPTH) -> None:
    """Make the table `into`(id) of what a counting store frees when the nodes of `dropped` lose all their pins.

    `held`(id, number): the links to each node; `pinned`(node): the nodes with pins. A node goes with the last reference
    to it, so what a cycle or garbage links to stays.
    """
    done, last, front = (f"{into}_{name}" for name in ("done", "last", "front"))
    engine.step(front, f"SELECT id FROM {dropped} d WHERE NOT EXISTS (SELECT 1 FROM {held} h WHERE h.id = d.id)")
    engine.step(into, f"SELECT id FROM {front}")
    engine.step(done, f"SELECT id, number FROM {held} WHERE false")
    loose = f"(l.id IN (SELECT id FROM {dropped}) OR l.id NOT IN (SELECT node FROM {pinned}))"
    for _ in _levels(engine, front, depth):
        engine.step(last, sql.touched(links, front))
        engine.add(done, last)
        engine.step(front, sql.complete(done, last, held, loose))
        engine.add(into, front)
    engine.drop(done, last, front)


def _levels(engine: Engine, front: str, depth: int) -> Iterator[int]:
    """Yield 0, 1, ... as long as the table `front` has rows; EngineLimitError after `depth`."""
    for level in range(depth + 1):
        if not number(engine, front):
            return
        if level < depth:
            yield level
    msg = f"links go deeper than {depth:,}"
    raise EngineLimitError(msg, hint=Hint("load the snapshot (Snapshot.load), or give depth=", "leave out --engine"))
