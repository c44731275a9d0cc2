"""Kill writers at random moments, round after round, and look at what they leave. Prints its figures as JSON.

python tests/torture/killing.py ROOT --rounds 1000 --seed 7

Moments are counted in what the writers do, not in seconds: a slow machine kills them in the middle of as much.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
from collections import Counter
from pathlib import Path

import independent_reader as reader
import ledger
from blobkit.store.local import LocalStore
from injected_bugs import BUGS
from operations import work
from patience import until
from workload import Job, forked, fsck

ROWS = 150
"""A store of more blobs is replaced by a new one, else the checks take longer than the work."""
LINES = 15
"""A writer writes up to so many lines, two a verb, before the next one is killed."""
LOOKS = 300
"""Up to so many looks at a file later, which take about as long as a verb, it is killed."""


def play(place: Path, seed: int, durability: str, crew: int, steps: int | None) -> tuple[Counter[str], list[str]]:
    """Let a crew work in the store `place`/store, until one after another is killed; return figures and problems.

    Where `steps` are given they end by themselves, and nothing may be left open.
    """
    choice = random.Random(seed)  # noqa: S311 (repeatable)
    root = place / "store"
    base = reader.look(root)
    jobs = [Job(root, place / f"log{n}", choice.getrandbits(32), n, crew, durability) for n in range(crew)]
    errors = [place / f"error{n}" for n in range(crew)]
    pids = [forked(lambda job=job: work(job, base, steps), job.log.with_name(f"error{job.number}")) for job in jobs]
    for number in choice.sample(range(crew), crew if steps is None else 0):
        await_work(jobs[number].log, errors[number], choice)
        os.kill(pids[number], signal.SIGKILL)
    ends = Counter(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids)
    logs = [ledger.read(job.log.read_bytes()) if job.log.exists() else [] for job in jobs]
    figures, problems = inspect(root, base, logs)
    states = Counter(effect.state for log in logs for effect in log)
    figures += Counter(rounds=1, kills=ends[-signal.SIGKILL], ended=ends[0])
    figures += Counter(acknowledged=states["done"], refused=states["refused"], under_way=states["begun"])
    return figures, [error.read_text() for error in errors if error.exists()] + problems


def await_work(log: Path, error: Path, choice: random.Random) -> None:
    """Return when a writer has written some more lines of its log, or has failed, at any moment of its next verb."""
    wanted = lines(log) + choice.randint(0, LINES)
    until(lambda: lines(log) >= wanted or error.exists(), pause=0.0005)
    for _ in range(choice.randrange(LOOKS)):
        log.exists()


def lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def inspect(root: Path, base: reader.Seen, logs: list[list[ledger.Effect]]) -> tuple[Counter[str], list[str]]:
    """Look at what the dead left, let the store be opened once, and look again."""
    seen = reader.look(root)
    problems = reader.faults(root, seen) + ledger.problems(base, seen, logs)
    temps = len(list((root / ".blobkit/tmp").iterdir()))
    checked = fsck(root)
    after = reader.look(root)
    problems += reader.faults(root, after) + reader.leftovers(root, after) + ledger.problems(base, after, logs)
    problems += checked if set(checked) != {f"orphan: {digest}" for digest in after.orphans} else []
    figures = Counter(blobs=len(seen.blobs), links=len(seen.links), orphans=len(after.orphans - base.orphans))
    figures += Counter(temporary=temps, tombstones=len(seen.tombstones), dirty=seen.dirty)
    return figures, problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place", type=Path)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--durability", default="full")
    parser.add_argument("--crew", type=int, default=4)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--bug", choices=list(BUGS))
    given = parser.parse_args()
    if given.bug:
        BUGS[given.bug]()
    seeds = random.Random(given.seed)  # noqa: S311 (repeatable)
    total: Counter[str] = Counter()
    problems: list[str] = []
    while total["rounds"] < given.rounds and not problems:
        figures, problems = one_round(given, seeds.getrandbits(32))
        total += figures
        if figures["blobs"] > ROWS:
            shutil.rmtree(given.place / "store")
    print(json.dumps({"seed": given.seed, "figures": total, "problems": problems[:20]}))  # noqa: T201 (its answer)


def one_round(given: argparse.Namespace, seed: int) -> tuple[Counter[str], list[str]]:
    """Play a round in the store that the last one left, or a new one; leave nothing else."""
    given.place.mkdir(exist_ok=True)
    for path in given.place.iterdir():
        if path.is_file():
            path.unlink()
    LocalStore(given.place / "store", durability="off").close()
    return play(given.place, seed, given.durability, given.crew, given.steps)


if __name__ == "__main__":
    main()
