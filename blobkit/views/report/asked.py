"""The subject of a report, and its chapters: sections of answers with a picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from blobkit.errors import BlobkitError
from blobkit.present.sections import LINE_SHOWN, Section, columns_table
from blobkit.questions.audit import audit
from blobkit.questions.findings.commands import Shell
from blobkit.render import truncate
from blobkit.views.svg import picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import timedelta

    from matplotlib.axes import Axes

    from blobkit.questions.audit import Audit
    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.views.svg import Picture

__all__ = ["EMPTY", "NO_ADDRESS", "Asked", "Chapter", "attempted", "commands", "part"]

EMPTY = "Nothing is stored."
NO_ADDRESS = "ADDRESS"
"""The word in commands for a store that has no path."""


@dataclass(frozen=True, eq=False)
class Asked:
    """The subject of a report: a snapshot, the `address` to type for its store, an older snapshot or None."""

    snapshot: Snapshot
    address: str
    min_age: timedelta
    before: Snapshot | None = None

    @cached_property
    def audit(self) -> Audit:
        """The audit of the store."""
        return audit(self.snapshot, min_age=self.min_age)

    @cached_property
    def shell(self) -> Shell:
        """The commands for the store."""
        return Shell(self.snapshot, self.address)

    @property
    def is_empty(self) -> bool:
        """Whether no blob is stored."""
        return not self.snapshot.blobs


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of a report with a title: a picture, then sections; a section without a title is directly below it."""

    title: str
    sections: tuple[Section, ...] = ()
    picture: Picture | None = None

    def with_picture(self, name: str, plot: Callable[[], Axes]) -> Chapter:
        """Return the chapter with the picture that a function draws, or with a sentence that says why there is none."""
        try:
            return replace(self, picture=picture(name, plot))
        except BlobkitError as error:
            return replace(self, sections=(_failed(error), *self.sections))


def attempted(title: str, make: Callable[[], Chapter]) -> Chapter:
    """Return a chapter; if a question has no answer, one that says why."""
    try:
        return make()
    except BlobkitError as error:
        return Chapter(title, (_failed(error),))


def _failed(error: BlobkitError) -> Section:
    return Section("", (f"This part is missing: {error.in_shell()}",))


def part(sections: Iterable[Section], asked: Asked, title: str = "") -> tuple[Section, ...]:
    """Return sections of an answer for a page that names the snapshot once; the first one gets the title."""
    caption = truncate(asked.snapshot.caption(), LINE_SHOWN)
    found = [replace(one, lines=tuple(line for line in one.lines if line != caption)) for one in sections]
    return tuple(replace(one, title=one.title if at else title) for at, one in enumerate(found))


def commands(asked: Sequence[tuple[str, str]]) -> Section:
    """Return pairs of a purpose and a command as a section."""
    table = columns_table({"to see": [what for what, _ in asked], "command": [command for _, command in asked]})
    return Section("Commands", table=table)
