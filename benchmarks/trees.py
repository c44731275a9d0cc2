"""Weigh a tree of a million files, against `find -printf %s`. Prints a table of seconds.

    python benchmarks/trees.py [--turns 5] [--files 1000000] [--directory DIR]

The tree is 16 files a directory, five directories deep, as packages are in a layer. Each turn is a process of its own;
the contenders take turns, and all is warm. Seconds are wall and CPU (user and system, of all processes); those of
`weigh` are on top of the imports. `alone` is without the help of other processes.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DOING = """
import resource, sys, time
from blobkit.sources import trees
if sys.argv[1] == "alone":
    trees.started = list
def cpu():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
before, start = cpu(), time.perf_counter()
assert trees.weigh([sys.argv[2]]).files == int(sys.argv[3])
print(time.perf_counter() - start, cpu() - before)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--directory", type=Path, default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.directory) as place:
        root = Path(place)
        grow(root, args.files)
        found: dict[str, list[tuple[float, float]]] = {"find": [], "alone": [], "weigh": []}
        for _ in range(args.turns + 1):
            for what, rows in found.items():
                rows.append(by_find(root) if what == "find" else by_us(what, root, args.files))
        print(f"{'':8}{'wall s':>10}{'CPU s':>10}{'wall / find':>14}{'CPU / find':>14}")
        middle = {
            what: [statistics.median(column) for column in zip(*rows[1:], strict=True)] for what, rows in found.items()
        }
        for what, (wall, cpu) in middle.items():
            ratios = wall / middle["find"][0], cpu / middle["find"][1]
            print(f"{what:8}{wall:10.2f}{cpu:10.2f}{ratios[0]:14.2f}{ratios[1]:14.2f}")


def grow(root: Path, files: int) -> None:
    for number in range(files // 16):
        place = root / f"layer-{number % 20}/usr/share/doc-{number // 400 % 50}/package-{number}"
        place.mkdir(parents=True)
        for name in range(16):
            (place / f"file-{name}.txt").write_bytes(b"x" * (number % 300 if name % 4 == 0 else 0))
    for name in range(files % 16):
        (root / f"file-{name}.txt").touch()


def by_find(root: Path) -> tuple[float, float]:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(["find", root, "-type", "f", "-printf", "%s\\n"], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def by_us(what: str, root: Path, files: int) -> tuple[float, float]:
    command = [sys.executable, "-c", DOING, what, os.fspath(root), str(files)]
    wall, cpu = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(wall), float(cpu)


if __name__ == "__main__":
    main()
