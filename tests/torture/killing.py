"""Kill writers at random moments, round after round, and look at what they leave. Prints its figures as JSON.

python tests/torture/killing.py ROOT --rounds 1000 --seed 7
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import ledger
import witness
from blobkit.store.local import LocalStore
from chores import work
from labour import Job, forked

CREW = 4
ROWS = 1500
"""A store of more blobs is replaced by a new one, else the checks take longer than the work."""


def play(place: Path, seed: int, durability: str) -> tuple[Counter[str], list[str]]:
    """Play one round in the store `place`/store: four writers, killed one by one; return figures and problems."""
    choice = random.Random(seed)  # noqa: S311 (repeatable)
    root = place / "store"
    base = witness.look(root)
    jobs = [
        Job(root, place / f"log{number}", choice.getrandbits(32), number, CREW, durability) for number in range(CREW)
    ]
    errors = [place / f"error{number}" for number in range(CREW)]
    for path in (*(job.log for job in jobs), *errors):
        path.unlink(missing_ok=True)
    pids = [forked(lambda job=job: work(job, base), error) for job, error in zip(jobs, errors, strict=True)]
    for pid in choice.sample(pids, CREW):
        time.sleep(choice.uniform(0.01, 0.1))
        os.kill(pid, signal.SIGKILL)
    killed = sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL for pid in pids)
    logs = [ledger.read(job.log.read_bytes()) if job.log.exists() else [] for job in jobs]
    problems = [error.read_text() for error in errors if error.exists()]
    figures, unsound = inspect(root, base, logs)
    states = Counter(effect.state for log in logs for effect in log)
    return Counter(rounds=1, kills=killed, acknowledged=states["done"], under_way=states["begun"]) + figures, (
        problems + unsound
    )


def inspect(root: Path, base: witness.Seen, logs: list[list[ledger.Effect]]) -> tuple[Counter[str], list[str]]:
    """Look at what the dead left, let the store be opened once, and look again."""
    seen = witness.look(root)
    problems = witness.faults(root, seen) + ledger.problems(base, seen, logs)
    temps = len(list((root / ".blobkit/tmp").iterdir()))
    LocalStore(root, durability="off", create=False).close()
    after = witness.look(root)
    problems += witness.faults(root, after) + witness.leftovers(root, after) + ledger.problems(base, after, logs)
    return Counter(
        blobs=len(seen.blobs),
        links=len(seen.links),
        orphans=len(after.orphans - base.orphans),
        temporary=temps,
        tombstones=len(seen.tombstones),
        dirty=seen.dirty,
    ), problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place", type=Path)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--durability", default="full")
    given = parser.parse_args()
    seeds = random.Random(given.seed)  # noqa: S311 (repeatable)
    total: Counter[str] = Counter()
    problems: list[str] = []
    for _ in range(given.rounds):
        given.place.mkdir(exist_ok=True)
        LocalStore(given.place / "store", durability="off").close()
        figures, problems = play(given.place, seeds.getrandbits(32), given.durability)
        total += figures
        if problems:
            break
        if figures["blobs"] > ROWS:
            shutil.rmtree(given.place / "store")
    print(json.dumps({"seed": given.seed, "figures": total, "problems": problems[:20]}))  # noqa: T201 (its answer)


if __name__ == "__main__":
    main()
