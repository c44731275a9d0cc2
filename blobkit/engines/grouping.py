"""Groups of pins and of blobs in an engine: who reaches what, as in `blobkit.questions.inputs.grouping`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from blobkit.engines import sql
from blobkit.errors import GroupingError, Hint
from blobkit.questions.inputs.grouping import MORE, OF_PINS, OTHER, SPECIAL, UNTAGGED, named_by

if TYPE_CHECKING:
    from blobkit.engines.facts import Ruled

    By = str | Mapping[str, object]

__all__ = ["OF_BLOBS", "By", "Held", "held", "name_of", "partition"]

PAIRS = 4_000_000_000
"""The most rows of (group, blob): a repository has about four for each blob, a tag a hundred."""
_PLATFORM = "platform"
OF_BLOBS = {
    "kind": "n.kind",
    "media_type": "n.media_type",
    "month": "",
}
"""Groupings by a property of the blobs, as SQL; for the month the engine has words of its own."""


class Held(NamedTuple):
    """The tables of a grouping: `pairs` (id, grp), `groups` (number, name) sorted by name.

    `others`: a query of the ids that not only groups hold; `rest`: the row for live blobs that no group reaches.
    """

    pairs: str
    groups: str
    others: str
    rest: str


def name_of(by: object) -> str:
    """Return the name of a grouping; GroupingError for one that an engine cannot compute."""
    if not isinstance(by, str | Mapping):
        msg = f"an engine cannot group by a {type(by).__name__}"
        raise GroupingError(msg, hint=Hint("give a dict from name to group, or 'repo'", "use --by repo"))
    return named_by(by)


def partition(ruled: Ruled, by: By, unreached: str) -> str | None:
    """Return the table (group, blobs, bytes) of a grouping by a property of the blobs; None for other groupings."""
    if not isinstance(by, str) or by not in OF_BLOBS:
        return None
    grouped, table = f"{ruled.p}grouped", f"{ruled.p}parts"
    word = OF_BLOBS[by] or ruled.e.dialect.month
    ruled.e.step(grouped, sql.groups_of_blobs(ruled.s, word, (*SPECIAL, MORE), OTHER))
    ruled.live()
    ruled.e.step(table, sql.blobs_by(ruled.s, ruled.p, grouped, unreached))
    ruled.e.drop(grouped)
    return table


def held(ruled: Ruled, by: By, most: int = PAIRS) -> Held:
    """Return the reach of the groups. Cost: a row for each group and node that it reaches."""
    if isinstance(by, str) and by == _PLATFORM:
        return _by_platform(ruled, most)
    of = f"{ruled.p}groups_of"
    ruled.e.step(of, sql.groups_of_pins(*_source(ruled, by), (*SPECIAL, MORE), OTHER))
    found, nobody = _reached(ruled, of, most), f"{ruled.p}nobody"
    roots = f"SELECT node AS id FROM {of} WHERE grp IS NULL"
    ruled.walks.reach(nobody, roots, ruled.edges)
    return found._replace(others=f"SELECT id FROM {nobody} UNION {found.others}")


def _source(ruled: Ruled, by: By) -> tuple[str, str]:
    """Return the pins that hold, and their column with the group."""
    if isinstance(by, str):
        return ruled.held, "grp" if by != OF_PINS[0] else "name"
    texts = {str(name): None if _is_missing(group) else str(group) for name, group in by.items()}
    mapping = f"{ruled.p}mapping"
    rows = {"name": pa.array(list(texts), pa.string()), "grp": pa.array(list(texts.values()), pa.string())}
    ruled.e.load(mapping, pa.table(rows))
    return f"(SELECT h.node, h.name, m.grp FROM {ruled.held} h LEFT JOIN {mapping} m ON m.name = h.name)", "grp"


def _is_missing(value: object) -> bool:
    return value is None or value != value  # noqa: PLR0124 (NaN differs from itself)


def _reached(ruled: Ruled, of: str, most: int) -> Held:
    """Return the reach of the groups in a table (node, grp)."""
    made, groups = f"{ruled.p}pairs", f"{ruled.p}groups"
    named = f"SELECT DISTINCT grp AS name FROM {of} WHERE grp IS NOT NULL"
    ruled.e.step(
        groups, f"SELECT CAST(row_number() OVER (ORDER BY name) AS INTEGER) AS number, name FROM ({named}) AS x"
    )
    roots = sql.pair_roots(of, groups)
    ruled.walks.pairs(made, roots, ruled.edges, most)
    ruled.live()
    return Held(made, groups, f"SELECT id FROM {ruled.leaked()}", UNTAGGED)


def _by_platform(ruled: Ruled, most: int) -> Held:
    """Return the reach of platforms: those of the live documents that have one, down to the blobs."""
    of, nobody = f"{ruled.p}groups_of", f"{ruled.p}nobody"
    words = sql.groups_of_blobs(ruled.s, "n.platform", (*SPECIAL, MORE), OTHER)
    ruled.e.step(
        of,
        f"""SELECT x.id AS node, x.grp FROM ({words}) x JOIN {ruled.live()} l ON l.id = x.id
        WHERE x.grp <> {sql.quoted(OTHER)}""",
    )
    found = _reached(ruled, of, most)
    around = f"{ruled.p}around"
    ruled.e.define(
        around,
        f"""SELECT k.source, k.target FROM {ruled.edges} k ANTI JOIN {of} a ON a.node = k.source
        ANTI JOIN {of} b ON b.node = k.target""",
    )
    roots = sql.without(f"(SELECT node AS id FROM {ruled.held})", f"(SELECT node AS id FROM {of})")
    ruled.walks.reach(nobody, roots, around)
    return found._replace(others=f"SELECT id FROM {nobody} UNION {found.others}", rest=OTHER)
