"""A store over content with places passes every shipped suite of stores."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import pytest

from blobkit.index.memory_places import PlacedMemoryIndex
from blobkit.store.remote.store import PlacedStore
from blobkit.testing.booked import BookedContent
from blobkit.testing.checks import CheckSuite, IndexCheckSuite
from blobkit.testing.store import StoreSuite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blobkit.content.s3 import S3Content
    from blobkit.index.postgres.index import PostgresIndex
    from blobkit.transactions import Index, Writing

T = TypeVar("T")


class AgainError(Exception):
    """The first run of a plan is undone."""


class RepeatingIndex(PlacedMemoryIndex):
    """Runs every plan twice, as an index does that met a deadlock: what the first run wrote is undone."""

    def write(self, plan: Callable[[Writing], T], *, durable: bool = False) -> T:
        with suppress(AgainError), self.writing(durable=durable) as tx:
            plan(tx)
            raise AgainError
        return super().write(plan, durable=durable)


@contextmanager
def nothing_left_behind(store: PlacedStore, content: S3Content, index: Index) -> Iterator[PlacedStore]:
    """Check, when a test is done, that a sweep leaves an object for each blob, and no other one."""
    yield store
    if index.closed:
        return
    store.sweep()
    places = index.read(lambda tx: tx.places(tx.digests()))
    assert {one.place for one in content.listed()} == set(places.values())
    assert set(places) == set(store.list())


class TestStore(StoreSuite):
    @pytest.fixture
    def store(self, s3_content: S3Content) -> Iterator[PlacedStore]:
        index = RepeatingIndex()
        with PlacedStore(s3_content, index) as store, nothing_left_behind(store, s3_content, index):
            yield store


class TestStoreInPostgres(StoreSuite):
    """On both real servers."""

    @pytest.fixture
    def store(self, s3_content: S3Content, open_index: Callable[..., PostgresIndex]) -> Iterator[PlacedStore]:
        index = open_index(notes_names=False)
        with PlacedStore(s3_content, index) as store, nothing_left_behind(store, s3_content, index):
            yield store


class TestChecks(CheckSuite):
    @pytest.fixture
    def index(self) -> PlacedMemoryIndex:
        return PlacedMemoryIndex()

    @pytest.fixture
    def content(self, s3_content: S3Content, index: PlacedMemoryIndex) -> BookedContent:
        return BookedContent(s3_content, index)

    @pytest.fixture(autouse=True)
    def places(self, s3_content: S3Content) -> None:
        self.s3_content = s3_content

    def opened(self, content: BookedContent, index: PlacedMemoryIndex) -> PlacedStore:  # noqa: ARG002 (plants damage)
        return PlacedStore(self.s3_content, index)


class TestChecksInPostgres(IndexCheckSuite):
    @pytest.fixture
    def index(self, open_index: Callable[..., PostgresIndex]) -> PostgresIndex:
        return open_index(notes_names=False)

    @pytest.fixture
    def content(self, s3_content: S3Content, index: PostgresIndex) -> BookedContent:
        return BookedContent(s3_content, index)

    @pytest.fixture(autouse=True)
    def places(self, s3_content: S3Content) -> None:
        self.s3_content = s3_content

    def opened(self, content: BookedContent, index: PostgresIndex) -> PlacedStore:  # noqa: ARG002 (plants damage)
        return PlacedStore(self.s3_content, index)
