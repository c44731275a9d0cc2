"""The scanners of caches pass the suite that every scanner passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blobkit.testing.scanner import ScannerSuite
from caches import HubCache, OllamaModels

if TYPE_CHECKING:
    from pathlib import Path


class TestHuggingFace(ScannerSuite):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        cache = HubCache(tmp_path / "hub")
        cache.fill()
        return f"huggingface:{cache.root}"

    def metadata(self, root: Path) -> dict[str, list[Path]]:
        refs = [path for path in root.glob("*/refs/**/*") if path.is_file()]
        return {
            "refs": refs,
            "lists": list(root.glob("blobs/*/*.refs")),
            "marker": [root / "blobs" / ".huggingface-shared-blobs"],
        }


class TestOllama(ScannerSuite):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        models = OllamaModels(tmp_path / "models")
        models.fill()
        models.fill_newer()
        return f"ollama:{models.root}"

    def metadata(self, root: Path) -> dict[str, list[Path]]:
        blobs = [path for path in root.glob("blobs/sha256-*") if path.read_bytes()[:8] in (b'{"schema', b'{"mediaT')]
        return {
            "manifests": [path for path in root.glob("manifests/*/*/*/*") if path.is_file()],
            "lists": [path for path in blobs if b"runner" in path.read_bytes()],
            "parts": [path for path in blobs if b"layers" in path.read_bytes()],
        }
