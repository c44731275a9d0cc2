"""Fold many nodes into few groups: a picture has a limited number of marks, with every blob and byte in one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.reach import live, sources
from blobkit.questions.columns import tags
from blobkit.questions.naming import described
from blobkit.render import abbreviate, count, human_bytes, join_some
from blobkit.snapshot.sets import union
from blobkit.views.families import MOST, families
from blobkit.views.scene import MARKS, STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from blobkit.views.families import Families
    from blobkit.views.scene import Scene

    Ints = NDArray[np.int64]

__all__ = ["Folded", "Group", "fold", "plural"]

BIGGEST_ALONE, KEPT_ALONE = 10, 12
FAMILIES_TRIED = (MOST, 12, 10, 8, 6, 5, 4, 3, 2, 1)
FEW_FAMILIES = 5
SMALL, BIG = 50, 100
NAMES_LOOKED_AT = 50
_ADJECTIVES = frozenset({"unknown", "absent"})


@dataclass(frozen=True, slots=True)
class Group:
    """One mark of a picture: `number` nodes, of which `blobs` are stored blobs of `bytes` in all.

    `name`: their description; `amount`: their number and bytes; `note`: why they stay; `state` is one of STATES, `mark`
    one of MARKS.
    """

    layer: int
    state: str
    mark: str
    number: int
    blobs: int
    bytes: int
    name: str
    amount: str
    note: str


@dataclass(frozen=True, slots=True)
class Folded:
    """The groups of a scene, and the links between them as (source, target, number), by position in `groups`."""

    groups: tuple[Group, ...]
    links: tuple[tuple[int, int, int], ...]


def plural(number: int, mark: str) -> str:
    """Return `1 layer`, `37 layers`, `2 indexes`, `3 unknown blobs`."""
    return count(number, f"{mark} blob" if mark in _ADJECTIVES else mark)


def fold(scene: Scene, most: int = 60, rows: int = 60) -> Folded:
    """Return the scene in at most `most` groups, and `rows` of them in a layer, folded as little as possible.

    Steps, in order: no folding; fold nodes with equal referrers; fold nodes with equal families of names, with fewer
    and fewer families (both keep the biggest blobs separate); fold by kind; one group for each layer and state.
    """
    for key, known in _keys(scene, most):
        choice = _few_kept(scene, key, known)
        first = np.unique(choice[0], return_index=True)[1]
        if len(first) <= most and np.bincount(scene.layer[first]).max(initial=0) <= rows:
            break
    return _folded(scene, *choice)


def _keys(scene: Scene, most: int) -> Iterator[tuple[Ints, Families | None]]:
    """Yield a key for each node, equal for nodes that are folded; finest first."""
    alone = np.arange(len(scene.nodes))
    if len(alone) <= most:
        yield alone, None
    base = (scene.layer * len(STATES) + scene.state) * len(MARKS) + scene.mark
    big = _biggest(scene)
    yield _key(base, _holders(scene), alone=big), None
    known = families(scene.before, scene.after)
    reach = np.where(_faint(scene), 0, _reach(scene, known))
    yield _key(base, reach, alone=big), known
    several = np.bitwise_count(reach) > 1
    for number in FAMILIES_TRIED:
        others = reach >= 1 << number
        coarse = np.where(several, -1, np.where(others, -2, reach))
        yield _key(base, coarse, alone=big if number > FEW_FAMILIES else big[:0]), known
    yield _key(base, np.zeros_like(base), alone=big[:0]), known
    yield scene.layer * len(STATES) + scene.state, known


def _few_kept(scene: Scene, key: Ints, known: Families | None) -> tuple[Ints, Families | None]:
    """Return the key, with kept nodes folded by the families that keep them if they are many: freed ones come first."""
    kept = scene.state == STATES.index("kept")
    if len(np.unique(key[kept])) <= KEPT_ALONE:
        return key, known
    known = known or families(scene.before, scene.after)
    base = scene.layer * len(MARKS) + scene.mark
    for number in FAMILIES_TRIED:
        remain = known.remain[scene.nodes].astype(np.int64)
        remain = np.where(np.bitwise_count(remain) > 1, -1, np.where(remain >= 1 << number, -2, remain))
        folded = _key(base, remain, alone=np.empty(0, np.int64))
        if len(np.unique(folded[kept])) <= KEPT_ALONE:
            break
    return np.where(kept, folded + key.max(initial=0) + 1, key), known


def _key(base: NDArray[np.int32], other: NDArray[np.integer], *, alone: Ints) -> Ints:
    """Return one number for each pair of numbers, and a separate one for each node in `alone`."""
    different, place = np.unique(other, return_inverse=True)
    key: Ints = base.astype(np.int64) * len(different) + place
    key[alone] = -1 - alone
    return key


def _biggest(scene: Scene) -> Ints:
    """Return the places of nodes to keep separate: the targets if few, and 10 blobs with over 1 % of the bytes."""
    place = np.flatnonzero(np.isin(scene.nodes, scene.targets))
    big = np.argsort(-scene.size, kind="stable")[:BIGGEST_ALONE]
    big = big[scene.size[big] * BIG > scene.size.sum()]
    return union(place if len(place) <= BIGGEST_ALONE else place[:0], big)


def _faint(scene: Scene) -> NDArray[np.bool_]:
    """Return the nodes that are not separated by family: kinds without links and with few of the bytes in all."""
    leaf = np.diff(scene.snapshot.graph.indptr)[scene.nodes] == 0
    number = np.bincount(scene.mark, scene.size, minlength=len(MARKS))
    found: NDArray[np.bool_] = leaf & (number * SMALL < number.sum())[scene.mark]
    return found


def _holders(scene: Scene) -> Ints:
    """Return a number for each node, equal for nodes with the same live referrers; a pinned node has its own."""
    graph = scene.snapshot.graph
    random = np.random.default_rng(0).integers(1 << 62, size=len(graph.size))
    source = sources(graph)
    counts = live(graph)[source]
    held = np.where(graph.pins > 0, random, 0)
    np.add.at(held, graph.indices[counts], random[source[counts]])
    return held[scene.nodes]


def _reach(scene: Scene, known: Families) -> NDArray[np.int32]:
    """Return the families of each node in the scene: for kept nodes, those that keep them after the drop."""
    kept = scene.state == STATES.index("kept")
    return np.where(kept, known.remain[scene.nodes], known.reach[scene.nodes])


def _folded(scene: Scene, key: Ints, known: Families | None) -> Folded:
    order = np.argsort(key, kind="stable")
    _, start, group = np.unique(key[order], return_index=True, return_inverse=True)
    at = np.empty(len(key), np.int64)
    at[order] = group
    split = np.split(order, start[1:]) if len(order) else []
    notes = _notes(scene, split, known)
    groups = [_group(scene, places, known, note) for places, note in zip(split, notes, strict=True)]
    return Folded(tuple(groups), _links(scene, at, len(groups)))


def _links(scene: Scene, group: Ints, number: int) -> tuple[tuple[int, int, int], ...]:
    """Return the number of links from each group to each other group."""
    graph = scene.snapshot.graph
    where = np.full(len(graph.size), -1)
    where[scene.nodes] = group
    source, target = where[sources(graph)], where[graph.indices]
    between = (source >= 0) & (target >= 0) & (source != target)
    pairs, count = np.unique(source[between] * number + target[between], return_counts=True)
    ends = (divmod(pair, number) for pair in pairs.tolist())
    return tuple((*pair, many) for pair, many in zip(ends, count.tolist(), strict=True))


def _group(scene: Scene, places: Ints, known: Families | None, note: str) -> Group:
    marks, number = np.unique(scene.mark[places], return_counts=True)
    blobs, total = int(np.count_nonzero(scene.blob[places])), int(scene.size[places].sum())
    state = STATES[scene.state[places[0]]]
    single = len(places) == 1
    named: Callable[..., str] = _name if single else partial(_family_name, known=known)
    mark = MARKS[int(marks[np.argmax(number)])]
    what = MARKS[int(marks[0])] if len(marks) == 1 else "blob"
    amount = human_bytes(total) if blobs else mark
    return Group(
        layer=int(scene.layer[places[0]]),
        state=state,
        mark=mark,
        number=len(places),
        blobs=blobs,
        bytes=total,
        name=named(scene, places),
        amount=amount if single else f"{plural(len(places), what)}, {amount}" if blobs else plural(len(places), what),
        note=note,
    )


def _name(scene: Scene, places: Ints) -> str:
    """Return the names of one node, else its kind and the first tag that has it."""
    node = scene.nodes[places]
    names = tags(scene.snapshot, node)[0]
    return join_some([abbreviate(name) for name in names], 2) if names else described(scene.snapshot, node)[0]


def _family_name(scene: Scene, places: Ints, known: Families | None) -> str:
    """Return the families of a group, "" for all of them; kept groups have them in their note."""
    if known is None or scene.state[places[0]] == STATES.index("kept"):
        return ""
    bits = int(np.bitwise_or.reduce(known.reach[scene.nodes[places]]))
    return known.named(bits) if bits.bit_count() < max(len(known.names), 2) else ""


def _notes(scene: Scene, split: list[Ints], known: Families | None) -> list[str]:
    """Return for each kept group its referrers: names if all nodes have the same ones, else families."""
    notes = ["garbage" if scene.state[places[0]] == STATES.index("garbage") else "" for places in split]
    kept = [i for i, places in enumerate(split) if scene.state[places[0]] == STATES.index("kept")]
    alone = [i for i in kept if known is None or len(split[i]) == 1]
    nodes = scene.nodes[[split[i][0] for i in alone]]
    names = scene.after.reaching(nodes, NAMES_LOOKED_AT).tuples(nearest_first=True)
    for i, found in zip(alone, names, strict=True):
        notes[i] = _kept_by_names(scene, found)
    for i in set(kept) - set(alone):
        bits = int(np.bitwise_or.reduce(known.remain[scene.nodes[split[i]]])) if known else 0
        notes[i] = f"kept by {known.named(bits)}" if known and bits else scene.unnamed
    return notes


def _kept_by_names(scene: Scene, found: tuple[str, ...]) -> str:
    names = [abbreviate(name) for name in found]
    many = len(names) == NAMES_LOOKED_AT
    some = f"{', '.join(names[:2])} and many more" if many else join_some(sorted(names), 2)
    return f"kept by {some}" if names else scene.unnamed
