"""A store of 1M blobs and 8M links: how long it takes to list and to snapshot, each in a fresh process that has
loaded its modules, and in how much memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
from floors import against, seconds, table

import blobkit
from blobkit.index.schema import connect

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

FRESH = """
import re, sys, time
import blobkit, blobkit.snapshot, blobkit.store.snapshot
import pandas  # pyarrow loads it with its first array
def memory(what):
    return 1024 * int(re.search(what + r":\\s+(\\d+)", open("/proc/self/status").read())[1])
store = blobkit.LocalStore(sys.argv[1], durability="off")
before, start = memory("VmRSS"), time.perf_counter()
got = getattr(store, sys.argv[2])()
print(time.perf_counter() - start, memory("VmHWM") - before)
"""


def large(root: Path, *, quick: bool) -> None:
    """Print seconds and growth of memory; the index is filled past the store, with blobs whose content is absent."""
    blobs, links = (50_000, 400_000) if quick else (1_000_000, 8_000_000)
    blobkit.LocalStore(root / "store", durability="off").close()
    db = connect(root / "store" / ".blobkit" / "index.sqlite", timeout=60)
    db.execute("PRAGMA synchronous = OFF")
    loaded = seconds(lambda: _fill_blobs(db, blobs)), seconds(lambda: _fill_links(db, blobs, links))
    db.close()
    rows = []
    for verb, target in (("list", 0.5), ("snapshot", 3.0)):
        found = [_fresh(root / "store", verb) for _ in range(3)]
        taken, grown = statistics.median(f[0] for f in found), max(f[1] for f in found)
        goal = target if not quick else target / 20
        memory = against(grown / 1e9, 1, above=False) if verb == "snapshot" else "-"
        rows.append(
            [f"{verb}()", f"{taken:.2f} s", against(taken, goal, above=False), f"{grown / 1e6:,.0f} MB", memory]
        )
    table(f"{blobs:,} blobs, {links:,} links", ["verb", "time", "seconds", "memory", "GB"], rows)
    print(f"\nloaded by SQL: {blobs / loaded[0]:,.0f} blobs/s, {links / loaded[1]:,.0f} links/s, sources sorted")


def _fresh(store: Path, verb: str) -> tuple[float, float]:
    done = subprocess.run([sys.executable, "-c", FRESH, store, verb], check=True, capture_output=True, text=True)
    taken, grown = map(float, done.stdout.split())
    return taken, grown


def _fill_blobs(db: sqlite3.Connection, blobs: int) -> None:
    db.execute("BEGIN")
    db.execute("INSERT OR IGNORE INTO media_types(id, name) VALUES (1, '')")
    rows = ((number + 1, b"\1" + os.urandom(32)) for number in range(blobs))
    db.executemany("INSERT INTO blobs VALUES (?, ?, 1000, 100, 1, 1, 1700000000000000)", rows)
    db.execute("COMMIT")


def _fill_links(db: sqlite3.Connection, blobs: int, links: int) -> None:
    """Let the first third link to the others, to some of them much more often."""
    rng = np.random.default_rng(0)
    sources = blobs // 3
    popular = (rng.random(links) ** 3 * (blobs - sources)).astype(np.int64)
    packed = np.unique(rng.integers(0, sources, links) * blobs + sources + popular)
    source, target = np.divmod(packed, blobs)
    db.execute("BEGIN")
    db.executemany("INSERT INTO links VALUES (?, ?, 0)", zip((source + 1).tolist(), (target + 1).tolist(), strict=True))
    db.execute("COMMIT")
