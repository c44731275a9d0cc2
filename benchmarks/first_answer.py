"""The first answer of a process: plain loops or compiled ones, and what is chosen. Prints a table of CPU seconds.

    python benchmarks/first_answer.py [--quick] [--turns 3] [--kernels]

Each figure is the median of processes of their own that have loaded a snapshot and the libraries, and then ask for
`to_frame` once, or five times of five snapshots (nothing is remembered from one to the next). `fresh`: no compiled
code on disk, `kept`: all of it. `plain` and `compiled` force a form; `chosen` is what a user gets. The contenders take
turns. `--quick`: small snapshots only. `--kernels` measures instead what a plain loop costs for each blob and link, and
what it costs to start numba, to load and to compile a loop: the constants of `blobkit.analysis.compiling`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from synthetic import image_store

SIZES = (1_000, 5_000, 20_000, 50_000, 200_000, 1_000_000)
QUICK = 20_000
PLAIN_UP_TO = 200_000
ASKING = """
import math, sys, time
from dataclasses import replace
import blobkit, pandas
from blobkit.analysis.compiling import Kernel
path, form, times = sys.argv[1:]
if form != "chosen":
    Kernel.price = 0 if form == "compiled" else math.inf
from blobkit.questions import frame  # not what is measured
snapshot = blobkit.Snapshot.load(path)
start = time.process_time()
for _ in range(int(times)):
    blobkit.to_frame(replace(snapshot))
print(time.process_time() - start)
"""
KERNELS = """
import sys, time
import numpy as np
import blobkit
from blobkit.analysis import holder_kernels, kernels
graph = blobkit.Snapshot.load(sys.argv[1]).graph
first, targets = graph.indptr, graph.indices
inside = np.ones(len(graph.size), np.bool_)
degree = holder_kernels.links_to.plain(first, targets, inside)
calls = {
    "depths": (kernels.depths, first, targets, np.flatnonzero(graph.pins).astype(np.int32)),
    "reverse": (kernels.reverse, first, targets),
    "links_to": (holder_kernels.links_to, first, targets, inside),
    "dominators": (kernels.dominators, first, targets, graph.pins > 0, inside, degree),
}
def took(run, *args):
    args = [arg.copy() for arg in args]
    start = time.process_time()
    run(*args)
    return time.process_time() - start
for name, (kernel, *args) in calls.items():
    print(f"plain {name}: {took(kernel.plain, *args) / (len(inside) + len(targets)) * 1e6:.2f} us a blob or link")
start = time.process_time()
import numba
print(f"import of numba: {time.process_time() - start:.3f} s")
for name, (kernel, *args) in calls.items():
    print(f"first call of compiled {name}: {took(kernel.compiled, *args):.3f} s")
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--kernels", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if chosen.kernels:
            path = _made(20_000, Path(scratch))
            for what in ("fresh", "kept"):
                print(f"{what}:\n{_run(KERNELS, Path(scratch, 'code'), path)}")
            return
        print(f"{'blobs':>10} {'asked':>5} {'code':>6} {'plain':>8} {'compiled':>8} {'chosen':>8}   CPU seconds")
        for size in SIZES:
            if size <= QUICK or not chosen.quick:
                _row(size, Path(scratch), chosen.turns)


def _row(size: int, scratch: Path, turns: int) -> None:
    """Print the lines of one size: every contender once a turn, turn after turn."""
    path, kept = _made(size, scratch), scratch / "kept"
    _run(ASKING, kept, path, "compiled", "1")
    forms = ("plain", "compiled", "chosen") if size <= PLAIN_UP_TO else ("compiled", "chosen")
    contenders = [(asked, code, form) for asked in ("1", "5") for code in ("fresh", "kept") for form in forms]
    took: dict[tuple[str, str, str], list[float]] = {one: [] for one in contenders}
    for _ in range(turns):
        for asked, code, form in contenders:
            with tempfile.TemporaryDirectory(dir=scratch) as fresh:
                cache = kept if code == "kept" else Path(fresh)
                took[asked, code, form].append(float(_run(ASKING, cache, path, form, asked)))
    for asked in ("1", "5"):
        for code in ("fresh", "kept"):
            every = [took.get((asked, code, form)) for form in ("plain", "compiled", "chosen")]
            told = " ".join(f"{statistics.median(one):8.3f}" if one else f"{'-':>8}" for one in every)
            print(f"{size:>10,} {asked:>5} {code:>6} {told}", flush=True)


def _made(size: int, scratch: Path) -> str:
    path = str(scratch / f"{size}.blobkit")
    image_store(size // 3, max(1, size // 100), size // 3).save(path)
    return path


def _run(code: str, cache: Path, *args: str) -> str:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["NUMBA_CACHE_DIR"] = str(cache)
    command = [sys.executable, "-c", code, *args]
    return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
