"""Every pair of backends passes the suite of checks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from blobkit.content.directory import DirectoryContent
from blobkit.content.memory import MemoryContent
from blobkit.digest import of
from blobkit.index.memory import MemoryIndex
from blobkit.index.sqlite import SqliteIndex
from blobkit.model import Change, NewBlob
from blobkit.store.fsck.fsck import NO_CHECKS
from blobkit.testing.checks import CheckSuite, IndexCheckSuite, blob
from blobkit.testing.content import put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blobkit.store.store import Store


class TestMemory(CheckSuite):
    @pytest.fixture
    def content(self) -> MemoryContent:
        return MemoryContent()

    @pytest.fixture
    def index(self) -> MemoryIndex:
        return MemoryIndex()

    def test_a_check_says_that_the_index_has_none(self, store: Store) -> None:
        assert store.fsck(progress=False).notes == (NO_CHECKS,)
        store._index.write(lambda rows: rows.apply(Change(refcounts={blob(0): 9})))
        assert not store.fsck(repair=True, progress=False)

    def test_a_wrong_size_is_found_and_left(self, store: Store, content: MemoryContent) -> None:
        store._index.write(lambda rows: rows.add([NewBlob(of(b"long"), 9, "", datetime.now(UTC))]))
        put(content, of(b"long"), b"long")
        assert [finding.code for finding in store.fsck(repair=True, progress=False).left] == ["size"]


class TestDirectoryAndSqlite(IndexCheckSuite):
    @pytest.fixture
    def content(self, tmp_path: Path) -> DirectoryContent:
        content = DirectoryContent(tmp_path, sync=False)
        content.lay_out()
        return content

    @pytest.fixture
    def index(self, tmp_path: Path) -> Iterator[SqliteIndex]:
        index = SqliteIndex(tmp_path / "index.sqlite", durability="off")
        yield index
        index.close()
