"""Servers that tests share: filled once, only read."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from live_registry import needs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from remote_servers.filling import Filled

__all__ = ["FilledRegistry", "filled_registry"]


@dataclass(frozen=True)
class FilledRegistry:
    """A running registry: its URL, the root of its storage, and its content."""

    url: str
    storage: Path
    content: Filled

    def copy(self, root: Path) -> Path:
        """Return a copy of its storage below `root`, for a registry that something is changed in."""
        return shutil.copytree(self.storage, root / "storage")


@pytest.fixture(scope="session")
def filled_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledRegistry]:
    """A registry of 4 repositories with 3 versions of 2 platforms each, that anybody may read. Only read it."""
    needs("docker-registry")
    from remote_servers.filling import fill  # noqa: PLC0415 (few tests need its library)
    from remote_servers.registry import registry  # noqa: PLC0415

    root = tmp_path_factory.mktemp("registry")
    with registry(root) as url:
        yield FilledRegistry(url, root / "storage", fill(url))
