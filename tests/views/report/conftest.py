"""One registry of the demo, and its report, which the tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit import demo
from blobkit.views.report import asked
from blobkit.views.svg import Picture

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.views.report.report import Report


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """A registry with garbage, and manifests without a tag."""
    return blobkit.scan(demo.registry(tmp_path_factory.mktemp("report") / "registry", unit=1), progress=False)


@pytest.fixture(scope="session")
def report(registry: Snapshot) -> Report:
    return blobkit.report(registry, progress=False)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing: the tests are about sentences and tables."""
    monkeypatch.setattr(asked, "picture", lambda name, _: Picture(f"<svg><title>{name}</title></svg>", frozenset()))
