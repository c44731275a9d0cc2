"""Values of the store: what is known of a blob, and what a removal freed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.render import count, html_card, html_table, human_bytes

if TYPE_CHECKING:
    from datetime import datetime

    from blobkit.digest import Digest

__all__ = ["Descriptor", "Freed", "Level"]

Level = tuple[int, int]
"""One level of a cascade: (blobs, bytes)."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a store knows of a blob; `refcount` is always `pins` plus the number of links to it.

    `size` in bytes; `pins` counts anonymous pins and tags; `links` and `tags` are sorted;
    `media_type` is "" where unknown; `created` is the moment (UTC) of the first commit here.
    """

    digest: Digest
    size: int
    refcount: int
    pins: int
    links: tuple[Digest, ...]
    media_type: str
    created: datetime
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Freed:
    """What a removal freed, or a dry run would free: falsy when nothing went.

    `digests` are ordered by level of the cascade, then by digest; `bytes` is their total size;
    `levels` has (blobs, bytes) for each level.
    """

    digests: tuple[Digest, ...] = ()
    bytes: int = 0
    levels: tuple[Level, ...] = ()

    def __len__(self) -> int:
        """Return the number of freed blobs."""
        return len(self.digests)

    def __str__(self) -> str:
        """Return one line: how many blobs, how many bytes."""
        return f"freed {count(len(self), 'blob')}, {human_bytes(self.bytes)}"

    def _repr_html_(self) -> str:
        rows = [(str(level), f"{blobs:,}", human_bytes(size)) for level, (blobs, size) in enumerate(self.levels[:20])]
        table = html_table(("level", "blobs", "bytes"), rows, right=frozenset(("level", "blobs", "bytes")))
        return html_card("Freed", [str(self)], table if rows else "")
