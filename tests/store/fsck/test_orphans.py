"""Content that a killed writer left, and that no row of the index names: an audit names it and says what to type."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import blobkit
from commands import command
from layouts import sha
from patience import HANG

if TYPE_CHECKING:
    from pathlib import Path

KILLED = """
import os, signal, sys
import blobkit
rename = os.rename
def dying(source, target):
    rename(source, target)
    os.kill(os.getpid(), signal.SIGKILL)
store = blobkit.LocalStore(sys.argv[1], durability="off")  # else so little has its name only once it is recorded
os.rename = dying
with store.new_writer() as writer:
    writer.write(sys.argv[2].encode())
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store in which a writer died between publishing a blob and committing it."""
    root = tmp_path / "store"
    with blobkit.LocalStore(root) as store:
        for i in range(12):
            store.put(b"x" * 100 + bytes([i]), tag=f"x:{i}")
    done = subprocess.run([sys.executable, "-c", KILLED, str(root), "orphan"], check=False, timeout=HANG)
    assert done.returncode == -signal.SIGKILL
    assert (root / "blobs" / sha(b"orphan").replace(":", "/")).read_bytes() == b"orphan"
    return root


def told(audit: blobkit.Audit) -> dict[str, Any]:
    return {row.code: row for row in audit.findings.itertuples() if row.code != "metadata"}


def used(root: Path) -> int:
    return sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())


@pytest.mark.slow
@pytest.mark.parametrize("how", ["address", "scan", "store"])
def test_an_audit_names_orphans(root: Path, how: str) -> None:
    if how == "store":
        with blobkit.LocalStore(root) as store:
            audit, size = blobkit.audit(store), used(root)
    else:
        size = used(root)
        audit = blobkit.audit(str(root) if how == "address" else blobkit.scan(root, progress=False))
    found = told(audit)
    assert found.keys() <= {"orphan", "leftover"}  # the killed writer may have left a temporary file too
    orphan = found["orphan"]
    assert (orphan.severity, orphan.bytes, orphan.names) == ("warning", 6, (sha(b"orphan"),))
    assert f"blobkit fsck --repair {root}" in orphan.advice
    assert f"blobkit fsck --purge {root}" in orphan.advice
    assert audit.bytes == size
    assert audit.exceeds({"orphan": None})


@pytest.mark.slow
def test_the_advice_frees_them(root: Path, tmp_path: Path) -> None:
    path = root / "blobs" / sha(b"orphan").replace(":", "/")
    old = path.stat().st_mtime - 7200
    os.utime(path, (old, old))
    before = used(root)
    for option in ("--repair", "--purge"):
        done = command("fsck", option, str(root), cwd=tmp_path)
        assert done.returncode == 0, done
    assert told(blobkit.audit(root)) == {}
    assert used(root) <= before - 6


def test_questions_about_the_store_do_not_look_at_files(root: Path) -> None:
    with blobkit.LocalStore(root) as store:
        assert store.snapshot().disk is None
        assert store.snapshot().notices.num_rows == 0
        assert list(store.orphans()) == [sha(b"orphan")]


def test_removed_content_that_waits_for_its_unlinking_is_no_orphan(tmp_path: Path, monkeypatch: Any) -> None:  # noqa: ANN401
    with blobkit.LocalStore(tmp_path / "s") as store:
        blob = store.put(b"content")
        monkeypatch.setattr(store._content, "delete", lambda _: ())
        store.deref(blob.digest)
        assert (tmp_path / "s" / "blobs" / blob.digest.replace(":", "/")).exists()
        assert store.orphans() == {}


def test_all_files_of_a_store_are_counted(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with blobkit.LocalStore(root) as store:
        store.put(b"content", tag="x")
        (root / "note").write_bytes(b"x" * 50)
        (root / ".blobkit" / "quarantine" / "old").write_bytes(b"x" * 70)
        audit, size = blobkit.audit(store), used(root)
    found = told(audit)
    assert audit.bytes == size
    assert audit.snapshot.disk is not None
    assert audit.snapshot.bytes + found["leftover"].bytes + audit.snapshot.disk.metadata == size
    assert found["leftover"].names == (".blobkit/quarantine", "note")
    assert "blobkit fsck --purge" in found["leftover"].advice


def test_blobs_with_hard_links_outside_are_told(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with blobkit.LocalStore(root) as store:
        digest = store.put(b"content", tag="x").digest
        os.link(root / "blobs" / digest.replace(":", "/"), tmp_path / "elsewhere")
        found = told(blobkit.audit(store))
    assert found["shared-inode"].digests == (digest,)
