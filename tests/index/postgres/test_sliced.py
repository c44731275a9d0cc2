"""A snapshot of a remote store that goes into a directory range by range: the same rows as the one in memory."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from blobkit.errors import BatchError, UnknownPolicyError
from blobkit.index import ranges
from blobkit.index.postgres import sliced
from blobkit.store.remote.store import PlacedStore
from blobkit.testing.arrivals import MANIFEST, manifest
from ranged import peak_of_ranges, read_in_small_pieces
from remote_servers.in_memory import PlacesInMemory
from stored import same_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from blobkit.index.postgres.index import PostgresIndex
    from blobkit.index.postgres.rows import Rows

ALGORITHMS = ("sha256", "sha384", "sha512")


@pytest.fixture
def store(open_index: Callable[..., PostgresIndex], tmp_path: Path) -> PlacedStore:
    return PlacedStore(PlacesInMemory(tmp_path / "spool"), open_index(notes_names=False))


def check_same(store: PlacedStore, out: Path) -> None:
    """Check that a snapshot in a directory has the rows of one in memory, and its totals."""
    saved, whole = store.save_snapshot(out), store.snapshot()
    found = saved.snapshot()
    assert (saved.blobs, saved.bytes, saved.notices) == (whole.blobs, whole.bytes, whole.notices.num_rows)
    assert same_rows(replace(whole, time=found.time), found)
    assert found.disk is None


def fill(store: PlacedStore, chance: random.Random) -> None:
    """Put blobs by all algorithms, links of all kinds, absent blobs, tags, pins and media types by chance."""
    known = [store.put(b"%d" % number, algorithm=chance.choice(ALGORITHMS)).digest for number in range(20)]
    for number in range(12):
        held = chance.sample(known, chance.randrange(6))
        known.append(store.put(b"node %d" % number, links=held, algorithm=chance.choice(ALGORITHMS)).digest)
    for number in range(4):
        parts = (b"{}", b"%d" % number, b"absent %d" % chance.randrange(3))
        store.put(manifest(*parts), media_type=MANIFEST, tag=f"app:{number}")
    for number, digest in enumerate(chance.sample(known, 6)):
        store.tag(f"{'zya'[number % 3]}/b:{number}", digest)
        store.ref(digest)
    for number in range(3):
        store.deref(store.put(b"gone %d" % number).digest)


@pytest.mark.parametrize(("rows", "seed"), [(1, 1), (2, 2), (3, 3), (7, 4), (50_000, 5), (50_000, 6)])
def test_every_fact_is_the_same(
    store: PlacedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, seed: int
) -> None:
    monkeypatch.setattr(sliced, "SLICE", rows)
    check_same(store, tmp_path / "out")
    fill(store, random.Random(seed))  # noqa: S311 (no secret)
    check_same(store, tmp_path / "out")


def test_all_rows_are_of_one_moment(store: PlacedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, random.Random(7))  # noqa: S311 (no secret)
    before, links = store.snapshot(), ranges.Ranges.links

    def meanwhile(self: ranges.Ranges) -> Iterator[ranges.Links]:
        store.put(b"new", tag="new:1", links=[before.nodes["key"][0].as_py()])
        yield from links(self)

    monkeypatch.setattr(ranges.Ranges, "links", meanwhile)
    found = store.save_snapshot(tmp_path / "out").snapshot()
    assert same_rows(replace(before, time=found.time), found)
    assert "new:1" in store.snapshot().tags_frame().index


def test_a_lost_connection_begins_again(store: PlacedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written before is not there twice."""
    fill(store, random.Random(8))  # noqa: S311 (no secret)
    pins, calls = ranges.Ranges.pins, []

    def lost(self: ranges.Ranges) -> Iterator[ranges.Pins]:
        calls.append(1)
        if len(calls) == 1:
            self._reader._db.close()
        yield from pins(self)

    monkeypatch.setattr(ranges.Ranges, "pins", lost)
    check_same(store, tmp_path / "out")
    assert len(calls) == 2


def test_what_is_refused(store: PlacedStore, tmp_path: Path) -> None:
    with pytest.raises(UnknownPolicyError):
        store.save_snapshot(tmp_path / "out", "never")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("x")
    with pytest.raises(FileExistsError):
        store.save_snapshot(tmp_path / "full")
    with store.batch(), pytest.raises(BatchError):
        store.save_snapshot(tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


def test_memory_grows_by_a_few_bytes_a_blob(
    open_index: Callable[..., PostgresIndex], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read_in_small_pieces(monkeypatch, sliced)
    index = open_index()
    peaks = []
    for number in (2_000, 12_000):
        index.write(lambda tx, number=number: _rows(tx, number))
        peaks.append(index.read(lambda tx: peak_of_ranges(tx, tmp_path)))
    assert (peaks[1] - peaks[0]) / 10_000 < 40


FILL = (
    "DELETE FROM blobs",
    "DELETE FROM links",
    "INSERT INTO media_types OVERRIDING SYSTEM VALUE VALUES (1, '') ON CONFLICT DO NOTHING",
    """INSERT INTO blobs OVERRIDING SYSTEM VALUE SELECT i, '\\x01'::bytea || sha256(int8send(i)), 10, 1, 1, 1, 5, ''
        FROM generate_series(1, %(number)s::bigint) i""",
    """INSERT INTO links SELECT i, 1 + (i * 7 + k) %% %(number)s::bigint, 2
        FROM generate_series(1, %(number)s::bigint) i, generate_series(0, 2) k""",
)


def _rows(tx: Rows, number: int) -> None:
    """Fill the tables by hand: so many blobs, each with three links."""
    for statement in FILL:
        tx._db.execute(statement, {"number": number} if "%" in statement else None)
