"""A scan of a store that goes into a directory range by range: the same rows as the one in memory."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import blobkit
from blobkit.cli import cli
from blobkit.digest import of
from blobkit.errors import StoreDamagedError
from blobkit.index import columns, ranges
from blobkit.index.readonly import ReadOnlyIndex
from blobkit.store.local import LocalStore
from blobkit.testing.arrivals import MANIFEST, manifest
from ranged import peak_of_ranges, read_in_small_pieces
from stored import same_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


BLOBS = 8
ALGORITHMS = ("sha256", "sha384", "sha512")
NUMBERS = st.integers(0, BLOBS - 1)


def same(store: Path, out: Path) -> bool:
    """Whether a scan into a directory has the rows of one in memory, its totals, and the totals of all files."""
    saved = blobkit.scan(store, out=out)
    streamed, whole = saved.snapshot(), blobkit.scan(store)
    totals = (whole.blobs, whole.bytes, whole.notices.num_rows)
    assert (saved.blobs, saved.bytes, saved.notices) == totals
    return streamed.disk == whole.disk and same_rows(replace(whole, time=streamed.time), streamed)


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 25_000])
def test_every_fact_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(columns, "SLICE", rows)
    with LocalStore(tmp_path / "store", durability="off") as store:
        assert same(tmp_path / "store", tmp_path / "out")
        layer, config = store.put(b"layer"), store.put(b"{}")
        gone = store.put(b"gone")
        for absent in (b"absent", b"other absent", b"third"):
            store.put(manifest(b"{}", b"layer", absent), media_type=MANIFEST, tag=f"app:{absent[:1].decode()}")
        held = store.put(b"held", links=[layer.digest, config.digest])
        for name in ("z", "b/c:1", "a"):
            store.tag(name, held.digest)
        store.ref(held.digest)
        many = [store.put(b"%d" % i, links=[held.digest, layer.digest]).digest for i in range(9)]
        store.put(b"all of them", links=many)
        store.deref(gone.digest)
        (tmp_path / "store/blobs/sha256" / of(b"orphan").removeprefix("sha256:")).write_bytes(b"orphan")
        (tmp_path / "store/left.txt").write_text("x")
        assert same(tmp_path / "store", tmp_path / "out")
    assert same(tmp_path / "store", tmp_path / "out")
    found = blobkit.Snapshot.load(tmp_path / "out")
    assert {"orphan"} <= set(found.notices["code"].to_pylist())
    assert found.nodes["stored"].to_pylist().count("missing") == 3


@given(
    st.lists(st.sampled_from(ALGORITHMS), min_size=BLOBS, max_size=BLOBS),
    st.lists(st.tuples(NUMBERS, NUMBERS, st.sampled_from(range(4))), max_size=20),
    st.lists(st.tuples(NUMBERS, st.sampled_from("abcde")), max_size=5, unique_by=lambda tag: tag[1]),
    st.lists(st.tuples(NUMBERS, st.integers(0, 20), st.sampled_from(("", "x", "y"))), max_size=12),
    st.lists(NUMBERS, max_size=6),
    st.integers(1, 5),
)
def test_random_stores_are_the_same(  # noqa: PLR0913, PLR0917 (the tables of an index)
    algorithms: list[str],
    links: list[tuple[int, int, int]],
    tags: list[tuple[int, str]],
    expected: list[tuple[int, int, str]],
    pins: list[int],
    rows: int,
) -> None:
    """The tables are written by hand: every order of digests and ids, links and expected links of every kind."""
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "SLICE", rows)
        with LocalStore(Path(place, "store"), durability="off") as store:
            for number, algorithm in enumerate(algorithms):
                store.put(b"%d" % number, algorithm=algorithm)
        _fill(Path(place, "store/.blobkit/index.sqlite"), links, tags, expected, pins)
        assert same(Path(place, "store"), Path(place, "out"))


def _fill(
    path: Path,
    links: list[tuple[int, int, int]],
    tags: list[tuple[int, str]],
    expected: list[tuple[int, int, str]],
    pins: list[int],
) -> None:
    with sqlite3.connect(path) as db:
        db.execute("UPDATE blobs SET refcount = 100, pins = 100")
        for blob in pins:
            db.execute(
                "UPDATE blobs SET pins = (SELECT count(*) FROM tags WHERE blob_id = id) WHERE id = ?", (blob + 1,)
            )
        db.executemany("INSERT OR IGNORE INTO links VALUES (? + 1, ? + 1, ?)", links)
        db.executemany("INSERT INTO tags VALUES (?2, ?1 + 1)", tags)
        for source, number, media_type in expected:
            digest = blobkit.digest.pack(of(b"absent %d" % number, ALGORITHMS[number % 3]))
            db.execute(
                "INSERT OR IGNORE INTO missing_links VALUES (?, ?, ?, ?)", (digest, source + 1, number % 4, media_type)
            )
        db.execute("UPDATE blobs SET pins = max(pins, (SELECT count(*) FROM tags WHERE blob_id = id))")
    db.close()


def test_the_shell_streams_too(tmp_path: Path) -> None:
    with LocalStore(tmp_path / "store", durability="off") as store:
        store.put(b"12345", tag="a:1")
    done = CliRunner().invoke(cli, ["scan", str(tmp_path / "store"), "-o", f"{tmp_path}/out/"])
    assert (done.exit_code, "1 blob, 5 B, 0 notices" in done.output) == (0, True), done.output
    assert blobkit.tags_frame(tmp_path / "out").index.tolist() == ["a:1"]


def test_what_fails_or_is_interrupted_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalStore(tmp_path / "store", durability="off") as store:
        held = store.put(b"held")
        store.put(b"other", links=[held.digest])
    blobkit.scan(tmp_path / "store", out=tmp_path / "out")
    before = (tmp_path / "out/snapshot.json").read_bytes()
    index = tmp_path / "store/.blobkit/index.sqlite"
    for error in (KeyboardInterrupt, OSError):
        with monkeypatch.context() as patch:
            patch.setattr(ranges.Ranges, "links", _raising(error))
            with pytest.raises(error):
                blobkit.scan(tmp_path / "store", out=tmp_path / "out")
    with sqlite3.connect(index) as db:
        db.execute("INSERT INTO links VALUES (2, 77, 0)")
    db.close()
    for out in ("out", "new"):
        with pytest.raises(StoreDamagedError, match="fsck --repair"):
            blobkit.scan(tmp_path / "store", out=tmp_path / out)
    assert (tmp_path / "out/snapshot.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "store"]


def _raising(error: type[BaseException]) -> Callable[[ranges.Ranges], Iterator[object]]:
    def links(_: ranges.Ranges) -> Iterator[object]:
        raise error
        yield

    return links


def test_nothing_is_held_for_a_blob_but_its_position(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The arrays that live between two slices: counted, at two sizes, while slices stay as small."""
    read_in_small_pieces(monkeypatch, columns)
    held = [_held(tmp_path / str(number), number) for number in (2_000, 10_000)]
    assert held[1] - held[0] < 20 * 8_000


def _held(place: Path, number: int) -> int:
    """The most bytes that Python and numpy hold during a scan of so many blobs with three links each."""
    with LocalStore(place, durability="off"):
        pass
    with sqlite3.connect(place / ".blobkit/index.sqlite") as db:
        db.execute("INSERT OR IGNORE INTO media_types VALUES (1, '')")
        rows = ((i, blobkit.digest.pack(of(b"%d" % i)), 10, 9, i % 2, 1, 10**15) for i in range(1, number + 1))
        db.executemany("INSERT INTO blobs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        links = ((i, 1 + (i * 7 + k) % number, 2) for i in range(1, number + 1) for k in range(3))
        db.executemany("INSERT INTO links VALUES (?, ?, ?)", links)
    db.close()
    with closing(ReadOnlyIndex(place / ".blobkit/index.sqlite")) as index:
        return index.read(lambda tx: peak_of_ranges(tx, place))
