"""Survey the files of a blobkit store, whose scan reads the index only: totals, and orphans."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from blobkit.scanners.facts import Facts
from blobkit.scanners.leftovers import Ledger
from blobkit.scanners.places import LAYOUT
from blobkit.snapshot.notices import upload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from blobkit.digest import Digest
    from blobkit.model import FileSignature
    from blobkit.snapshot.disk import Disk
    from blobkit.snapshot.tables import Notice

__all__ = ["survey"]


def survey(root: Path, orphans: Mapping[Digest, FileSignature]) -> tuple[Sequence[Notice], Disk]:
    """Return notices about the files below `root` and about these orphans, and the totals of all files.

    Cost: one `stat` for each file.
    """
    ledger = Ledger(os.fspath(root), LAYOUT, blobs=True)
    facts = Facts(ledger)
    for digest, file in sorted(orphans.items()):
        message = upload(f"{digest} is content without an index row: it", file.size, int(file.since * 1e6))
        facts.notice("orphan", message, digest, f"blobs/{digest.replace(':', '/')}")
    disk = ledger.close(facts)
    return facts.notices, disk
