"""Answers from snapshots that are larger than the memory: the same questions, asked of an engine such as DuckDB.

`DuckSnapshot` reads a directory that `snapshot.save("dir/")` or `blobkit scan ADDRESS -o dir/` wrote.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blobkit.engines.duck import DuckSnapshot

__all__ = ["DuckSnapshot"]


def __getattr__(name: str) -> object:
    """Return a public name; its engine is loaded when it is asked for."""
    if name == "DuckSnapshot":
        return import_module("blobkit.engines.duck").DuckSnapshot
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
