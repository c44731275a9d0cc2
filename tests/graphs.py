"""Random reference graphs as plain Python, what is true of them by brute force, and snapshots of them.

Nothing here knows how the product computes anything: sets, dicts and repeated passes only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from blobkit.snapshot.snapshot import build

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from blobkit.snapshot.graph import ReferenceGraph
from blobkit.snapshot.snapshot import Snapshot


@dataclass
class Graph:
    """Nodes 0..n-1 with sizes, pins and links; node i has the digest that ends in i."""

    sizes: list[int]
    pins: list[int]
    links: set[tuple[int, int]] = field(default_factory=set)
    virtual: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        self.out: list[set[int]] = [set() for _ in self.sizes]
        self.into: list[set[int]] = [set() for _ in self.sizes]
        for source, target in self.links:
            self.out[source].add(target)
            self.into[target].add(source)

    def __len__(self) -> int:
        return len(self.sizes)

    def bytes(self, nodes: Iterable[int]) -> int:
        return sum(self.sizes[node] for node in nodes)

    def pinned(self) -> list[int]:
        return [node for node, pins in enumerate(self.pins) if pins]

    def reached(self, roots: Iterable[int], without: int = -1) -> set[int]:
        """What these roots reach when one node is taken out."""
        seen: set[int] = set()
        todo = [root for root in roots if root != without]
        while todo:
            node = todo.pop()
            if node not in seen:
                seen.add(node)
                todo += [target for target in self.out[node] if target != without]
        return seen

    def depths(self, roots: Collection[int]) -> list[int]:
        """The fewest links from any root, by ever larger steps; -1 where none reaches."""
        depth = [-1] * len(self)
        front, step = set(roots), 0
        while front:
            for node in front:
                depth[node] = step
            front = {t for node in front for t in self.out[node] if depth[t] < 0}
            step += 1
        return depth

    def swept(self, drops: Mapping[int, int]) -> set[int]:
        """What a collector that marks from the roots would find gone, beyond what was garbage before."""
        after = [node for node in self.pinned() if self.pins[node] > drops.get(node, 0)]
        return self.reached(self.pinned()) - self.reached(after)

    def recounted(self, drops: Mapping[int, int]) -> set[int]:
        """What goes by counting: again and again, whatever lost a reference and has none left."""
        pins = [count - drops.get(node, 0) for node, count in enumerate(self.pins)]
        gone: set[int] = set()
        lost = {node for node, count in drops.items() if count}
        while True:
            more = {n for n in lost - gone if not pins[n] and self.into[n] <= gone}
            if not more:
                return gone
            gone |= more
            lost |= {target for node in more for target in self.out[node]}

    def levels(self, gone: Collection[int]) -> dict[int, int]:
        """1 + the largest level of the freed blobs that held it, 0 where none did; virtual nodes add nothing."""
        level = dict.fromkeys(gone, 0)
        for _ in gone:
            for node in gone:
                held = [level[s] + (s not in self.virtual) for s in self.into[node] if s in level]
                level[node] = max(held, default=0)
        return level


def key(node: int) -> str:
    """The digest of a node."""
    return f"sha256:{node:064x}"


def node_of(digest: str) -> int:
    return int(digest.rpartition(":")[2], 16)


def snapshot_of(
    graph: Graph,
    *,
    counting: bool,
    names: Mapping[int, Iterable[str]] | None = None,
    group: str | Mapping[str, str | None] | None = None,
) -> Snapshot:
    """A snapshot of a store that counts, or of one that is marked and swept; some pins of each node have names.

    `group`: that of all names, or of each name.
    """
    named = [(node, name) for node, names in (names or {}).items() for name in names]
    left = [count - sum(node == other for other, _ in named) for node, count in enumerate(graph.pins)]
    anonymous = [(node, count) for node, count in enumerate(left) if count]
    groups = [group.get(name) if isinstance(group, Mapping) else group for _, name in named]
    links = sorted(graph.links)
    return build(
        "blobkit" if counting else "oci",
        "/somewhere",
        nodes={
            "key": [key(node) for node in range(len(graph))],
            "size": [0 if node in graph.virtual else size for node, size in enumerate(graph.sizes)],
            "stored": ["virtual" if node in graph.virtual else "yes" for node in range(len(graph))],
        },
        links={
            "source": [source for source, _ in links],
            "target": [target for _, target in links],
            "kind": ["child"] * len(links),
        },
        pins={
            "node": [node for node, _ in anonymous] + [node for node, _ in named],
            "name": [None] * len(anonymous) + [name for _, name in named],
            "kind": ["pin" if counting else "entry"] * len(anonymous) + ["tag" if counting else "entry"] * len(named),
            "count": [count for _, count in anonymous] + [1] * len(named),
            "group": [None] * len(anonymous) + groups,
        },
    )


def counted(graph: Graph, *, counting: bool = False) -> ReferenceGraph:
    return snapshot_of(graph, counting=counting).graph


def same_facts(a: Snapshot, b: Snapshot) -> bool:
    """Whether two snapshots hold the same facts, of the same store, under the same policy."""
    whole = all(getattr(a, name).equals(getattr(b, name)) for name in ("nodes", "links", "pins", "notices"))
    types = all(getattr(a, name).schema.equals(getattr(b, name).schema) for name in ("nodes", "links", "pins"))
    return whole and types and (a.kind, a.address, a.time, a.policy) == (b.kind, b.address, b.time, b.policy)


def array(nodes: Iterable[int]) -> np.ndarray:
    return np.array(list(nodes), np.int32)


@st.composite
def graphs(draw: st.DrawFn, *, cyclic: bool = False, largest: int = 12) -> Graph:
    """Graphs dense enough to cascade: most nodes are held by few, some by many, and few are pinned.

    Without cycles, links go down a random order, which is not that of the digests.
    """
    n = draw(st.integers(1, largest))
    place = draw(st.permutations(range(n)))
    pairs = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))
    found = draw(st.lists(pairs, max_size=3 * n))
    chain = [(i, i + 1) for i in range(n - 1)] if draw(st.booleans()) else []
    ordered = ((a, b) if cyclic else (min(a, b), max(a, b)) for a, b in [*found, *chain])
    links = {(place[a], place[b]) for a, b in ordered if a != b}
    pins = draw(st.lists(st.sampled_from((0, 0, 0, 1, 2)), min_size=n, max_size=n))
    roots = draw(st.booleans())
    held = {target for _, target in links}
    pins = [1 if roots and node not in held and not count else count for node, count in enumerate(pins)]
    sizes = draw(st.lists(st.integers(0, 1000), min_size=n, max_size=n))
    return Graph(sizes, pins, links)


@st.composite
def droppings(draw: st.DrawFn) -> tuple[Graph, dict[int, list[str]], list[str], bool]:
    """A graph, a name for every pin, some of the names, and whether the store counts."""
    graph = draw(graphs(cyclic=draw(st.booleans())))
    names = {node: [f"n{node}-{i}" for i in range(graph.pins[node])] for node in graph.pinned()}
    every = [name for found in names.values() for name in found]
    chosen = draw(st.lists(st.sampled_from(every), min_size=1, unique=True)) if every else []
    return graph, names, chosen, draw(st.booleans())


def hard_graph(*, cyclic: bool) -> tuple[Graph, dict[int, list[str]], dict[str, str | None]]:
    """A graph as `named_graphs` draws it, with all that is seldom drawn at once.

    Two names on one node, one name on two, blobs that three groups share, virtual nodes, pins without a name, garbage.
    """
    links = {(0, 1), (0, 2), (1, 4), (2, 4), (2, 5), (3, 4), (4, 6), (7, 5), (8, 9), (9, 4), (10, 11)}
    links |= {(6, 4), (5, 2)} if cyclic else set()
    sizes = [3, 0, 7, 11, 100, 19, 23, 0, 31, 37, 41, 43]
    graph = Graph(sizes, [2, 1, 2, 1, 0, 0, 0, 1, 1, 0, 0, 0], links, frozenset({1, 7}))
    names = {0: ["twice", "n0"], 1: ["n1"], 2: ["twice"], 3: ["n3"], 7: ["n7"]}
    return graph, names, {"twice": "a", "n0": "b", "n1": None, "n3": "", "n7": "B"}


@st.composite
def named_graphs(draw: st.DrawFn) -> tuple[Graph, dict[int, list[str]], dict[str, str | None]]:
    """A graph of which some pins are names and some nodes virtual nodes, and the group of each name.

    One name may be given to two nodes.
    """
    graph = draw(graphs(cyclic=draw(st.booleans())))
    graph.virtual = frozenset(draw(st.sets(st.integers(0, len(graph) - 1), max_size=3)))
    graph.sizes = [0 if node in graph.virtual else size for node, size in enumerate(graph.sizes)]
    names = {node: [f"n{node}-{i}" for i in range(draw(st.integers(0, graph.pins[node])))] for node in graph.pinned()}
    names = {node: given_names for node, given_names in names.items() if given_names}
    if len(names) > 1 and draw(st.booleans()):
        for node in list(names)[:2]:
            names[node][0] = "twice"
    different = sorted({name for found in names.values() for name in found})
    return graph, names, {name: draw(st.sampled_from(("a", "b", "", None, "B"))) for name in different}
