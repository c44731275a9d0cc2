"""The questions to a snapshot in an engine. Every figure is that of the function of the same name in `blobkit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import pyarrow as pa

from blobkit.engines import certainty, sql
from blobkit.engines.answers import (
    EngineComparison,
    EngineDiff,
    EngineGarbage,
    EnginePreview,
    EngineRetained,
    EngineSharing,
    EngineUsage,
)
from blobkit.engines.collecting import aborts, hidden
from blobkit.engines.grouping import PAIRS, held, name_of, partition
from blobkit.engines.steps import References
from blobkit.errors import DiffError, EngineLimitError, GroupingError, Hint
from blobkit.questions.diff import CAUSES, cause_of
from blobkit.questions.inputs.grouping import GARBAGE, SPECIAL, UNKNOWN
from blobkit.questions.tool_policy import policy_of_tool
from blobkit.remotes import has_scheme
from blobkit.render import printable
from blobkit.snapshot.estimates import ESTIMATED
from blobkit.snapshot.kinds import collector, policy_of
from blobkit.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from blobkit.engines.facts import Facts, Ruled
    from blobkit.engines.grouping import By, Held
    from blobkit.snapshot.records import Policy

__all__ = ["Questions"]

Frame = TypeVar("Frame")


class Questions(Generic[Frame]):
    """The questions to one snapshot under one policy. A subclass says how its engine shows a table (`_frame`)."""

    def __init__(self, facts: Facts, policy: Policy, *, pairs: int = PAIRS) -> None:
        self.facts, self.rule, self.pairs = facts, policy, pairs
        self._answers = 0

    def _frame(self, table: str, columns: str, order: str) -> Frame:
        """Return these columns of a table as a frame of the engine, in this order."""
        raise NotImplementedError

    if not TYPE_CHECKING:  # type checkers know that there are no more names

        def __getattr__(self, name: str) -> object:
            """Raise AttributeError: a question that is asked in memory only is named, with what to do."""
            more = ": an engine does not answer it; load the snapshot (Snapshot.load), or a smaller one" * hasattr(
                Snapshot, name
            )
            msg = f"{type(self).__name__} has no {name}{more}"
            raise AttributeError(msg)

    @property
    def policy(self) -> str:
        """The name of the policy in force."""
        return self.rule.name

    def caption(self) -> str:
        """Return one line that names the store, the time and the policy, as `Snapshot.caption`."""
        facts = self.facts
        place = facts.address if has_scheme(facts.address) else f"{facts.kind}:{facts.address}"
        return f"{printable(place)} at {facts.time:%Y-%m-%d %H:%M:%S} UTC, policy {self.policy}"

    @property
    def _ruled(self) -> Ruled:
        return self.facts.under(self.rule)

    def _keep(self, query: str) -> str:
        """Make a table of its own for an answer, and return its name."""
        self._answers += 1
        name = f"{self._ruled.p}answer{self._answers}"
        self.facts.engine.step(name, query)
        return name

    def _unreached(self, ruled: Ruled) -> str:
        """Return what blobs are that nothing reaches: unknown if a manifest in use cannot be read."""
        return UNKNOWN if ruled.count(ruled.unknown()) else GARBAGE

    def garbage(self) -> EngineGarbage[Frame]:
        """Return the stored blobs that nothing reaches under the policy. Cost: the links, once for each level."""
        ruled = self._ruled
        ruled.live()
        status = self._unreached(ruled).strip("()")
        table = self._keep(sql.stored(ruled.s, ruled.p))
        frame = self._frame(table, f"digest, size, kind, {sql.quoted(status)} AS status", "digest")
        return EngineGarbage(frame, *ruled.totals(table), ruled.keys(ruled.unknown()))

    def simulate_deref(
        self, *targets: object, groups: tuple[str, ...] = (), all_pins: bool = False
    ) -> EnginePreview[Frame]:
        """Return the blobs that dropping these references together would free, as `blobkit.simulate_deref`.

        Cost: a pass over names, keys and links, the closure of the targets, and their pins in memory.
        """
        from blobkit.engines.targets import resolved  # noqa: PLC0415 (it loads the analyses of graphs)

        ruled = self._ruled
        dropped = resolved(ruled, targets, tuple(groups), all_pins=all_pins)
        ruled.e.load(f"{ruled.p}dropped", pa.table({"id": pa.array(dropped.nodes, pa.int64())}))
        gone = self._gone(ruled)
        table = self._keep(sql.freed(ruled.s, gone))
        left = f"{ruled.p}left"
        ruled.e.step(left, sql.without(ruled.unknown(), gone))
        known = f"({sql.without_rows(table, sql.notice_nodes(ruled.s, [ESTIMATED]))})"
        blobs, size = ruled.totals(table)
        sure = certainty.certain_bytes(ruled, known, left)
        chosen = dropped.selection
        return EnginePreview(
            freed=self._frame(table, "digest, size, kind", "digest"),
            blobs=blobs,
            bytes=size,
            exact=not ruled.count(left) and ruled.count(known) == blobs,
            certain_bytes=sure,
            opaque=ruled.keys(left),
            targets=chosen.shown,
            also_untagged=tuple(sorted(chosen.also_untagged.difference(chosen.shown))),
            notices=(*dropped.notices, *aborts(ruled, gone)),
        )

    def _gone(self, ruled: Ruled) -> str:
        """Return the table of the nodes that go with the pins of the nodes in the table `dropped`."""
        e, p, walks = ruled.e, ruled.p, ruled.walks
        gone = f"{p}gone"
        if self.rule.counting:
            walks.cascade(gone, References(ruled.edges, ruled.degree(), ruled.held), f"{p}dropped")
            return gone
        ruled.live()
        walks.reach(f"{p}closure", f"SELECT id FROM {p}dropped", ruled.edges)
        e.step(f"{p}roots", sql.held_by_others(p, ruled.edges))
        e.define(f"{p}below", f"SELECT k.source, k.target FROM {ruled.edges} k JOIN {p}closure c ON c.id = k.source")
        walks.reach(f"{p}stays", f"SELECT id FROM {p}roots", f"{p}below")
        e.step(gone, sql.without(f"{p}closure", f"{p}stays"))
        return gone

    def _grouped(self, ruled: Ruled, by: By) -> tuple[str, Held | None]:
        """Return the table (group, blobs, bytes) of what groups do not share, and the groups, None for a partition."""
        unreached = self._unreached(ruled)
        parts = partition(ruled, by, unreached)
        if parts is not None:
            return parts, None
        groups, rest = held(ruled, by, self.pairs), f"{ruled.p}rest"
        ruled.e.step(rest, sql.rest(ruled.s, ruled.p, groups.pairs, unreached, groups.rest))
        return rest, groups

    def usage(self, by: By = "repo") -> EngineUsage[Frame]:
        """Return the use of space by group, as `blobkit.usage`: exact, and the shares sum to the stored bytes.

        `by`: "repo", "tag", "platform", "kind", "media_type", "month", or a dict from the name of a pin to its group.
        EngineLimitError, before they are made, if groups reach more than `pairs` blobs together.
        """
        name, ruled = name_of(by), self._ruled
        parts, groups = self._grouped(ruled, by)
        shares = sql.shares(ruled.e.dialect, ruled.s, groups.pairs, groups.groups, groups.others) if groups else ""
        whole = f"SELECT grp, blobs, bytes AS closure, bytes AS exclusive, bytes AS split FROM {parts}"
        special = sql.among("grp", SPECIAL)
        places = " ".join(f"WHEN {sql.quoted(one)} THEN {at + 1}" for at, one in enumerate(SPECIAL))
        group = ruled.e.dialect.group
        table = self._keep(f"""SELECT grp AS {group}, blobs, closure, exclusive, closure - exclusive AS shared, split,
                {special} AS beside, CASE grp {places} ELSE 0 END AS place
            FROM ({f"{shares} UNION ALL " if shares else ""}{whole}) AS given
            WHERE NOT {special} OR blobs + closure > 0""")
        columns = f"{group}, blobs, closure, exclusive, shared, split, beside"
        frame = self._frame(table, columns, f"place, {group}")
        return EngineUsage(frame, name, self.facts.bytes, ruled.keys(ruled.unknown()))

    def sharing(self, by: By = "repo") -> EngineSharing[Frame]:
        """Return the bytes by the exact set of groups that reach them, as `blobkit.sharing`; `by` as in `usage`."""
        name, ruled, d = name_of(by), self._ruled, self.facts.engine.dialect
        (parts, groups), made = self._grouped(ruled, by), ""
        if groups:
            ruled.e.step(f"{ruled.p}sets", sql.sets(d, ruled.s, groups.pairs))
            made = sql.named_sets(d, f"{ruled.p}sets", groups.groups) + " UNION ALL "
        table = self._keep(f"{made}SELECT {d.one.format('grp')} AS groups, blobs, bytes FROM {parts}")
        several = f"{d.length.format('groups')} > 1"
        shared = ruled.e.rows(f"SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM {table} WHERE {several}")
        frame = self._frame(table, "groups, blobs, bytes", "bytes DESC, groups")
        return EngineSharing(frame, name, self.facts.bytes, int(shared[0][0]))

    def retained(self) -> EngineRetained[Frame]:
        """Return the bytes that each blob alone keeps, as `retained` in `to_frame`.

        EngineLimitError if links in use form a cycle (a counting store: what it holds for ever retains itself).
        Cost: the links three times, and for each node a list of its dominators.
        """
        ruled = self._ruled
        levels, whole = ruled.levels()
        if not whole and not self.rule.counting:
            msg = "links in use form a cycle, and this engine finds no dominators in one"
            raise EngineLimitError(msg, hint=Hint("load the snapshot (Snapshot.load) and ask it", "leave out --engine"))
        e, p, dom, level = ruled.e, ruled.p, f"{ruled.p}dom", f"{ruled.p}level"
        free = f"SELECT node AS id FROM {ruled.held}"
        inside = f"SELECT id FROM {ruled.inside()}"
        if self.rule.counting:
            free += f" UNION ({inside} EXCEPT SELECT id FROM {ruled.live()})"
        e.step(f"{p}free", f"SELECT DISTINCT id FROM ({free}) AS given")
        e.step(
            dom,
            f"SELECT id, {e.dialect.one.format('id')} AS path FROM ({inside} EXCEPT SELECT id FROM {levels}) AS given",
        )
        deepest = int(e.rows(f"SELECT coalesce(max(level), 0) FROM {levels}")[0][0])
        for number in range(deepest + 1):
            e.step(level, f"SELECT id FROM {levels} WHERE level = {number}")
            e.step(level, sql.dominators(e.dialect, ruled.edges, dom, level, f"{p}free"))
            e.add(dom, level)
        e.step(f"{p}kept", sql.dominated(e.dialect, ruled.s, dom))
        table = self._keep(sql.retained(ruled.s, f"{p}kept"))
        e.drop(dom, level, f"{p}free", f"{p}kept")
        return EngineRetained(self._frame(table, "digest, size, retained", "digest"), deepest)

    def _diff(self, other: Questions[Frame], by: By) -> EngineDiff[Frame]:
        """Return the changes to another snapshot in the same engine, as `blobkit.diff`."""
        for what, one, two in (("kind", self.facts.kind, other.facts.kind), ("policy", self.policy, other.policy)):
            if one != two:
                msg = f"snapshots of different {what}: {one} and {two} cannot be compared"
                raise DiffError(msg)
        name = name_of(by)
        if isinstance(by, str) and by not in ("tag", "repo"):
            msg = f"a diff groups by the names of pins, not by {by}"
            raise GroupingError(msg, hint=Hint("use 'repo', 'tag' or a dict", "use --by repo or --by tag"))
        tables: list[str] = []
        for side in (self, other):
            ruled = side._ruled  # noqa: SLF001 (of the same class)
            groups = held(ruled, by, self.pairs)
            tables.append(f"{ruled.p}states{len(tables)}")
            ruled.e.step(tables[-1], sql.states(ruled.s, ruled.p, groups.pairs))
        found = {(was, now): tuple(map(int, row)) for was, now, *row in self.facts.engine.rows(sql.changes(*tables))}
        totals = dict.fromkeys(CAUSES, (0, 0, 0))
        for (was, now), row in found.items():
            totals[cause_of(was, now)] = tuple(map(sum, zip(totals[cause_of(was, now)], row, strict=True)))  # type: ignore[assignment]
        columns = dict(zip(("blobs", "bytes", "net"), zip(*totals.values(), strict=True), strict=True))
        rows = pa.table({"place": range(len(CAUSES)), "cause": list(CAUSES), **columns})
        table = self._keep("SELECT 1 AS place")
        self.facts.engine.load(table, rows)
        frame = self._frame(table, "cause, blobs, bytes, net", "place")
        return EngineDiff(frame, name, other.facts.bytes - self.facts.bytes)

    def compare_gc(self, tool: str) -> EngineComparison[Frame]:
        """Return the blobs that the collector of a tool removes, as `blobkit.compare_gc`; UnknownToolError.

        Names that would break are a row for each pair of name and blob: ask a loaded snapshot for these.
        """
        policy = policy_of_tool(self.facts.store, self.facts.kind, tool)
        needs, does = (
            self.facts.under(one)
            for one in (policy_of(self.facts.kind, self.facts.store.judge, self.facts.address), policy)
        )
        needed, kept = needs.live(), does.live()
        table = self._keep(sql.removed(does.s, kept, needed))
        at_most = does.totals(table)[1]
        if policy.complete and does.count(does.unknown()):
            does.e.step(table, f"SELECT * FROM {table} WHERE false")
        lost = does.totals(table, "needed")
        spared = f"""(SELECT n.size FROM {does.s}nodes n SEMI JOIN {kept} k ON k.id = n.id
            ANTI JOIN {needed} m ON m.id = n.id WHERE n.stored = 'yes')"""
        blobs, size = does.totals(table)
        frame = self._frame(table, "digest, size, kind, needed", "needed DESC, size DESC, digest")
        most = at_most if hidden(does) else size
        version = collector(tool).version
        return EngineComparison(frame, tool, version, blobs, size, *lost, *does.totals(spared), most, aborts(does))
