"""Symbolic links that lead out of a store: which one it is, where it leads to, and in which store that is."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from blobkit.access import to_follow

__all__ = ["led_out", "store_around"]

SIGNS = (("oci", "index.json"), ("registry", "repositories"))
"""What is beside `blobs` in the root of a store, by the kind of its address."""


@lru_cache(maxsize=1024)
def store_around(directory: str) -> str:
    """Return the address of the store that a directory is in, "" where it is in none."""
    for path in (Path(directory), *Path(directory).parents):
        for kind, sign in SIGNS:
            if (path / sign).exists() and (path / "blobs").exists():
                return f"{kind}:{path}"
    return ""


def led_out(part: Path, root: Path, kind: str) -> str:
    """Return that a part of a store leads out of its root by a symbolic link, and what can be scanned instead."""
    below = [path for path in (part, *part.parents) if path != root and path.is_relative_to(root)]
    link = next((path for path in reversed(below) if path.is_symlink()), part)
    whole = store_around(os.path.realpath(part))
    advice = f"scan {whole}" if whole else to_follow(str(link), os.path.realpath(link), kind, str(root))
    return f"{part} leads out of {root} by a symbolic link, which is not followed: {advice}"
