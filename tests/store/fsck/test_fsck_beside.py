"""A check beside living writers takes no work in the making for damage; a repair that dies is done by the next."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import damage
from blobkit.errors import StoreBusyError
from blobkit.store.fsck import context, fsck
from blobkit.store.fsck.directory import fsck_directory
from blobkit.store.local import LocalStore
from patience import HANG, until
from workload import forked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blobkit.store.fsck.report import Fsck

REPOSITORY = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}

KILLS = 6 * int(os.environ.get("BLOBKIT_TORTURE", "1"))
AHEAD = 3
"""A writer that has done so many more rounds than the other waits for it: what it did meanwhile would prove no more."""


def write(root: Path, number: int, durability: str, logs: list[Path], stop: Path) -> None:
    """Put, link, name and drop what is this writer's own and what both write, round after round, until told to stop."""
    rounds = os.open(logs[number], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    other = logs[1 - number]
    with LocalStore(root, durability=durability, timeout=1000) as store:
        done = 0
        while not stop.exists():
            done += 1
            child = store.put(b"child %d %d" % (number, done % 7)).digest
            store.put(b"own %d %d" % (number, done), links=[child], tag=f"p{number}", move=True)
            store.deref(store.put(b"both %d" % (done % 3)).digest)
            if done % 5 == 0:
                with store.batch() as batch:
                    for one in range(40):
                        batch.put(b"batch %d %d" % (number, one), tag=f"b{one}", move=True)
                for one in range(40):
                    store.untag(f"b{one}") if f"b{one}" in store.tags() and number == 0 else None
            os.write(rounds, b"r")
            until(lambda done=done: stop.exists() or done < AHEAD + (other.stat().st_size if other.exists() else 0))


@contextmanager
def writers(root: Path, durability: str) -> Iterator[Callable[[], list[int]]]:
    """Let two writers work until the block ends; yield what tells how many rounds each has done."""
    logs, stop = [root.with_name(f"rounds{n}") for n in range(2)], root.with_name("stop")
    troubles = [root.with_name(f"trouble{n}") for n in range(2)]
    running = [forked(lambda n=n: write(root, n, durability, logs, stop), troubles[n]) for n in range(2)]

    def rounds() -> list[int]:
        assert [trouble.read_text() for trouble in troubles if trouble.exists()] == []
        return [log.stat().st_size if log.exists() else 0 for log in logs]

    try:
        until(lambda: min(rounds()))
        yield rounds
    finally:
        stop.touch()
        codes = [os.waitpid(pid, 0)[1] for pid in running]
    assert codes == [0, 0]


def await_rounds(rounds: Callable[[], list[int]], number: int) -> None:
    """Wait until each writer has done so many more rounds."""
    wanted = [done + number for done in rounds()]
    until(lambda: all(done >= due for done, due in zip(rounds(), wanted, strict=True)))


def checked(root: Path, opened: str) -> Fsck:
    """Return what a check finds; one that only reads is tried again where the writers leave no time to read."""
    if opened == "for writing":
        with LocalStore(root) as store:
            return store.fsck(progress=False)
    while True:
        with suppress(StoreBusyError):
            return fsck_directory(root, repair=False, content=True, progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["off", "full"])
@pytest.mark.parametrize("opened", ["for writing", "for reading"])
def test_living_writers_cause_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: str, durability: str
) -> None:
    """Beside writers, what is only read may say of a blob that came back meanwhile that its content is gone."""
    root, beside, look = tmp_path / "store", 0, fsck.check_content
    LocalStore(root).close()
    with writers(root, durability) as rounds:

        def look_later(*arguments: object, **options: object) -> None:
            """Let each writer change something between the look at the index and the one at the content."""
            await_rounds(rounds, 1)
            look(*arguments, **options)

        monkeypatch.setattr(fsck, "check_content", look_later)
        while beside < 5 or min(rounds()) < 30:
            before = rounds()
            found = checked(root, opened)
            assert found.counts.keys() <= ({"content-missing"} if opened == "for reading" else set()), str(found)
            assert not found or fsck.BESIDE in found.notes
            beside += all(after > then for after, then in zip(rounds(), before, strict=True))
    monkeypatch.undo()
    assert not fsck_directory(root, repair=False, content=True, progress=False)


def lasting(root: Path, seconds: float = HANG) -> float:
    """Repair in a process of its own that is killed after that time; return how long it took, 0 where it was killed."""
    begun = time.perf_counter()
    trouble = root.with_name("trouble")
    pid = forked(lambda: fsck_directory(root, repair=True, content=True, progress=False), trouble)
    end = os.pidfd_open(pid)
    try:
        ended = select.select([end], [], [], seconds)[0]
        took = time.perf_counter() - begun
        if not ended:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(end)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert not trouble.exists(), trouble.read_text()
    return 0.0 if code == -signal.SIGKILL else took


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["repair", "rebuild"])
def test_what_was_killed_half_way_is_done_by_the_next(
    quick_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(context, "GRACE", -60.0)
    monkeypatch.setattr(context, "CHUNK", 100)
    root = quick_path / "store"
    damage.build(root)
    with LocalStore(root, durability="off") as store, store.batch() as batch:
        for number in range(400):
            batch.put(b"one of many %d" % number)
    place = damage.Place(root)
    index = (root / ".blobkit/index.sqlite").read_bytes()
    repairable = [name for name in damage.PLANTS if not damage.is_about_index_json(name) and name != "no-digest"]
    whole, step, killed = HANG, 0, 0
    while killed < KILLS:
        (root / ".blobkit/index.sqlite").write_bytes(index)
        for name in repairable if kind == "repair" and step == 0 else ("orphan", "truncated", "refcount"):
            damage.PLANTS[name][1](place)
        if kind == "rebuild":
            (root / ".blobkit/index.sqlite").write_bytes(b"no database" * 1000)
        before = set(damage.contents(root)) - {damage.name_of(damage.GRAVE)}
        took = lasting(root, whole * killed / KILLS if step > 1 else HANG)
        step, whole, killed = step + 1, took or whole, killed + (not took)
        assert before <= set(damage.contents(root))
        fsck_directory(root, repair=True, content=True, progress=False)
        assert before <= set(damage.contents(root))
        again = fsck_directory(root, repair=True, content=True, progress=False)
        assert not any(finding.action for finding in again.findings)
        assert damage.faults(root) <= {"missing"}
    assert not list((root / ".blobkit").glob("index.sqlite.*"))


def test_a_store_that_this_process_has_open_is_not_rebuilt(tmp_path: Path) -> None:
    with LocalStore(tmp_path / "store"), pytest.raises(StoreBusyError, match="this process has the store open"):
        LocalStore.rebuild(tmp_path / "store", progress=False)
    assert LocalStore.rebuild(tmp_path / "store", progress=False)


@pytest.mark.slow
def test_a_store_that_another_process_has_open_is_not_rebuilt(tmp_path: Path) -> None:
    root = tmp_path / "store"
    damage.build(root)
    code = "import sys, blobkit; s = blobkit.LocalStore(sys.argv[1]); s.put(b'x'); print('open', flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(root)],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(StoreBusyError, match="another process has the store open"):
            LocalStore.rebuild(root, progress=False)
    finally:
        process.communicate("\n")
    assert process.returncode == 0
    assert LocalStore.rebuild(root, progress=False)


def test_beside_an_open_store_what_may_be_in_the_making_is_a_note(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with LocalStore(root) as store:
        small = store.put(b"small", tag="t").digest
        place = damage.Place(root)
        damage.PLANTS["orphan"][1](place)
        damage.PLANTS["tombstone"][1](place)
        place.blob(b"small").unlink()  # the journal has it
        place.run("INSERT INTO meta VALUES ('layout_dirty', '1')")
        found = fsck_directory(root, repair=False, content=True, progress=False)
        assert not found, str(found)
        assert [note.partition(" ")[0] for note in found.notes] == ["4", "another"]
        assert store.fsck(progress=False).counts == {"orphan": 1}, "under the lock nobody is about to record it"
        os.utime(place.blob(damage.ORPHAN), (0, 0))
        old = fsck_directory(root, repair=False, content=True, progress=False)
        assert old.counts == {"orphan": 1}
        repaired = store.fsck(repair=True, progress=False)
        assert repaired.counts == {"layout-stale": 1, "orphan": 1, "tombstone": 1, "unrestored": 1}
        assert not repaired.left
        assert store.get(small).read() == b"small"
        assert fsck_directory(root, repair=False, content=True, progress=False).notes == ()


def test_beside_an_open_store_certain_damage_is_found(tmp_path: Path) -> None:
    root = tmp_path / "store"
    damage.build(root)
    place = damage.Place(root)
    names = ("corrupt", "refcount", "stray", "temp", "layout-foreign")
    with LocalStore(root):
        for name in names:
            damage.PLANTS[name][1](place)
        found = fsck_directory(root, repair=False, content=True, progress=False)
        assert found.counts.keys() == {damage.PLANTS[name][0] for name in names}
        assert found.notes == (fsck.BESIDE,)


def test_a_file_that_the_journal_has_is_no_orphan(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with LocalStore(root) as store:
        digest = store.put(b"small").digest
        store.deref(digest)
        place = damage.Place(root)
        place.run("DELETE FROM tombstones")
        place.rewrite(b"small", b"small")
        os.utime(place.blob(b"small"), (0, 0))
        assert store.orphans() == {}
        assert not store.fsck(repair=True, progress=False)
    with LocalStore(root) as store:  # closing drained the journal
        assert list(store.orphans()) == [digest]


def test_what_changes_between_two_looks_is_in_the_making(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "store"
    with LocalStore(root) as store:
        store.put(b"small", tag="t")
        (root / "index.json").write_text('{"schemaVersion": 2, "manifests": []}')
        hashed = iter("ab")
        with monkeypatch.context() as patch:
            patch.setattr(store._layout, "hash", lambda: next(hashed))
            patch.setattr(store._layout, "is_ours", lambda _: False)
            assert not store.fsck(progress=False)
        assert store.fsck(progress=False).counts == {"layout-foreign": 1}


def test_an_empty_temporary_file_or_area_may_be_about_to_be_locked(tmp_path: Path) -> None:
    """A writer locks what is new before it writes into it, so only what holds something is known to be left over."""
    with LocalStore(tmp_path / "store") as store:
        new = [tmp_path / "store/.blobkit/tmp" / name for name in ("1-new", "2-new")]
        new[0].touch()
        new[1].mkdir()
        assert not store.fsck(progress=False)
        new[0].write_bytes(b"left")
        (new[1] / "0").touch()
        assert store.fsck(progress=False).counts == {"temp": 2}
        assert store.fsck(repair=True, progress=False).counts == {"temp": 2}
        assert [one for one in new if one.exists()] == []
