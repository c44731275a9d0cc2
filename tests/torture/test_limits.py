"""Disks that are full or read-only, files that may not grow, no descriptors left: clean errors, nothing half done."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import failing
import independent_reader as reader
from blobkit.errors import ReadOnlyStoreError
from blobkit.store.local import LocalStore, open_read_only
from patience import until
from workload import forked, fsck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Picture = tuple[object, ...]

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount and become somebody else")


def picture(root: Path) -> Picture:
    seen = reader.look(root)
    assert not reader.faults(root, seen)
    return seen.blobs, seen.links, seen.tags


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with the store that all verbs work on, and a file; it is only copied."""
    place = tmp_path_factory.mktemp("before")
    with LocalStore(place / "s") as store:
        failing.prepare(store)
    (place / "file").write_bytes(b"a file" * 20_000)
    return place


@pytest.fixture
def tiny() -> Iterator[Path]:
    """A file system of 2 MiB."""
    with tempfile.TemporaryDirectory() as place:
        mounting = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "blobkit-test", place]
        done = subprocess.run(mounting, check=False, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no mounting here: {done.stderr}")
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", "-l", place], check=True)


def attempted(place: Path, verb: str, limit: Callable[[], None]) -> dict[str, str]:
    """Return what the steps around one verb raised, in a child under a limit."""
    read, write = os.pipe()

    def act() -> None:
        limit()
        os.write(write, json.dumps(failing.attempt(place / "s", verb)).encode())

    pid = forked(act, place / "trouble")
    os.close(write)
    with open(read, "rb") as answer:  # noqa: PTH123 (a descriptor)
        raised = answer.read()
    assert os.waitpid(pid, 0)[1] == 0, (verb, (place / "trouble").read_text())
    return json.loads(raised)


def check(place: Path, pictures: list[Picture], raised: dict[str, str]) -> None:
    """Hold that the verb was done, or was not where it was refused; that all is well once the limit is gone.

    A store in which nothing failed is looked at less: it is as good as one without a limit.
    """
    assert all("\n" not in text for text in raised.values()), raised
    wanted = pictures[not raised.keys() & {"open", "verb"}]
    LocalStore(place / "s").close()
    seen = reader.look(place / "s")
    for digest in seen.blobs.keys() - pictures[0][0].keys() - pictures[1][0].keys():
        assert digest == failing.AFTERWARDS, raised
        assert "go on" in raised
        with LocalStore(place / "s") as store:
            store.deref(digest)
    assert picture(place / "s") == wanted, raised
    if not raised:
        return
    seen = reader.look(place / "s")
    assert not reader.faults(place / "s", seen) + reader.leftovers(place / "s", seen), raised
    assert set(fsck(place / "s")) == {f"orphan: {digest}" for digest in seen.orphans}


def expected(before: Path, place: Path, verb: str) -> list[Picture]:
    """Return what the store is before and after the verb where nothing fails."""
    shutil.copytree(before, place)
    with LocalStore(place / "s") as store:
        failing.VERBS[verb](store)
    return [picture(before / "s"), picture(place / "s")]


def no_descriptors(free: int) -> Callable[[], None]:
    """Return what leaves a process so many file descriptors."""

    def limit() -> None:
        lowest = [os.open(os.devnull, os.O_RDONLY) for _ in range(free + 1)]  # what was inherited may leave gaps
        for fd in lowest:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest[-1], lowest[-1]))

    return limit


def short_files(size: int) -> Callable[[], None]:
    """Return what lets no file of a process become longer: a write is short, then refused."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


FAST = {"deref-cascade"}
EACH = [pytest.param(verb, marks=[] if verb in FAST else pytest.mark.slow) for verb in failing.VERBS]
LIMITS = {
    **{f"{free} descriptors": no_descriptors(free) for free in range(9)},
    **{f"{size} bytes a file": short_files(size) for size in (3, 3000, 9000, 20_000, 70_000, 140_000, 1 << 20)},
}


@pytest.mark.slow
@pytest.mark.parametrize("verb", EACH)
def test_limits_of_a_process(memory: Path, before: Path, verb: str) -> None:
    pictures, failed = expected(before, memory / "clean", verb), 0
    for name, limit in LIMITS.items():
        place = memory / name
        shutil.copytree(before, place)
        raised = attempted(place, verb, limit)
        failed += bool(raised)
        check(place, pictures, raised)
    assert 6 <= failed <= len(LIMITS)


def fill(place: Path, free: int = 0) -> Path:
    """Fill the file system up to so many free bytes."""
    path = place / "filler"
    state = os.statvfs(place)
    with path.open("wb") as file:
        file.truncate(0)
        os.posix_fallocate(file.fileno(), 0, max(1, state.f_bavail * state.f_bsize - free))
    return path


@pytest.mark.slow
@root_only
@pytest.mark.parametrize("verb", EACH)
def test_a_disk_that_is_full_at_any_point_of_a_verb(memory: Path, before: Path, tiny: Path, verb: str) -> None:
    pictures, failed = expected(before, memory / "clean", verb), 0
    for free in (0, 1, 2, 4, 8, 9, 10, 12, 16, 24, 40):
        place = tiny / "p"
        shutil.copytree(before, place)
        filler = fill(tiny, free * 4096)
        raised = attempted(place, verb, lambda: None)
        failed += bool(raised)
        filler.unlink()
        check(place, pictures, raised)
        shutil.rmtree(place)
    assert failed >= 3


@root_only
def test_a_store_on_a_full_disk_can_be_read_and_emptied(tiny: Path) -> None:
    with LocalStore(tiny / "s") as store:
        digests: list[str] = []
        with pytest.raises(OSError, match=r"full|No space left") as refused:
            digests.extend(store.put(os.urandom(100_000)).digest for _ in range(100))
        assert refused.value.errno in (errno.ENOSPC, None)
        assert len(digests) > 8
        assert store.list() == sorted(digests)
        assert not list((tiny / "s/.blobkit/tmp").iterdir())
        for digest in digests[:2]:
            assert store.deref(digest).digests == (digest,)
        assert store.put(b"fits again").size == 10
        dead = forked(lambda: fill_with_a_temporary_file(tiny / "s"), tiny / "trouble")
        assert os.waitstatus_to_exitcode(os.waitpid(dead, 0)[1]) == -9
    with open_read_only(tiny / "s") as opened:
        assert all(opened.get(digest).read() for digest in digests[2:])
    with LocalStore(tiny / "s") as store:  # what the dead writer left is cleared first
        assert store.deref(digests[2]).digests == (digests[2],)
    seen = reader.look(tiny / "s")
    assert reader.faults(tiny / "s", seen) + reader.leftovers(tiny / "s", seen) == []
    assert not seen.orphans


def fill_with_a_temporary_file(root: Path) -> None:
    writer = LocalStore(root).new_writer()
    try:
        while True:
            writer.write(bytes(4096))
    except OSError:
        os.kill(os.getpid(), 9)


# Stores that may only be read


def signature(root: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Return all that there is: names, modes, times, bytes."""
    paths = [root, *root.rglob("*")]
    states = {path: path.stat() for path in paths}
    return {
        str(path): (state.st_mode, state.st_mtime_ns, state.st_ino, path.read_bytes() if path.is_file() else b"")
        for path, state in states.items()
    }


def read_all(root: Path) -> None:
    """Read all; fail to write with an error that says why; leave nothing."""
    with open_read_only(root) as store:
        assert len([store.get(digest).read() for digest in store]) == 5
        assert set(store.tags()) == {"v1"}
        with pytest.raises(ReadOnlyStoreError):
            store.put(b"x")
    with pytest.raises(OSError, match=r"(?i)read-only|permission|readonly|may be written|scan") as refused:
        LocalStore(root).put(b"x")
    assert "\n" not in str(refused.value)


def held_open(root: Path, place: Path) -> int:
    """Return the process id of a child that has the store open until `place`/end is there."""

    def hold() -> None:
        with LocalStore(root) as store:
            store.ref(failing.TOP)
            (place / "ready").touch()
            until((place / "end").exists)

    pid = forked(hold, place / "error")
    until(lambda: (place / "ready").exists() or (place / "error").exists())
    return pid


@root_only
@pytest.mark.parametrize("is_in_use", [False, True])
def test_a_directory_that_an_ordinary_user_may_only_read(before: Path, *, is_in_use: bool) -> None:
    with tempfile.TemporaryDirectory(dir=reader.QUICK) as place:
        Path(place).chmod(0o755)
        root = Path(place, "s")
        shutil.copytree(before / "s", root)
        owner = held_open(root, Path(place)) if is_in_use else 0
        for path in (root, *root.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        was = signature(root)

        def act() -> None:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            read_all(root)

        trouble = Path(place, "trouble")
        trouble.touch()
        trouble.chmod(0o666)
        assert os.waitpid(forked(act, trouble), 0)[1] == 0, trouble.read_text()
        assert signature(root) == was
        Path(place, "end").touch()
        assert not owner or os.waitpid(owner, 0)[1] == 0


@root_only
def test_a_file_system_that_is_mounted_read_only(before: Path, tiny: Path) -> None:
    shutil.copytree(before / "s", tiny / "s")
    subprocess.run(["mount", "-o", "remount,ro", tiny], check=True)
    was = signature(tiny)
    read_all(tiny / "s")
    assert signature(tiny) == was
