"""What-if on a big registry: ticks, figures of all names, and many targets at once. Prints a table of CPU seconds.

    python benchmarks/explore.py [--quick] [--turns 5] [--snapshot FILE] [--browser | --memory]

1M blobs, 7.3M links and 208,337 tags (`synthetic.image_store`; `--quick`: a twentieth), in one process. `--snapshot`: a
saved snapshot, which is written if it is absent. Each figure is the median of some turns, after one that is not counted
unless it says "first": compiled code is on disk then. The ticked names are drawn anew in each turn. CPU seconds count,
because a busy machine does not change them much; memory is what the process has more than with the snapshot alone.
`--browser`: instead, the explorer of this store, and of one with 10,000 blobs, in a browser (`explore_browser.py`).
`--memory`: instead, the memory of the explorer of this store, step by step (`explore_memory.py`).
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from floors import against, table
from synthetic import image_store

import blobkit
from blobkit.analysis.owners import find_owners

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit import Snapshot, WhatIf

FEW, MANY = (1, 100, 10_000), 104_168
GOALS = {
    "what_if and tags_frame, first": 2.0,
    "tags_frame": 1.0,
    "owners found anew": 0.2,
    "simulate_deref of 104,168 names, by mask": 0.25,
    "simulate_deref of 104,168 names, by Index": 0.25,
    "tick 1": 0.01,
    "tick 10,000": 0.25,
    "tick all, with the preview": 1.0,
}
MEMORY = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--snapshot", type=Path)
    parser.add_argument("--browser", action="store_true")
    parser.add_argument("--memory", action="store_true")
    given = parser.parse_args()
    snapshot = stored(given.snapshot, quick=given.quick)
    if given.browser:
        from explore_browser import browser_figures  # noqa: PLC0415 (the others need no browser)

        browser_figures(image_store(3_300, 100, 3_300), given.turns)
        browser_figures(snapshot, given.turns)
        return
    if given.memory:
        by_step(snapshot)
        return
    warmed(snapshot)
    scale = 1 / 20 if given.quick else 1
    before = memory()
    found = start(snapshot) | ticks(snapshot, given.turns, scale) | in_bulk(snapshot, given.turns, scale)
    grown = memory() - before
    rows = [[what, f"{taken:.4f} s", said(what, taken, scale)] for what, taken in found.items()]
    rows.append(["memory beyond the snapshot", f"{grown:,.0f} MB", against(grown, MEMORY * scale, above=False)])
    size = f"{snapshot.blobs:,} blobs, {len(snapshot.graph.indices):,} links, {snapshot.pins.num_rows:,} tags"
    table(size, ["what", "CPU", "against the goal"], rows)


def by_step(snapshot: Snapshot) -> None:
    """Measure the memory of the explorer in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "snapshot.blobkit"
        snapshot.save(path)
        program = Path(__file__).with_name("explore_memory.py")
        subprocess.run([sys.executable, program, path], check=True)


def said(what: str, taken: float, scale: float) -> str:
    return against(taken, GOALS[what] * scale, above=False) if what in GOALS else "-"


def stored(path: Path | None, *, quick: bool) -> Snapshot:
    if path is not None and path.exists():
        return blobkit.Snapshot.load(path)
    snapshot = image_store(16_500, 500, 16_500) if quick else image_store()
    if path is None:
        return snapshot
    partial = path.with_name(f"{path.name}.partial")
    snapshot.save(partial)
    partial.rename(path)
    return blobkit.Snapshot.load(path)


def warmed(snapshot: Snapshot) -> None:
    """Load compiled code once with a snapshot of its own; build the graph of the one to measure."""
    other = blobkit.what_if(image_store(3_000, 100, 3_000))
    for number in (1, 50, 1_000):
        ticked(other, np.random.default_rng(1), number)
    blobkit.tags_frame(other.snapshot)
    snapshot.graph  # noqa: B018 (a cached property)


def start(snapshot: Snapshot) -> dict[str, float]:
    """Measure what comes before the first picture."""

    def both() -> None:
        blobkit.what_if(snapshot)
        blobkit.tags_frame(snapshot)

    return {
        "what_if and tags_frame, first": cpu(both),
        "preview, first": cpu(lambda: blobkit.simulate_deref(snapshot, blobkit.what_if(snapshot).alone.index[0])),
        "tags_frame": median(3, lambda: blobkit.tags_frame(snapshot)),
        "owners found anew": median(3, lambda: find_owners(snapshot, snapshot.holding)),
    }


def ticks(snapshot: Snapshot, turns: int, scale: float) -> dict[str, float]:
    what_if, rng, found = blobkit.what_if(snapshot), np.random.default_rng(7), {}
    for number in (*FEW, MANY):
        parts = [ticked(what_if, rng, max(1, int(number * scale))) for _ in range(turns + 1)][1:]
        for what in parts[0]:
            found[f"{what} {number:,}"] = statistics.median(part[what] for part in parts)
    everything = np.ones(len(snapshot.tags_frame()), np.bool_)
    found["tick all, with the preview"] = cpu(lambda: (what_if.tick(everything), what_if.preview.bytes))
    found["undo that"] = cpu(what_if.undo)
    return found


def ticked(what_if: WhatIf, rng: np.random.Generator, number: int) -> dict[str, float]:
    """Tick some names, read all figures, and go back."""
    mask = np.zeros(len(what_if.alone), np.bool_)
    mask[rng.choice(len(mask), number, replace=False)] = True
    taken = {"tick": cpu(lambda: what_if.tick(mask)), "preview of": cpu(lambda: what_if.preview.bytes)}
    taken["next, keepers and last keepers of"] = cpu(lambda: (what_if.next, what_if.keepers, what_if.last_keepers))
    what_if.undo()
    return taken


def in_bulk(snapshot: Snapshot, turns: int, scale: float) -> dict[str, float]:
    tags = snapshot.tags_frame()
    mask = np.zeros(len(tags), np.bool_)
    mask[np.random.default_rng(3).choice(len(tags), int(MANY * scale), replace=False)] = True
    ways = {"mask": mask, "Index": tags.index[mask], "list": tags.index[mask].tolist()}
    return {
        f"simulate_deref of {MANY:,} names, by {way}": median(turns, partial(blobkit.simulate_deref, snapshot, target))
        for way, target in ways.items()
    }


def median(turns: int, work: Callable[[], object]) -> float:
    work()
    return statistics.median(cpu(work) for _ in range(turns))


def cpu(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def memory() -> float:
    """Return the memory that the process has, in MB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


if __name__ == "__main__":
    main()
