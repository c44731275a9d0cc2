"""Resolve targets against a snapshot in an engine: the pins that they may mean are fetched, and resolved in memory.

A small snapshot has the named nodes, what these stand for, and all pins on them; so the rules of targets, twins,
aliases, revisions and second names are those of `blobkit.questions.inputs.targets`, not a copy of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from blobkit.engines import sql
from blobkit.questions.headline import not_holding
from blobkit.questions.inputs.keys import PREFIX_HEX
from blobkit.questions.inputs.many import flattened
from blobkit.questions.inputs.patterns import EXPRESSION, expression, is_pattern, matches
from blobkit.questions.inputs.targets import resolve
from blobkit.snapshot.references import LINKS
from blobkit.snapshot.snapshot import build
from blobkit.snapshot.tables import ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.engines.facts import Ruled
    from blobkit.questions.inputs.selection import PinSelection
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Dropped", "resolved"]

_STANDS_FOR = frozenset(kind.name for kind in LINKS if kind.stands_for)
_FORCED = ("tag:", "digest:")
_START = re.compile(rf".*[0-9a-f]{{{PREFIX_HEX},}}", re.DOTALL)
_COLUMNS = ("key", "size", "kind", "media_type", "platform", "stored", "opaque")


class Dropped(NamedTuple):
    """Pins to drop: the ids of the nodes that lose all pins that hold, and what was selected."""

    nodes: NDArray[np.int64]
    selection: PinSelection
    notices: tuple[str, ...]


def resolved(ruled: Ruled, targets: tuple[object, ...], groups: tuple[str, ...], *, all_pins: bool) -> Dropped:
    """Return the pins of these targets and groups; errors as `simulate_deref`.

    Cost: a pass over the names and the keys, and the pins of the targets in memory.
    """
    texts = tuple(flattened(targets))  # type: ignore[arg-type]
    snapshot, numbers = _small(ruled, texts, groups)
    selection = resolve(snapshot, texts, groups=groups, all_pins=all_pins)
    rows, number = selection.row, selection.number
    holds = snapshot.holding[rows] & (number > 0)
    drops = np.zeros(len(numbers), np.int64)
    np.add.at(drops, ids(snapshot.pins["node"])[rows[holds]], number[holds])
    last = np.flatnonzero((drops > 0) & (drops >= snapshot.graph.pins))
    notices = [*selection.notices, *not_holding(snapshot, holds)]
    if snapshot.store.dropping.in_use:
        notices.append("whether a container uses a target is not looked at: a loaded snapshot tells it (Snapshot.load)")
    return Dropped(numbers[last], selection, tuple(notices))


def _small(ruled: Ruled, texts: tuple[str, ...], groups: tuple[str, ...]) -> tuple[Snapshot, NDArray[np.int64]]:
    """Return a snapshot of what the targets may mean, and the id of each of its nodes."""
    e, s, near = ruled.e, ruled.s, f"{ruled.p}near"
    _name_nodes(ruled, near, texts, groups)
    stands = f"(SELECT source, target FROM {s}links WHERE {sql.among('kind', _STANDS_FOR)})"
    behind = f"""SELECT v.target AS id FROM {stands} v JOIN {near} t ON t.id = v.source
        UNION SELECT n.id FROM {s}nodes n JOIN (SELECT regexp_extract(a.key, '@([^@]*)$', 1) AS key FROM {s}nodes a
            JOIN {near} t ON t.id = a.id WHERE a.stored = 'virtual') b ON b.key = n.key"""
    e.step(near, f"SELECT id FROM {near} UNION {behind}")
    e.step(near, f"SELECT id FROM {near} UNION SELECT v.source FROM {stands} v JOIN {near} t ON t.id = v.target")
    columns = ", ".join(f"n.{name}" for name in _COLUMNS)
    nodes = e.arrow(f"SELECT n.id, {columns} FROM {s}nodes n JOIN {near} t ON t.id = n.id ORDER BY n.id")
    links = e.arrow(f"""SELECT k.source, k.target, k.kind FROM {s}links k SEMI JOIN {near} a ON a.id = k.source
        SEMI JOIN {near} b ON b.id = k.target WHERE {sql.among("k.kind", _STANDS_FOR)}""")
    pins = e.arrow(f"SELECT p.node, p.name, p.kind, p.grp, p.count FROM {s}pins p JOIN {near} t ON t.id = p.node")
    numbers: NDArray[np.int64] = np.asarray(nodes["id"])
    made = build(
        ruled.facts.kind,
        ruled.facts.address,
        nodes={name: nodes[name] for name in _COLUMNS},
        links={"kind": links["kind"], **{end: np.searchsorted(numbers, links[end]) for end in ("source", "target")}},
        pins={
            "node": np.searchsorted(numbers, pins["node"]),
            "group": pins["grp"],
            **{name: pins[name] for name in ("name", "kind", "count")},
        },
        policy=ruled.policy.name,
        time=ruled.facts.time,
    )
    return made, numbers


def _name_nodes(ruled: Ruled, near: str, texts: tuple[str, ...], groups: tuple[str, ...]) -> None:
    """Make the table `near`(id): nodes with these keys or starts of keys, and those with pins of these names."""
    e, s, asked = ruled.e, ruled.s, f"{ruled.p}asked"
    bare = [text.removeprefix(start) for text in texts for start in ("", *_FORCED) if text.startswith(start)]
    patterns = [text for text in texts if is_pattern(text)]
    if not e.dialect.is_re2:
        bare += _named(ruled, [text for text in patterns if text.startswith(EXPRESSION)])
        patterns = [text for text in patterns if not text.startswith(EXPRESSION)]
    e.load(asked, pa.table({"text": pa.array(dict.fromkeys(bare), pa.string())}))
    e.load(f"{asked}_like", pa.table({"text": pa.array([expression(one) for one in patterns], pa.string())}))
    e.load(f"{asked}_group", pa.table({"text": pa.array(groups, pa.string())}))
    starts = [text for text in dict.fromkeys(bare) if _START.fullmatch(text)]
    e.load(f"{asked}_start", pa.table({"text": pa.array(starts, pa.string())}))
    e.step(
        near,
        f"""SELECT DISTINCT id FROM (
        SELECT n.id FROM {s}nodes n JOIN {asked} a ON a.text = n.key
        UNION ALL SELECT n.id FROM {s}nodes n JOIN {asked}_start a ON left(n.key, length(a.text)) = a.text
            OR contains(n.key, ':' || a.text) OR contains(n.key, '/' || a.text)
        UNION ALL SELECT p.node FROM {s}pins p JOIN {asked} a ON a.text = p.name
        UNION ALL SELECT p.node FROM {s}pins p JOIN {asked}_like a ON {e.dialect.matches.format("p.name", "a.text")}
        UNION ALL SELECT p.node FROM {s}pins p JOIN {asked}_group a ON a.text = p.grp) AS given""",
    )
    e.drop(asked, *(f"{asked}_{name}" for name in ("start", "like", "group")))


def _named(ruled: Ruled, patterns: list[str]) -> list[str]:
    """Return the names that match regular expressions of RE2. Cost: all names in memory, if there are any patterns."""
    if not patterns:
        return []
    names = ruled.e.arrow(f"SELECT DISTINCT name FROM {ruled.s}pins WHERE name IS NOT NULL")["name"].to_pylist()
    return [names[at] for pattern in patterns for at in np.flatnonzero(matches(names, pattern))]
