"""Every backend and every pair of them passes the shipped suites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blobkit.content.directory import DirectoryContent
from blobkit.content.memory import MemoryContent
from blobkit.index.memory import MemoryIndex
from blobkit.index.sqlite import SqliteIndex
from blobkit.store.local import LocalStore
from blobkit.store.verbs import Store
from blobkit.testing.content import ContentSuite
from blobkit.testing.index import IndexSuite
from blobkit.testing.store import StoreSuite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class TestMemoryContent(ContentSuite):
    @pytest.fixture
    def content(self) -> MemoryContent:
        return MemoryContent()


class TestDirectoryContent(ContentSuite):
    @pytest.fixture
    def content(self, tmp_path: Path) -> DirectoryContent:
        content = DirectoryContent(tmp_path)
        content.lay_out()
        return content

    def test_files_are_named_by_their_hash_and_may_only_be_read(
        self, content: DirectoryContent, tmp_path: Path
    ) -> None:
        self.test_every_algorithm_and_the_empty_content(content)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert len(files) == 6
        assert {path.parent.parent.name for path in files} == {"blobs"}
        assert {path.stat().st_mode & 0o777 for path in files} == {0o444}

    def test_temporary_files_of_the_dead_are_reclaimed_those_of_the_living_are_not(
        self, content: DirectoryContent, tmp_path: Path
    ) -> None:
        alive = content.stage()
        (tmp_path / ".blobkit" / "tmp" / "1-dead").write_bytes(b"left behind")
        assert content.reclaim() == 1
        alive.write(memoryview(b"x"))
        alive.discard()
        assert list((tmp_path / ".blobkit" / "tmp").iterdir()) == []

    def test_what_cannot_be_unlinked_is_left_out(self, content: DirectoryContent, tmp_path: Path) -> None:
        digest = next(iter(["sha256:" + "0" * 64]))
        (tmp_path / "blobs" / "sha256" / ("0" * 64)).mkdir()
        assert list(content.delete([digest])) == []


class TestMemoryIndex(IndexSuite):
    @pytest.fixture
    def index(self) -> MemoryIndex:
        return MemoryIndex()


class TestSqliteIndex(IndexSuite):
    @pytest.fixture
    def index(self, tmp_path: Path) -> Iterator[SqliteIndex]:
        index = SqliteIndex(tmp_path / "index.sqlite", durability="off")
        yield index
        index.close()


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def store(self) -> Store:
        return Store(MemoryContent(), MemoryIndex())


class TestLocalStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[LocalStore]:
        with LocalStore(tmp_path / "store", durability="off") as store:
            yield store


class TestMixedStore(StoreSuite):
    """Content in memory, index in SQLite: the two seams are independent."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with Store(MemoryContent(), SqliteIndex(tmp_path / "index.sqlite", durability="off")) as store:
            yield store
