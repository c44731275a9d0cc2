"""What the system itself takes for the same work, without a store: the raw floors that ratios refer to."""

from __future__ import annotations

import ctypes
import hashlib
import os
import secrets
import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path


class Floor:
    """Temporary file, write, sha256, rename; with `sync` also fsync of the file and of the directory, one by one."""

    def __init__(self, root: Path, *, sync: bool) -> None:
        self.name = "fsync floor" if sync else "raw floor"
        self._root = root
        self._sync = sync
        root.mkdir(parents=True)

    def add(self, data: bytes) -> str:
        temporary = f"{self._root}/{secrets.token_hex(8)}.tmp"
        fd = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o444)
        os.write(fd, data)
        name = hashlib.sha256(data).hexdigest()
        if self._sync:
            os.fsync(fd)
        os.close(fd)
        os.rename(temporary, f"{self._root}/{name}")  # noqa: PTH104 (the floor)
        if self._sync:
            directory = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(directory)
            os.close(directory)
        return name

    def add_many(self, items: Sequence[bytes]) -> list[str]:
        return [self.add(data) for data in items]

    def read(self, key: str) -> bytes:
        with open(f"{self._root}/{key}", "rb") as file:  # noqa: PTH123 (the floor)
            return file.read()

    def list(self) -> list[str]:
        with os.scandir(self._root) as entries:
            return sorted(entry.name for entry in entries)

    def close(self) -> None:
        """Hold nothing open."""


def interleaved(works: Mapping[str, Callable[[], object]], rounds: int, settle: Path | None = None) -> dict[str, float]:
    """Return the median seconds of each work, done in turn: A B C, A B C.

    With `settle`, all that is dirty in the file system of that directory is written before each turn, untimed: else
    the next one that syncs pays for what another one left behind (an fsync commits the journal of a file system).
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            if settle is not None:
                settled(settle)
            times[name].append(seconds(work))
    return {name: statistics.median(found) for name, found in times.items()}


def settled(place: Path) -> None:
    """Write all that is dirty in the file system of a directory."""
    top = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        ctypes.CDLL(None).syncfs(top)
    finally:
        os.close(top)


def processor(work: Callable[[], object], times: int) -> float:
    """Return the processor time in microseconds that one of so many repetitions takes in this thread."""
    start = time.thread_time()
    for _ in range(times):
        work()
    return (time.thread_time() - start) / times * 1e6


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table as markdown does, aligned."""
    cells = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    print(f"\n## {title}\n")
    for number, row in enumerate(cells):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |", flush=True)
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def against(value: float, target: float, *, above: bool = True) -> str:
    """Return the target and whether the value meets it."""
    met = value >= target if above else value <= target
    return f"{'>=' if above else '<='} {target:g}: {'met' if met else 'MISSED'}"
