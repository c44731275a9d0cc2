"""A store at a glance, as a notebook shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.present.answer import Answer
from blobkit.present.sections import ROWS_SHOWN, Section
from blobkit.protocols import SUMMED, summary_of
from blobkit.render import count

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["SUMMED", "Card"]

NEXT = "next: store.put(data, tag=...), store.tags(), store.list(), store.simulate_deref(digest), blobkit.audit(store)"


@dataclass(frozen=True, eq=False, repr=False)
class Card(Answer):
    """A store in a few lines: its place, how much is in it; `snapshot`, where it is small, says what is live."""

    place: str
    blobs: int
    tags: int
    snapshot: Snapshot | None

    def title(self) -> str:
        """Return the place and how much is there."""
        return f"{self.place}: {count(self.blobs, 'blob')}, {count(self.tags, 'tag')}"

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return what to call next, and a small store at a glance."""
        if self.snapshot is None:
            return (Section("", (NEXT,)),)
        first, *others = summary_of(self.snapshot).sections(rows)
        return Section("", (*first.lines, NEXT)), *others
