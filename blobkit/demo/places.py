"""Directories for example stores: one that is given, or a temporary one."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

__all__ = ["directory_for", "place"]


def place() -> Path:
    """Return the path of a directory to make, in a temporary one that is removed when Python ends.

    >>> store = blobkit.LocalStore(demo.place())
    >>> store.list()
    []
    """
    made = tempfile.mkdtemp(prefix="blobkit-demo-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made) / "store"


def directory_for(given: str | os.PathLike[str] | None) -> Path:
    """Return the given directory, or a new temporary one."""
    return place() if given is None else Path(given)
