"""Scan a registry's storage and find its garbage, against the collector of docker-registry; then once more, cached.

    python benchmarks/scan.py [--at DIRECTORY] [--manifests 20000] [--rounds 5] [--linear 2000,20000,200000]

All contenders are whole processes, in turn, so that a busy machine slows all of them alike; the table has medians of
CPU time (user + system, of all processes of a contender), wall time and peak memory of the largest process, and ratios.
Wall times count only on a machine with nothing else to do; blobkit uses a second processor if there is one. The
registry has ten blobs a manifest; it is made below DIRECTORY (a temporary one by default, else kept for the next run)
by `synthetic_registry.py`. `--linear` scans registries of these sizes once each, and prints seconds and memory a
manifest. The garbage that blobkit finds under the policy `gc` must be what the collector names.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from floors import table
from synthetic_registry import registry

ROOT = Path(__file__).resolve().parent.parent
LS = [sys.executable, "-m", "blobkit", "ls", "--policy", "gc", "--status", "garbage"]

GARBAGE = """
import sys
from blobkit.snapshot.frameless import hide_pandas
hide_pandas()
from blobkit.analysis.reach import live
from blobkit.connect import scan
snapshot = scan(sys.argv[1], policy="gc", progress=False, every_file=False)
dead = snapshot.graph.blob & ~live(snapshot.graph)
print(snapshot.blobs, int(snapshot.graph.size[dead].sum()))
print("\\n".join(snapshot.keys(dead.nonzero()[0])))
"""
SCAN = """
import sys, blobkit
print(blobkit.scan(sys.argv[1], cache=sys.argv[2] or False, progress=False, every_file=False).blobs)
"""
COLLECTOR = "garbage-collect --dry-run"
GOALS = {"wall time of the collector": 0.6, "KiB a blob": 1.0, "second scan with a cache of one without": 0.3}


class Run(NamedTuple):
    """What a process took: CPU and wall seconds, peak bytes, and its output."""

    cpu: float
    wall: float
    peak: int
    output: str


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--at", type=Path)
    parser.add_argument("--manifests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--linear", default="")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        at = chosen.at or Path(scratch)
        if chosen.linear:
            linear(at, Path(scratch), [int(number) for number in chosen.linear.split(",")])
        else:
            compare(made(at, chosen.manifests), Path(scratch), chosen.rounds)


def made(at: Path, manifests: int) -> Path:
    """Return a registry of this size, made now if it is not there."""
    root = at / f"registry-{manifests}"
    done = at / f"registry-{manifests}.made"
    if not done.exists():
        shutil.rmtree(root, ignore_errors=True)
        registry(root, manifests, 10 * manifests)
        done.touch()
    return root


def run(line: list[str]) -> Run:
    """Run a process."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    begun = time.perf_counter()
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment) as child:
        output = child.stdout.read() if child.stdout else ""
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{line} ended with {child.returncode}")
    return Run(used.ru_utime + used.ru_stime, time.perf_counter() - begun, used.ru_maxrss * 1024, output)


def collector(root: Path, scratch: Path) -> list[str]:
    config = scratch / "collector.yml"
    storage = f"{{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {storage}\nhttp: {{addr: 127.0.0.1:0}}\n", encoding="utf-8"
    )
    return ["docker-registry", *COLLECTOR.split(), str(config)]


def compare(root: Path, scratch: Path, rounds: int) -> None:
    empty, cache = scratch / "empty", scratch / "cache"
    registry(empty, 1, 3)
    lines = {
        "blobkit.scan, sum of garbage bytes, its digests": [sys.executable, "-c", GARBAGE, str(root)],
        "the same of an empty registry": [sys.executable, "-c", GARBAGE, str(empty)],
        "blobkit ls --policy gc --status garbage": [*LS, str(root)],
        "scan": [sys.executable, "-c", SCAN, str(root), ""],
        "scan, first with a cache": [sys.executable, "-c", SCAN, str(root), str(cache)],
        "scan, second with a cache": [sys.executable, "-c", SCAN, str(root), str(cache)],
        "scan of an empty registry": [sys.executable, "-c", SCAN, str(empty), ""],
    }
    if shutil.which("docker-registry"):
        lines = {COLLECTOR: collector(root, scratch), **lines}
    else:
        print("docker-registry is not here: no comparison with its collector")
    runs: dict[str, list[Run]] = {name: [] for name in lines}
    for turn in range(rounds + 1):
        shutil.rmtree(cache, ignore_errors=True)
        for name, line in lines.items():
            found = run(line)
            if turn:  # the first turn fills the caches of the system
                runs[name].append(found)
    show(runs)


def show(runs: dict[str, list[Run]]) -> None:
    cpu, wall, peak = (
        {name: statistics.median(one[i] for one in found) for name, found in runs.items()} for i in range(3)
    )
    base = cpu.get(COLLECTOR, float("nan"))
    rows = [
        [name, f"{cpu[name]:.2f}", f"{wall[name]:.2f}", f"{peak[name] / 2**20:.0f}", f"{cpu[name] / base:.2f}"]
        for name in runs
    ]
    table("", ["process", "CPU s", "wall s", "peak MiB", "of the collector's CPU"], rows)
    ours, imports, _, without, _, second, loaded = list(runs)[-7:]
    total, *garbage = runs[ours][-1].output.splitlines()
    blobs = int(total.split()[0])
    if COLLECTOR in runs:
        ratios = [mine.wall / theirs.wall for mine, theirs in zip(runs[ours], runs[COLLECTOR], strict=True)]
        named = set(re.findall(r"eligible for deletion: (\S+)", runs[COLLECTOR][-1].output))
        verdict("wall time of the collector", statistics.median(ratios))
        same = "the same" if named == set(garbage) else f"OTHERS ({len(named):,})"
        print(f"{blobs:,} blobs, garbage {len(garbage):,} blobs, {total.split()[1]} bytes; the collector names {same}")
    verdict("KiB a blob", (peak[ours] - peak[imports]) / 1024 / blobs)
    ratio = (cpu[second] - cpu[loaded]) / (cpu[without] - cpu[loaded])
    verdict("second scan with a cache of one without", ratio)
    print(f"with imports: {cpu[second] / cpu[without]:.2f}; wall time: {wall[second] / wall[without]:.2f}")


def verdict(name: str, value: float) -> None:
    print(f"{name}: {value:.2f} (goal: at most {GOALS[name]:g}{'' if value <= GOALS[name] else ', MISSED'})")


def linear(at: Path, scratch: Path, sizes: list[int]) -> None:
    registry(scratch / "empty", 1, 3)
    imports = run([sys.executable, "-c", GARBAGE, str(scratch / "empty")])
    rows = []
    for manifests in sizes:
        root = made(at, manifests)
        run([sys.executable, "-c", GARBAGE, str(root)])
        found = run([sys.executable, "-c", GARBAGE, str(root)])
        each = (found.cpu - imports.cpu) / manifests * 1e6, (found.peak - imports.peak) / 1024 / manifests
        rows.append(
            [f"{manifests:,}", f"{found.cpu:.1f}", f"{found.peak / 2**20:.0f}", *(f"{one:.1f}" for one in each)]
        )
    table("", ["manifests", "CPU s", "peak MiB", "us a manifest", "KiB a manifest"], rows)


if __name__ == "__main__":
    main()
