"""The kernels of the analysis against the best known loops, other graph libraries, and on hard shapes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import references
from peers import installed

import blobkit
from blobkit.analysis import dominators as tree
from blobkit.analysis.reach import depth, incoming
from blobkit.analysis.removal import removal
from blobkit.snapshot.references import LINK_KINDS
from blobkit.snapshot.snapshot import build
from blobkit.snapshot.tables import ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blobkit.snapshot.graph import ReferenceGraph
    from blobkit.snapshot.snapshot import Snapshot

    Work = Callable[[], object]
    Row = tuple[str, Work, Work, float]

LAYER = LINK_KINDS.index("layer")
ROUNDS = 9
SAMPLE = 1000
FIRST = """
import time
start = time.perf_counter()
import blobkit
str(blobkit.{call})
print(time.perf_counter() - start)
"""
VIEW = """
import re, time
import blobkit, networkx
import blobkit.views.graph
from blobkit.snapshot.snapshot import Snapshot
def memory():
    with open("/proc/self/status") as status:
        return 1024 * int(re.search(r"VmRSS:\\s+(\\d+)", status.read())[1])
snapshot = Snapshot.load({path!r})
before, start = memory(), time.perf_counter()
view = blobkit.graph_view(snapshot)
view.number_of_edges(), next(view.successors(snapshot.key(0)), None)
print(time.perf_counter() - start, memory() - before)
"""
BIG = """
import re, time
from blobkit.snapshot.snapshot import Snapshot
def peak():
    with open("/proc/self/status") as status:
        return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", status.read())[1])
start, used = time.perf_counter(), time.process_time()
snapshot = Snapshot.from_parquet({path!r})
print(time.perf_counter() - start, time.process_time() - used)
start, used = time.perf_counter(), time.process_time()
from blobkit.analysis import dominators as tree
from blobkit.analysis.reach import closure_sizes, depth, incoming
import numpy as np
graph = snapshot.graph
depth(graph), incoming(graph), tree.retained(graph), tree.frees(graph)
closure_sizes(graph, np.flatnonzero(graph.pins).astype(np.int32))
print(time.perf_counter() - start, time.process_time() - used, peak())
"""


def kernels(snapshot: Snapshot) -> None:
    """Print each step against the reference, in turn, in CPU seconds of the thread; each has a target for the ratio."""
    print(f"\n{'kernels, warm, interleaved':42} {'seconds':>8} {'against':>8} {'ratio':>8} {'target':>7}  numba")
    for what, ours, reference, target in _kernels(snapshot):
        ours(), reference()
        mine, theirs = in_turn(ours, reference)
        print(f"{what:42} {mine:8.3f} {theirs:8.3f} {mine / theirs:8.2f} {target:7}  the reference loop")


def _kernels(snapshot: Snapshot) -> Iterator[Row]:
    graph, n = snapshot.graph, len(snapshot.graph.size)
    source, target = (ids(snapshot.links[end]) for end in ("source", "target"))
    roots = np.flatnonzero(graph.pins).astype(np.int32)
    links_in = graph.links_in.astype(np.int32)
    yield (
        "build: what counts, by source",
        lambda: replace(snapshot).graph,
        lambda: references.csr(n, source, target),
        1.6,
    )
    yield "reach", lambda: depth(again(graph)), lambda: references.reach(graph.indptr, graph.indices, roots), 1.5
    some = roots[::10].copy()
    drops, queue, left = graph.pins[some], np.empty(n, np.int32), (links_in + graph.pins).astype(np.int32)
    removal(graph, some, drops)
    yield (
        "cascade of a tenth of the roots",
        lambda: removal(graph, some, drops),
        lambda: references.cascade(graph.indptr, graph.indices, graph.size, left, some, drops, queue),
        1.5,
    )

    def dominators() -> object:
        references.reach(graph.indptr, graph.indices, roots)
        idom, order = references.dominators(graph.indptr, graph.indices, graph.pins, links_in.copy())
        return references.retained(idom, order, graph.size)

    yield "reach, dominators, retained bytes of all", lambda: tree.retained(again(graph)), dominators, 1.5


def again(graph: ReferenceGraph) -> ReferenceGraph:
    """The same graph, of which nothing is known yet."""
    return replace(graph)


def in_turn(ours: Work, other: Work, rounds: int = ROUNDS) -> tuple[float, float]:
    """The median CPU seconds of this thread in both, run in turn: a busy machine matters less."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, seconds in zip((ours, other), found, strict=True):
            start = time.thread_time()
            work()
            seconds.append(time.thread_time() - start)
    return statistics.median(found[0]), statistics.median(found[1])


def shapes(snapshot: Snapshot) -> None:
    """Print what a link costs in a chain 100,000 deep and at a hub of 1M links, against the image store."""
    print(f"\n{'CPU ns a link, nothing known before':42} {'image':>8} {'chain':>8} {'hub':>8}  target: 5 times")
    graphs = [snapshot.graph, _chain(100_000).graph, _hub(1_000_000).graph]
    for what, work in _works():
        found = []
        for graph in graphs:
            work(again(graph))
            found.append(statistics.median(_seconds(work, again(graph)) for _ in range(5)) / len(graph.indices) * 1e9)
        print(f"{what:42} {found[0]:8.1f} {found[1]:8.1f} {found[2]:8.1f}  {max(found) / found[0]:.1f} times")


def _works() -> Iterator[tuple[str, Callable[[ReferenceGraph], object]]]:
    yield "reach", depth
    yield "dominators, retained, frees", tree.frees
    yield "the links by target", incoming


def _seconds(work: Callable[[ReferenceGraph], object], graph: ReferenceGraph) -> float:
    start = time.thread_time()
    work(graph)
    return time.thread_time() - start


def _chain(n: int) -> Snapshot:
    """Each blob links to the next; the first is pinned."""
    return _oci(n, np.arange(n - 1), np.arange(1, n), np.zeros(1, np.int64))


def _hub(n: int) -> Snapshot:
    """Very many pinned blobs that link to one."""
    return _oci(n + 1, np.arange(1, n + 1), np.zeros(n, np.int64), np.arange(1, n + 1))


def _oci(n: int, source: np.ndarray, target: np.ndarray, pinned: np.ndarray) -> Snapshot:
    return build(
        "oci",
        "made",
        nodes={"key": [f"sha256:{i:064x}" for i in range(n)], "size": np.full(n, 7)},
        links={"source": source, "target": target, "kind": np.full(len(source), LAYER, np.int8)},
        pins={"node": pinned, "name": [f"t{i:07}" for i in pinned.tolist()], "kind": "entry"},
    )


def views(snapshot: Snapshot, path: str) -> None:
    """Print what a graph view takes, and walks on it against walks on a real networkx graph of the same links."""
    runs = [_numbers(VIEW.format(path=path)) for _ in range(3)]
    taken, memory = (statistics.median(figures) for figures in zip(*runs, strict=True))
    print(f"\ngraph_view in a new process: {taken:.2f} s (target 1), {memory / 1e6:.0f} MB (target 100)")
    view, real = blobkit.graph_view(snapshot), nx.DiGraph()
    keys = snapshot.nodes["key"].to_pylist()
    real.add_nodes_from(keys)
    ends = (np.repeat(np.arange(len(keys)), np.diff(snapshot.graph.indptr)), snapshot.graph.indices)
    real.add_edges_from(zip(*([keys[node] for node in end.tolist()] for end in ends), strict=True))
    some = keys[:: max(1, len(keys) // SAMPLE)][:SAMPLE]
    work = [lambda graph=graph: [len(nx.descendants(graph, key)) for key in some] for graph in (view, real)]
    if work[0]() != work[1]():
        sys.exit("the view reaches other nodes")
    mine, theirs = in_turn(*work)
    print(
        f"{len(some):,} nx.descendants: {mine:.3f} s on the view, {theirs:.3f} s on the real graph: {mine / theirs:.2f}"
    )


def first_answer(directory: str) -> None:
    """Print what the first answers on a store of 200 blobs take in a fresh interpreter, with imports."""
    with blobkit.LocalStore(Path(directory, "small"), durability="off") as store:
        blobs = [store.put(f"blob {i}".encode()) for i in range(200)]
        for above, below in pairwise(blobs[:100]):
            store.link(above.digest, below.digest)
    for call in ("to_frame({0!r})", "usage({0!r})", "simulate_deref({0!r}, {1!r})"):
        code = FIRST.format(call=call.format(str(Path(directory, "small")), blobs[-1].digest))
        taken = statistics.median(_numbers(code)[0] for _ in range(5))
        print(f"{call.partition('(')[0]:42} {taken:8.2f} s, 200 blobs, fresh interpreter (target 1.5)")


def big(path: str) -> None:
    """Print seconds and memory of a store ten times as large, in a new process."""
    loaded, load_used, ran, run_used, peak = _numbers(BIG.format(path=path))
    print(
        f"load {loaded:.1f} s (CPU {load_used:.1f}, target 10); all kernels {ran:.1f} s (CPU {run_used:.1f}, target 15)"
    )
    print(f"peak memory {peak / 1e9:.2f} GB (target 6)")


def peers(snapshot: Snapshot) -> None:
    """Print building a graph from pairs, and reach from all roots, in other libraries; once, as some are slow."""
    graph = snapshot.graph
    source = np.repeat(np.arange(len(graph.size)), np.diff(graph.indptr))
    roots = np.flatnonzero(graph.pins)
    expected = int(np.count_nonzero(depth(graph) >= 0))
    print(f"\n{'once, CPU seconds':42} {'build':>8} {'reach':>8}")
    ours = replace(snapshot)
    print(f"{'blobkit':42} {_timed(lambda: ours.graph)[0]:8.2f} {_timed(lambda: depth(ours.graph))[0]:8.2f}")
    for name, (make, walk) in PEERS.items():
        try:
            packages = installed(name)
            if packages not in sys.path:
                sys.path.append(packages)  # behind what is there
            built, made = _timed(lambda make=make: make(len(graph.size), source, graph.indices))
            walked, found = _timed(lambda walk=walk, made=made: walk(made, roots.tolist()))
        except Exception as error:  # noqa: BLE001 (whatever a peer does, the others are measured)
            print(f"{name} is left out: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        print(f"{name:42} {built:8.2f} {walked:8.2f}{'' if found == expected else '  other nodes'}")


def _timed(work: Work) -> tuple[float, object]:
    start = time.thread_time()
    found = work()
    return time.thread_time() - start, found


def _networkx(n: int, source: np.ndarray, target: np.ndarray) -> object:
    made = nx.DiGraph()
    made.add_nodes_from(range(n + 1))
    made.add_edges_from(zip(source.tolist(), target.tolist(), strict=True))
    return made


def _networkx_reach(made: nx.DiGraph, roots: list[int]) -> int:
    top = made.number_of_nodes() - 1
    made.add_edges_from((top, root) for root in roots)
    return len(nx.descendants(made, top))


def _rustworkx(n: int, source: np.ndarray, target: np.ndarray) -> object:
    import rustworkx  # noqa: PLC0415 (installed by `installed`)

    made = rustworkx.PyDiGraph(multigraph=False)
    made.add_nodes_from(range(n + 1))
    made.add_edges_from_no_data(list(zip(source.tolist(), target.tolist(), strict=True)))
    return made


def _rustworkx_reach(made: object, roots: list[int]) -> int:
    import rustworkx  # noqa: PLC0415 (installed by `installed`)

    top = made.num_nodes() - 1  # type: ignore[attr-defined]
    made.add_edges_from_no_data([(top, root) for root in roots])  # type: ignore[attr-defined]
    return len(rustworkx.descendants(made, top))


def _igraph(n: int, source: np.ndarray, target: np.ndarray) -> object:
    import igraph  # noqa: PLC0415 (installed by `installed`)

    return igraph.Graph(n + 1, np.column_stack((source, target)), directed=True)


def _igraph_reach(made: object, roots: list[int]) -> int:
    top = made.vcount() - 1  # type: ignore[attr-defined]
    made.add_edges([(top, root) for root in roots])  # type: ignore[attr-defined]
    return len(made.subcomponent(top, mode="out")) - 1  # type: ignore[attr-defined]


PEERS = {
    "rustworkx": (_rustworkx, _rustworkx_reach),
    "igraph": (_igraph, _igraph_reach),
    "networkx": (_networkx, _networkx_reach),
}


def _numbers(code: str) -> list[float]:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return [float(word) for word in done.stdout.split()]
