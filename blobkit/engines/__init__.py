"""Answers from snapshots that are larger than the memory: the same questions, asked of an engine such as DuckDB.

`DuckSnapshot` and `SparkSnapshot` read a directory that `snapshot.save("dir/")` or `blobkit scan ADDRESS -o dir/` has
written.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blobkit.engines.duck import DuckSnapshot
    from blobkit.engines.spark import SparkSnapshot

__all__ = ["DuckSnapshot", "SparkSnapshot"]
_FILES = {"DuckSnapshot": "blobkit.engines.duck", "SparkSnapshot": "blobkit.engines.spark"}


def __getattr__(name: str) -> object:
    """Return a public name; its engine is loaded when it is asked for."""
    if name in _FILES:
        return getattr(import_module(_FILES[name]), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
