"""Describe symbolic links that lead out of a store: the link, its target, and the store around the target."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from blobkit.access import how_to_include

__all__ = ["enclosing_store", "link_out_message"]

SIGNS = (("oci", "index.json"), ("registry", "repositories"))
"""A name beside `blobs` in the root of a store, by the kind of its address."""


@lru_cache(maxsize=1024)
def enclosing_store(directory: str) -> str:
    """Return the address of the store that contains a directory, "" if there is none."""
    for path in (Path(directory), *Path(directory).parents):
        for kind, sign in SIGNS:
            if (path / sign).exists() and (path / "blobs").exists():
                return f"{kind}:{path}"
    return ""


def link_out_message(part: Path, root: Path, kind: str) -> str:
    """Return the message that a part of a store is a symbolic link out of its root, and what to scan instead."""
    below = [path for path in (part, *part.parents) if path != root and path.is_relative_to(root)]
    link = next((path for path in reversed(below) if path.is_symlink()), part)
    whole = enclosing_store(os.path.realpath(part))
    advice = f"scan {whole}" if whole else how_to_include(str(link), os.path.realpath(link), kind, str(root))
    return f"{part} leads out of {root} by a symbolic link, which is not followed: {advice}"
