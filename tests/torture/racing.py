"""Let processes put and drop the same few blobs: what comes back while it is being removed must be there.

    python tests/torture/racing.py PLACE --cycles 100000 [--bug unlinking_without_the_lock]

Prints its figures as JSON. It ends at the first loss, or when all cycles are done.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from pathlib import Path

import independent_reader as reader
from blobkit.store.local import LocalStore
from injected_bugs import BUGS
from patience import HANG
from workload import digest_of, forked

CREW = 4
CONTENTS = [b"one", b"two", b"three"]


def race(place: Path, number: int, cycles: int) -> None:
    """Put and drop; after each put the content is read past the store, which holds a reference on it meanwhile."""
    choice, lost, done = random.Random(number), 0, 0  # noqa: S311 (repeatable)
    stop = place / "stop"
    with LocalStore(place / "store", durability="off", timeout=HANG) as store:
        for _ in range(cycles):
            data = choice.choice(CONTENTS)
            digest = digest_of(data)
            store.put(data)
            lost += not is_there(place / "store", digest, data)
            store.deref(digest)
            done += 1
            if lost and not stop.exists():
                stop.touch()
            if stop.exists():
                break
    (place / f"figures{number}").write_text(json.dumps({"cycles": done, "lost": lost}))


def is_there(root: Path, digest: str, data: bytes) -> bool:
    try:
        return (root / "blobs/sha256" / digest.partition(":")[2]).read_bytes() == data
    except FileNotFoundError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place", type=Path)
    parser.add_argument("--cycles", type=int, default=6000)
    parser.add_argument("--bug", choices=list(BUGS))
    given = parser.parse_args()
    given.place.mkdir(exist_ok=True)
    LocalStore(given.place / "store", durability="off").close()
    if given.bug:
        BUGS[given.bug]()
    errors = [given.place / f"error{number}" for number in range(CREW)]
    pids = [
        forked(lambda number=number: race(given.place, number, given.cycles // CREW), errors[number])
        for number in range(CREW)
    ]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    figures = [json.loads(path.read_text()) for path in sorted(given.place.glob("figures*"))]
    root = given.place / "store"
    seen = reader.look(root)
    problems = [error.read_text() for error in errors if error.exists()]
    total = {key: sum(figure[key] for figure in figures) for key in ("cycles", "lost")}
    problems += reader.faults(root, seen) + reader.leftovers(root, seen) + [f"left: {d}" for d in seen.blobs]
    print(json.dumps({**total, "codes": codes, "orphans": len(seen.orphans), "problems": problems}))  # noqa: T201


if __name__ == "__main__":
    main()
