"""Stores in buckets beside the same files in a directory: the scans of both say the same."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import blobkit
from blobkit.remotes import Remote

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from blobkit.snapshot.snapshot import Snapshot

ONLY_THERE = frozenset({"not-counted"})


def local(module: ModuleType, kind: str, root: Path, *, verify: bool = True, every_file: bool = True) -> Snapshot:
    """Return the snapshot of a directory whose files a scan takes for the objects of a bucket."""
    from obstore.store import LocalStore  # noqa: PLC0415 (few tests need its libraries)

    from blobkit.sources.buckets.objects import Objects  # noqa: PLC0415

    there = Remote(kind, "s3", "bucket")
    with Objects(LocalStore(root), at_once=4) as objects:
        facts = module.facts_of(there, objects, progress=False, verify=verify, every_file=every_file)
    return facts.snapshot(kind, there.address, None)


def told(snapshot: Snapshot, without: frozenset[str] = ONLY_THERE) -> Counter[tuple[str, ...]]:
    """Return the notices, with paths relative to the store."""
    rows = snapshot.notices.to_pylist()
    root = snapshot.address
    return Counter(
        tuple(one[name].replace(root, "ROOT") for name in ("code", "key", "path", "message"))
        for one in rows
        if one["code"] not in without
    )


def check_same(there: Snapshot, here: Snapshot, without: frozenset[str] = ONLY_THERE) -> None:
    """Check that two scans found the same facts, and said the same about them."""
    assert set(told(there, without)) == set(told(here, without))
    for table in ("nodes", "links", "pins"):
        assert getattr(there, table).to_pylist() == getattr(here, table).to_pylist(), table
    assert there.disk == here.disk
    assert there.kind == here.kind


def check_same_answers(there: Snapshot, here: Snapshot, most: int = 30) -> None:
    """Check that frames, previews and audits of two snapshots are equal, under each policy."""
    assert blobkit.tags_frame(there).equals(blobkit.tags_frame(here))
    for policy in here.policies:
        one, two = there.with_policy(policy), here.with_policy(policy)
        assert blobkit.to_frame(one, absent=True, virtual=True).equals(
            blobkit.to_frame(two, absent=True, virtual=True)
        ), policy
        for name in list(blobkit.tags_frame(two).index)[:most]:
            first, second = blobkit.simulate_deref(one, name), blobkit.simulate_deref(two, name)
            assert first.digests == second.digests
            assert (first.bytes, first.exact, first.collected) == (second.bytes, second.exact, second.collected)
