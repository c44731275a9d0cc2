"""A check beside living writers finds nothing that is not so; one that dies half way is done by the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import damage
from blobkit.errors import StoreBusyError
from blobkit.store.fsck import subject
from blobkit.store.fsck.directory import fsck_directory
from blobkit.store.local import LocalStore

REPOSITORY = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}

WRITER = """
import sys, time
from blobkit.store.local import LocalStore
with LocalStore(sys.argv[1], durability=sys.argv[3]) as store:
    until = time.monotonic() + 9
    number = 0
    while time.monotonic() < until:
        number += 1
        child = store.put(b"child %s %d" % (sys.argv[2].encode(), number % 7)).digest
        store.put(b"own %s %d" % (sys.argv[2].encode(), number), links=[child], tag="p" + sys.argv[2], move=True)
        store.deref(store.put(b"both %d" % (number % 3)).digest)
        if number % 5 == 0:
            with store.batch() as batch:
                new = [batch.put(b"batch %s %d" % (sys.argv[2].encode(), i), tag=f"b{i}", move=True) for i in range(40)]
            for i in range(40):
                store.untag(f"b{i}") if f"b{i}" in store.tags() and sys.argv[2] == "0" else None
"""

REPAIR = """
import sys
from blobkit.store.fsck import subject
from blobkit.store.fsck.directory import fsck_directory
from blobkit.store.loops import loops
subject.GRACE, subject.PAUSES = -60.0, (0.0,)
print("begun", flush=True)
fsck_directory(sys.argv[1], repair=True, content=True, progress=False)
"""


@pytest.mark.parametrize("durability", ["off", "full"])
@pytest.mark.parametrize("opened", ["for writing", "for reading"])
def test_living_writers_cause_no_finding(tmp_path: Path, opened: str, durability: str) -> None:
    root = tmp_path / "store"
    LocalStore(root).close()
    command = [sys.executable, "-W", "error", "-c", WRITER, str(root)]
    running = [subprocess.Popen([*command, str(n), durability], env=ENVIRONMENT) for n in range(2)]
    checks = 0
    try:
        time.sleep(0.5)
        while any(process.poll() is None for process in running):
            if opened == "for reading":
                found = fsck_directory(root, repair=False, content=True, progress=False)
            else:
                with LocalStore(root) as store:
                    found = store.fsck(progress=False)
            assert not found, str(found)
            checks += 1
    finally:
        codes = [process.wait(100) for process in running]
    assert codes == [0, 0]
    assert checks >= 2
    assert not fsck_directory(root, repair=False, content=True, progress=False)


def kill_after(root: Path, seconds: float) -> bool:
    """Repair in a process of its own that is killed after that time; return whether it was done before."""
    command = [sys.executable, "-c", REPAIR, str(root)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return False
    finally:
        process.stdout.close()
    return True


@pytest.mark.parametrize("kind", ["repair", "rebuild"])
def test_what_was_killed_half_way_is_done_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(subject, "GRACE", -60.0)
    monkeypatch.setattr(subject, "PAUSES", (0.0,))
    root = tmp_path / "store"
    damage.build(root)
    with LocalStore(root, durability="off") as store, store.batch() as batch:
        for number in range(1500):
            batch.put(b"one of many %d" % number)
    place = damage.Place(root)
    index = (root / ".blobkit/index.sqlite").read_bytes()
    repairable = [name for name in damage.PLANTS if not damage.is_about_index_json(name) and name != "no-digest"]
    for step in range(12):
        (root / ".blobkit/index.sqlite").write_bytes(index)
        for name in repairable if kind == "repair" and step == 0 else ("orphan", "truncated", "refcount"):
            damage.PLANTS[name][1](place)
        if kind == "rebuild":
            (root / ".blobkit/index.sqlite").write_bytes(b"no database" * 1000)
        before = set(damage.contents(root)) - {damage.name_of(damage.GRAVE)}
        kill_after(root, step * 0.03)
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
