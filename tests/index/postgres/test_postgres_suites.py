"""The index in PostgreSQL passes the shipped suites, against a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blobkit.content.memory import MemoryContent
from blobkit.store.store import Store
from blobkit.testing.checks import CheckSuite
from blobkit.testing.concurrent import ConcurrentSuite
from blobkit.testing.index import IndexSuite
from blobkit.testing.places import PlacesSuite
from blobkit.testing.store import StoreSuite

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.index.postgres.index import PostgresIndex

    Open = Callable[..., PostgresIndex]


class TestIndex(IndexSuite):
    @pytest.fixture
    def index(self, open_index: Open) -> PostgresIndex:
        return open_index()


class TestPlaces(PlacesSuite):
    @pytest.fixture
    def index(self, open_index: Open) -> PostgresIndex:
        return open_index()


class TestConcurrent(ConcurrentSuite):
    """Two hosts, and two threads of one."""

    @pytest.fixture(params=["hosts", "threads"])
    def handles(self, open_index: Open, request: pytest.FixtureRequest) -> tuple[PostgresIndex, PostgresIndex]:
        one = open_index()
        return one, open_index() if request.param == "hosts" else one


class TestChecks(CheckSuite):
    @pytest.fixture
    def index(self, open_index: Open) -> PostgresIndex:
        return open_index()

    @pytest.fixture
    def content(self) -> MemoryContent:
        return MemoryContent()


class TestStore(StoreSuite):
    @pytest.fixture
    def store(self, open_index: Open) -> Store:
        return Store(MemoryContent(), open_index())
