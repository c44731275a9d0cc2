"""Large blobs: how fast they stream in, against the hash alone, and that memory does not grow with them."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from floors import against, interleaved, table

import blobkit

if TYPE_CHECKING:
    from blobkit.store.local import LocalStore

MIB = 1 << 20
GIB = 1 << 30


def streams(root: Path, *, gibibytes: float, rounds: int) -> None:
    """Print the rates of three ways in, as ratios, and the growth of memory over as many GiB as are asked for."""
    size = min(GIB, int(gibibytes * GIB))
    path = root / "data"
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
    with blobkit.LocalStore(root / "store", durability="off") as store:
        works = {
            "sha256 alone": lambda: _hash(path),
            "put(path)": lambda: _gone(store, store.put(path).digest),
            "put(file)": lambda: _put_file(store, path),
            "writer": lambda: _write(store, path),
        }
        taken = interleaved(works, min(rounds, 3))
        base = taken.pop("sha256 alone")
        rows = [[what, f"{base / found:.2f}", against(base / found, 0.9)] for what, found in taken.items()]
        table(f"{size / GIB:g} GiB on tmpfs, relative to sha256 alone", ["way in", "ratio", "target"], rows)
        path.unlink()
        grown = _growth(store, int(gibibytes * GIB))
    goal = against(grown / MIB, 64, above=False)
    print(f"\nmemory grew by {grown / MIB:.0f} MiB while {gibibytes:g} GiB were written ({goal})")


def _hash(path: Path) -> None:
    found = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        for piece in iter(lambda: file.read(MIB), b""):
            found.update(piece)


def _put_file(store: LocalStore, path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        _gone(store, store.put(file).digest)


def _write(store: LocalStore, path: Path) -> None:
    with path.open("rb", buffering=0) as file, store.new_writer() as writer:
        for piece in iter(lambda: file.read(MIB), b""):
            writer.write(piece)
        digest = writer.commit().digest
    _gone(store, digest)


def _gone(store: LocalStore, digest: str) -> None:
    store.deref(digest)


def _growth(store: LocalStore, size: int) -> int:
    """Return what the peak of memory gains while a blob of this size is written."""
    before = _peak()
    piece = os.urandom(MIB)
    with store.new_writer() as writer:
        for _ in range(size // MIB):
            writer.write(piece)
    return _peak() - before


def _peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return 1024 * int(found[1]) if found else 0
