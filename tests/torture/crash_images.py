"""Cut the power at any point of a traced history, build each possible image of the disk, and open it as a store."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import independent_reader as reader
import ledger
import powerloss
from blobkit.store.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Iterator

TORTURE = Path(__file__).parent
CHECKED = 0.1
"""How many of the images the store itself checks, which is slow."""
BEFORE, AFTER = 4, 10
"""Calls before and after the sync of a drain that belong to it or to what comes next."""
OPENED, RETURNED = b'"open"\n', b'"done"\n'


def history(place: Path, seed: int, steps: int, levels: str, *bugs: str) -> list[powerloss.Call]:
    """Return the system calls of work on the store `place`/store/s; skips where strace may not trace."""
    trace, store = place / "trace", place / "store"
    store.mkdir(parents=True)
    if shutil.which("strace") is None:
        pytest.skip("strace is not here: apt install strace")
    script = [sys.executable, str(TORTURE / "traced.py"), store / "s", place / "log", str(seed), str(steps), levels]
    command = ["strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", str(4 << 20), "-e", f"trace={powerloss.CALLS}", "-o"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([*command, trace, *script, *bugs], env=environment, check=False, capture_output=True)
    if b"ptrace" in done.stderr:
        pytest.skip("strace may not trace here: allow ptrace")
    assert not done.returncode, done.stderr.decode()
    return list(powerloss.calls(trace))


def cut(place: Path, calls: list[powerloss.Call], seed: int, images: int, levels: str) -> Iterator[str]:
    """Yield what is wrong in so many crashes, each at a random point of the history.

    Where a weak and a strong store are used at once ("off+full"), the points are those at which the strong one has
    just returned: before the next one, the weak one may have put at risk whatever is there.
    """
    choice = random.Random(seed)  # noqa: S311 (repeatable)
    disk = powerloss.Disk(place / "store", place / "log")
    points = Counter(choice.randrange(len(calls)) for _ in range(images))
    for number, call in enumerate(calls):
        before = disk.heard
        disk.apply(call)
        if "+" in levels:
            points[number] = 3 * (disk.heard != before and disk.heard.endswith(RETURNED))
        for _ in range(points[number]):
            yield from (f"after {number} calls: {problem}" for problem in after_a_crash(disk, choice, levels))


def cut_drains(place: Path, calls: list[powerloss.Call], seed: int) -> Iterator[str]:
    """Yield what is wrong in crashes at each step of each drain of the journal, from before its sync to its commit."""
    choice = random.Random(seed)  # noqa: S311 (repeatable)
    disk = powerloss.Disk(place / "store", place / "log")
    syncs = [number for number, call in enumerate(calls) if call.name == "syncfs"]
    points = {number for sync in syncs for number in range(sync - BEFORE, sync + AFTER)}
    for number, call in enumerate(calls):
        disk.apply(call)
        if number in points:
            yield from (f"after {number} calls: {problem}" for problem in after_a_crash(disk, choice, "full"))


def after_a_crash(disk: powerloss.Disk, choice: random.Random, levels: str) -> list[str]:
    """Return what is wrong in one thing that the disk may hold now, before and after it was opened as a store.

    Nothing is promised before the last of several levels has opened the store: "off" may lose everything.
    """
    if disk.heard.count(OPENED) < levels.count(","):
        return []
    with tempfile.TemporaryDirectory(dir=reader.QUICK) as place:
        os.rmdir(place)  # noqa: PTH106 (made again by the image)
        powerloss.build(disk.image(choice), Path(place))
        root = Path(place, "s")
        found: list[str] = []
        with warnings.catch_warnings(record=True, action="always") as said:
            try:
                found += unkept(reader.look(root), root, disk.heard, levels)
                with LocalStore(root, durability="normal") as store:
                    store.deref(store.put(b"the first after the crash").digest)
                    if choice.random() < CHECKED:
                        findings = store.fsck(progress=False).findings
                        found += [str(finding) for finding in findings if finding.code != "orphan"]
                seen = reader.look(root)
                found += unkept(seen, root, disk.heard, levels) + reader.leftovers(root, seen)
            except (sqlite3.DatabaseError, OSError, LookupError, ValueError) as error:
                found.append(f"error: {error!r}")
        return [*found, *(f"error: {warning.message!r}" for warning in said)]


def unkept(seen: reader.Seen, root: Path, heard: bytes, levels: str) -> list[str]:
    """Return which promises of the durability are not kept."""
    found, history = reader.faults(root, seen), ledger.read(heard)
    if not levels.endswith("normal"):
        return found + ledger.problems(reader.Seen(), seen, [history])
    return found + (
        [] if is_some_moment(seen, history) else ["lost: this was never the state, or a durable verb is lost"]
    )


def is_some_moment(seen: reader.Seen, history: list[ledger.Effect]) -> bool:
    """Return whether the store is as it was after one of the verbs since the last durable one."""
    durable = (number for number, effect in enumerate(history) if effect.durable and effect.state == "done")
    least = max(durable, default=-1) + 1
    lengths = range(len(history), least - 1, -1)
    return any(not ledger.problems(reader.Seen(), seen, [history[:length]]) for length in lengths)
