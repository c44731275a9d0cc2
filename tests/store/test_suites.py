"""Every pair of a content and an index passes the shipped suites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blobkit.content.memory import MemoryContent
from blobkit.index.memory import MemoryIndex
from blobkit.index.sqlite import SqliteIndex
from blobkit.store.local import LocalStore
from blobkit.store.store import Store
from blobkit.testing.store import StoreSuite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def store(self) -> Store:
        return Store(MemoryContent(), MemoryIndex())


class TestLocalStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[LocalStore]:
        with LocalStore(tmp_path / "store", durability="off") as store:
            yield store

    @pytest.mark.slow
    def test_many_are_put(self, store: Store) -> None:
        super().test_many_are_put(store)

    @pytest.mark.slow
    def test_many_say_how_far_they_got(self, store: Store) -> None:
        super().test_many_say_how_far_they_got(store)


class TestMixedStore(StoreSuite):
    """Content in memory, index in SQLite: the two seams are independent."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with Store(MemoryContent(), SqliteIndex(tmp_path / "index.sqlite", durability="off")) as store:
            yield store
