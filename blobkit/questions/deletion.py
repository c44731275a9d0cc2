"""What a preview drops, manifest by manifest or entry by entry: what a script has to check, and what it has to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.reach import gathered, holders
from blobkit.analysis.referrers import Holding
from blobkit.analysis.removal import drop_pins, freed
from blobkit.questions.asking.targets import Dropped
from blobkit.snapshot.kinds import policy_of
from blobkit.snapshot.roles import IS_REVISION, NAMES, STANDS_FOR
from blobkit.snapshot.tables import DOCUMENTS, KINDS, codes, ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.questions.preview import Preview
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Drop", "collected_as", "drops"]

_DOCUMENTS = np.array([kind in DOCUMENTS for kind in KINDS])


@dataclass(frozen=True, slots=True)
class Drop:
    """One thing to drop: the `names` given to `digest` in `group` (a repository, "" where there are none).

    `also` are names on it that stay; `whole` says that nothing else in the group needs it, so that it may be deleted by
    its digest; `number` counts anonymous pins; `bytes` go when it is dropped alone; `child`: it goes because of others.
    """

    group: str
    digest: str
    names: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    whole: bool = True
    number: int = 0
    bytes: int = 0
    child: bool = False


def drops(preview: Preview) -> list[Drop]:
    """Return what has to be dropped for this preview to come true, by group, then by digest.

    Under policies about what is tagged, these are also the manifests of a registry that go with others: they have
    revision links of their own. Cost: what each drop frees.
    """
    snapshot = preview.snapshot
    rows: dict[tuple[str, str], list[int]] = {}
    for row in preview.dropped.rows:
        rows.setdefault(_place(snapshot, row), []).append(row)
    after = Holding.after(snapshot, preview.dropped.rows, preview.removal.nodes)
    found = {place: _drop(preview, place, some, after) for place, some in rows.items()}
    for place in _children(preview):
        found.setdefault(place, Drop(*place, child=True))
    return [found[place] for place in sorted(found)]


def collected_as(preview: Preview, policy: str, wanted: list[Drop]) -> Dropped:
    """Return the same drops for another policy: a registry deletes manifests too, whose revision links are dropped."""
    snapshot = preview.snapshot
    if not policy_of(snapshot.kind, policy).by_revision:
        return preview.dropped
    rows = [_revision(snapshot, drop) for drop in wanted if drop.whole]
    return Dropped(preview.targets, rows=preview.dropped.rows | {row: 1 for row in rows if row >= 0})


def _place(snapshot: Snapshot, row: int) -> tuple[str, str]:
    """Return group and digest that a pin is about; a virtual node's key ends in the digest that it stands for."""
    group = snapshot.pins["group"][row].as_py() if snapshot.store.revisions else None
    return group or "", snapshot.key(snapshot.pins["node"][row].as_py()).rpartition("@")[2]


def _drop(preview: Preview, place: tuple[str, str], rows: list[int], after: Holding) -> Drop:
    snapshot = preview.snapshot
    pins, kind = snapshot.pins, codes(snapshot.pins["kind"])
    names = {pins["name"][row].as_py() for row in rows if not IS_REVISION[kind[row]]}
    node = snapshot.find(place[1])
    start, on = snapshot.pins_of
    others = {
        pins["name"][row].as_py()
        for row in on[start[node] : start[node + 1]].tolist()
        if NAMES[kind[row]] and _place(snapshot, row) == place
    }
    also = tuple(sorted(others - names - {None}))
    return Drop(
        *place,
        names=tuple(sorted(names - {None})),
        also=also,
        whole=not also and _is_whole(snapshot, place[0], node, rows, after),
        number=sum(preview.dropped.rows[row] for row in rows if not pins["name"][row].is_valid),
        bytes=_alone(preview, rows),
    )


def _alone(preview: Preview, rows: list[int]) -> int:
    """Return the bytes that go when only these pins are dropped."""
    snapshot = preview.snapshot
    number = np.array([preview.dropped.rows[row] for row in rows], np.int64)
    return freed(snapshot.graph, drop_pins(snapshot, np.array(rows, np.int64), number).nodes)[1]


def _is_whole(snapshot: Snapshot, group: str, node: int, rows: list[int], after: Holding) -> bool:
    """Return whether a manifest may be deleted: its revision is dropped, or no tag that stays in its group needs it."""
    kind = codes(snapshot.pins["kind"])
    if not snapshot.store.revisions or not (snapshot.rule.by_revision or snapshot.rule.by_name):
        return True
    if IS_REVISION[kind[rows]].any():
        return True
    return snapshot.rule.by_name and not _is_needed(snapshot, group, node, after)


def _is_needed(snapshot: Snapshot, group: str, node: int, after: Holding) -> bool:
    """Return whether a name of the group still reaches a node. Cost: what is above it, for manifests very little."""
    front, seen = np.array([node] * bool(after.alive[node]), np.int32), np.empty(0, np.int32)
    while len(front):
        rows = gathered(*snapshot.pins_of, front)
        if group in snapshot.pins["group"].take(rows[after.rows[rows]]).to_pylist():
            return True
        seen = np.union1d(seen, front)
        above = gathered(*holders(snapshot.graph), front)
        front = np.setdiff1d(above[after.alive[above]], seen)
    return False


def _children(preview: Preview) -> list[tuple[str, str]]:
    """Return the revision links to manifests that go, as (repository, digest), where tags alone hold."""
    snapshot = preview.snapshot
    if not snapshot.store.revisions or not snapshot.rule.by_name:
        return []
    links = snapshot.links
    gone = np.zeros(snapshot.nodes.num_rows, np.bool_)
    gone[preview.nodes[_DOCUMENTS[codes(snapshot.nodes["kind"])[preview.nodes]]]] = True
    ours = STANDS_FOR[codes(links["kind"])] & gone[ids(links["target"])]
    parts = (snapshot.key(node).rpartition("@") for node in _sources(snapshot, ours).tolist())
    return [(group, digest) for group, _, digest in parts]


def _sources(snapshot: Snapshot, some: NDArray[np.bool_]) -> NDArray[np.int32]:
    found: NDArray[np.int32] = ids(snapshot.links["source"])[some]
    return found


def _revision(snapshot: Snapshot, drop: Drop) -> int:
    """Return the row of a manifest's revision pin, -1 where it has none."""
    node = snapshot.find(f"{drop.group}@{drop.digest}")
    if node < 0:
        return -1
    start, rows = snapshot.pins_of
    kind = codes(snapshot.pins["kind"])
    on = rows[start[node] : start[node + 1]].tolist()
    return next((row for row in on if IS_REVISION[kind[row]]), -1)
