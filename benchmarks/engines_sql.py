"""The answers of DuckDB beside those of blobkit in memory: seconds, processor time, peak memory, bytes spilled.

    python benchmarks/engines_sql.py [--sizes 100k 1M] [--at DIR]

Each answer runs in a process of its own: in memory, then in DuckDB with 2 GB, then with a tenth of what the snapshot
takes in memory. Their totals must be equal: else, and where one gives no answer, the exit status is 1. At the end
stands what grows with the size, and the arithmetic for 1e9 blobs. Snapshots are made once, and kept in DIR.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from synthetic import image_store

import blobkit
from blobkit.engines import DuckSnapshot
from blobkit.snapshot.snapshot import Snapshot, build
from blobkit.snapshot.tables import ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIZES = {"100k": 33_000, "300k": 100_000, "1M": 330_000, "3M": 1_000_000, "10M": 3_300_000}
"""Manifests of a snapshot of about so many blobs."""
TARGET = "team-1/*:*"
TOOL = "registry"
LEAST_MEMORY = 125
"""MB: DuckDB wants as much for one thread."""
BIG = 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["100k", "1M"])
    parser.add_argument("--at", type=Path, default=Path(tempfile.gettempdir()) / "blobkit-engines-sql")
    parser.add_argument("--only", nargs="+", choices=ANSWERS, default=list(ANSWERS))
    parser.add_argument("--without-memory", action="store_true", help="leave out the answers in memory")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        sys.stdout.write(json.dumps(child(*options.child)))
        return
    seconds: dict[str, dict[str, float]] = {}
    wrong: list[str] = []
    for size in options.sizes:
        place = options.at / size
        made = made_at(place)
        seconds[size] = {"blobs": made["blobs"], **measure(size, place, made, options, wrong)}
    grow(seconds)
    if wrong:
        sys.exit("\n".join(["", *wrong]))


def made_at(place: Path) -> Mapping[str, float]:
    """Return what the snapshots of a size hold, which are made if they are not there."""
    return json.loads((place / "made.json").read_text()) if (place / "made.json").exists() else run(place, "make")


def measure(
    size: str, place: Path, made: Mapping[str, float], options: argparse.Namespace, wrong: list[str]
) -> dict[str, float]:
    """Print a row for each answer; return the processor time of each in DuckDB with 2 GB. `wrong` takes what failed."""
    tenth = f"{max(LEAST_MEMORY, int(made['memory'] / 10e6))}MB"
    heading = f"{made['blobs']:,.0f} blobs, {made['links']:,.0f} links; {made['memory'] / 1e6:,.0f} MB in memory"
    print(f"\n## {size}: {heading}, {made['files'] / 1e6:,.0f} MB of files; a tenth of the memory is {tenth}")
    print("   Seconds / processor seconds / peak MB / MB spilled\n")
    print(f"| {'answer':10} | {'in memory':>24} | {'DuckDB 2GB':>30} | {'DuckDB ' + tenth:>30} |")
    print(f"|{'-' * 12}|{'-' * 26}|{'-' * 32}|{'-' * 32}|")
    found = {}
    for answer in options.only:
        modes = [] if options.without_memory else ["memory"]
        rows = {mode: run(place, answer, mode) for mode in [*modes, "2GB", tenth]}
        totals = {json.dumps(row.get("totals")) for row in rows.values() if "totals" in row}
        wrong += [f"{size} {answer} {mode}: {row['failed']}" for mode, row in rows.items() if "failed" in row]
        cells = [shown(rows[mode]) if mode in rows else "-" for mode in ("memory", "2GB", tenth)]
        print(f"| {answer:10} | {cells[0]:>24} | {cells[1]:>30} | {cells[2]:>30} |", flush=True)
        if len(totals) > 1:
            wrong.append(f"{size} {answer}: NOT EQUAL: {totals}")
        found[answer] = rows["2GB"].get("cpu", float("nan"))
    return found


def shown(row: Mapping[str, float]) -> str:
    if "failed" in row:
        return str(row["failed"])[-24:]
    spilled = f" / {row['spilled'] / 1e6:,.0f}" if row["spilled"] else ""
    return f"{row['wall']:.1f} / {row['cpu']:.1f} / {row['peak'] / 1e6:,.0f}{spilled}"


def grow(seconds: Mapping[str, Mapping[str, float]]) -> None:
    """Print how processor time grows with the blobs, and, as arithmetic, what it would be for 1e9."""
    if len(seconds) < 2:
        return
    sizes = list(seconds)
    first, last = seconds[sizes[0]], seconds[sizes[-1]]
    print(f"\nProcessor seconds a million blobs, DuckDB 2GB: {' / '.join(sizes)}; arithmetic for 1e9 blobs, one core:")
    for answer in ANSWERS:
        if answer in last:
            each = " / ".join(f"{one[answer] / one['blobs'] * 1e6:.2f}" for one in seconds.values())
            exponent = np.log(last[answer] / first[answer]) / np.log(last["blobs"] / first["blobs"])
            hours = last[answer] * (BIG / last["blobs"]) ** max(1.0, exponent) / 3600
            print(f"  {answer:10} {each}; grows as n^{exponent:.2f}; {hours:.1f} h")


def run(place: Path, answer: str, mode: str = "") -> dict[str, float]:
    """Run one step in a process of its own; return what it measured, or why it failed."""
    command = [sys.executable, __file__, "--child", str(place), answer, mode or "-", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        return {"failed": last}
    return json.loads(done.stdout)


def child(place: str, answer: str, mode: str, _: str) -> dict[str, float]:
    if answer == "make":
        return make(Path(place))
    return asked(Path(place), answer, mode)


def make(place: Path) -> dict[str, float]:
    """Save two snapshots of this size in parts, the second one a day later."""
    place.mkdir(parents=True, exist_ok=True)
    manifests = SIZES[place.name]
    snapshot = image_store(manifests, manifests // 33, manifests)
    snapshot.save(f"{place}/now/")
    later(snapshot).save(f"{place}/later/")
    tables = snapshot.tables
    made = {
        "blobs": tables.nodes.num_rows,
        "links": tables.links.num_rows,
        "memory": sum(one.nbytes for one in (tables.nodes, tables.links, tables.pins)),
        "files": sum(one.stat().st_size for one in (place / "now").rglob("*.parquet")),
    }
    (place / "made.json").write_text(json.dumps(made))
    return made


def later(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot without one tagged image in 50, and without one blob in 100 of any kind."""
    rng, tables = np.random.default_rng(1), snapshot.tables
    number = tables.nodes.num_rows
    stays = rng.random(number) > 0.01
    place = np.cumsum(stays) - 1
    source, target = (ids(tables.links[end]) for end in ("source", "target"))
    node = ids(tables.pins["node"])
    links, pins = stays[source] & stays[target], stays[node] & (rng.random(len(node)) > 0.02)
    nodes = tables.nodes.filter(stays)
    return build(
        snapshot.kind,
        snapshot.address,
        nodes={name: nodes[name].combine_chunks() for name in ("key", "size", "kind", "media_type", "modified")},
        links={
            "source": place[source[links]],
            "target": place[target[links]],
            "kind": tables.links["kind"].filter(links),
        },
        pins={
            "node": place[node[pins]],
            **{name: tables.pins[name].filter(pins) for name in ("name", "kind", "group")},
        },
    )


def asked(place: Path, answer: str, mode: str) -> dict[str, float]:
    """Open the snapshot, ask, and return the totals and what it cost, with and without the opening."""
    in_memory, engine = ANSWERS[answer]
    begun, used = time.perf_counter(), time.process_time()
    if mode == "memory":
        totals, spilled = in_memory(Snapshot.load(f"{place}/now"), f"{place}/later"), 0
    else:
        totals, spilled = spilling(place, mode, engine)
    return {
        "totals": totals,
        "wall": time.perf_counter() - begun,
        "cpu": time.process_time() - used,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "spilled": spilled,
    }


def spilling(place: Path, memory: str, ask: Callable[[DuckSnapshot, str], list[int]]) -> tuple[list[int], int]:
    """Return the answer, and the most bytes that DuckDB had beside its tables on the disk."""
    with tempfile.TemporaryDirectory(dir=place) as work:
        watcher = Watcher(Path(work))
        with DuckSnapshot(place / "now", memory=memory, work=work) as snapshot:
            totals = ask(snapshot, f"{place}/later")
        watcher.over.set()
        watcher.join()
        return totals, watcher.most


class Watcher(threading.Thread):
    """Looks ten times a second how much is spilled."""

    def __init__(self, work: Path) -> None:
        super().__init__(daemon=True)
        self.work, self.most, self.over = work, 0, threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.wait(0.1):
            total = 0
            for path in self.work.rglob("spilled/*"):
                with suppress(FileNotFoundError):
                    total += path.stat().st_size
            self.most = max(self.most, total)


def sums(frame: object, *columns: str) -> list[int]:
    """Return the sums of columns of a frame of pandas, of DuckDB or of Spark."""
    if hasattr(frame, "selectExpr"):
        return list(frame.selectExpr(*(f"CAST(coalesce(sum(`{one}`), 0) AS BIGINT)" for one in columns)).collect()[0])
    if hasattr(frame, "aggregate") and not hasattr(frame, "iloc"):
        asked = ", ".join(f'CAST(coalesce(sum("{one}"), 0) AS BIGINT)' for one in columns)
        return [int(one) for one in frame.aggregate(asked).fetchall()[0]]
    return [int(frame[one].sum()) for one in columns]


def garbage_in_memory(snapshot: Snapshot, _: str) -> list[int]:
    frame = blobkit.to_frame(snapshot, columns=["size", "status"])
    dead = frame[frame["status"] != "live"]
    return [len(dead), int(dead["size"].sum())]


def preview(found: object, number: int) -> list[int]:
    return [number, found.bytes, int(found.exact)]


def usage(found: object) -> list[int]:
    return [found.bytes, *sums(found.frame, "blobs", "closure", "exclusive", "split")]


def compared(found: object) -> list[int]:
    names = ("blobs", "bytes", "needed_blobs", "needed_bytes", "kept_blobs", "kept_bytes")
    told = found.to_dict() if hasattr(found, "to_dict") else {name: getattr(found, name) for name in names}
    return [told[name] for name in names]


ANSWERS: dict[str, tuple[Callable[[Snapshot, str], list[int]], Callable[[DuckSnapshot, str], list[int]]]] = {
    "garbage": (garbage_in_memory, lambda s, _: [(found := s.garbage()).blobs, found.bytes]),
    "simulate": (
        lambda s, _: preview(found := blobkit.simulate_deref(s, TARGET), len(found)),
        lambda s, _: preview(found := s.simulate_deref(TARGET), found.blobs),
    ),
    "usage": (lambda s, _: usage(blobkit.usage(s, by="repo")), lambda s, _: usage(s.usage())),
    "sharing": (
        lambda s, _: [(found := blobkit.sharing(s, by="repo")).bytes, found.shared_bytes, *sums(found.frame, "blobs")],
        lambda s, _: [(found := s.sharing()).bytes, found.shared_bytes, *sums(found.frame, "blobs")],
    ),
    "retained": (
        lambda s, _: sums(blobkit.to_frame(s, columns=["size", "retained"]), "size", "retained"),
        lambda s, _: sums(s.retained().frame, "size", "retained"),
    ),
    "diff": (
        lambda s, other: [(found := blobkit.diff(s, Snapshot.load(other))).net, *sums(found.frame, "blobs", "bytes")],
        lambda s, other: [(found := s.diff(other)).net, *sums(found.frame, "blobs", "bytes")],
    ),
    "compare_gc": (
        lambda s, _: compared(blobkit.compare_gc(s, TOOL)),
        lambda s, _: compared(s.compare_gc(TOOL)),
    ),
}


if __name__ == "__main__":
    main()
