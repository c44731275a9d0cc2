"""Every index passes the shipped suites."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from blobkit.index.memory import MemoryIndex
from blobkit.index.memory_places import PlacedMemoryIndex
from blobkit.index.sqlite import SqliteIndex
from blobkit.testing.concurrent import ConcurrentSuite
from blobkit.testing.index import IndexSuite, fill
from blobkit.testing.places import PlacesSuite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class TestConcurrentSqlite(ConcurrentSuite):
    @pytest.fixture
    def handles(self, tmp_path: Path) -> Iterator[tuple[SqliteIndex, SqliteIndex]]:
        found = tuple(SqliteIndex(tmp_path / "index.sqlite", durability="off") for _ in range(2))
        yield found
        for index in found:
            index.close()


class TestConcurrentThreads(ConcurrentSuite):
    """Threads of one process, which share an index."""

    @pytest.fixture(params=["sqlite", "memory", "memory with places"])
    def handles(self, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[object, object]]:
        makers = {"memory": MemoryIndex, "memory with places": PlacedMemoryIndex}
        make = makers.get(request.param, partial(SqliteIndex, tmp_path / "index.sqlite", durability="off"))
        index = make()
        yield index, index
        index.close()


class TestMemoryIndex(IndexSuite):
    @pytest.fixture
    def index(self) -> MemoryIndex:
        return MemoryIndex()


class TestPlacedMemoryIndex(IndexSuite):
    @pytest.fixture
    def index(self) -> PlacedMemoryIndex:
        return PlacedMemoryIndex()


class TestPlacesInMemory(PlacesSuite):
    @pytest.fixture
    def index(self) -> PlacedMemoryIndex:
        return PlacedMemoryIndex()


class TestSqliteIndex(IndexSuite):
    @pytest.fixture
    def index(self, tmp_path: Path) -> Iterator[SqliteIndex]:
        index = SqliteIndex(tmp_path / "index.sqlite", durability="off")
        yield index
        index.close()

    def test_a_peek_is_enough_for_a_blob_without_links_and_tags(self, index: SqliteIndex) -> None:
        blob = fill(index, 1)[0]
        record = index.read(lambda rows: rows.records([blob]))[blob]
        assert index.peek(blob) == (record.size, record.refcount, record.pins, record.media_type, record.created)
