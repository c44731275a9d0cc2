"""CPU seconds of every plot at 20,000 and 1,000,000 blobs: python benchmarks/plots.py [20000] [1000000]

Each is drawn twice in one process, as a picture; kernels are warm. The answers that are drawn (and so the caches that
they fill) are made before. Budgets: 2 s at 20,000 blobs, 5 s at 1,000,000; `!` marks what exceeds them.
"""

from __future__ import annotations

import sys
from time import process_time
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
from synthetic import image_store

import blobkit

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from blobkit.snapshot.snapshot import Snapshot

SHAPES = {20_000: (6_600, 200, 6_600), 1_000_000: (330_000, 10_000, 330_000)}
BUDGET = {20_000: 2.0, 1_000_000: 5.0}


def drawings(snapshot: Snapshot) -> dict[str, Callable[[], Axes]]:
    """Return the plots by name; answers are asked for here, so that only the drawing is measured."""
    tags = blobkit.tags_frame(snapshot)
    preview = blobkit.simulate_deref(snapshot, groups=str(tags["repo"].iloc[0]))
    answers = {
        "usage": blobkit.usage(snapshot, by="repo"),
        "sharing of the answer": blobkit.sharing(snapshot, by="repo"),
        "audit": blobkit.audit(snapshot),
        "diff": blobkit.diff(snapshot, snapshot),
        "preview": preview,
    }
    plot = blobkit.plot
    return {
        "sizes": lambda: plot.sizes(snapshot),
        "growth": lambda: plot.growth(snapshot),
        "icicle": lambda: plot.icicle(snapshot),
        "icicle of a preview": lambda: plot.icicle(preview),
        "sharing": lambda: plot.sharing(snapshot),
        "reachability": lambda: plot.reachability(snapshot),
        "reachability of a preview": lambda: plot.reachability(preview),
        **{f"{name}.plot()": answer.plot for name, answer in answers.items()},
    }


def seconds(draw: Callable[[], Axes]) -> float:
    """Return the CPU time of drawing and painting."""
    start = process_time()
    draw().figure.canvas.draw()
    plt.close("all")
    return process_time() - start


def main(sizes: list[int]) -> None:
    mpl.use("Agg")
    for draw in drawings(image_store(60, 3, 80)).values():
        draw()
    plt.close("all")
    print(f"{'':28}" + "".join(f"{size:>12,} first{'again':>8}" for size in sizes))
    columns = []
    for size in sizes:
        made = drawings(image_store(*SHAPES[size]))
        columns.append({name: (seconds(draw), seconds(draw)) for name, draw in made.items()})
    for name in columns[0]:
        cells = [
            f"{cold:>17.2f}{again:>8.2f}{'!' if cold > BUDGET[size] else ' '}"
            for size, (cold, again) in ((size, column[name]) for size, column in zip(sizes, columns, strict=True))
        ]
        print(f"{name:28}" + "".join(cells))


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or list(SHAPES))
