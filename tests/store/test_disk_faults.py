"""Disks that fail: they are full, have no hard links, or could not write and say so to some descriptors only."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import failing_disk
from blobkit.content import placing, syncing
from blobkit.digest import of
from blobkit.store import journal
from blobkit.store.local import LocalStore
from draining import drain
from faulty import file, held, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

PROGRAM = Path(failing_disk.__file__)
SMALL = of(b"small")


@pytest.mark.slow
def test_a_store_on_a_full_disk_opens_and_lets_go_of_something(tmp_path: Path) -> None:
    inside = "mount -t tmpfs -o size=3m none $0 && exec $1 $2 full $0"
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("a user may make no file system of his own here (unshare -rm)")
    found = run("unshare", "-rm", "sh", "-c", inside, tmp_path, sys.executable, PROGRAM)
    assert found == {"read": True, "was there": False, "freed": len(failing_disk.LARGE), "is there": True}


REFUSALS = [errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EXDEV, errno.EMLINK]


@pytest.mark.parametrize("durability", ["full", "off"])
@pytest.mark.parametrize("refusal", REFUSALS, ids=errno.errorcode.get)
def test_where_there_are_no_hard_links(
    root: Path, monkeypatch: pytest.MonkeyPatch, refusal: int, durability: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr(placing.os, "link", refuse)
    with LocalStore(root, durability=durability) as store:
        store.put(b"small")
        assert file(root, SMALL).read_bytes() == b"small"
        drain(store)
        assert held(store) == []
        assert list((root / ".blobkit/tmp").iterdir()) == []


def test_another_error_of_a_link_is_no_refusal(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails is not asked twice: the journal has the content."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with LocalStore(root) as store:
        with monkeypatch.context() as patched:
            patched.setattr(placing.os, "link", fail)
            store.put(b"small")
            assert not file(root, SMALL).exists()
            assert store.get(SMALL).read() == b"small"
        drain(store)
        assert file(root, SMALL).read_bytes() == b"small"


@pytest.mark.slow
def test_where_the_system_makes_no_hard_links(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not here: apt install strace")
    options = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=link,linkat", "-e", "inject=link,linkat:error=EPERM"]
    if subprocess.run(["strace", *options, "true"], check=False, capture_output=True).returncode:
        pytest.skip("strace may not trace here: allow ptrace")
    found = run("strace", *options, sys.executable, PROGRAM, "linkless", tmp_path)
    assert found == {"full": [failing_disk.MANY % journal.PUTS, failing_disk.MANY], "off": [0, failing_disk.MANY]}


@pytest.mark.slow
def test_no_put_is_lost_behind_a_commit_that_was_not_synced(tmp_path: Path) -> None:
    """That commit was to be synced with the next one, whose sync failed: the system may have dropped its pages."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is here: apt install gcc libc6-dev")
    source, library = tmp_path / "failing.c", tmp_path / "failing.so"
    source.write_text(failing_disk.PRELOADED)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    preloaded = {"LD_PRELOAD": str(library), "FAILING": str(tmp_path / "failing")}
    found = run(sys.executable, PROGRAM, "gap", tmp_path, **preloaded)
    if not found["raised"]:
        pytest.skip("the system lets no library stand before its syncs")
    assert found["lost"]
    with LocalStore(tmp_path / "image") as store:
        assert sorted(found["digests"]) == sorted(store.list())
        assert not store.fsck(progress=False)


class WriteBack:
    """What a file system of Linux tells of pages that it could not write, after lib/errseq.c and errseq(9).

    An error is told once to each descriptor: to one that is open when it happens, and to one that is opened before
    anybody has heard of it. One that is opened later hears nothing of it.
    """

    def __init__(self) -> None:
        self._happened = 0
        self._heard = 0
        self._since: dict[int, int] = {}

    def opened(self, fd: int) -> None:
        self._since[fd] = self._happened if self._heard == self._happened else self._happened - 1

    def fail(self) -> None:
        self._happened += 1

    def syncfs(self, fd: int) -> int:
        if self._since[fd] == self._happened:
            return 0
        self._since[fd] = self._heard = self._happened
        return errno.EIO


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[WriteBack]:
    """A disk whose descriptors are those that this process opens from now on."""
    disk, opening = WriteBack(), os.open

    def opened(*args: object, **how: object) -> int:
        fd = opening(*args, **how)
        disk.opened(fd)
        return fd

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(syncing, "_syncfs", lambda: disk.syncfs)
    return disk


def test_the_model_of_the_disk() -> None:
    disk = WriteBack()
    disk.opened(1)
    assert disk.syncfs(1) == 0
    disk.fail()
    disk.opened(2)
    assert [disk.syncfs(fd) for fd in (2, 2)] == [errno.EIO, 0]
    disk.opened(3)
    assert [disk.syncfs(fd) for fd in (3, 1, 1)] == [0, errno.EIO, 0]
    disk.fail()
    assert [disk.syncfs(fd) for fd in (1, 2, 3, 3)] == [errno.EIO] * 3 + [0]


@pytest.fixture
def written(root: Path, disk: WriteBack) -> Iterator[tuple[LocalStore, BinaryIO]]:
    """A store with small content, its file as it was placed, and a disk that could not write it since."""
    store = LocalStore(root)
    store.put(b"small")
    with file(root, SMALL).open("rb") as before:
        disk.fail()
        yield store, before
    store.close()


def is_replaced(before: BinaryIO) -> bool:
    """Return whether a file that is open lost its name: its number may be given again, once it is closed."""
    return os.fstat(before.fileno()).st_nlink == 0


def test_an_error_that_another_sync_heard_first_is_not_missed(written: tuple[LocalStore, BinaryIO]) -> None:
    """Pages of a small file could not be written; the sync of other content tells it, then that of the drain."""
    store, before = written
    with pytest.raises(OSError, match="Input/output"):
        store.put_many([b"x" * 70_000, b"y" * 70_000])
    with pytest.raises(OSError, match="Input/output"):
        drain(store)
    assert held(store) == [SMALL]
    drain(store)
    assert held(store) == []
    assert is_replaced(before)


def test_an_error_of_a_store_that_is_closed_then_is_noted_for_the_next(
    root: Path, written: tuple[LocalStore, BinaryIO]
) -> None:
    """Whoever opens the store afterwards hears nothing: the file is whole in memory, and gone on the disk."""
    store, before = written
    store.close()
    with LocalStore(root) as store:
        assert held(store) == [SMALL]
        drain(store)
        assert held(store) == []
    assert is_replaced(before)


@pytest.mark.parametrize("first", [True, False])
def test_each_store_on_a_disk_hears_of_an_error(
    root: Path,
    disk: WriteBack,
    first: bool,  # noqa: FBT001 (a case)
) -> None:
    """Two processes have the store open: whichever drains first, the files of both are written anew."""
    with LocalStore(root) as store, LocalStore(root) as other:
        store.put(b"small")
        other.put(b"other")
        with file(root, SMALL).open("rb") as before, file(root, of(b"other")).open("rb") as of_other:
            disk.fail()
            for one in (store, other) if first else (other, store):
                with pytest.raises(OSError, match="Input/output"):
                    drain(one)
            drain(other)
            assert held(store) == []
            assert is_replaced(before)
            assert is_replaced(of_other)
