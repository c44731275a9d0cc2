"""Archives pass the suite of sources, however they are written and compressed."""

from __future__ import annotations

import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from blobkit.sources.archive import Archive
from blobkit.testing.source import SourceSuite

if TYPE_CHECKING:
    from pathlib import Path


class TestPlain(SourceSuite):
    def make(self, root: Path) -> Archive:
        return Archive(packed(root))


class TestGnu(SourceSuite):
    def make(self, root: Path) -> Archive:
        return Archive(packed(root, tar_format=tarfile.GNU_FORMAT))


class TestByTar(SourceSuite):
    """Written by `tar`, with a leading `./` in each name."""

    def make(self, root: Path) -> Archive:
        path = root.with_name("archive")
        subprocess.run(["tar", "cf", path, "-C", root, "."], check=True)
        return Archive(path)


class TestGzip(SourceSuite):
    def make(self, root: Path) -> Archive:
        return Archive(packed(root, "w:gz"))


class TestZstd(SourceSuite):
    def make(self, root: Path) -> Archive:
        if subprocess.run(["which", "zstd"], check=False, capture_output=True).returncode:
            pytest.skip("zstd is not installed")
        path = packed(root)
        subprocess.run(["zstd", "-q", "-f", path, "-o", path.with_suffix(".zst")], check=True)
        return Archive(path.with_suffix(".zst"))


def packed(root: Path, mode: str = "w", *, tar_format: int = tarfile.PAX_FORMAT) -> Path:
    path = root.with_name("archive")
    with tarfile.open(path, mode, format=tar_format) as tar:  # type: ignore[call-overload]
        for below in sorted(root.iterdir()):
            tar.add(below, below.name)
    return path
