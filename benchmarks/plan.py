"""What to delete, of 5,000 tags on a million blobs: how long the search takes, and how near the least cost it ends.

    python benchmarks/plan.py [--quick] [--tags]

The target is 30 s, proven to cost least or within 1 % of it. Each row is a plan from a snapshot in memory (kernels
compiled before). `--quick`: a hundredth of the size. `--tags`: a million blobs of 208,000 tags instead; the target is
to end within the 30 s, with whatever gap.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd
from synthetic import image_store

import blobkit

SECONDS, GAP = 30.0, 0.01
PARTS = (0.01, 0.1, 0.5, 0.9, 0.999)


def main() -> None:
    scale = 100 if "--quick" in sys.argv else 1
    many = "--tags" in sys.argv
    sizes = (330_000, 10_000, 330_000) if many else (8_000, 200, 984_000)
    snapshot = image_store(*(size // scale for size in sizes))
    possible = blobkit.plan(snapshot, keep_last=0).bytes
    tags = blobkit.tags_frame(snapshot).index
    random = np.random.default_rng(0)
    costs = {
        "1 each": None,
        "1 to 99": pd.Series(random.integers(1, 100, len(tags)), tags),
        "floats": pd.Series(random.random(len(tags)), tags),
    }
    size = f"{snapshot.blobs:,} blobs, {snapshot.links.num_rows:,} links, {len(tags):,} tags"
    print(f"{size}; target {SECONDS:.0f} s, gap {GAP:.0%}")
    print(f"{'cost of a tag':<14} {'to free':>8} {'tags':>6} {'seconds':>8} {'gap':>9}")
    for name, cost in costs.items():
        for part in PARTS:
            start = time.perf_counter()
            plan = blobkit.plan(snapshot, free=int(possible * part), cost=cost)
            took = time.perf_counter() - start
            within = took <= SECONDS and (many or plan.gap <= GAP)
            print(
                f"{name:<14} {part:>8.1%} {len(plan):>6,} {took:>8.2f} {plan.gap:>9.4%} {'' if within else '  missed'}"
            )


if __name__ == "__main__":
    main()
