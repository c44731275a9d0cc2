"""The texts of SQL behind the answers of engines: each is the SELECT of one step, which an engine makes a table of.

`s` is the prefix of the facts of one snapshot ({s}nodes, {s}links, {s}pins, {s}notices), `p` that of the tables under
one policy. Words in a text come from the records of kinds (see `among`); what a user gives comes in as a table. Links
of several kinds between the same nodes are several rows: where links are counted, both sides count them alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.engines.dialect import Dialect

__all__ = [
    "COLUMNS",
    "among",
    "blobs_by",
    "certain_links",
    "changes",
    "columns",
    "complete",
    "counted",
    "degrees",
    "dominated",
    "dominators",
    "edges",
    "freed",
    "frontier",
    "groups_of_blobs",
    "groups_of_pins",
    "held_by_others",
    "holding",
    "named_sets",
    "notice_nodes",
    "opaque",
    "pair_frontier",
    "pair_roots",
    "quoted",
    "removed",
    "rest",
    "retained",
    "roots",
    "sets",
    "shares",
    "sources",
    "states",
    "stored",
    "touched",
    "without",
    "without_rows",
]


_NUMBERS = ("id", "size", "source", "target", "node", "count")
COLUMNS = {
    "nodes": ("id", "key", "size", "kind", "media_type", "platform", "modified", "stored", "opaque"),
    "links": ("source", "target", "kind"),
    "pins": ("node", "name", "kind", "count", "group"),
    "notices": ("code", "key", "path", "message"),
}
"""The columns that queries read; others of a file are left out."""


def columns(table: str, d: Dialect) -> str:
    """Return the columns of a table of facts: numbers of any width as BIGINT, times that are all unknown as times.

    The group of a pin is called `grp`: its own name is a word of SQL.
    """
    kinds = dict.fromkeys(_NUMBERS, "BIGINT") | {"modified": d.time}
    of = {name: f"CAST({name} AS {kinds[name]})" if name in kinds else name for name in COLUMNS[table]}
    return ", ".join(f"{query} AS {name}" for name, query in of.items() if name != "group") + (
        f", {d.group} AS grp" if "group" in of else ""
    )


def quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def among(column: str, words: Iterable[str]) -> str:
    """Return the condition that a column has one of these words, which come from records."""
    listed = ", ".join(map(quoted, sorted(words)))
    return f"{column} IN ({listed})" if listed else "false"


# Membership is a SEMI or ANTI JOIN, or a LEFT JOIN on ids that are there once. For IN and EXISTS (after NOT, under OR,
# in CASE) an engine may have to keep all of a table in memory, where it could join it piece by piece.

# The policy


def sources(s: str, media_types: Iterable[str], alone: Iterable[str]) -> str:
    """Return the documents that a policy follows: of these types, and without a pin of the kinds that stand alone."""
    return f"""SELECT n.id FROM {s}nodes n ANTI JOIN (SELECT node FROM {s}pins WHERE {among("kind", alone)}) p
        ON p.node = n.id WHERE {among("n.media_type", media_types)}"""


def edges(s: str, kinds: frozenset[str], by_digest: frozenset[str], followed: str = "") -> str:
    """Return the links that count; `followed`: those in documents count for the nodes of this table only."""
    columns = f"SELECT k.source, k.target, k.kind FROM {s}links k"
    if not followed:
        return f"{columns} WHERE {among('k.kind', kinds)}"
    inside, others = (among("k.kind", part) for part in (by_digest & kinds, kinds - by_digest))
    return f"{columns} SEMI JOIN {followed} f ON f.id = k.source WHERE {inside} UNION ALL {columns} WHERE {others}"


def holding(s: str, kinds: Iterable[str]) -> str:
    """Return the pins that hold."""
    return f"SELECT node, name, grp, count FROM {s}pins WHERE count > 0 AND {among('kind', kinds)}"


def opaque(s: str, p: str, opens: Iterable[str], *, complete: bool, followed: str = "") -> str:
    """Return the nodes whose links are unknown though the policy would follow them."""
    linked = f" UNION ALL SELECT target AS id FROM {p}edges WHERE {among('kind', opens)}" if not complete else ""
    only = f"SEMI JOIN {followed} f ON f.id = n.id" if followed else ""
    return f"""SELECT n.id FROM {s}nodes n {only}
        SEMI JOIN (SELECT node AS id FROM {p}held{linked}) h ON h.id = n.id WHERE n.opaque"""


# Reach


def roots(of: str, column: str = "node") -> str:
    """Return the nodes of a table or query, each once."""
    return f"SELECT DISTINCT {column} AS id FROM {of} AS given"


def without(ids: str, others: str) -> str:
    """Return the ids of a table or query that are not in another one."""
    return f"SELECT i.id FROM {ids} i ANTI JOIN {others} o ON o.id = i.id"


def frontier(links: str, front: str, seen: str) -> str:
    """Return what the nodes of `front` link to and is not in `seen`."""
    return f"""SELECT DISTINCT k.target AS id FROM {links} k JOIN {front} f ON k.source = f.id
        ANTI JOIN {seen} s ON s.id = k.target"""


def stored(s: str, p: str, what: str = "n.id, n.key AS digest, n.size, n.kind") -> str:
    """Return the stored blobs that nothing reaches."""
    return f"SELECT {what} FROM {s}nodes n ANTI JOIN {p}live l ON l.id = n.id WHERE n.stored = 'yes'"


# Counting down: each node after all its holders


def counted(links: str, inside: str) -> str:
    """Return how many links each node has from the nodes of a table: those without one are not in it."""
    return f"""SELECT k.target AS id, count(*) AS number FROM {links} k SEMI JOIN {inside} i ON i.id = k.source
        GROUP BY k.target"""


def touched(links: str, front: str) -> str:
    """Return how many links each node has from those of `front`."""
    return (
        f"SELECT k.target AS id, count(*) AS number FROM {links} k JOIN {front} f ON k.source = f.id GROUP BY k.target"
    )


def complete(done: str, last: str, all_of: str, kept: str = "") -> str:
    """Return the nodes all of whose links are done with the last ones; none of the table `kept`."""
    but = f"ANTI JOIN {kept} t ON t.id = l.id" if kept else ""
    return f"""SELECT l.id FROM {last} l JOIN {all_of} a ON a.id = l.id JOIN (
            SELECT o.id, sum(o.number) AS number FROM {done} o SEMI JOIN {last} i ON i.id = o.id GROUP BY o.id) d
        ON d.id = l.id {but} WHERE d.number = a.number"""


# What dropped pins free


def held_by_others(p: str, links: str) -> str:
    """Return the nodes of the closure ({p}closure) that keep a pin, or that a live node outside links to."""
    return f"""SELECT DISTINCT id FROM (
        SELECT h.node AS id FROM {p}held h JOIN {p}closure c ON c.id = h.node
            ANTI JOIN {p}dropped d ON d.id = h.node
        UNION ALL SELECT k.target AS id FROM {links} k JOIN {p}closure c ON c.id = k.target
            JOIN {p}live l ON l.id = k.source ANTI JOIN {p}closure o ON o.id = k.source) AS given"""


def freed(s: str, gone: str) -> str:
    """Return the blobs among the nodes of a table."""
    return f"""SELECT n.id, n.key AS digest, n.size, n.kind FROM {s}nodes n JOIN {gone} g ON g.id = n.id
        WHERE n.stored = 'yes'"""


def notice_nodes(s: str, codes: Iterable[str], what: str = "n.id") -> str:
    """Return the nodes that are the keys of notices with these codes."""
    return (
        f"""SELECT DISTINCT {what} FROM {s}nodes n JOIN {s}notices t ON t.key = n.key WHERE {among("t.code", codes)}"""
    )


def without_rows(table: str, ids: str) -> str:
    """Return the rows of a table whose ids a query does not have."""
    return f"SELECT r.* FROM {table} r ANTI JOIN ({ids}) i ON i.id = r.id"


def certain_links(s: str, kinds: Iterable[str]) -> str:
    """Return the links upwards: from what a document contains by its digest to the document."""
    return f"SELECT target AS source, source AS target FROM {s}links WHERE {among('kind', kinds)}"


# Groups


def groups_of_pins(pins: str, column: str, special: Iterable[str], other: str) -> str:
    """Return (node, grp) of each of these pins; NULL for those without a group and a name."""
    odd = f"{column} = '' OR {among(column, special)}"
    return f"""SELECT DISTINCT node, CASE WHEN {odd} THEN {quoted(other)} WHEN {column} IS NULL AND name IS NOT NULL
        THEN {quoted(other)} ELSE {column} END AS grp FROM {pins} AS given"""


def groups_of_blobs(s: str, by: str, special: Iterable[str], other: str) -> str:
    """Return (id, grp) of each node: by a property of its own, which is an expression of SQL over `n`."""
    odd = f"word IS NULL OR word = '' OR {among('word', special)}"
    return f"""SELECT id, CASE WHEN {odd} THEN {quoted(other)} ELSE word END AS grp FROM (
        SELECT n.id, {by} AS word FROM {s}nodes n) AS given"""


def degrees(links: str) -> str:
    """Return the number of links of each node."""
    return f"SELECT source AS id, count(*) AS number FROM {links} GROUP BY source"


def pair_roots(groups: str, numbered: str) -> str:
    """Return (id, grp) of the nodes that groups hold, with the numbers of the groups."""
    return f"SELECT DISTINCT g.node AS id, n.number AS grp FROM {groups} g JOIN {numbered} n ON n.name = g.grp"


def pair_frontier(links: str, front: str, seen: str) -> str:
    """Return the pairs of group and node one link further."""
    return f"""SELECT DISTINCT k.target AS id, f.grp FROM {links} k JOIN {front} f ON k.source = f.id
        ANTI JOIN {seen} s ON s.id = k.target AND s.grp = f.grp"""


def shares(d: Dialect, s: str, pairs: str, numbered: str, others: str) -> str:
    """Return blobs, closure, exclusive and split of each group; `others`: a query of ids that not only groups hold.

    A blob is apportioned to the k groups that reach it; what is left goes, a byte each, to the first by name.
    """
    part = f"{d.divided.format('size', 'k')} + CASE WHEN place <= size % k THEN 1 ELSE 0 END"
    return f"""SELECT g.name AS grp, coalesce(x.blobs, 0) AS blobs, coalesce(x.closure, 0) AS closure,
            coalesce(x.exclusive, 0) AS exclusive, coalesce(x.split, 0) AS split FROM {numbered} g LEFT JOIN (
        SELECT grp, count(*) AS blobs, CAST(sum(size) AS BIGINT) AS closure,
            CAST(sum(CASE WHEN k = 1 AND is_alone THEN size ELSE 0 END) AS BIGINT) AS exclusive,
            CAST(sum({part}) AS BIGINT) AS split
        FROM (SELECT a.grp, n.size, o.id IS NULL AS is_alone, count(*) OVER (PARTITION BY a.id) AS k,
                row_number() OVER (PARTITION BY a.id ORDER BY a.grp) AS place
            FROM {pairs} a JOIN {s}nodes n ON n.id = a.id LEFT JOIN ({others}) o ON o.id = a.id
            WHERE n.stored = 'yes') AS given
        GROUP BY grp) x ON x.grp = g.number"""


def rest(s: str, p: str, pairs: str, unreached: str, nobody: str) -> str:
    """Return blobs and bytes that no group reaches: live ones in the row `nobody`, the others in `unreached`."""
    row = f"CASE WHEN l.id IS NOT NULL THEN {quoted(nobody)} ELSE {quoted(unreached)} END"
    return f"""SELECT {row} AS grp, count(*) AS blobs, CAST(sum(n.size) AS BIGINT) AS bytes
        FROM {s}nodes n ANTI JOIN {pairs} a ON a.id = n.id LEFT JOIN {p}live l ON l.id = n.id
        WHERE n.stored = 'yes' GROUP BY 1"""


def blobs_by(s: str, p: str, grouped: str, unreached: str) -> str:
    """Return blobs and bytes by a property of the blobs; those that nothing reaches in the row `unreached`."""
    return f"""SELECT CASE WHEN l.id IS NOT NULL THEN g.grp ELSE {quoted(unreached)} END AS grp,
            count(*) AS blobs, CAST(sum(n.size) AS BIGINT) AS bytes
        FROM {s}nodes n JOIN {grouped} g ON g.id = n.id LEFT JOIN {p}live l ON l.id = n.id
        WHERE n.stored = 'yes' GROUP BY 1"""


def sets(d: Dialect, s: str, pairs: str) -> str:
    """Return blobs and bytes by the exact set of groups that reach them, a sorted list of numbers; its `first` blob."""
    return f"""SELECT x.members, min(x.id) AS first, count(*) AS blobs, CAST(sum(n.size) AS BIGINT) AS bytes
        FROM (SELECT id, {d.in_order.format("grp")} AS members FROM {pairs} GROUP BY id) x
        JOIN {s}nodes n ON n.id = x.id WHERE n.stored = 'yes' GROUP BY x.members"""


def named_sets(d: Dialect, found: str, numbered: str) -> str:
    """Return sets with the names of their groups in place of the numbers. Grouped by a number, which costs least."""
    return f"""SELECT {d.in_order.format("g.name")} AS groups, min(x.blobs) AS blobs, min(x.bytes) AS bytes
        FROM (SELECT first, blobs, bytes, {d.unnest.format("members")} AS member FROM {found}) x
        JOIN {numbered} g ON g.number = x.member GROUP BY x.first"""


# Retained bytes


def dominators(d: Dialect, links: str, dom: str, level: str, free: str) -> str:
    """Return the dominators of the nodes of a level, from the top, each node its own last: a list of ids.

    They are the longest common prefix of the lists of the holders: that of the first and the last of these in order.
    Nodes of the table `free` hang on nothing.
    """
    shared = d.first.format("a", d.common.format(a="a", b="b"))
    above = f"CASE WHEN f.id IS NOT NULL THEN {d.empty} ELSE {shared} END"
    return f"""SELECT given.id, {d.appended.format(above, "given.id")} AS path
        FROM (SELECT v.id, coalesce(min(o.path), {d.empty}) AS a, coalesce(max(o.path), {d.empty}) AS b FROM {level} v
            LEFT JOIN {links} k ON k.target = v.id LEFT JOIN {dom} o ON o.id = k.source GROUP BY v.id) AS given
        LEFT JOIN {free} f ON f.id = given.id"""


def dominated(d: Dialect, s: str, dom: str) -> str:
    """Return the bytes below each node in the tree of dominators, its own included."""
    return f"""SELECT up AS id, CAST(sum(size) AS BIGINT) AS retained FROM (
        SELECT {d.unnest.format("o.path")} AS up, n.size FROM {dom} o JOIN {s}nodes n ON n.id = o.id) AS given
        GROUP BY up"""


def retained(s: str, kept: str) -> str:
    """Return digest, size and retained of each stored blob; 0 where nothing is known to be retained."""
    return f"""SELECT n.key AS digest, n.size, coalesce(r.retained, 0) AS retained
        FROM {s}nodes n LEFT JOIN {kept} r ON r.id = n.id WHERE n.stored = 'yes'"""


# Two policies, two snapshots


def removed(s: str, kept: str, needed: str) -> str:
    """Return the blobs that a collector removes, and whether each is needed."""
    return f"""SELECT n.id, n.key AS digest, n.size, n.kind, m.id IS NOT NULL AS needed FROM {s}nodes n
        ANTI JOIN {kept} k ON k.id = n.id LEFT JOIN {needed} m ON m.id = n.id WHERE n.stored = 'yes'"""


def states(s: str, p: str, pairs: str) -> str:
    """Return the state of each stored blob: 1 garbage, 2 live in one group or none, 3 live in several."""
    return f"""SELECT n.key, n.size, CASE WHEN l.id IS NULL THEN 1
            WHEN coalesce(g.k, 1) > 1 THEN 3 ELSE 2 END AS state
        FROM {s}nodes n LEFT JOIN {p}live l ON l.id = n.id
            LEFT JOIN (SELECT id, count(*) AS k FROM {pairs} GROUP BY id) g ON g.id = n.id
        WHERE n.stored = 'yes'"""


def changes(before: str, after: str) -> str:
    """Return blobs, bytes and net by the states before and after; 0 is absent."""
    return f"""SELECT coalesce(a.state, 0) AS was, coalesce(b.state, 0) AS now, count(*) AS blobs,
            CAST(sum(coalesce(b.size, a.size)) AS BIGINT) AS bytes,
            CAST(sum(coalesce(b.size, 0) - coalesce(a.size, 0)) AS BIGINT) AS net
        FROM {before} a FULL OUTER JOIN {after} b ON a.key = b.key GROUP BY 1, 2"""
