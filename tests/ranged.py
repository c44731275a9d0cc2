"""The memory that reading an index in ranges takes."""

from __future__ import annotations

import tracemalloc
from collections import deque
from typing import TYPE_CHECKING, Any

from blobkit.snapshot.parts import sorting

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    import pytest


def read_in_small_pieces(monkeypatch: pytest.MonkeyPatch, sliced: ModuleType) -> None:
    """Make all buffers small that do not grow with the store; `sliced`: the module with the length of a slice."""
    monkeypatch.setattr(sliced, "SLICE", 100)
    for name, value in (("AT_ONCE", 300), ("STEP", 16), ("PIECE", 99)):
        monkeypatch.setattr(sorting, name, value)


def peak_of_ranges(tx: Any, place: Path) -> int:  # noqa: ANN401 (a transaction of any index)
    """Return the most bytes that Python takes while all ranges are read."""
    tracemalloc.start()
    try:
        found = tx.ranges(place)
        for rows in (found.blobs(), found.links(), found.pins()):
            deque(rows, maxlen=0)
        assert len(found.positions)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
