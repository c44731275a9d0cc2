"""The scanners of layouts and registries pass the suite that every scanner passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blobkit.testing.scanner import ScannerSuite
from layouts import GoStore, Layout, Registry
from podman_roots import small

if TYPE_CHECKING:
    from pathlib import Path


class TestLayout(ScannerSuite):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        layout = Layout(tmp_path / "store")
        layout.image("shop/web:1", "a layer", "another layer")
        layout.image("shop/web:2", "a layer", "a third layer")
        return f"oci:{layout.root}"


class TestRegistry(ScannerSuite):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        registry = Registry(tmp_path / "store")
        registry.push("shop/web", "1", "a layer", "another layer")
        registry.push("shop/web", "2", "a layer", "a third layer")
        return f"registry:{registry.root}"


class TestGoBlobstore(ScannerSuite):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        store = GoStore(tmp_path / "store")
        leaf = store.add("a leaf", 1)
        store.add("a root", 1, leaf)
        return f"go-blobstore:{store.root}"


class TestContainersStorage(ScannerSuite):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return small(tmp_path / "store").address

    def metadata(self, root: Path) -> dict[str, list[Path]]:
        kinds = ("layers", "images", "containers")
        lists = {kind: sorted(root.glob(f"overlay-{kind}/*.json")) for kind in kinds}
        return lists | {"big data": sorted(root.glob("overlay-images/*/*"))}
