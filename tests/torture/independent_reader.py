"""What a store is on disk, read without a line of blobkit: with sqlite3, os and hashlib alone.

`look` reads the index from a copy, so that looking changes nothing; `faults` says what is unsound in any state that
a store may be left in, `leftovers` what must be gone once it was opened and closed again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

LABELS = {33: "sha256", 49: "sha384", 65: "sha512"}
MEMORY = Path("/dev/shm")  # noqa: S108 (only private directories are made there)
QUICK = MEMORY if os.access(MEMORY, os.W_OK) else None
"""Where small files are made fast; None: where the system makes temporary ones."""


class Row(NamedTuple):
    size: int
    refcount: int
    pins: int


@dataclass
class Seen:
    """All of one index, and the names of the files that hold content."""

    blobs: dict[str, Row] = field(default_factory=dict)
    links: set[tuple[str, str]] = field(default_factory=set)
    tags: dict[str, str] = field(default_factory=dict)
    tombstones: set[str] = field(default_factory=set)
    dirty: bool = False
    unsynced: bool = False
    files: set[str] = field(default_factory=set)
    journal: dict[str, bytes] = field(default_factory=dict)
    unsound: list[str] = field(default_factory=list)

    @property
    def orphans(self) -> set[str]:
        return self.files - self.blobs.keys() - self.tombstones

    def anonymous(self, digest: str) -> int:
        return self.blobs[digest].pins - Counter(self.tags.values())[digest]


def look(root: Path) -> Seen:
    """Return what is in the store at `root`; an empty picture where its index has no tables yet."""
    seen = Seen(files=set(_contents(root)))
    with tempfile.TemporaryDirectory(dir=QUICK) as copies:
        copy = Path(copies, "index.sqlite")
        for suffix in ("", "-wal"):
            source = root / ".blobkit" / f"index.sqlite{suffix}"
            if source.exists():
                shutil.copyfile(source, f"{copy}{suffix}")
        if copy.exists():
            db = sqlite3.connect(copy)
            try:
                _read(db, seen)
            finally:
                db.close()
    return seen


def _read(db: sqlite3.Connection, seen: Seen) -> None:
    verdict = db.execute("PRAGMA quick_check").fetchall()
    if verdict != [("ok",)]:
        seen.unsound.append(f"quick_check: {verdict}")
    if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return
    name = {}
    for ident, packed, *row in db.execute("SELECT id, digest, size, refcount, pins FROM blobs"):
        name[ident] = f"{LABELS[len(packed)]}:{packed[1:].hex()}"
        seen.blobs[name[ident]] = Row(*row)
    for source, target in db.execute("SELECT from_id, to_id FROM links"):
        if source in name and target in name:
            seen.links.add((name[source], name[target]))
        else:
            seen.unsound.append(f"dangling link: {name.get(source, source)} -> {name.get(target, target)}")
    for tag, ident in db.execute("SELECT name, blob_id FROM tags"):
        if ident in name:
            seen.tags[tag] = name[ident]
        else:
            seen.unsound.append(f"dangling tag: {tag}")
    packed = [row[0] for row in db.execute("SELECT digest FROM tombstones")]
    seen.tombstones = {f"{LABELS[len(digest)]}:{digest[1:].hex()}" for digest in packed}
    for packed, content in db.execute("SELECT digest, content FROM journal WHERE digest <> x''"):
        seen.journal[f"{LABELS[len(packed)]}:{packed[1:].hex()}"] = content
    meta = dict(db.execute("SELECT key, value FROM meta"))
    seen.dirty, seen.unsynced = "layout_dirty" in meta, "unsynced" in meta


def _contents(root: Path) -> list[str]:
    return [f"{path.parent.name}:{path.name}" for path in root.glob("blobs/*/*")]


def faults(root: Path, seen: Seen) -> list[str]:
    """Return everything that is unsound: content that is not what its row says, and counts that do not add up.

    A file that the journal has the content of may be absent or torn: opening the store restores it.
    """
    found = list(seen.unsound)
    held = Counter(target for _, target in seen.links)
    tagged = Counter(seen.tags.values())
    for digest, row in seen.blobs.items():
        if not is_content(seen.journal.get(digest), digest):
            found += _damage(root, digest, row.size)
        if row.refcount != row.pins + held[digest]:
            found.append(f"{digest}: refcount {row.refcount} != {row.pins} pins + {held[digest]} links")
        if row.refcount < 1 or tagged[digest] > row.pins:
            found.append(f"{digest}: {row} with {tagged[digest]} tags")
    found += [f"tombstone of a blob that is here: {digest}" for digest in seen.tombstones & seen.blobs.keys()]
    graph: dict[str, set[str]] = {}
    for source, target in seen.links:
        graph.setdefault(source, set()).add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append(f"cycle: {error.args[1]}")
    return found


def is_content(data: bytes | None, digest: str) -> bool:
    label, _, hexa = digest.partition(":")
    return data is not None and hashlib.new(label, data).hexdigest() == hexa


def _damage(root: Path, digest: str, size: int) -> list[str]:
    label, _, hexa = digest.partition(":")
    try:
        data = (root / "blobs" / label / hexa).read_bytes()
    except FileNotFoundError:
        return [f"missing: {digest}"]
    if len(data) != size:
        return [f"truncated: {digest} has {len(data)} of {size} bytes"]
    return [] if hashlib.new(label, data).hexdigest() == hexa else [f"corrupt: {digest}"]


def leftovers(root: Path, seen: Seen) -> list[str]:
    """Return what a store that was opened and closed should not have any more; `orphans` are judged by the caller."""
    found = [f"tombstone: {digest}" for digest in seen.tombstones]
    found += [
        f"not restored: {x}" for d in seen.journal if d in seen.blobs for x in _damage(root, d, seen.blobs[d].size)
    ]
    found += [f"temporary file: {path}" for path in (root / ".blobkit/tmp").glob("**/*") if path.is_file()]
    found += [f"stray: {path.name}" for path in (root / ".blobkit").iterdir() if path.name not in EXPECTED]
    found += [f"orphan that is damaged: {digest}" for digest in seen.orphans if not _is_whole(root, digest)]
    if seen.dirty:
        found.append("index.json is still to be written")
    if shown(root) != seen.tags:
        found.append(f"index.json shows {shown(root)}, the tags are {seen.tags}")
    return found


EXPECTED = {"tmp", "quarantine", "index.sqlite", "index.sqlite-wal", "index.sqlite-shm"}


def _is_whole(root: Path, digest: str) -> bool:
    label, _, hexa = digest.partition(":")
    return hashlib.new(label, (root / "blobs" / label / hexa).read_bytes()).hexdigest() == hexa


def shown(root: Path) -> dict[str, str]:
    """Return the tags as index.json shows them."""
    entries = json.loads((root / "index.json").read_bytes())["manifests"]
    return {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in entries}
