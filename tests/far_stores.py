"""Stores in buckets beside the same files in a directory: the scans of both say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import blobkit
from blobkit.remotes import Remote
from blobkit.scanners.scanned import completed
from blobkit.scanners.spaces.space import MEMORY
from blobkit.sources.kept import kept_in
from saved_scans import check_same_from_files

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from blobkit.scanners.scanned import Scanned
    from blobkit.scanners.spaces.space import Space
    from blobkit.snapshot.snapshot import Snapshot

ONLY_THERE = frozenset({"not-counted"})


def local(  # noqa: PLR0913 (the choices of a scan)
    module: ModuleType, kind: str, root: Path, *, verify: bool = True, every_file: bool = True, twice: bool = True
) -> Snapshot:
    """Return the snapshot of a directory whose files a scan takes for the objects of a bucket.

    `twice`: check that a second scan, whose columns are in files, finds the same.
    """
    from obstore.store import LocalStore  # noqa: PLC0415 (few tests need its libraries)

    from blobkit.buckets.objects import Objects  # noqa: PLC0415

    there = Remote(kind, "s3", "bucket")

    def scan(space: Space = MEMORY) -> Scanned:
        with Objects(LocalStore(root), at_once=4) as objects:
            kept = None if verify else kept_in(cache=False)
            facts = module.facts_of(there, objects, kept, progress=False, every_file=every_file, space=space)
        return completed(facts, kind, there.address, None)

    found = scan().snapshot()
    if twice:
        check_same_from_files(found, scan)
    return found


def told(snapshot: Snapshot, without: frozenset[str] = ONLY_THERE) -> set[tuple[str, ...]]:
    """Return the notices, with paths relative to the store."""
    rows = snapshot.notices.to_pylist()
    names = ("code", "key", "path", "message")
    return {tuple(_at_root(one[name], snapshot) for name in names) for one in rows if one["code"] not in without}


def facts(snapshot: Snapshot) -> dict[str, list[str]]:
    """Return the rows of the tables, with keys for nodes and with paths relative to the store."""
    keys = snapshot.nodes["key"].to_pylist()
    found: dict[str, list[str]] = {}
    for table in ("nodes", "links", "pins"):
        rows = getattr(snapshot, table).to_pylist()
        for row in rows:
            row.update({name: keys[row[name]] for name in ("source", "target", "node") if name in row})
            row.pop("id", None)
        found[table] = sorted(_at_root(repr(sorted(row.items())), snapshot) for row in rows)
    return found


def _at_root(text: str, snapshot: Snapshot) -> str:
    return text.replace(snapshot.address, "ROOT")


def check_same(there: Snapshot, here: Snapshot, without: frozenset[str] = ONLY_THERE) -> None:
    """Check that two scans found the same facts, and said the same about them."""
    assert told(there, without) == told(here, without)
    one, two = facts(there), facts(here)
    for table in one:
        assert one[table] == two[table], table
    assert _counted(there) == _counted(here)
    assert there.kind == here.kind


def _counted(snapshot: Snapshot) -> tuple[object, ...] | None:
    """Return the totals of the files, in which the order of names does not matter."""
    disk = snapshot.disk
    return disk and (disk.files, disk.bytes, disk.described, disk.metadata, set(disk.names))


def check_same_answers(there: Snapshot, here: Snapshot, most: int = 30) -> None:
    """Check that frames, previews and audits of two snapshots are equal, under each policy."""
    assert blobkit.tags_frame(there).equals(blobkit.tags_frame(here))
    for policy in here.policies:
        one, two = there.with_policy(policy), here.with_policy(policy)
        first, second = (blobkit.to_frame(x, absent=True, virtual=True) for x in (one, two))
        assert first.equals(second), policy
        _check_previews(one, two, most)
        assert audited(one) == audited(two)


def _check_previews(one: Snapshot, two: Snapshot, most: int) -> None:
    for name in list(blobkit.tags_frame(two).index)[:most]:
        first, second = blobkit.simulate_deref(one, name), blobkit.simulate_deref(two, name)
        assert first.digests == second.digests
        assert (first.bytes, first.exact, first.collected) == (second.bytes, second.exact, second.collected)


def audited(snapshot: Snapshot) -> dict[str, tuple[int, int]]:
    """Return the blobs and bytes of each finding of an audit."""
    found = blobkit.audit(snapshot).findings
    rows = zip(found["code"], found["blobs"], found["bytes"], strict=True)
    return {str(code): (int(blobs), int(size)) for code, blobs, size in rows if code not in ONLY_THERE}
