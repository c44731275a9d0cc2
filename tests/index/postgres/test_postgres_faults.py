"""Lost connections, deadlocks, waits, refusals: each ends in one commit or in an error that says what to do."""

from __future__ import annotations

import os
import tempfile
import threading
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.errors import (
    AddressError,
    BatchError,
    BlobkitError,
    CredentialsError,
    NotAStoreError,
    StoreBusyError,
    StoreClosedError,
    StoreTooNewError,
)
from blobkit.testing.concurrent import put
from remote_servers.cutting import cutting
from workload import forked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.index.postgres.index import PostgresIndex
    from blobkit.transactions import Writing
    from remote_servers.databases import DatabaseServer

    Open = Callable[..., PostgresIndex]

A, B = of(b"a"), of(b"b")
OTHERS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND datname = 'postgres'"""
SECRET = "p4ss-w0rd"  # noqa: S105 (planted, to be searched for)


def pins(index: PostgresIndex) -> int:
    return index.read(lambda tx: tx.counts([A]).get(A, 0))


def kill_others(index: PostgresIndex) -> None:
    """End all connections to the server but the one that asks."""
    with index._pool.connection(fresh=True) as db:
        db.execute(OTHERS)


@pytest.mark.parametrize("at", ["before", "after"])
def test_a_commit_without_an_answer_is_made_once(database_server: DatabaseServer, open_index: Open, at: str) -> None:
    with tempfile.TemporaryDirectory(prefix="blobkit-cut-") as place, cutting(place, database_server.place) as cutter:
        index = open_index(url=f"postgresql://owner@/postgres?host={place}")
        index.write(put(A))
        cutter.at, runs = at, []

        def plan(tx: Writing) -> int:
            runs.append(1)
            return tx.pin({A: 1})[A].pins

        assert index.write(plan) == 2
        assert (cutter.cuts, len(runs)) == (1, 2 if at == "before" else 1)
        assert pins(index) == 2
        index.close()


def test_a_connection_lost_in_a_plan_runs_it_again(open_index: Open) -> None:
    index, runs = open_index(), []

    def plan(tx: Writing) -> None:
        put(A)(tx)
        runs.append(1)
        if len(runs) == 1:
            kill_others(index)
        tx.counts([B])

    index.write(plan)
    assert (len(runs), pins(index)) == (2, 1)


def test_idle_connections_that_were_lost_are_nobodys_trouble(open_index: Open) -> None:
    index = open_index()
    index.write(put(A))
    for act in (lambda: pins(index), lambda: index.write(put(A))):
        kill_others(index)
        act()
    assert pins(index) == 2


def test_a_batch_whose_connection_is_lost_says_so(open_index: Open) -> None:
    index = open_index()
    with pytest.raises(BlobkitError), index.writing() as tx:  # noqa: PT012 (the last step raises)
        put(A)(tx)
        kill_others(index)
        tx.counts([B])
    assert pins(index) == 0


def test_deadlocks_are_run_again(open_index: Open) -> None:
    index = open_index()
    index.write(put(A, B))
    gate = threading.Barrier(2)

    def crossing(first: str, second: str) -> None:
        waits = [True]

        def plan(tx: Writing) -> None:
            tx.counts([first])
            if waits.pop() if waits else False:
                gate.wait(30)
            tx.counts([second])
            tx.pin({first: 1, second: 1})

        index.write(plan)

    threads = [threading.Thread(target=crossing, args=pair) for pair in ((A, B), (B, A))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert index.repeats > 0
    assert index.read(lambda tx: dict(tx.counts([A, B]))) == {A: 3, B: 3}


def test_who_waits_too_long_is_told(open_index: Open) -> None:
    index, other = open_index(), open_index(timeout=0.2)
    with index.writing(), pytest.raises(StoreBusyError):
        other.write(put(A))
    other.write(put(A))
    assert pins(index) == 1


def test_a_batch_that_does_nothing_for_too_long_is_ended(open_index: Open) -> None:
    slow, other = open_index(timeout=0.2), open_index()
    with pytest.raises(StoreBusyError), slow.writing() as tx:  # noqa: PT012 (the last step raises)
        put(A)(tx)
        other.write(put(B))  # which waits for the lock of the batch until the server takes it away
        put(B)(tx)
    assert (pins(other), other.read(lambda tx: tx.total())) == (0, 1)
    slow.write(put(A))


def test_a_plan_that_does_nothing_for_too_long_is_ended(open_index: Open) -> None:
    slow, other = open_index(timeout=0.2), open_index()
    slow.write(put(A))

    def plan(tx: Writing) -> None:
        tx.counts([A])
        other.write(put(A))  # which waits for the row until the server takes it away
        tx.pin({A: 1})

    with pytest.raises(StoreBusyError, match="idle-in-transaction"):
        slow.write(plan)
    assert pins(other) == 2
    slow.write(put(A))
    assert pins(other) == 3


def test_a_transaction_in_a_transaction_is_refused_and_questions_are_not(open_index: Open) -> None:
    index = open_index()
    with index.writing() as tx:
        put(A)(tx)
        assert pins(index) == 0
        with pytest.raises(BatchError), index.writing():
            pass
    assert pins(index) == 1


def test_a_child_opens_it_again(open_index: Open, tmp_path: Path) -> None:
    index = open_index()
    index.write(put(A))

    def child() -> None:
        with pytest.raises(StoreClosedError, match="open it again"):
            index.read(lambda tx: tx.total())
        index.close()

    pid = forked(child, tmp_path / "trouble")
    assert os.waitpid(pid, 0)[1] == 0, (tmp_path / "trouble").read_text()
    assert pins(index) == 1


def test_a_store_of_a_newer_version_is_not_touched(open_index: Open) -> None:
    index = open_index()
    index.write(lambda tx: tx.set_meta("schema", "99"))
    with pytest.raises(StoreTooNewError):
        open_index()


def test_a_store_that_is_absent_is_not_made_without_create(open_index: Open) -> None:
    with pytest.raises(NotAStoreError):
        open_index(create=False)
    open_index().close()
    open_index(create=False).close()


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("postgresql://u:{secret}@/nowhere?host={place}&user=owner", NotAStoreError, "no such database"),
        ("postgresql://locked:{secret}@/postgres?host={place}", CredentialsError, "refuses the user or the password"),
        ("postgresql://u:{secret}@/postgres?host=/nowhere", StoreBusyError, "cannot be reached"),
        ("postgresql://u:{secret}@127.0.0.1:1/postgres", StoreBusyError, "cannot be reached"),
        ("postgresql://u:{secret}@h/d?nonsense={secret}", AddressError, "cannot be read"),
        ("mysql://u:{secret}@h/d", AddressError, "not in mysql"),
        ("host=h password={secret}", AddressError, "give postgresql://"),
    ],
)
def test_what_cannot_be_opened_says_why_and_shows_no_secret(
    database_server: DatabaseServer, open_index: Open, url: str, error: type[BlobkitError], said: str
) -> None:
    with pytest.raises(error) as caught:
        open_index(url=url.format(secret=SECRET, place=database_server.place), timeout=0.2)
    assert said in str(caught.value)
    shown: BaseException | None = caught.value
    while shown is not None:
        assert SECRET not in f"{shown} {shown!r}"
        shown = shown.__cause__ if shown.__suppress_context__ else shown.__context__


def test_counts_end_where_integers_end(open_index: Open) -> None:
    index = open_index()
    index.write(put(A))
    with pytest.raises(OverflowError):
        index.write(lambda tx: tx.pin({A: 2**63 - 1}))
    assert pins(index) == 1


def test_stores_in_one_database_do_not_wait_for_one_another(database_server: DatabaseServer, open_index: Open) -> None:
    index, other = open_index(), open_index(schema=database_server.schema(), timeout=5)
    with index.writing():
        other.write(put(A))
    assert pins(other) == 1
