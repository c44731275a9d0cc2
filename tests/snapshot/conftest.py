"""What tests of snapshots share: one with everything in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from layouts import Layout, nowhere

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """An OCI layout with everything in it: names, referrers, absent blobs, garbage, notices."""
    layout = Layout(tmp_path / "layout")
    subject = layout.image("reg/app:1", "base", "top")
    layout.manifest(layout.blob("sbom"), subject=subject)
    layout.add(layout.manifest(nowhere(1)), None)
    layout.blob("garbage")
    layout.blob("damaged", digest=nowhere(2))
    return layout.scan()
