"""The memory that reading an index in ranges takes."""

from __future__ import annotations

import tracemalloc
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


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
