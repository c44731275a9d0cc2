"""Work on a store while strace looks on: the history that a loss of power may end at any point.

python tests/torture/traced.py ROOT LOG SEED STEPS DURABILITY[,DURABILITY|+DURABILITY] [BUG]
"""

from __future__ import annotations

import re
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import independent_reader as reader
from blobkit.store import journal
from blobkit.store.local import LocalStore
from injected_bugs import BUGS
from ledger import Effect
from operations import put_large, run
from workload import Job, Worker, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST = 80_000
HUGE = 7 << 20
"""Enough that what is written goes through two threads."""
FRAMES = 12
"""Pages in the WAL after which SQLite empties it into the file: few, so that a short history has many of them."""
ENTRIES = 5
"""Entries of the journal after which it is drained: few, for the same reason."""


def checkpoint_often() -> None:
    real = sqlite3.connect

    def connect(*place: object, **options: object) -> sqlite3.Connection:
        db = real(*place, **options)
        db.execute(f"PRAGMA wal_autocheckpoint = {FRAMES}")
        return db

    sqlite3.connect = connect


def one_after_another(root: Path, log: Path, seed: int, steps: int, levels: list[str]) -> None:
    for phase, durability in enumerate(levels):
        base = reader.look(root)
        with LocalStore(root, durability=durability) as store:
            worker = Worker(Job(root, log, seed + phase, largest=LARGEST), store, base)
            if phase:
                worker.log.say("open")
            run(worker, steps)
            worker.job = replace(worker.job, largest=HUGE)
            put_large(worker)


def at_once(root: Path, log: Path, seed: int, steps: int, levels: list[str]) -> None:
    """Work on a weak store, and acknowledge what it did as soon as a strong one has committed something after it."""
    with LocalStore(root, durability=levels[0]) as weak, LocalStore(root, durability=levels[1]) as strong:
        worker = Worker(Job(root, log, seed, largest=LARGEST), weak, reader.Seen())
        observed = digest_of(b"observed")
        worker.do(Effect({observed: (1, 1)}), lambda: strong.put(b"observed"))
        do = worker.do

        def sealed(effect: Effect, act: Callable[[], object]) -> None:
            effect.pin(observed, 1)
            do(effect, lambda: (act(), strong.ref(observed)))

        worker.do = sealed
        run(worker, steps)


if __name__ == "__main__":
    checkpoint_often()
    journal.PUTS = ENTRIES
    for bug in sys.argv[6:]:
        BUGS[bug]()
    levels = sys.argv[5]
    history = at_once if "+" in levels else one_after_another
    history(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), re.split("[,+]", levels))
