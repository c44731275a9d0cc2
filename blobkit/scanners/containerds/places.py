"""The paths of containerd's root directory. Source: containerd 1.7, `content/local`, `snapshots/overlay`."""

from __future__ import annotations

import re

from blobkit.digest import ALGORITHMS
from blobkit.scanners.places import Place, named

__all__ = ["BLOBS", "CONTAINERD", "INGEST", "SNAPSHOTTER"]

_CONTENT = "io.containerd.content.v1.content"
BLOBS, INGEST = f"{_CONTENT}/blobs", f"{_CONTENT}/ingest"
SNAPSHOTTER = "io.containerd.snapshotter.v1."
"""The start of the directory of a snapshotter; its name follows."""

_LABEL = f"(?:{'|'.join(ALGORITHMS)})"
_OTHERS = r"io\.containerd\.(?!content\.|snapshotter\.)[^/]+"
"""Directories of other parts of containerd: its database, what it keeps of running containers."""
_WRITING = r"[^/]+/(?:ref|startedat|updatedat|total)"
"""Files beside the data of an unfinished write."""

CONTAINERD = Place(
    re.compile(
        rf"(?P<blob>{re.escape(BLOBS)}/{named('/')})"
        rf"|(?P<metadata>{_OTHERS}/.+|{re.escape(SNAPSHOTTER)}[^/]+/metadata\.db|{re.escape(INGEST)}/{_WRITING})"
        rf"|(?P<upload>{re.escape(INGEST)}/[^/]+/data)"
    ),
    re.compile(
        rf"|{re.escape(_CONTENT)}|{re.escape(BLOBS)}(?:/{_LABEL})?|{re.escape(INGEST)}(?:/[^/]+)?"
        rf"|{re.escape(SNAPSHOTTER)}[^/]+(?:/snapshots)?|{_OTHERS}(?:/.*)?"
    ),
    re.compile(rf"{re.escape(BLOBS)}(?:/(?P<label>{_LABEL})(?:/(?P<hex>[0-9a-f]+))?)?"),
)
"""The paths of a root directory of containerd; a namespace's hold on unseen blobs is in the database."""
