"""What an analysis found is kept as long as its graph lives, so that every question after the first is cheap."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.snapshot import Counted

__all__ = ["kept"]

T = TypeVar("T")


def kept(analysis: Callable[[Counted], T]) -> Callable[[Counted], T]:
    """Return the analysis, which answers from memory for a graph that it has seen."""
    found: WeakKeyDictionary[Counted, T] = WeakKeyDictionary()

    @wraps(analysis)
    def answer(graph: Counted) -> T:
        if graph not in found:
            found[graph] = analysis(graph)
        return found[graph]

    return answer
