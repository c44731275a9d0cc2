"""Arrow without pandas, for programs that show no data frame."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

__all__ = ["leave_pandas_out"]


class _NoPandas:
    """A finder of modules that finds no pandas."""

    @staticmethod
    def find_spec(name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None) -> None:
        if name == "pandas":
            msg = "pandas is left out"
            raise ImportError(msg, name=name)


def leave_pandas_out() -> None:
    """Let pyarrow work as where pandas is not installed, until something imports pandas or asks for a frame.

    The first array that pyarrow makes imports pandas, a quarter of a second, to tell a Series from a list. pyarrow
    tries that once, so it is tried here. Only for a process of its own that has no frames, as a command in the shell;
    where pandas is loaded already, nothing is done.
    """
    if "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)
