"""Use Arrow without pandas, in programs that show no DataFrame."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

__all__ = ["hide_pandas"]


class _NoPandas:
    """An import hook that hides pandas."""

    @staticmethod
    def find_spec(name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None) -> None:
        if name == "pandas":
            msg = "pandas is left out"
            raise ImportError(msg, name=name)


def hide_pandas() -> None:
    """Make pyarrow work as if pandas were not installed, until the program imports pandas or asks for a DataFrame.

    pyarrow imports pandas (a quarter of a second) for the first array, to tell a Series from a list. It tries that
    once, so this function makes an array while pandas is hidden. Only for a process of its own without DataFrames,
    such as a shell command. Does nothing if pandas is loaded already.
    """
    if "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)
