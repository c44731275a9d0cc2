"""The facts of a snapshot under a policy, as views and tables of an engine: compiled from the records of kinds.

Each table is made when it is first needed, and kept for the next question.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.engines import sql
from blobkit.snapshot.references import LINKS, PINS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from blobkit.engines.steps import Engine, Walks
    from blobkit.snapshot.records import Kind, Policy

__all__ = ["BY_DIGEST", "Facts", "Ruled"]

BY_DIGEST = frozenset(kind.name for kind in LINKS if kind.by_digest)
OPENS = frozenset(kind.name for kind in LINKS if kind.opens)
ALONE = frozenset(kind.name for kind in PINS if kind.is_alone)
SHOWN = 100


@dataclass(frozen=True, eq=False)
class Facts:
    """The facts of one snapshot: views named `{prefix}nodes`, `{prefix}links`, `{prefix}pins`, `{prefix}notices`."""

    walks: Walks
    prefix: str
    kind: str
    address: str
    time: datetime
    store: Kind
    nodes: int
    bytes: int
    ruled: dict[str, Ruled] = field(default_factory=dict)

    @property
    def engine(self) -> Engine:
        """The engine with these views."""
        return self.walks.engine

    def under(self, policy: Policy) -> Ruled:
        """Return the facts under a policy; the same for the same policy."""
        if policy.name not in self.ruled:
            self.ruled[policy.name] = Ruled(self, policy, f"{self.prefix}p{len(self.ruled)}_")
        return self.ruled[policy.name]


class Ruled:
    """The facts under one policy: `{p}edges` and `{p}held` are views, the rest tables that the methods name."""

    def __init__(self, facts: Facts, policy: Policy, prefix: str) -> None:
        self.facts, self.policy, self.p = facts, policy, prefix
        self.e, self.s, self.walks = facts.engine, facts.prefix, facts.walks
        self.edges, self.held = f"{prefix}edges", f"{prefix}held"
        self._made: set[str] = set()
        self._followed = f"{prefix}sources" if policy.sources else ""
        if self._followed:
            self.e.step(self._followed, sql.sources(self.s, policy.sources, ALONE & policy.pins))
        self.e.define(self.edges, sql.edges(self.s, policy.links, BY_DIGEST, self._followed))
        self.e.define(self.held, sql.holding(self.s, policy.pins))

    def once(self, name: str, make: Callable[[str], None]) -> str:
        """Return the name of a table; `make` makes it the first time."""
        table = f"{self.p}{name}"
        if name not in self._made:
            make(table)
            self._made.add(name)
        return table

    def live(self) -> str:
        """Return the table (id) of what the roots reach."""
        roots = f"SELECT node AS id FROM {self.held}"
        return self.once("live", lambda name: self.walks.reach(name, roots, self.edges))

    def unknown(self) -> str:
        """Return the table (id) of the nodes in use whose links are unknown."""
        opens, live = OPENS, self.live()

        def make(name: str) -> None:
            query = sql.opaque(self.s, self.p, opens, complete=self.policy.complete, followed=self._followed)
            self.e.step(name, f"SELECT g.id FROM ({query}) g JOIN {live} l ON l.id = g.id")

        return self.once("unknown", make)

    def inside(self) -> str:
        """Return the table (id) of the nodes that the collector judges: all of a counting store, else the live ones."""
        every = f"SELECT id FROM {self.s}nodes"
        return self.once("every", lambda name: self.e.step(name, every)) if self.policy.counting else self.live()

    def levels(self) -> tuple[str, bool]:
        """Return the table (id, level) of `inside` without cycles and what is below; and whether there are none."""

        def make(name: str) -> None:
            if not self.walks.count_down(name, self.inside(), self.edges):
                self._made.add("cyclic")

        name = self.once("levels", make)
        return name, "cyclic" not in self._made

    def degree(self) -> str:
        """Return the table (id, number) of the links to each node, from all nodes."""
        query = f"SELECT target AS id, count(*) AS number FROM {self.edges} GROUP BY target"
        return self.once("degree", lambda name: self.e.step(name, query))

    def leaked(self) -> str:
        """Return the table (id) of the nodes of a counting store that no dropped pin frees."""
        live = self.live()

        def make(name: str) -> None:
            if not self.policy.counting:
                self.e.step(name, f"SELECT id FROM {live} WHERE false")
                return
            levels, _ = self.levels()
            roots = (sql.without(f"{self.s}nodes", known) for known in (live, levels))
            self.walks.reach(name, " UNION ALL ".join(roots), self.edges)

        return self.once("leaked", make)

    def keys(self, table: str) -> tuple[str, ...]:
        """Return the first keys of the nodes in a table, at most 100, sorted."""
        query = f"SELECT n.key FROM {self.s}nodes n JOIN {table} t ON t.id = n.id ORDER BY n.key LIMIT {SHOWN}"
        return tuple(str(key) for (key,) in self.e.rows(query))

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        return self.walks.number(table)

    def totals(self, table: str, where: str = "true") -> tuple[int, int]:
        """Return the number of rows of a table with a column `size`, and their bytes."""
        query = f"SELECT count(*), CAST(coalesce(sum(size), 0) AS BIGINT) FROM {table} WHERE {where}"
        ((blobs, size),) = self.e.rows(query)
        return int(blobs), int(size)
