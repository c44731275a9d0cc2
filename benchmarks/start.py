"""What stands between a user and the first answer: the start of commands, imports, the first frame, sizes to read.

    python benchmarks/start.py [--quick]

Commands and their floors are started in turn, so that a busy machine slows all of them alike; the medians are CPU time
(user + system) and wall time. Compare the ratios: seconds of one machine mean little. `--quick`: fewer rounds, and no
store of 1M blobs. PYTHONDONTWRITEBYTECODE is unset: with it every start compiles every module.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from synthetic import image_store

import blobkit
from blobkit import demo

HERE = Path(__file__).resolve().parent
BLOBKIT = [sys.executable, "-m", "blobkit"]
CLICK, ARRAYS = "import click", "import click, numpy, pyarrow"
FLOORS = {
    "python -c pass": "pass",
    f"python -c '{CLICK}'": CLICK,
    f"python -c '{ARRAYS}'": ARRAYS,
    "python -c 'import pandas'": "import pandas",
}
GOALS = {"--help": (CLICK, 3.0), "--version": (CLICK, 3.0), "ls": (ARRAYS, 2.0), "tags": (ARRAYS, 2.0)}
"""The floor that a command is compared with, and the ratio that it should keep below."""
PEERS = {
    "skopeo --version": ["skopeo", "--version"],
    "restic version": ["restic", "version"],
    "umoci ls": ["umoci", "ls", "--layout", "{store}"],
    "docker-registry --version": ["docker-registry", "--version"],
}
FRAME = """
import time, blobkit, pandas
from blobkit.snapshot.snapshot import Snapshot
snapshot = Snapshot.load({path!r})
begun = time.perf_counter(), time.process_time()
blobkit.to_frame(snapshot)
print(time.perf_counter() - begun[0], time.process_time() - begun[1])
"""
SIZES = (1_000, 20_000, 50_000, 200_000, 1_000_000)


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        store = Path(scratch, "demo")
        with blobkit.LocalStore(store) as made:
            demo.fill(made)
        starts(store, rounds=5 if quick else 11)
        imports(store)
        frames(Path(scratch), SIZES[:-1] if quick else SIZES)
        reading(store)


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join(filter(None, [str(HERE.parent), kept.get("PYTHONPATH", "")]))
    return {**kept, "PYTHONPATH": path, **more}


def commands(store: Path) -> dict[str, list[str]]:
    """Ten commands of blobkit, by what is shown of them."""
    at = str(store)
    asked = (
        ["--version"],
        ["--help"],
        ["ls", at],
        ["tags", at],
        ["scan", at, "-o", f"{at}.blobkit"],
        ["usage", at],
        ["why", at, demo.TARGET],
        ["simulate", at, demo.TARGET],
        ["audit", at],
        ["plan", at, "--free", "1MiB"],
    )
    return {words[0]: [*BLOBKIT, *words] for words in asked}


def starts(store: Path, rounds: int) -> None:
    runs = {name: [sys.executable, "-c", code] for name, code in FLOORS.items()}
    runs |= {f"blobkit {name}": line for name, line in commands(store).items()}
    peers = {name: [word.format(store=store) for word in line] for name, line in PEERS.items()}
    runs |= {name: line for name, line in peers.items() if shutil.which(line[0])}
    for line in runs.values():  # what is not compiled yet is compiled, and the files are in memory
        once(line)
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, line in runs.items():
            spent[name].append(once(line))
    cpu, wall = ({name: statistics.median(t[i] for t in times) for name, times in spent.items()} for i in (0, 1))
    print(f"{'start':44}  {'CPU ms':>7}  {'wall ms':>7}  ratio of CPU")
    for name in runs:
        print(f"{name:44}  {1000 * cpu[name]:7.0f}  {1000 * wall[name]:7.0f}  {against(name, cpu)}".rstrip())
    absent = [name for name in PEERS if name not in runs]
    print(f"not here: {', '.join(absent) or 'none'}\n")


def against(name: str, cpu: dict[str, float]) -> str:
    code, most = GOALS.get(name.removeprefix("blobkit "), ("", 0.0))
    if not name.startswith("blobkit ") or not code:
        return ""
    ratio = cpu[name] / cpu[f"python -c '{code}'"]
    return f"{ratio:.2f} of '{code}' (goal: at most {most:g}{'' if ratio <= most else ', MISSED'})"


def once(line: list[str]) -> tuple[float, float]:
    """Run a command; return its CPU and wall time."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(line, env=environment(), check=True, capture_output=True)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended - begun


def imports(store: Path) -> None:
    """Show the modules that commands load, and the time that they take, by package."""
    print(f"{'imports':10}  {'modules':>7}  {'ms':>5}  by package (modules, ms)")
    for name, line in commands(store).items():
        done = subprocess.run(
            [line[0], "-X", "importtime", *line[1:]], env=environment(), check=True, capture_output=True, text=True
        )
        took, number = Counter[str](), Counter[str]()
        for told in done.stderr.splitlines():
            parts = told.removeprefix("import time:").split("|")
            if len(parts) == 3 and parts[0].strip().isdigit():
                package = parts[2].strip().partition(".")[0]
                took[package] += int(parts[0])
                number[package] += 1
        top = ", ".join(f"{package} {number[package]}, {us / 1000:.0f}" for package, us in took.most_common(6))
        print(f"{name:10}  {sum(number.values()):7}  {sum(took.values()) / 1000:5.0f}  {top}")
    print()


def frames(scratch: Path, sizes: tuple[int, ...]) -> None:
    """Show what the first `to_frame` of a process takes, with compiled code on disk and without."""
    print(f"{'first to_frame':>14}  {'cached: wall s':>14}  {'CPU s':>5}  {'not cached: wall s':>18}  {'CPU s':>5}")
    warm = scratch / "warm"
    for blobs in sizes:
        path = scratch / f"{blobs}.blobkit"
        image_store(manifests=blobs // 3, indexes=max(blobs // 100, 1), layers=blobs // 3).save(path)
        frame(path, warm)
        cold = scratch / f"cold-{blobs}"
        (wall, cpu), (cold_wall, cold_cpu) = frame(path, warm), frame(path, cold)
        print(f"{blobs:14,}  {wall:14.2f}  {cpu:5.2f}  {cold_wall:18.2f}  {cold_cpu:5.2f}")
        path.unlink()
    print()


def frame(path: Path, cache: Path) -> tuple[float, float]:
    code = FRAME.format(path=str(path))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(NUMBA_CACHE_DIR=str(cache)),
        check=True,
        capture_output=True,
        text=True,
    )
    wall, cpu = map(float, done.stdout.split())
    return wall, cpu


def reading(store: Path) -> None:
    """Show how much there is to read: bytes of HTML of each answer, lines of the README."""
    snapshot = blobkit.scan(store, progress=False)
    answers = {
        "snapshot": snapshot,
        "audit": blobkit.audit(snapshot),
        "usage": blobkit.usage(snapshot),
        "sharing": blobkit.sharing(snapshot),
        "why": blobkit.why(snapshot, demo.TARGET),
        "preview": blobkit.simulate_deref(snapshot, demo.TARGET),
        "plan": blobkit.plan(snapshot, free="1MiB"),
        "diff": blobkit.diff(snapshot, snapshot),
    }
    print("HTML of an answer, bytes")
    for name, answer in answers.items():
        print(f"  {name:10}{len(answer._repr_html_().encode()):7,}")
    print(f"README.md: {len((HERE.parent / 'README.md').read_text().splitlines())} lines")


if __name__ == "__main__":
    main()
