"""A store over content with places passes every shipped suite of stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blobkit.index.memory_places import PlacedMemoryIndex
from blobkit.store.remote.store import PlacedStore
from blobkit.testing.booked import BookedContent
from blobkit.testing.checks import CheckSuite
from blobkit.testing.store import StoreSuite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.content.s3 import S3Content


@pytest.fixture
def index() -> PlacedMemoryIndex:
    return PlacedMemoryIndex()


class TestStore(StoreSuite):
    @pytest.fixture
    def store(self, s3_content: S3Content, index: PlacedMemoryIndex) -> Iterator[PlacedStore]:
        with PlacedStore(s3_content, index) as store:
            yield store


class TestChecks(CheckSuite):
    @pytest.fixture
    def index(self, index: PlacedMemoryIndex) -> PlacedMemoryIndex:
        return index

    @pytest.fixture
    def content(self, s3_content: S3Content, index: PlacedMemoryIndex) -> BookedContent:
        return BookedContent(s3_content, index)

    @pytest.fixture(autouse=True)
    def places(self, s3_content: S3Content) -> None:
        self.s3_content = s3_content

    def opened(self, content: BookedContent, index: PlacedMemoryIndex) -> PlacedStore:  # noqa: ARG002 (plants damage)
        return PlacedStore(self.s3_content, index)
