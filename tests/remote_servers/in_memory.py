"""A content with places in memory, for tests and measurements of what stands beside it."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from blobkit.content.temporary import StagedFile, StagingArea

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

__all__ = ["PlacesInMemory"]


class PlacesInMemory:
    """The bytes of small content by place; of what is staged in files it keeps that it came."""

    def __init__(self, spool: Path) -> None:
        self.stage = partial(StagedFile, str(spool), sync=False)
        self.area = partial(StagingArea, str(spool), sync=False)
        self.objects: dict[str, bytes] = {}

    def fresh(self, digest: str) -> str:
        return f"{digest}/{os.urandom(16).hex()}"

    def upload(self, sources: Mapping[str, str | bytes]) -> None:
        self.objects |= {place: data if isinstance(data, bytes) else b"" for place, data in sources.items()}

    def read(self, place: str, start: int, end: int) -> bytes:
        return self.objects[place][start:end]

    def delete(self, places: Collection[str]) -> None:
        for place in places:
            self.objects.pop(place, None)

    def close(self) -> None:
        self.objects.clear()
