"""Every pair of backends passes the suite of checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blobkit.content.directory import DirectoryContent
from blobkit.content.memory import MemoryContent
from blobkit.index.memory import MemoryIndex
from blobkit.index.sqlite import SqliteIndex
from blobkit.testing.checks import CheckSuite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class TestMemory(CheckSuite):
    @pytest.fixture
    def content(self) -> MemoryContent:
        return MemoryContent()

    @pytest.fixture
    def index(self) -> MemoryIndex:
        return MemoryIndex()


class TestDirectoryAndSqlite(CheckSuite):
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
