"""The parts of a store that a check looks at, and its findings."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from blobkit.digest import Digest
from blobkit.store.fsck.report import UNCHECKED, Extent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from blobkit.contents import Inspected
    from blobkit.model import FileSignature
    from blobkit.store.fsck.layoutcheck import LayoutCheck
    from blobkit.transactions import Index, Reading, Transaction

    Still = Callable[[Inspected, list["Candidate"], Reading], list["Candidate"]]
    """Returns the candidates that are still true."""

__all__ = ["GRACE", "Candidate", "FsckContext", "FsckResult", "Writes", "in_chunks"]

T = TypeVar("T")

GRACE = 3600.0
"""Seconds for which a file that the index does not know is left alone: its writer may be at work."""
CHUNK = 1_000
"""Candidates confirmed, or repaired, under one lock."""


class Candidate(NamedTuple):
    """A possible finding: `name` where it is no blob, `signature` of the file that was read.

    `is_pending`: a living writer may be about to finish this; if its process died, the next one to open the store is.
    """

    code: str
    digest: Digest = Digest("")
    message: str = ""
    name: str = ""
    signature: FileSignature | None = None
    is_pending: bool = False

    @property
    def is_old(self) -> bool:
        """Whether the file is so old that no writer can be about to record it."""
        return self.signature is not None and time.time() - self.signature.since > GRACE


@dataclass
class FsckResult:
    """The findings of a check, before any repair."""

    candidates: list[Candidate]
    notes: list[str] = field(default_factory=list)
    extent: Extent = UNCHECKED


class Writes(Protocol):
    """A store whose rows are repaired."""

    @property
    def writing(self) -> Transaction:
        """The transaction that may write."""
        ...


@dataclass(frozen=True)
class FsckContext:
    """The parts of one store. `layout` is None where no other program sees it; `is_live`: others may be changing it."""

    content: Inspected
    index: Index
    address: str
    writing: Transaction
    sweep: Callable[[], int]
    layout: LayoutCheck | None
    is_read_only: bool = False
    is_live: bool = True

    def ask(self, question: Callable[[Reading], T]) -> T:
        """Return the answer to a question, asked under the write lock unless the store is open for reading only."""
        return self.index.read(question) if self.is_read_only else self.index.write(question)

    def confirm(self, candidates: Iterable[Candidate], still: Still) -> list[Candidate]:
        """Return the candidates that `still` finds true in a second look, asked in chunks as `ask` does."""
        chunks = in_chunks(list(candidates))
        return [true for chunk in chunks for true in self.ask(partial(still, self.content, chunk))]


def in_chunks(items: list[T]) -> Iterator[list[T]]:
    """Yield the items in pieces that are worked on under one lock."""
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
