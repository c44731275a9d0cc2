"""Scan docker's data root with the classic image store, read-only. Source: moby 26.1, `layer/`, `image/`, `reference/`.

Nodes are `image/<ID>`, `layer/<chain ID>`, `container/<ID>`; `cache/<name>` is a directory of BuildKit's cache that is
no layer, and `dir/<name>` one that no record names: no command removes it. The size of a node is that of all regular
files of it: its records and the directory of its layer.

Cost: one listing of each directory, one `lstat` of each file of each layer, one read of each record.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from blobkit.errors import SourceError
from blobkit.render import printable
from blobkit.scanners.docker_roots.recording import Recorder
from blobkit.scanners.docker_roots.state import read_state
from blobkit.scanners.docker_roots.weighing import Scales
from blobkit.scanners.facts import Facts
from blobkit.scanners.scanned import completed
from blobkit.sources.directory import Directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.digest import Digest
    from blobkit.scanners.scanned import Scanned

__all__ = ["path_of", "scan"]


def path_of(root: Path) -> Callable[[Digest], str]:
    """Raise SourceError: the layers are unpacked here, so no content has a digest."""
    msg = f"docker:{printable(os.fspath(root))} holds unpacked layers, no blobs"
    raise SourceError(msg, hint="write an image as a layout (skopeo copy docker-daemon:NAME oci:DIR:TAG), and give DIR")


def scan(root: Path, *, policy: str | None = None, progress: bool = True, verify: bool = False) -> Scanned:
    """Return the facts of the data root at `root`; UnreadableStoreError if its records cannot be read.

    What is known of a damaged record is kept: an image, layer or container with unknown links is opaque. `verify`
    changes nothing: configs of images are always verified, and docker keeps no hash of the files of a layer.
    """
    del verify
    source = Directory(root)
    state = read_state(source, root)
    facts = Facts()
    facts.notices += state.notices
    scales = Scales(source, facts, state)
    Recorder(scales, state).record()
    disk = scales.close(progress=progress)
    return completed(facts, "docker", os.fspath(root), policy, disk=disk)
