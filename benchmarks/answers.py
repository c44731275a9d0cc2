"""What the first answers cost: import, scan, frame and preview; each against a raw limit, interleaved in one run.

    python benchmarks/answers.py [REGISTRY]

REGISTRY is a registry's rootdirectory; without it the one in ../shared/data is unpacked if it is there. Rates of one
machine mean little; the ratios are what to compare. Kernels are compiled (and cached on disk) before anything is timed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from synthetic import image_store

import blobkit
from blobkit.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7
HERE = Path(__file__).resolve().parent
FRESH = """
import re, time
import blobkit, pandas
from blobkit.snapshot.snapshot import Snapshot
snapshot = Snapshot.load({path!r})
start = time.perf_counter()
frame = blobkit.to_frame(snapshot)
print(time.perf_counter() - start)
print(1024 * int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]))
"""
"""What is timed in a process of its own; VmHWM, because getrusage counts the parent's peak too."""
DATA = HERE.parent.parent / "shared" / "data" / "dev-registry.tar.gz"


def main() -> None:
    rows = [imports(), *scans()]
    rows += large()
    width = max(len(name) for name, *_ in rows)
    print(f"{'what':{width}}  {'blobkit':>12}  {'against':>12}  {'ratio':>6}  against what")
    for name, ours, raw, against in rows:
        ratio = f"{ours / raw:6.2f}" if raw else "     -"
        print(f"{name:{width}}  {_shown(ours):>12}  {_shown(raw) if raw else '-':>12}  {ratio}  {against}")


def imports() -> tuple[str, float, float, str]:
    def run(code: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    ours, raw = interleaved(run("import blobkit"), run("pass"))
    return "import blobkit (a process)", ours, raw, "an empty python process"


def scans() -> list[tuple[str, float, float, str]]:
    with tempfile.TemporaryDirectory() as scratch:
        root = _registry(Path(scratch))
        if root is None:
            print("no registry given and ../shared/data is not here: scan is not measured", file=sys.stderr)
            return []

        def walk() -> None:
            subprocess.run(f"find '{root}' -type f -print0 | xargs -0 stat -c %s > /dev/null", shell=True, check=True)  # noqa: S602

        def command() -> None:
            subprocess.run([sys.executable, "-c", f"import blobkit; blobkit.scan({str(root)!r})"], check=True)

        ours, raw = interleaved(lambda: blobkit.scan(root, progress=False), walk)
        whole, again = interleaved(command, walk)
    return [
        ("scan of the registry", ours, raw, "find | stat of the same tree"),
        ("the same, a new process", whole, again, "find | stat of the same tree"),
    ]


def large() -> list[tuple[str, float, float, str]]:
    """Measure in a process of its own, so that its peak memory is that of the work."""
    done = subprocess.run([sys.executable, __file__, "--large"], check=True, capture_output=True, text=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [(name, float(ours), float(raw), against) for name, ours, raw, against in rows]


def large_rows() -> None:
    made = image_store()
    with tempfile.TemporaryDirectory() as scratch:
        made.save(Path(scratch, "s.blobkit"))
        names = made.pins["name"].take(list(range(0, 200_000, 40_000))).to_pylist()
        blobs, links = made.blobs, made.links.num_rows
        blobkit.to_frame(made)
        del made
        code = FRESH.format(path=str(Path(scratch, "s.blobkit")))
        fresh = [_numbers([sys.executable, "-c", code]) for _ in range(3)]
        snapshot = Snapshot.load(Path(scratch, "s.blobkit"))
        frame, raw = interleaved(
            lambda: blobkit.to_frame(replace(snapshot)),  # a copy, without what earlier answers left in memory
            lambda: Snapshot.load(Path(scratch, "s.blobkit")),
            rounds=3,
        )
    blobkit.simulate_deref(snapshot, names[0])
    tag, scan = interleaved(
        lambda: [blobkit.simulate_deref(snapshot, name).bytes for name in names],
        lambda: [np.bincount(snapshot.graph.indices) for _ in names],
    )
    what = f"{blobs:,} blobs, {links:,} links"
    _row(
        f"to_frame, {what}, kernels cached, new process (s)",
        statistics.median(f[0] for f in fresh),
        3.0,
        "the target, seconds",
    )
    _row("  peak memory of that process", max(f[1] for f in fresh), 1.5e9, "the target, bytes")
    _row("to_frame, warm process", frame, raw, "reading its facts from disk (Snapshot.load)")
    _row("simulate_deref of one tag, with .bytes", tag / len(names), 0.005, "the target, seconds")
    _row("  the same", tag / len(names), scan / len(names), "one pass over the links (numpy.bincount)")


def interleaved(ours: Callable[[], object], raw: Callable[[], object], rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the median seconds of both, run in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, found in zip((ours, raw), times, strict=True):
            start = time.perf_counter()
            work()
            found.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def _numbers(command: list[str]) -> list[float]:
    return [float(word) for word in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()]


def _registry(scratch: Path) -> Path | None:
    if len(sys.argv) > 1:
        return Path(sys.argv[1])
    if not DATA.is_file():
        return None
    with tarfile.open(DATA) as archive:
        archive.extractall(scratch, filter="data")
    return scratch / "registry"


def _row(*cells: object) -> None:
    print("\t".join(map(str, cells)))


def _shown(value: float) -> str:
    return f"{value / 1e9:.2f} GB" if value > 1e6 else f"{value * 1000:,.2f} ms" if value < 1 else f"{value:.2f} s"


if __name__ == "__main__":
    large_rows() if "--large" in sys.argv else main()
