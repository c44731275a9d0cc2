"""Scan a blobkit store, and a registry, into a directory of parts, against a scan in memory that is then saved.

    python benchmarks/scan_out.py [--blobs 20000,200000] [--rounds 3]

Whole processes in turn; medians of CPU seconds and of peak memory. The store's index is written by hand, six links a
blob: no content, so that only the way from the index to the parts is measured. A registry is a directory; of its scans
with `out=` the mapped files count as memory, too, as long as the system leaves them there.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import sys
import tempfile
from pathlib import Path

from floors import table
from scan import run
from synthetic_registry import registry

import blobkit

HOWS = {
    "scan": "import sys, blobkit; blobkit.scan(sys.argv[1], progress=False)",
    "scan, save": "import sys, blobkit; blobkit.scan(sys.argv[1], progress=False).save(sys.argv[2])",
    "scan(out=)": "import sys, blobkit; blobkit.scan(sys.argv[1], progress=False, out=sys.argv[2])",
}
BYTES, MOMENT = 10, 1_700_000_000_000_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--blobs", default="20000,200000")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    rows = []
    for blobs in map(int, chosen.blobs.split(",")):
        for kind, make in {"store": store, "registry": storage}.items():
            with tempfile.TemporaryDirectory() as place:
                make(Path(place, "s"), blobs)
                rows += [[kind, f"{blobs:,}", *row] for row in measured(Path(place), chosen.rounds)]
    table("", ["kind", "blobs", "process", "CPU s", "peak MiB"], rows)


def measured(place: Path, rounds: int) -> list[list[str]]:
    lines = {how: [sys.executable, "-c", code, f"{place}/s", f"{place}/out/"] for how, code in HOWS.items()}
    runs = [{how: run(line) for how, line in lines.items()} for _ in range(rounds)]
    cpu, peak = ({how: statistics.median(turn[how][i] for turn in runs) for how in HOWS} for i in (0, 2))
    return [[how, f"{cpu[how]:.2f}", f"{peak[how] / 2**20:.0f}"] for how in HOWS]


def storage(root: Path, blobs: int) -> None:
    registry(root, blobs // 10, blobs)


def store(root: Path, blobs: int) -> None:
    """Write the index of a store: digests and targets of links by chance, a tag for each ninth blob."""
    with blobkit.LocalStore(root, durability="off"):
        pass
    chance = random.Random(1)  # noqa: S311 (no secret)
    numbers = range(1, blobs + 1)
    with sqlite3.connect(root / ".blobkit/index.sqlite") as db:
        db.execute("INSERT OR IGNORE INTO media_types VALUES (1, '')")
        rows = ((i, b"\1" + chance.randbytes(32), BYTES, 100, int(i % 9 == 0), 1, MOMENT) for i in numbers)
        db.executemany("INSERT INTO blobs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        links = ((i, chance.randint(1, blobs), 2) for i in numbers for _ in range(6))
        db.executemany("INSERT OR IGNORE INTO links VALUES (?, ?, ?)", links)
        db.executemany("INSERT INTO tags VALUES (?, ?)", ((f"a/r{i % 50}:{i}", i) for i in numbers[8::9]))
    db.close()


if __name__ == "__main__":
    main()
