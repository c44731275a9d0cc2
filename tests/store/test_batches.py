"""Batches on disk: one sync, one commit and one index.json; nothing is left of one that fails; who waits for whom."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, NoReturn

import pytest

from blobkit.digest import of
from blobkit.errors import BatchError, StoreBusyError, StoreClosedError, StoreError
from blobkit.store.local import LocalStore
from patience import HANG

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.store.batch import Batch


def files(store: LocalStore) -> set[str]:
    """Return the names of the files of blobs, and of what is staged."""
    found = [*store.root.glob("blobs/*/*"), *store.root.glob(".blobkit/tmp/**/*")]
    return {path.relative_to(store.root).as_posix() for path in found}


def test_a_batch_is_one_commit_and_one_index_json(tmp_path: Path) -> None:
    written: list[str] = []
    with LocalStore(tmp_path / "store") as store:
        index = store.root / "index.json"
        before = index.stat().st_ino
        store._index._pool._idle[0].set_trace_callback(written.append)
        with store.batch() as batch:
            for number in range(50):
                batch.put(b"%d" % number, tag=f"n{number}")
            assert index.stat().st_ino == before
        names = [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in read(index)]
        assert sorted(names) == sorted(f"n{number}" for number in range(50))
        begun = [statement for statement in written if statement == "BEGIN IMMEDIATE"]
        inserted = [statement for statement in written if "layout_pending" in statement and "INSERT" in statement]
        assert len(begun) == 2  # the batch, and the flag that index.json is written
        assert len(inserted) == 1


def read(index: Path) -> list[dict[str, dict[str, str]]]:
    entries: list[dict[str, dict[str, str]]] = json.loads(index.read_bytes())["manifests"]
    return entries


def test_what_is_put_first_needs_no_lock(tmp_path: Path) -> None:
    with LocalStore(tmp_path / "store") as store, LocalStore(tmp_path / "store", timeout=0.2) as other:
        with store.batch() as batch:
            batch.put(b"ours")
            batch.put(b"both")
            assert other.put(b"both").pins == 1
            batch.ref(of(b"ours"))
            with pytest.raises(StoreBusyError):
                other.put(b"theirs")
            batch.put(b"more")
        assert store.get(of(b"both")).pins == 2
        assert other.list() == sorted(map(of, (b"ours", b"both", b"more")))


def test_nothing_is_left_of_a_batch_that_fails(tmp_path: Path) -> None:
    with LocalStore(tmp_path / "store") as store:
        store.put(b"kept", tag="kept")
        before, index = files(store), (store.root / "index.json").read_bytes()
        with pytest.raises(ZeroDivisionError):
            _fail(store)
        assert files(store) == before
        assert (store.root / "index.json").read_bytes() == index


def _fail(store: LocalStore) -> None:
    with store.batch() as batch:
        batch.put(b"waiting")
        batch.put(b"recorded", tag="new")
        assert batch.get(of(b"recorded")).read() == b"recorded"
        batch.untag("kept")
        raise ZeroDivisionError


def test_readers_do_not_wait_for_a_batch_and_writers_of_this_process_do(tmp_path: Path) -> None:
    with LocalStore(tmp_path / "store") as store:
        digest = store.put(b"here").digest
        seen: list[object] = []
        begun = threading.Event()

        def write() -> None:
            begun.set()
            seen.append(store.ref(digest).pins)

        def look() -> None:
            seen.append((store.get(digest).pins, store.list(), len(store)))

        with store.batch() as batch:
            batch.ref(digest)
            reader, writer = threading.Thread(target=look), threading.Thread(target=write)
            reader.start()
            reader.join(HANG)
            assert seen == [(1, [digest], 1)]
            writer.start()
            begun.wait(HANG)
            time.sleep(0.1)  # it would be done, if it did not wait
            assert len(seen) == 1
        writer.join(HANG)
        assert seen[1:] == [3]


@pytest.mark.slow
def test_a_thread_waits_no_longer_than_it_is_told(tmp_path: Path) -> None:
    with LocalStore(tmp_path / "store", timeout=0.1) as store:
        caught: list[BaseException] = []

        def write() -> None:
            try:
                store.put(b"x")
            except StoreBusyError as error:
                caught.append(error)

        with store.batch() as batch:
            batch.tags()
            writer = threading.Thread(target=write)
            writer.start()
            writer.join(HANG)
        assert "another thread" in str(caught[0])
        assert store.put(b"x").pins == 1


def test_a_forked_child_has_no_part_in_a_batch(tmp_path: Path) -> None:
    with LocalStore(tmp_path / "store") as store:
        with store.batch() as batch:
            batch.put(b"x")
            batch.tags()
            child = os.fork()
            if child == 0:
                _refused(batch)
            assert os.waitpid(child, 0)[1] == 0
            batch.put(b"y")
        assert store.list() == sorted([of(b"x"), of(b"y")])


def _refused(batch: Batch) -> NoReturn:
    """End this child with 0 where it cannot use the batch."""
    try:
        batch.put(b"z")
    except (BatchError, StoreError):
        os._exit(0)
    finally:
        os._exit(1)


def test_a_store_that_is_closed_by_another_thread_closes_all_its_connections(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    inside, go_on = threading.Event(), threading.Event()

    def look() -> None:
        store._index.read(lambda _: (inside.set(), go_on.wait(HANG)))

    reader = threading.Thread(target=look)
    reader.start()
    inside.wait(HANG)
    store.close()
    with pytest.raises(StoreClosedError):
        store.list()
    go_on.set()
    reader.join()
    assert not (tmp_path / "store/.blobkit/index.sqlite-wal").exists()


INTERRUPTED = """
import os, random, signal, sys, time, traceback
from blobkit.store.local import LocalStore

sys.unraisablehook = lambda _: None
rng, fired, where = random.Random(7), 0, set()
store = LocalStore(sys.argv[1], durability="off", timeout=5)

def interrupt(*_):
    global fired
    fired += 1
    raise KeyboardInterrupt

def work():
    len(store)
    store.put(b"1")
    with store.batch() as batch:
        batch.put(b"2")
        batch.tags()

begun = time.perf_counter()
for _ in range(20):
    work()
once = (time.perf_counter() - begun) / 20  # moments are parts of the work, however long that takes here
signal.signal(signal.SIGALRM, interrupt)
while fired < int(sys.argv[2]):
    before = fired
    try:
        signal.setitimer(signal.ITIMER_REAL, once * rng.uniform(0.1, 1.5))
        while fired == before:  # one that is swallowed in a finalizer raises nothing here
            work()
    except KeyboardInterrupt as error:
        where.update(frame.name for frame in traceback.extract_tb(error.__traceback__) if "blobkit" in frame.filename)
    store.put(b"3")
    if fired % 25 == 0:
        child = os.fork()
        if child == 0:
            try:
                LocalStore(sys.argv[1]).put(b"4")
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
print(len(where))
"""

INTERRUPTS = 300 * int(os.environ.get("BLOBKIT_TORTURE", "1"))


@pytest.mark.slow
def test_an_interrupt_at_any_moment_leaves_a_store_that_works(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, os.fspath(tmp_path / "store"), str(INTERRUPTS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 40, "functions in which an interrupt was raised, or which it went through"
    with LocalStore(tmp_path / "store") as store:
        assert not store.fsck(progress=False)


OUTLIVING = """
import os, sys
from blobkit.index.pool import Lease
from blobkit.store.local import LocalStore
store = LocalStore(sys.argv[1])
writer, area = store.new_writer(), store._content.area()
writer.write(b"1")
os.kept = store, writer, area, area.stage(), Lease(store._index._pool)
"""


def test_what_outlives_the_modules_of_an_interpreter_ends_without_a_word(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OUTLIVING, os.fspath(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    with LocalStore(tmp_path / "store") as store:
        assert files(store) == set()
        assert not store.fsck(progress=False)


KILLED = """
import os, sys
from blobkit.store.local import LocalStore
store = LocalStore(sys.argv[1])
with store.batch() as batch:
    for number in range(20):
        batch.put(b"%d" % number)
    batch.put(b"last", tag="last")
    print("staged", flush=True)
    sys.stdin.read()
"""


def test_very_many_puts_wait_for_the_lock_in_linear_time(tmp_path: Path) -> None:
    looked = 0

    def count(*_: object) -> None:
        nonlocal looked
        looked += 1

    with LocalStore(tmp_path / "store", durability="off") as store, store.batch() as batch:
        sys.setprofile(count)
        try:
            for number in range(200):
                batch.put(b"%d" % number)
            first, looked = looked, 0
            for number in range(200, 400):
                batch.put(b"%d" % number)
        finally:
            sys.setprofile(None)
        assert looked < first * 1.1


def test_a_batch_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with LocalStore(root) as store:
        before = files(store)
    victim = subprocess.Popen(
        [sys.executable, "-c", KILLED, os.fspath(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"staged\n"
        victim.send_signal(signal.SIGKILL)
    with LocalStore(root) as store:
        assert store.list() == []
        assert files(store) == before
        assert store.put(b"1").pins == 1
