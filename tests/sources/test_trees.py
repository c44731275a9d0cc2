"""Trees of files weighed: against the status of each file, and not beyond their file system."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from blobkit.sources import trees, walking
from blobkit.sources.trees import weigh

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def filled(root: Path) -> Path:
    """A tree with files, links of both kinds, and a pipe."""
    for number, name in enumerate(("a", "b/c", "b/d/e")):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (number + 1) * 100)
    os.link(root / "a", root / "b" / "again")
    (root / "link").symlink_to("a")
    (root / "directory").symlink_to("/usr")
    os.mkfifo(root / "pipe")
    return root


def test_each_inode_counts_once(tmp_path: Path) -> None:
    root = filled(tmp_path / "root")
    found = weigh([str(root)])
    assert (found.size, found.files, found.outside, found.unread) == (600, 3, {}, [])
    assert found.disk == sum((root / name).stat().st_blocks * 512 for name in ("a", "b/c", "b/d/e"))


def test_a_file_with_a_name_elsewhere_is_told(tmp_path: Path) -> None:
    root = filled(tmp_path / "root")
    info = (root / "a").stat()
    found = weigh([str(root / "b")])
    assert found.outside == {(info.st_dev, info.st_ino): 100}
    assert weigh([str(root / "b"), str(root / "a")]).outside == {}


def test_what_is_mounted_below_is_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = filled(tmp_path / "root")
    real, inside = os.fstat, (root / "b" / "d").stat().st_ino

    def fstat(fd: int) -> os.stat_result:
        info = real(fd)
        return os.stat_result((*info[:2], info.st_dev + (info.st_ino == inside), *info[3:]))

    monkeypatch.setattr(walking.os, "fstat", fstat)
    assert weigh([str(root)]).size == 300
    assert weigh([str(root / "b" / "d")]).size == 300


def test_a_path_that_is_absent_weighs_nothing(tmp_path: Path) -> None:
    assert weigh([str(tmp_path / "absent")]) == trees.Weight()
