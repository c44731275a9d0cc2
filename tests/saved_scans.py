"""A scan that is saved while it is made finds what a scan in memory finds."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import blobkit
from blobkit.scanners.saving import save
from blobkit.scanners.spaces.space import Scratch

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.scanners.scanned import Scanned
    from blobkit.scanners.spaces.space import Space
    from blobkit.snapshot.snapshot import Snapshot


def check_same_saved(whole: Snapshot, address: str, policy: str | None = None, **asked: object) -> None:
    """Check that the same scan with `out` finds the same facts, and leaves nothing else behind."""
    with tempfile.TemporaryDirectory() as place:
        saved = blobkit.scan(address, policy=policy, progress=False, out=Path(place, "out"), **asked)
        assert [path.name for path in Path(place).iterdir()] == ["out"]
        check_same_rows(whole, saved.snapshot())
        assert (saved.blobs, saved.bytes, saved.notices) == (whole.blobs, whole.bytes, whole.notices.num_rows)


def check_same_from_files(whole: Snapshot, scan: Callable[[Space], Scanned]) -> None:
    """Check that a scan whose columns are in files, and that is saved from there, finds the same facts."""
    with tempfile.TemporaryDirectory() as place, Scratch(Path(place, "scratch")) as space:
        Path(place, "out").mkdir()
        save(scan(space), Path(place, "out"))
        check_same_rows(whole, blobkit.Snapshot.load(Path(place, "out")))


def check_same_rows(whole: Snapshot, found: Snapshot) -> None:
    """Check that two snapshots have the same rows; pins with one name on one node may be in any order."""
    for table in ("nodes", "links", "notices"):
        assert getattr(found, table).to_pylist() == getattr(whole, table).to_pylist(), table
    pins, same = (sorted(map(str, one.pins.to_pylist())) for one in (found, whole))
    assert pins == same
    for name in ("kind", "address", "policy", "disk"):
        assert getattr(found, name) == getattr(whole, name), name
