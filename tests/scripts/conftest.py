"""One registry for all tests of scripts: each test begins with storage of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from live_registry import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live_registry import Served


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running registry, which keeps nothing in memory: it answers from the storage that it finds."""
    with serving(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
def served(registry: Served) -> Served:
    """The running registry, with nothing stored."""
    registry.fill()
    return registry
