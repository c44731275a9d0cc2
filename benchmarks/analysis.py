"""What the analysis costs: answers and kernels on a registry of 1M blobs, 7.3M links and 208k tags.

    python benchmarks/analysis.py [--quick | --big]

Each answer is timed in a process of its own (kernels compiled before and kept on disk; the first call of that
process, and the memory that it adds to the loaded snapshot at its peak), then warm and interleaved with one pass
over the links and with peers that do the same for a sample of the tags. Rates of one machine mean little; the ratios
are what to compare; on a busy machine the CPU seconds say more. `--quick`: a tenth of the size;
`--big`: loading and all kernels at 10M blobs and 74M links instead.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from answers import interleaved
from synthetic import image_store

import blobkit
import engines
from blobkit.analysis.groups import classes, reach, shares
from blobkit.snapshot.snapshot import Snapshot
from blobkit.snapshot.tables import ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blobkit.analysis.groups import Reach

    Work = Callable[[], object]

FRESH = """
import re, sys, time
import blobkit
from blobkit.snapshot.snapshot import Snapshot
def memory(what):
    with open("/proc/self/status") as status:
        return 1024 * int(re.search(what + r":\\s+(\\d+)", status.read())[1])
snapshot = Snapshot.load({path!r})
snapshot.graph
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")  # the peak so far is that of loading
before, start, used = memory("VmRSS"), time.perf_counter(), time.process_time()
answer = blobkit.{call}
print(time.perf_counter() - start, time.process_time() - used, memory("VmHWM") - before)
"""
CALLS = (
    ("to_frame(snapshot)", 2.0),
    ('usage(snapshot, "tag")', 2.0),
    ('usage(snapshot, "repo")', 2.0),
    ('usage(snapshot, "kind")', None),
    ("usage(snapshot, lambda name: name[:6])", None),
    ('sharing(snapshot, "repo")', None),
    ('sharing(snapshot, "tag")', None),
)
"""What is asked, and the target in seconds."""
SAMPLE = 2000


def main() -> None:
    made = image_store(33_000, 1000, 33_000) if "--quick" in sys.argv else image_store()
    print(f"{made.blobs:,} blobs, {made.links.num_rows:,} links, {made.pins.num_rows:,} tags")
    with tempfile.TemporaryDirectory() as scratch:
        path = str(Path(scratch, "s.blobkit"))
        made.save(path)
        del made
        first(path)
        snapshot = Snapshot.load(path)
        warm(snapshot)
        engines.kernels(snapshot)
        engines.shapes(snapshot)
        engines.first_answer(scratch)
        engines.views(snapshot, path)
        engines.peers(snapshot)


def big() -> None:
    """Measure 10M blobs, which take some minutes to make."""
    with tempfile.TemporaryDirectory() as scratch:
        made = image_store(3_300_000, 100_000, 3_300_000)
        print(f"{made.blobs:,} blobs, {made.links.num_rows:,} links, {made.pins.num_rows:,} tags")
        made.to_parquet(scratch)
        del made
        engines.big(scratch)


def first(path: str) -> None:
    """Print what the first call costs in a new process, and how much memory."""
    for by in ("tag", "repo"):
        _fresh(path, f'sharing(snapshot, "{by}")')  # compiles what is not compiled yet
    print(f"\n{'first call in a process':42} {'seconds':>8} {'CPU':>8} {'target':>7} {'memory':>10}")
    for call, target in CALLS:
        runs = [_fresh(path, call) for _ in range(3)]
        seconds, used, peak = (statistics.median(figures) for figures in zip(*runs, strict=True))
        print(f"{call:42} {seconds:8.2f} {used:8.2f} {target or '-':>7} {peak / 2**20:6.0f} MiB")


def warm(snapshot: Snapshot) -> None:
    """Print each step against a pass over the links, and against peers, in turn."""
    print(f"\n{'warm, interleaved':42} {'seconds':>8} {'against':>8} {'ratio':>8}  against what")
    for what, ours, other, against in [*_steps(snapshot), *_peers(snapshot)]:
        ours()
        mine, theirs = interleaved(ours, other, rounds=5)
        print(f"{what:42} {mine:8.3f} {theirs:8.3f} {mine / theirs:8.4f}  {against}")


def _steps(snapshot: Snapshot) -> Iterator[tuple[str, Work, Work, str]]:
    graph, roots = snapshot.graph, _roots(snapshot)
    found, alone = _reach(snapshot, roots), np.ones(len(graph.size), np.bool_)

    def scan() -> object:
        return np.bincount(graph.indices)

    against = "one pass over the links (numpy.bincount)"
    yield "what each tag reaches", lambda: _reach(snapshot, roots), scan, against
    yield "closure, exclusive, split of each", lambda: shares(graph, found, alone), scan, against
    yield "classes of blobs", lambda: classes(graph, found), scan, against
    yield 'usage(snapshot, "tag")', lambda: blobkit.usage(snapshot, "tag"), scan, against


def _peers(snapshot: Snapshot) -> Iterator[tuple[str, Work, Work, str]]:
    """Yield the closures of a sample of tags, ours and theirs; other peers are added here."""
    roots = _roots(snapshot)[:: max(1, snapshot.pins.num_rows // SAMPLE)]
    graph = snapshot.graph
    made: nx.DiGraph[int] = nx.DiGraph()
    made.add_nodes_from(range(len(graph.size)))
    sources = np.repeat(np.arange(len(graph.size)), np.diff(graph.indptr))
    made.add_edges_from(zip(sources.tolist(), graph.indices.tolist(), strict=True))
    size = graph.size.tolist()

    def by_networkx() -> list[int]:
        return [size[root] + sum(size[node] for node in nx.descendants(made, root)) for root in roots.tolist()]

    def by_blobkit() -> list[int]:
        closures: list[int] = _reach(snapshot, roots).sums(graph.size)[0].tolist()
        return closures

    if by_networkx() != by_blobkit():
        sys.exit("networkx finds other closures")
    yield f"closures of {len(roots):,} tags", by_blobkit, by_networkx, f"networkx {nx.__version__}, descendants"


def _roots(snapshot: Snapshot) -> np.ndarray:
    return ids(snapshot.pins["node"])


def _reach(snapshot: Snapshot, roots: np.ndarray) -> Reach:
    return reach(snapshot.graph, np.arange(len(roots) + 1), roots)


def _fresh(path: str, call: str) -> tuple[float, ...]:
    code = FRESH.format(path=path, call=call)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return tuple(map(float, done.stdout.split()))


if __name__ == "__main__":
    big() if "--big" in sys.argv else main()
