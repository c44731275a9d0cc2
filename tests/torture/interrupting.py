"""Work that is interrupted at one point after the other, and what that left open: run as a program, prints JSON.

Python looks for interrupts where a function of its own begins, and after a function in C has returned, before its
result is stored. A profile function is called at just these points, and what it raises comes from there. So each point
of some work is tried once, by number, and nothing depends on time. Finalizers are passed over: what they raise is lost.
"""

from __future__ import annotations

import _thread
import gc
import io
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import blobkit
from blobkit.store.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

LARGE = bytes(range(256)) * ((2 << 12) + 1)
"""Just enough that what is written goes through two threads, in several pieces."""
DATABASE = "index.sqlite"


class Interrupt:
    """Raises at the point of this number, or at the next one that is in no finalizer."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.points = 0
        self.first: dict[object, int] = {}
        self.place = ""

    def __call__(self, frame: FrameType | None, event: str, what: object) -> None:
        if event not in ("call", "c_return"):
            return
        self.points += 1
        if not self.left:
            self.first.setdefault((frame.f_code, frame.f_lineno, event), self.points)
        if self.points >= self.left > 0 and not in_finalizer(frame):
            self.left = 0
            code = frame.f_code
            self.place = f"{Path(code.co_filename).name}:{frame.f_lineno} {code.co_name} {event} {what}"
            raise KeyboardInterrupt


def in_finalizer(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def interrupted(work: Callable[[], object], number: int) -> Interrupt:
    """Do the work with an interrupt at this point (0: nowhere)."""
    interrupt = Interrupt(number)
    sys.setprofile(interrupt)
    try:
        work()
    except KeyboardInterrupt:
        pass
    finally:
        sys.setprofile(None)
    gc.collect()
    return interrupt


def is_open() -> Counter[str]:
    """The paths of open descriptors."""
    found = Counter[str]()
    for link in os.listdir("/proc/self/fd"):  # noqa: PTH208 (thousands of times, as what follows)
        try:
            found[os.readlink(f"/proc/self/fd/{link}")] += 1  # noqa: PTH115
        except FileNotFoundError:
            continue  # the descriptor of the listing itself
    return found


class Work:
    """What is done to a store, by name; `prepare` makes what it needs, without an interrupt."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = LocalStore(root / "store", durability="normal", timeout=5)
        (root / "data").write_bytes(LARGE)
        self.number = 0
        self.digest = ""

    def prepare(self) -> None:
        self.number += 1
        self.digest = self.store.put(b"%d" % self.number, tag="old", move=True).digest

    def put(self) -> None:
        self.store.put(b"small %d" % self.number)

    def put_tag(self) -> None:
        self.store.put(b"tagged %d" % self.number, tag="new", move=True)

    def put_large(self) -> None:
        self.store.put(bytearray(LARGE))

    def put_path(self) -> None:
        self.store.put(self.root / "data")

    def put_file(self) -> None:
        self.store.put(io.BytesIO(LARGE))

    def put_many(self) -> None:
        self.store.put_many([b"%d of %d" % (one, self.number) for one in range(3)])

    def writer(self) -> None:
        writer = self.store.new_writer()
        writer.write(LARGE)
        writer.cancel()

    def batch(self) -> None:
        with self.store.batch() as batch:
            batch.put(b"first %d" % self.number)
            batch.put(b"second %d" % self.number, tag="second", move=True)

    def get(self) -> None:
        self.store.get(self.digest).read()
        self.store.get(self.digest).open().close()

    def untag(self) -> None:
        self.store.untag("old")

    def export(self) -> None:
        self.store.export("old", self.root / f"layout {self.number}")
        self.store.export("old", self.root / f"archive {self.number}.tar")

    def import_(self) -> None:
        with LocalStore(self.root / f"other {self.number}", durability="off") as other:
            other.import_(self.store, progress=False)

    def scan(self) -> None:
        blobkit.scan(f"oci:{self.root / 'store'}", progress=False)

    def open(self) -> None:
        with LocalStore(self.root / "store", durability="normal") as store:
            len(store)


def leaks(work: Work, name: str, tries: int) -> list[str]:
    """What was left after an interrupt where each line is first reached, at no more of them than there are tries."""
    found = []
    job = getattr(work, name)
    for _ in range(2):  # what is only done once is done then
        work.prepare()
        points = list(interrupted(job, 0).first.values())
    gc.collect()
    gc.freeze()  # modules: each look for what an interrupt left need not go through them
    temporary = work.root / "store/.blobkit/tmp"
    for number in spread(points, tries):
        work.prepare()
        before = is_open()
        interrupt = interrupted(job, number)
        stay = threads_that_stay()
        more = {path: count for path, count in (is_open() - before).items() if DATABASE not in path}
        left = [*more, *map(str, temporary.iterdir()), *work.root.glob("*/.export-*"), *work.root.glob(".layout*")]
        if left or stay:
            found.append(f"{interrupt.place}: {stay} threads, {[str(path) for path in left]}")
        TRIED.append(number)
    mine = str(work.root / "store/.blobkit" / DATABASE)
    connections = sum(count for path, count in is_open().items() if path.startswith(mine))
    if connections > MOST_CONNECTIONS:
        found.append(f"{connections} descriptors of the database are open")
    return found if not threads_that_stay() else [*found, "threads stay"]


def spread(points: list[int], most: int) -> list[int]:
    """Return all points, or so many of them, in equal steps."""
    return points if len(points) <= most else [points[one * len(points) // most] for one in range(most)]


TRIED: list[int] = []
MOST_CONNECTIONS = 8
TURNS = 20_000


def threads_that_stay() -> int:
    """The number of other threads after those that are told to end had very many turns for it.

    A thread that was started and had no turn yet is not counted here, but at the next point.
    """
    turns = iter(range(TURNS))
    while (number := _thread._count()) and next(turns, None) is not None:
        time.sleep(0.001)
    return number


def tried(root: Path, name: str, tries: int) -> dict[str, object]:
    """Return how often work was interrupted in a store of its own, and what that left."""
    root.mkdir()
    TRIED.clear()
    work = Work(root)
    found = leaks(work, name, tries)
    work.store.close()
    return {"tried": len(TRIED), "leaks": found}


if __name__ == "__main__":
    sys.unraisablehook = lambda _: None  # files that were dropped open say so
    place, most, *names = sys.argv[1:]
    sys.stdout.write(json.dumps({name: tried(Path(place, name), name, int(most)) for name in names}))
