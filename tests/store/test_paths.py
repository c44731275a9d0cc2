"""A file that is put by its path comes in the cheapest way that its file system has, and is never torn."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.store.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]
MIB = 1 << 20


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore(tmp_path / "store", durability="off") as store:
        yield store
        assert list((store.root / ".blobkit" / "tmp").iterdir()) == []


def test_what_is_no_file_is_named(store: LocalStore, tmp_path: Path) -> None:
    for path, error in ((tmp_path, IsADirectoryError), (tmp_path / "absent", FileNotFoundError)):
        with pytest.raises(error, match=str(path)):
            store.put(path)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match=str(tmp_path / "socket")):
            store.put(tmp_path / "socket")
    assert store.list() == []


def test_a_file_that_may_not_be_read_is_named(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "secret").chmod(0)
    if os.access(tmp_path / "secret", os.R_OK):
        pytest.skip("this user may read everything: run the tests as another one")
    with pytest.raises(PermissionError, match=str(tmp_path / "secret")):
        store.put(tmp_path / "secret")


def test_pipes_and_devices_are_read_to_their_end(store: LocalStore, tmp_path: Path) -> None:
    data = os.urandom(3 * MIB + 1)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[data])
    writer.start()
    assert store.put(tmp_path / "pipe").digest == of(data)
    writer.join()
    assert store.put("/dev/null").digest == of(b"")
    if Path("/proc/version").exists():  # a file whose size is said to be 0
        assert store.put("/proc/version").digest == of(Path("/proc/version").read_bytes())


def test_sparse_files(store: LocalStore, tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.seek(8 * MIB)
        file.write(b"middle")
        file.truncate(20 * MIB)
    digest = store.put(tmp_path / "sparse").digest
    assert digest == of((tmp_path / "sparse").read_bytes())
    assert of(store.get(digest).read()) == digest


@pytest.mark.slow
@pytest.mark.parametrize("change", ["grows", "shrinks", "changes"])
def test_a_file_that_changes_meanwhile_is_never_torn(store: LocalStore, tmp_path: Path, change: str) -> None:
    """Whatever was read of it, the blob is what its digest says."""
    path = tmp_path / "restless"
    path.write_bytes(bytes(24 * MIB))
    over = threading.Event()
    turns = 0

    def disturb() -> None:
        nonlocal turns
        with path.open("r+b", buffering=0) as file:
            while not over.is_set():
                turns += 1
                if change == "shrinks":
                    file.truncate((7 + turns % 17) * MIB)
                elif turns < 200 or change == "changes":
                    file.seek(0 if change == "changes" else 24 * MIB + turns)
                    file.write(bytes([turns % 251]) * (24 * MIB if change == "changes" else 1))

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        digests = {store.put(path).digest for _ in range(6)}
    finally:
        over.set()
        thread.join()
    assert turns
    for digest in digests:
        found = store.get(digest)
        assert of(found.read()) == digest
        assert found.size == (store.root / "blobs/sha256" / digest[7:]).stat().st_size


# The ways of the kernel


@pytest.fixture(params=["btrfs", "xfs"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of its own whose files can share blocks."""
    if shutil.which(f"mkfs.{request.param}") is None:
        pytest.skip(f"mkfs.{request.param} is not here: apt install btrfs-progs xfsprogs")
    image, disk = tmp_path / "image", tmp_path / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(400 * MIB)
    subprocess.run([f"mkfs.{request.param}", "-q", image], check=True, capture_output=True)
    if subprocess.run(["mount", "-o", "loop", image, disk], check=False, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here: run the tests as root")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_path_shares_its_blocks_where_files_can(disk: Path) -> None:
    data = os.urandom(48 * MIB + 5)
    (disk / "data").write_bytes(data)
    with LocalStore(disk / "store") as store:
        subprocess.run(["sync", "-f", disk], check=True)
        before = os.statvfs(disk)
        digests = [store.put(disk / "data", algorithm=label).digest for label in ("sha256", "sha384", "sha512")]
        subprocess.run(["sync", "-f", disk], check=True)
        used = (before.f_bfree - os.statvfs(disk).f_bfree) * before.f_frsize
        assert used < 8 * MIB
        assert [digest for digest in digests if of(store.get(digest).read(), digest[:6]) != digest] == []
        assert digests[0] == of(data)
        with (disk / "data").open("r+b") as file:
            file.write(b"changed afterwards")
        assert of(store.get(digests[0]).read()) == digests[0]
        assert {path.stat().st_mode & 0o777 for path in disk.glob("store/blobs/*/*")} == {0o444}


SCRIPT = """
import sys, blobkit
with blobkit.LocalStore(sys.argv[1], durability="off") as store:
    print(store.put(sys.argv[2]).digest)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("injected", "copies"),
    [
        ((), 5),
        (("copy_file_range:error=EXDEV",), 1),
        (("copy_file_range:error=ENOSYS",), 1),
        (("copy_file_range:error=EINVAL",), 1),
        (("copy_file_range:error=EIO:when=3+",), 3),
        (("copy_file_range:retval=0",), 1),
    ],
)
def test_where_the_kernel_cannot_the_rest_is_read(tmp_path: Path, injected: tuple[str, ...], copies: int) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not here: apt install strace")
    data, trace = os.urandom(4 * MIB + 3), tmp_path / "trace"
    (tmp_path / "data").write_bytes(data)
    command = ["strace", "-f", "-o", trace, "-e", "trace=ioctl,copy_file_range"]
    for fault in ("ioctl:error=EOPNOTSUPP", *injected):
        command += ["-e", f"inject={fault}"]
    command += [sys.executable, "-c", SCRIPT, tmp_path / "store", tmp_path / "data"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if not trace.exists() or "copy_file_range" not in trace.read_text():
        pytest.skip("strace may not trace here: allow ptrace")
    assert done.stdout.strip() == of(data), done.stderr
    assert (tmp_path / "store/blobs/sha256" / of(data)[7:]).read_bytes() == data
    calls = re.findall(r"(FICLONE|copy_file_range)\(?.*= (\d+|-1 E\w+)", trace.read_text())
    assert calls[0] == ("FICLONE", "-1 EOPNOTSUPP")
    assert len([name for name, _ in calls if name == "copy_file_range"]) >= copies
