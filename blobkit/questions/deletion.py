"""The deletions that a script needs for a preview, manifest by manifest or entry by entry.

Only this file decides them: scripts and `Preview.collected` both use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.removal import drop_pins, freed
from blobkit.analysis.repositories import levels, members, nodes_of, repositories, spread
from blobkit.questions.in_use import left_in_use
from blobkit.snapshot.lookups import noticed
from blobkit.snapshot.pins import count_named, first_of_name, pin_labels, rows_of_names
from blobkit.snapshot.roles import FOLLOWS, IS_ALIAS, IS_REVISION, NAMES, RUNS
from blobkit.snapshot.sets import among, minus, unique
from blobkit.snapshot.tables import codes, ids, match_rows, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.analysis.repositories import Pairs
    from blobkit.questions.inputs.selection import PinSelection
    from blobkit.snapshot.snapshot import Snapshot

    Bools = NDArray[np.bool_]

__all__ = ["Deletion", "Drop", "also_untagged", "drops"]


@dataclass(frozen=True, slots=True)
class Drop:
    """One thing to drop: the `names` of `digest` in `group` (a repository, "" in a store without repositories).

    `also`: names on it that stay; `whole`: nothing else in the group needs it, so it may be deleted by its digest;
    `number`: anonymous pins; `bytes`: freed if it alone is dropped; `child`: it is deleted because its parents are.
    `skip`: the reason why the default tool does not delete it, "" if it does.
    """

    group: str
    digest: str
    names: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    whole: bool = True
    number: int = 0
    bytes: int = 0
    child: bool = False
    skip: str = ""


@dataclass(frozen=True, eq=False)
class Deletion:
    """The dropped pins (`rows` of the pin table, the `number` of each), and those that the default tool deletes.

    `along`: the digests among them that the tool drops by itself, with the last tag of their repository.

    Places are the distinct pairs of repository and node of the rows. Cost: a few passes over the pins, and the
    manifests that repositories reach.
    """

    snapshot: Snapshot
    rows: NDArray[np.int64]
    number: NDArray[np.int64]
    along: frozenset[int] = frozenset()

    @classmethod
    def of(cls, snapshot: Snapshot, dropped: PinSelection) -> Deletion:
        """Return the deletion of these pins."""
        rows = dropped.row
        follows = rows[FOLLOWS[codes(snapshot.pins["kind"])[rows]]] if snapshot.store.dropping.in_use else rows[:0]
        names = snapshot.pins["name"].take(follows).to_pylist()
        along = (row for row, name in zip(follows.tolist(), names, strict=True) if name in dropped.also_untagged)
        return cls(snapshot, rows, dropped.number, frozenset(along))

    @cached_property
    def _places(self) -> tuple[Pairs, NDArray[np.int64]]:
        pair, place = np.unique(repositories(self.snapshot).pairs(self.rows), return_inverse=True)
        return pair, place

    @property
    def pair(self) -> Pairs:
        """The places, in order."""
        return self._places[0]

    @property
    def place(self) -> NDArray[np.int64]:
        """The place of each row."""
        return self._places[1]

    @cached_property
    def reason(self) -> NDArray[np.object_]:
        """The reason why each row stays, "" if it is deleted: the tool cannot delete its name, or does not see it."""
        limits, pins = self.snapshot.store.dropping, self.snapshot.pins
        found = np.full(len(self.rows), "", object)
        has_name = self.rows < count_named(self.snapshot)
        if limits.partly:
            found[has_name & self._is_partly()] = limits.partly
        if limits.takes:
            taken = np.zeros(len(self.rows), np.bool_)
            called = self._called[self.rows] if limits.partly else self.rows
            taken[match_rows(pins["name"].take(called), limits.takes)] = True
            found[has_name & ~taken] = limits.refused
        if limits.nameless:
            found[~has_name] = limits.nameless
        if limits.running:
            found[self._runs] = limits.running
        for at in np.flatnonzero(np.isin(self.rows, list(self.in_use))).tolist():
            found[at] = limits.in_use.replace("{}", self.in_use[int(self.rows[at])])
        for code, why in limits.noticed:
            found[self._is_noticed(code)] = why
        return found

    @cached_property
    def in_use(self) -> dict[int, str]:
        """The dropped pins that stay because a container uses their image, with the names of these containers."""
        limits, stays = self.snapshot.store.dropping, self._runs
        if not limits.in_use:
            return {}
        if not limits.running:
            stays = np.zeros_like(stays)
        return left_in_use(self.snapshot, self.rows[~stays], self.number[~stays], self.along)

    @property
    def is_busy(self) -> Bools:
        """Whether each row stays because something runs, or is used by a container."""
        busy: Bools = np.isin(self.rows, list(self.in_use))
        return busy | self._runs if self.snapshot.store.dropping.running else busy

    @property
    def _runs(self) -> Bools:
        """Whether each row is on a container that runs."""
        runs: Bools = RUNS[codes(self.snapshot.pins["kind"])[self.rows]]
        return runs

    def _is_noticed(self, code: str) -> Bools:
        """Return for each row whether its node or its repository has a notice with this code."""
        keys, nodes = noticed(self.snapshot, code)
        pins = self.snapshot.pins.take(self.rows)
        found: Bools = pins["group"].to_pandas().isin(keys.to_pylist()).to_numpy(bool)
        return np.logical_or(found, np.isin(ids(pins["node"]), nodes[nodes >= 0]))

    def _is_partly(self) -> Bools:
        """Return for each row whether another pin with the same name for the tool stays."""
        pins, kind = self.snapshot.pins, codes(self.snapshot.pins["kind"])
        stays = (numbers(pins["count"]) > 0) & NAMES[kind]
        stays[self.rows] = False
        called = self._called
        left = np.zeros(len(stays), np.bool_)
        left[called[np.flatnonzero(stays)]] = True
        partly: Bools = left[called[self.rows]]
        return partly

    @property
    def _called(self) -> NDArray[np.int32]:
        """The name that the tool uses for each pin (its alias, if it has one), as the first pin with that name."""
        snapshot, kind = self.snapshot, codes(self.snapshot.pins["kind"])
        called = first_of_name(snapshot).copy()
        for row in np.flatnonzero(IS_ALIAS[kind]).tolist():
            name, _, digest = snapshot.key(snapshot.pins["node"][row].as_py()).rpartition("@")
            node = snapshot.find(digest)
            same = [other for other in rows_of_names(snapshot).get(name, ()) if NAMES[kind[other]]]
            called[[other for other in same if repositories(snapshot).blob[other] == node]] = called[row]
        return called

    @property
    def by_manifest(self) -> bool:
        """Whether manifests are deleted by their digests, with all names that a repository has for them."""
        return bool(self.snapshot.store.revisions)

    @cached_property
    def refused(self) -> Bools:
        """Whether the tool skips each place because of one of its rows; in other places rows are deleted one by one."""
        bad = np.zeros(len(self.pair), np.bool_)
        if self.by_manifest:
            bad[self.place[self.reason != ""]] = True
        return bad

    @cached_property
    def staying(self) -> NDArray[np.int64]:
        """The rows of tags that stay, in the affected repositories."""
        snapshot = self.snapshot
        goes = np.zeros(snapshot.pins.num_rows, np.bool_)
        goes[self.rows[~self.refused[self.place]]] = True
        here = np.isin(repositories(snapshot).of, unique(self.pair >> 32))
        return np.flatnonzero(NAMES[codes(snapshot.pins["kind"])] & here & ~goes)

    @cached_property
    def needed(self) -> Pairs:
        """The manifests that the remaining tags need, repository by repository."""
        return spread(repositories(self.snapshot).pairs(self.staying), members(self.snapshot))[0]

    @cached_property
    def whole(self) -> Bools:
        """Whether each place may be deleted by its digest: no name on it stays; if names hold, none needs it.

        A manifest that is a target by its digest may be deleted too.
        """
        if not self.by_manifest:
            return np.ones(len(self.pair), np.bool_)
        rule, kind = self.snapshot.rule, codes(self.snapshot.pins["kind"])[self.rows]
        asked = np.zeros(len(self.pair), np.bool_)
        asked[self.place[IS_REVISION[kind]]] = True
        if rule.by_revision:
            return asked
        staying = self.needed if rule.by_name else repositories(self.snapshot).pairs(self.staying)
        return asked | ~among(self.pair, unique(staying))

    @cached_property
    def children(self) -> Pairs:
        """The manifests that are deleted with their parents, if names hold: no tag of the repository needs them."""
        if not self.by_manifest or not self.snapshot.rule.by_name:
            return np.empty(0, np.int64)
        parents = self.pair[self.whole & ~self.refused]
        below = spread(parents, members(self.snapshot))[0]
        below = below[repositories(self.snapshot).rows_of(below) >= 0]
        return minus(minus(below, self.pair), self.needed)

    @cached_property
    def done(self) -> Bools:
        """Whether each row is dropped."""
        if self.by_manifest:
            return np.take(self.whole & ~self.refused, self.place)
        return np.equal(self.reason, "").astype(np.bool_)

    @cached_property
    def manifests(self) -> Pairs:
        """The manifests that are deleted by their digests."""
        if not self.by_manifest:
            return np.empty(0, np.int64)
        return np.concatenate((self.pair[self.whole & ~self.refused], self.children))

    @cached_property
    def alone(self) -> list[str]:
        """The names that stay because their manifest does, sorted."""
        if not self.by_manifest:
            return []
        left = ~self.whole[self.place] & NAMES[codes(self.snapshot.pins["kind"])[self.rows]]
        return sorted(set(pin_labels(self.snapshot, self.rows[left & (self.rows < count_named(self.snapshot))])))

    def under(self, snapshot: Snapshot) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the pins that are gone under another policy of the same facts, and the number of each.

        A deleted manifest loses its own pin too, however it was dropped.
        """
        rows, number = self.rows[self.done], self.number[self.done]
        if snapshot.rule.by_revision:
            more = repositories(self.snapshot).rows_of(self.manifests)
            more = minus(more[more >= 0], rows)
            rows, number = np.append(rows, more), np.append(number, np.ones(len(more), np.int64))
        return rows, number


def also_untagged(deletion: Deletion, dropped: PinSelection) -> tuple[str, ...]:
    """Return the names that are dropped along, sorted, without those that are targets, or that stay in use."""
    if not dropped.also_untagged:
        return ()
    stay = pin_labels(deletion.snapshot, deletion.rows[deletion.is_busy])
    return tuple(sorted(dropped.also_untagged.difference(dropped.shown, stay)))


def drops(deletion: Deletion) -> list[Drop]:
    """Return the things to drop, by group, parents before the manifests that they contain, then by digest.

    If names hold, these include the manifests of a registry that are deleted with others: they have revision links of
    their own. Cost: the nodes that each drop frees.
    """
    snapshot = deletion.snapshot
    rows: list[list[int]] = [[] for _ in deletion.pair]
    for at, place in enumerate(deletion.place.tolist()):
        rows[place].append(at)
    also = _names_on(deletion)
    found = [_drop(deletion, place, some, also) for place, some in enumerate(rows)]
    pairs = np.concatenate((deletion.pair, deletion.children))
    child = [Drop(*_place(snapshot, pair), child=True) for pair in deletion.children.tolist()]
    level = levels(pairs, members(snapshot)).tolist() if deletion.by_manifest else [0] * len(pairs)
    in_order = sorted(zip(level, found + child, strict=True), key=lambda one: (one[1].group, one[0], one[1].digest))
    return [drop for _, drop in in_order]


def _place(snapshot: Snapshot, pair: int) -> tuple[str, str]:
    """Return group and digest of a pair; layouts have no groups."""
    group = repositories(snapshot).names[pair >> 32] if snapshot.store.revisions and pair >> 32 >= 0 else ""
    return group, snapshot.key(int(nodes_of(np.array([pair]))[0]))


def _names_on(deletion: Deletion) -> dict[int, list[str]]:
    """Return for each place the names on it that are not dropped."""
    snapshot = deletion.snapshot
    held = np.ones(snapshot.pins.num_rows, np.bool_)
    held[deletion.rows] = False
    held[count_named(snapshot) :] = False
    rows = np.flatnonzero(held & NAMES[codes(snapshot.pins["kind"])])
    pairs = repositories(snapshot).pairs(rows)
    here = among(pairs, deletion.pair)
    found: dict[int, list[str]] = {}
    for pair, name in zip(pairs[here].tolist(), pin_labels(snapshot, rows[here]), strict=True):
        found.setdefault(pair, []).append(name)
    return found


def _drop(deletion: Deletion, place: int, some: list[int], also: dict[int, list[str]]) -> Drop:
    snapshot, rows = deletion.snapshot, deletion.rows[some]
    pins, kind = snapshot.pins, codes(snapshot.pins["kind"])
    named_rows = [row for row in rows.tolist() if not IS_REVISION[kind[row]]]
    names = {pins["name"][row].as_py() for row in named_rows} - {None}
    pair = int(deletion.pair[place])
    return Drop(
        *_place(snapshot, pair),
        names=tuple(sorted(names)),
        also=tuple(sorted(set(also.get(pair, ())) - names)),
        whole=bool(deletion.whole[place]),
        number=sum(int(deletion.number[at]) for at in some if not pins["name"][int(deletion.rows[at])].is_valid),
        bytes=freed(snapshot.graph, drop_pins(snapshot, rows, deletion.number[some]).nodes)[1],
        skip=next((why for why in deletion.reason[some] if why), ""),
    )
