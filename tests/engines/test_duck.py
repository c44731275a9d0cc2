"""DuckDB as an engine: its directory, its limits, what it refuses, its command."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import blobkit
from blobkit.cli import cli
from blobkit.engines import DuckSnapshot
from blobkit.errors import (
    DiffError,
    EngineLimitError,
    GroupingError,
    SnapshotFormatError,
    UnknownPolicyError,
    UnknownToolError,
    UnreadableStoreError,
)
from crafted import changed, parts_at, tables
from engines.equal import check, check_diff, check_dropped, check_tools
from graphs import hard_graph, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blobkit.snapshot.snapshot import Snapshot


@pytest.fixture
def hard() -> Snapshot:
    graph, names, groups = hard_graph(cyclic=False)
    return snapshot_of(graph, counting=False, names=names, group=groups)


@pytest.fixture
def place(hard: Snapshot, tmp_path: Path) -> Path:
    hard.save(f"{tmp_path}/x/")
    return tmp_path / "x"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where engines put their directories."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary" / f"blobkit-engines-{os.getuid()}"


@pytest.mark.slow
def test_nothing_is_left_behind(place: Path, work: Path) -> None:
    before = sorted(place.rglob("*"))
    with DuckSnapshot(place) as duck:
        duck.usage("repo")
        assert len(list(work.iterdir())) == 1
        with DuckSnapshot(place) as other:
            other.garbage()
            assert len(list(work.iterdir())) == 2
        assert duck.garbage().blobs == len(list(work.iterdir())) + 1
    assert not work.exists()
    assert sorted(place.rglob("*")) == before
    DuckSnapshot(place).usage("kind")  # closed when nobody holds it
    gc.collect()
    assert not work.exists()


KILLED = """
import os, signal, sys
from blobkit.engines import DuckSnapshot
duck = DuckSnapshot(sys.argv[1], work=sys.argv[2])
duck.garbage()
print(duck.engine.place.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_what_a_killed_one_left_is_removed_by_the_next(place: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, place, work], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = Path(done.stdout.strip())
    assert (left / "tables.duckdb").exists()
    with DuckSnapshot(place, work=work) as duck:
        assert not left.exists()
        assert [duck.engine.place.path] == list(work.iterdir())


@pytest.mark.slow
def test_an_interrupted_question_is_asked_again(
    hard: Snapshot, place: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any query: what was made stays right, and the directory goes in the end."""
    with DuckSnapshot(place) as duck:
        real, left = duck.engine.step, [0]

        def step(name: str, query: str) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            real(name, query)

        monkeypatch.setattr(duck.engine, "step", step)
        for number in range(1, 60, 3):
            left[0] = number
            try:
                check_dropped(hard, duck, "n0")
            except KeyboardInterrupt:
                continue
            break
        left[0] = -1
        check(hard, duck)
    assert not work.exists()


def when_running(tables: Path, then: Callable[[], object]) -> None:
    """Call `then` in a thread as soon as the query that writes to this file does so."""
    before = tables.stat().st_size

    def watch() -> None:
        while tables.stat().st_size == before:
            time.sleep(0.01)
        then()

    threading.Thread(target=watch, daemon=True).start()


def test_an_interrupt_inside_a_query_is_one(place: Path, work: Path) -> None:
    """DuckDB itself sees the signal, and tells of it as a RuntimeError."""
    with DuckSnapshot(place, threads=1) as duck:
        when_running(duck.engine.place.path / "tables.duckdb", lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt) as caught:
            duck.engine.step("never", "SELECT range AS id FROM range(10000000000)")
        assert isinstance(caught.value.__cause__, RuntimeError)
        assert duck.garbage().blobs > 0
    assert not work.exists()


def test_only_directories_of_engines_are_removed(place: Path, tmp_path: Path) -> None:
    mine = tmp_path / "work" / "mine"
    mine.mkdir(parents=True)
    (mine / "lock").write_text("x")
    DuckSnapshot(place, work=tmp_path / "work").close()
    assert (mine / "lock").read_text() == "x"
    assert list((tmp_path / "work").iterdir()) == [mine]


def test_questions_in_memory_only_are_told(place: Path, tmp_path: Path) -> None:
    with DuckSnapshot(place) as duck:
        with pytest.raises(AttributeError, match=r"has no why: an engine does not answer it; load the snapshot"):
            duck.why  # noqa: B018 (it is named only)
        assert not hasattr(duck, "colour")
    with pytest.raises(SnapshotFormatError, match=r"no snapshot\.json.*scan ADDRESS -o DIR/"):
        DuckSnapshot(tmp_path)


def test_a_directory_of_somebody_else_is_refused(place: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path / "x")
    for work in ("open", "link"):
        with pytest.raises(UnreadableStoreError, match="not a directory of this user alone"):
            DuckSnapshot(place, work=tmp_path / work)


def test_odd_paths(hard: Snapshot, tmp_path: Path) -> None:
    odd = tmp_path / "a [b]*?'k=1"
    odd.mkdir()
    hard.save(f"{odd}/x*/")
    (odd / "xy").mkdir()
    with DuckSnapshot(odd / "x*", work=tmp_path / "a [b]*'k=1") as duck:
        check_dropped(hard, duck, "n0")
    with pytest.raises(UnreadableStoreError, match="question mark"):
        DuckSnapshot(odd / "x*", work=odd / "work")
    assert not (odd / "work").exists()


def test_rows_are_checked_before_they_are_trusted(place: Path) -> None:
    part = place / "nodes/part-00000.parquet"
    nodes = pq.read_table(part)
    pq.write_table(nodes.take(list(range(nodes.num_rows))[::-1]), part)
    with pytest.raises(SnapshotFormatError, match="order of their keys"):
        DuckSnapshot(place)
    (place / "snapshot.json").write_text("{}")
    with pytest.raises(SnapshotFormatError):
        DuckSnapshot(place)


@pytest.mark.slow
def test_numbers_of_other_widths_and_odd_times(tmp_path: Path) -> None:
    """As other programs may write them: small and unsigned numbers, years that no calendar has, no time at all."""
    found = tables()
    for table, column, kind in (
        ("nodes", "size", pa.uint16()),
        ("pins", "count", pa.uint64()),
        ("links", "source", pa.int8()),
    ):
        found = changed(found, table, column, found[table][column].cast(kind).combine_chunks())
    times = pa.array([-1, 316_537_891_200_000_000, None, 0], pa.timestamp("us", tz="UTC"))
    for number, values in enumerate((times, pa.nulls(4))):
        place = parts_at(tmp_path / str(number), changed(found, "nodes", "modified", values))
        with DuckSnapshot(place, work=tmp_path / "work") as duck:
            snapshot = blobkit.Snapshot.load(place)
            check(snapshot, duck)
            check_diff(snapshot, snapshot, duck, duck, "repo")
            check_tools(snapshot, duck)


def test_format_1_is_refused_with_what_to_do(hard: Snapshot, tmp_path: Path) -> None:
    hard.to_parquet(tmp_path / "one")
    with pytest.raises(SnapshotFormatError, match=r"not in parts.*save it in a directory"):
        DuckSnapshot(tmp_path / "one")


def test_too_many_pairs_are_told_before_they_are_made(place: Path) -> None:
    with DuckSnapshot(place, pairs=12) as duck:
        with pytest.raises(EngineLimitError, match=r"more than the limit of 12 pairs.*group by repo"):
            duck.usage("tag")
        assert duck.usage("kind").bytes > 0


def test_long_ways_and_cycles_are_told(place: Path, tmp_path: Path) -> None:
    with DuckSnapshot(place, depth=1) as duck, pytest.raises(EngineLimitError, match="deeper than 1: load"):
        duck.garbage()
    graph, names, _ = hard_graph(cyclic=True)
    snapshot_of(graph, counting=False, names=names).save(f"{tmp_path}/y/")
    with DuckSnapshot(tmp_path / "y") as duck:
        with pytest.raises(EngineLimitError, match=r"cycle.*Snapshot\.load"):
            duck.retained()
        assert duck.garbage().blobs > 0


def test_what_is_not_asked_of_an_engine(place: Path, tmp_path: Path) -> None:
    with DuckSnapshot(place) as duck:
        with pytest.raises(GroupingError, match="give a dict"):
            duck.usage(len)  # type: ignore[arg-type]
        with pytest.raises(GroupingError, match="colour"):
            duck.usage("colour")
        with pytest.raises(GroupingError, match="names of pins"):
            duck.diff(place, "kind")
        with pytest.raises(UnknownToolError):
            duck.compare_gc("registry")
        with pytest.raises(UnknownPolicyError):
            duck.with_policy("gc")
        graph, names, _ = hard_graph(cyclic=False)
        snapshot_of(graph, counting=True, names=names).save(f"{tmp_path}/other/")
        with pytest.raises(DiffError, match="different kind"):
            duck.diff(tmp_path / "other")


@pytest.mark.slow
def test_the_command(hard: Snapshot, place: Path, work: Path) -> None:
    done = CliRunner().invoke(cli, ["usage", str(place), "--by", "repo", "--engine", "duckdb", "--json"])
    assert done.exit_code == 0, done.output
    told, want = json.loads(done.stdout), blobkit.usage(hard, by="repo").to_dict()
    assert {name: told[name] for name in want} == json.loads(json.dumps(want))
    done = CliRunner().invoke(
        cli, ["usage", str(place), "--engine", "duckdb", "--policy", "ignore", "--memory", "300MB"]
    )
    assert done.exit_code == 0, done.output
    assert "policy ignore" in done.output
    assert "(garbage)" in done.output
    assert not work.exists()
    done = CliRunner().invoke(cli, ["usage", str(place), "--engine", "duckdb", "--memory", "lots"])
    assert "'lots' is not a size" in done.exception.in_shell()
    assert not work.exists()


def test_without_duckdb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    monkeypatch.delitem(sys.modules, "blobkit.engines.duck")
    with pytest.raises(blobkit.MissingExtraError, match=r"pip install 'blobkit\[duckdb\]'"):
        blobkit.engines.DuckSnapshot  # noqa: B018 (it is loaded when it is named)
