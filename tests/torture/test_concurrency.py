"""Many processes and threads on the same blobs: every count is exact in the end."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

import independent_reader as reader
import ledger
from blobkit.errors import BatchError, StoreBusyError, StoreClosedError, StoreError
from blobkit.store.local import LocalStore
from operations import run
from patience import HANG, until
from workload import Job, Worker, forked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Driven = Callable[..., dict[str, dict[str, int]]]


@pytest.mark.slow
def test_eight_processes_end_with_exact_counts(tmp_path: Path, driven: Driven, more: int) -> None:
    how = ("--crew", 8, "--steps", 80, "--rounds", more, "--durability", "off", "--seed", 8)
    figures = driven("killing.py", tmp_path, *how)["figures"]
    assert figures["ended"] == 8 * more
    assert figures["acknowledged"] + figures["refused"] > 500 * more
    assert "under_way" not in figures


def hands(store: LocalStore, place: Path, numbers: range, crew: int) -> list[Worker]:
    base = reader.look(store.root)
    return [Worker(Job(store.root, place / f"log{n}", n, n, crew, largest=90_000), store, base) for n in numbers]


def at_work(workers: list[Worker], steps: int, troubles: list[BaseException]) -> list[threading.Thread]:
    """Return started threads, each of which does so many things."""

    def work(worker: Worker) -> None:
        try:
            run(worker, steps)
        except BaseException as error:  # noqa: BLE001 (whatever it is, the test must see it)
            troubles.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    return threads


def written(workers: list[Worker]) -> int:
    """Return how many lines are in their logs."""
    return sum(worker.job.log.read_bytes().count(b"\n") for worker in workers)


def check(root: Path, place: Path) -> int:
    """Hold that the store is what the logs say, exactly; return how many effects there were."""
    logs = [ledger.read(path.read_bytes()) for path in sorted(place.glob("log?"))]
    assert {effect.state for log in logs for effect in log} <= {"done", "refused"}
    seen = reader.look(root)
    assert reader.faults(root, seen) + reader.leftovers(root, seen) + ledger.problems(reader.Seen(), seen, logs) == []
    assert not seen.orphans
    return sum(map(len, logs))


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["off", "full"])
def test_eight_threads_share_one_store(tmp_path: Path, durability: str, more: int) -> None:
    troubles: list[BaseException] = []
    with LocalStore(tmp_path / "s", durability=durability, timeout=HANG) as store:
        for thread in at_work(hands(store, tmp_path, range(8), 8), 60 * more, troubles):
            thread.join()
    assert not troubles
    assert check(tmp_path / "s", tmp_path) > 400


@pytest.mark.slow
def test_a_fork_in_the_middle_of_threads_does_not_disturb_them(tmp_path: Path, more: int) -> None:
    """The child opens the store again, unless a thread was inside a transaction: then it is refused."""
    troubles: list[BaseException] = []
    with LocalStore(tmp_path / "s", durability="off", timeout=HANG) as store:
        *crew, parent, child, late = hands(store, tmp_path, range(6), 6)
        run(parent, 20)
        threads = at_work(crew, 80 * more, troubles)
        pids = []
        for number, worker in enumerate((child, late)):
            done = written(crew) + 30
            until(lambda done=done: written(crew) >= done or troubles)
            pids.append(forked(lambda worker=worker: in_own_store(worker, tmp_path / "s"), tmp_path / f"error{number}"))
            run(parent, 20)
        for thread in threads:
            thread.join()
        assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0], [p.read_text() for p in tmp_path.glob("error*")]
        run(parent, 20)
    assert not troubles
    assert check(tmp_path / "s", tmp_path) > 200


def in_own_store(worker: Worker, root: Path) -> None:
    with pytest.raises(StoreClosedError, match="open it again"):
        worker.store.put(b"x")
    try:
        worker.store = LocalStore(root, durability="off", timeout=HANG)
    except StoreError as error:
        if "forked in the middle of a transaction" not in str(error):
            raise
    else:
        run(worker, 40)
        worker.store.close()


@pytest.mark.slow
def test_waiting_for_the_lock_is_bounded_and_loses_nothing(tmp_path: Path) -> None:
    root = tmp_path / "s"
    with LocalStore(root) as holder, LocalStore(root, timeout=0.5) as other:
        kept = holder.put(b"kept").digest
        with holder.batch() as batch:
            batch.ref(kept)
            for verb in (lambda: other.put(b"new"), lambda: other.deref(kept), lambda: other.tag("t", kept)):
                start = time.monotonic()
                with pytest.raises(StoreBusyError, match="another process is writing") as refused:
                    verb()
                assert 0.4 < time.monotonic() - start < HANG
                assert "\n" not in str(refused.value)
            assert other.get(kept).refcount == 1
        assert other.get(kept).refcount == 2
        other.put(b"new", tag="t")
    seen = reader.look(root)
    assert reader.faults(root, seen) + reader.leftovers(root, seen) == []
    assert (len(seen.blobs), set(seen.tags), seen.orphans) == (2, {"t"}, set())


# Forks: SQLite alone would lose what a child commits after its parent closed the store


def in_child(act: Callable[[], object], place: Path) -> int:
    """Return the process id of a child that acts once `place`/go is there."""

    def act_later() -> None:
        until((place / "go").exists)
        act()

    return forked(act_later, place / "error")


def put_after(root: Path) -> None:
    with LocalStore(root) as store:
        store.put(b"after")


def test_a_forked_child_goes_on_after_its_parent_closed_the_store(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "s")
    store.put(b"before")
    pid = in_child(lambda: put_after(tmp_path / "s"), tmp_path)
    store.put(b"meanwhile")
    store.close()
    (tmp_path / "go").touch()
    assert os.waitpid(pid, 0)[1] == 0, (tmp_path / "error").read_text()
    seen = reader.look(tmp_path / "s")
    assert reader.faults(tmp_path / "s", seen) == []
    assert (len(seen.blobs), seen.orphans) == (3, set())


def test_a_child_forked_inside_a_batch_has_no_part_in_it(tmp_path: Path) -> None:
    def child() -> None:
        with pytest.raises(BatchError):
            batch.put(b"in the child")
        with pytest.raises(StoreClosedError, match="open it again in this process"):
            store.put(b"in the child")
        with pytest.raises(StoreError, match="forked in the middle of a transaction"):
            LocalStore(tmp_path / "s")

    with LocalStore(tmp_path / "s") as store:
        with store.batch() as batch:
            batch.put(b"first", tag="t")
            pid = in_child(child, tmp_path)
            (tmp_path / "go").touch()
            assert os.waitpid(pid, 0)[1] == 0, (tmp_path / "error").read_text()
            batch.put(b"second")
        assert len(store) == 2
    seen = reader.look(tmp_path / "s")
    assert reader.faults(tmp_path / "s", seen) + reader.leftovers(tmp_path / "s", seen) == []
