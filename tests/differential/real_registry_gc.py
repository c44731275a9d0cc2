"""The real `docker-registry garbage-collect` on a storage that is in memory: written, collected, looked at again."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from live_registry import PROGRAM
from random_registries import Link, settled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from random_registries import Entry, Storage

BELOW = "docker/registry/v2"
CONFIG = "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {root}}}\n"
AS_ANYBODY = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""Runs a program without the rights of root, so that modes count."""
READ_ANYTHING = 0b110
"""The capabilities of root that let it read what its mode forbids (capabilities(7): 1 and 2)."""
CAPABILITY_VERSION = 0x20080522
LABELS = ("sha256", "sha384", "sha512")


@dataclass(frozen=True)
class Run:
    """What the collector did: its exit code, what it said, the blobs it removed with their bytes, the links too."""

    code: int
    said: str
    removed: dict[str, int]
    links: frozenset[str]

    @property
    def stopped(self) -> bool:
        return self.code != 0


def write(storage: Storage, directory: Path) -> Path:
    """Write a storage into a new directory, and return the root directory of the registry."""
    shutil.rmtree(directory, ignore_errors=True)
    root = directory / "registry"
    _write(storage.entries, root / BELOW)
    _write(storage.outside, directory)
    _lock(storage, directory)
    return root


def _lock(storage: Storage, directory: Path) -> None:
    for path, mode in storage.modes.items():
        full = directory / "registry" / BELOW / path
        if full.exists():
            full.chmod(mode)


def _write(entries: dict[str, Entry], top: Path) -> None:
    top.mkdir(parents=True, exist_ok=True)
    for name, entry in settled(entries).items():
        path = top / name
        (path if entry is None else path.parent).mkdir(parents=True, exist_ok=True)
        if isinstance(entry, Link):
            path.symlink_to(entry.target)
        elif entry is not None:
            path.write_bytes(entry)


def readable(storage: Storage, directory: Path) -> None:
    """Give back the rights that `write` took away."""
    for path in storage.modes:
        full = directory / "registry" / BELOW / path
        if full.exists():
            full.chmod(0o755)


@contextmanager
def as_anybody() -> Iterator[None]:
    """Run a block without the right of root to read everything."""
    if os.geteuid() != 0:
        yield
        return
    library = ctypes.CDLL(None, use_errno=True)
    header, rights = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    assert library.capget(header, rights) == 0
    effective = rights[0]
    try:
        rights[0] = effective & ~READ_ANYTHING
        assert library.capset(header, rights) == 0
        yield
    finally:
        rights[0] = effective
        assert library.capset(header, rights) == 0


def blobs(root: Path) -> dict[str, int]:
    """The blobs that are stored, with their bytes."""
    found = {}
    for label in LABELS:
        for path in (root / BELOW / "blobs" / label).glob("*/*/data"):
            if path.is_file() and path.parts[-3] == path.parts[-2][:2]:
                found[f"{label}:{path.parts[-2]}"] = path.stat().st_size
    return found


def _links(root: Path) -> frozenset[str]:
    """The link files of revisions and tags."""
    top = root / BELOW / "repositories"
    return frozenset(f"{at}/link" for at, _, files in os.walk(top) if "link" in files and "_layers" not in at)


def collect(storage: Storage, directory: Path, *, untagged: bool) -> Run:
    """Write a storage, run the collector on it (with -m where `untagged`), and return what it did."""
    root = write(storage, directory)
    readable(storage, directory)
    before, links = blobs(root), _links(root)
    _lock(storage, directory)
    ran = run(root, directory, untagged=untagged, rights=not storage.modes)
    readable(storage, directory)
    return _done(ran, root, before, links)


def collect_copy(root: Path, directory: Path, *, untagged: bool) -> Run:
    """Run the collector on a copy of a registry's root directory, and return what it did there."""
    copy = directory / f"copy{'-m' * untagged}"
    subprocess.run(["cp", "-a", root, copy], check=True)
    before, links = blobs(copy), _links(copy)
    return _done(run(copy, directory, untagged=untagged), copy, before, links)


def run(root: Path, directory: Path, *, untagged: bool, rights: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the collector; without `rights` as somebody who is not root."""
    config = directory / "config.yml"
    config.write_text(CONFIG.format(root=root))
    without = () if rights or os.geteuid() != 0 else AS_ANYBODY
    command = [*without, PROGRAM, "garbage-collect", *(["-m"] if untagged else []), os.fspath(config)]
    return subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")


def _done(ran: subprocess.CompletedProcess[str], root: Path, before: dict[str, int], links: frozenset[str]) -> Run:
    after = blobs(root)
    removed = {digest: size for digest, size in before.items() if digest not in after}
    return Run(ran.returncode, ran.stderr, removed, links - _links(root))
