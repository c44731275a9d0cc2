"""The subject of a check: the parts of a store, and its surroundings."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from blobkit.digest import Digest
from blobkit.errors import StoreBusyError
from blobkit.store.fsck.report import UNCHECKED, Checked

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from typing import Protocol

    from blobkit.model import FileSignature
    from blobkit.protocols import Inspected
    from blobkit.transactions import Index, Reading, Transaction

    Still = Callable[[Reading, list["Suspect"]], Iterable["Suspect"]]
    """Which of the suspects are so still."""

    class Question(Protocol):
        """An object that answers questions about an index."""

        def __call__(self, question: Callable[[Reading], T]) -> T:
            """Return the answer."""
            ...


__all__ = ["GRACE", "NO_BLOB", "Outside", "Seen", "Subject", "Suspect", "in_chunks"]

T = TypeVar("T")

NO_BLOB = Digest("")

GRACE = 3600.0
"""Seconds for which what nothing knows of is left alone: its writer may be at work, or another program."""
CHUNK = 1_000
"""Suspects looked at under one lock."""
PATIENCE = 60.0
"""Seconds to wait for others, as long as SQLite does."""
PAUSES = (0.0, 0.3, 0.5, 1.0)
"""Seconds before each look at a suspect: a living writer finishes what it began in one of them."""


class Suspect(NamedTuple):
    """Something that looks wrong: `name` where it is no blob, `stamp` of the bytes that were looked at."""

    code: str
    digest: Digest = NO_BLOB
    message: str = ""
    name: str = ""
    stamp: FileSignature | None = None


@dataclass
class Seen:
    """The observations of a check."""

    suspects: list[Suspect] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: Checked = UNCHECKED


class Outside:
    """The surroundings of a store in memory: none."""

    def faults(self, rows: Reading) -> list[Suspect]:  # noqa: ARG002 (others look)
        """Return what is wrong with how the tags are shown to other programs."""
        return []

    def is_foreign(self, rows: Reading) -> bool:  # noqa: ARG002 (others look)
        """Return whether another program wrote into the store, so that nothing of it may be removed."""
        return False

    def reached(self) -> Collection[Digest] | None:
        """Return what other programs see as in use, None where that cannot be known."""
        return ()

    def leftovers(self) -> list[str]:
        """Return the names of temporary files that are not those of content."""
        return []

    def clear_leftovers(self) -> None:
        """Remove them; the write lock is held."""

    def show(self) -> None:
        """Show the tags to other programs, as they are."""


@dataclass(frozen=True)
class Subject:
    """The parts of one store; `reading` answers many questions in a row, which may be about a moment ago.

    `locked`: there is a write lock to ask under; `quiet`: nobody can be in the middle of a change while it is asked.
    """

    content: Inspected
    index: Index
    address: str
    writing: Transaction
    sweep: Callable[[], int]
    outside: Outside
    reading: Question
    locked: bool = True
    quiet: bool = True

    def read(self, question: Callable[[Reading], T]) -> T:
        """Return the answer to one of many questions, which need not be about the state of now."""
        return self._patiently(lambda: self.reading(question))

    def ask(self, question: Callable[[Reading], T]) -> T:
        """Return the answer to a question while nobody is in the middle of a change, as far as that can be had."""
        if not self.locked:
            return self._patiently(lambda: self.index.read(question))
        return self.index.write(question)  # nothing is written: the empty transaction leaves no trace

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Try again for a while where others write so fast that no state of the index can be read."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return ask()
            except StoreBusyError:
                if self.locked or time.monotonic() > until:
                    raise
                time.sleep(random.random())  # noqa: S311 (to get out of step with the writers)

    def confirmed(self, suspects: Iterable[Suspect], still: Still, *, exact: bool = False) -> list[Suspect]:
        """Return the suspects that `still` says are true each time they are looked at, in chunks, over some seconds.

        `exact` says that one look under the lock is enough.
        """
        left = list(suspects)
        for pause in PAUSES[: 1 if exact and self.locked else None]:
            if not left:
                break
            time.sleep(pause)
            left = [true for chunk in in_chunks(left) for true in self.ask(partial(_listed, still, chunk))]
        return left


def _listed(still: Still, suspects: list[Suspect], rows: Reading) -> list[Suspect]:
    return list(still(rows, suspects))


def in_chunks(items: list[T]) -> Iterable[list[T]]:
    """Yield the items in pieces that are worked on under one lock."""
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
