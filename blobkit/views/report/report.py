"""The report about a store: one page with the answers to the questions that people ask first."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.errors import DiffError, ExportError
from blobkit.present.answer import Answer
from blobkit.present.plain import plain_section
from blobkit.present.sections import LINE_SHOWN, ROWS_SHOWN, Section, Table
from blobkit.progress import staged
from blobkit.protocols import as_snapshot, as_surveyed, options_of_each
from blobkit.questions.inputs.ages import parse_age
from blobkit.remotes import has_scheme
from blobkit.render import count, human_bytes, printable, truncate
from blobkit.replacing import check_place, replacing
from blobkit.views.report.asked import NO_ADDRESS, Asked, attempted
from blobkit.views.report.chapters import CHAPTERS
from blobkit.views.report.page import page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blobkit.protocols import Address, StorageOptions, SupportsSnapshot
    from blobkit.questions.inputs.ages import Age
    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.views.report.asked import Chapter

__all__ = ["Report", "report", "report_of"]

LONGEST = 4096
"""The longest path that a system has."""


@dataclass(frozen=True, eq=False, repr=False)
class Report(Answer):
    """A report: `chapters` with the sections of answers; `html` is the whole page, `save` writes it.

    In a notebook it shows the tables without the pictures.

    >>> report = blobkit.report(demo.small())
    >>> print(report.save("report.html"))
    report.html
    """

    snapshot: Snapshot
    chapters: tuple[Chapter, ...]
    _places: tuple[Path, ...] = ()

    @cached_property
    def html(self) -> str:
        """The page: no script, no reference to anything outside, readable on screens and on paper."""
        return page(self.title(), self.chapters)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file, completely or not at all; return its path.

        ExportError for a path in the store of the report: a store that is looked at is not changed. OSError if the file
        cannot be written.
        """
        target = Path(path)
        _refuse(target, self._places)
        with replacing(target) as whole:
            whole.write_text(self.html, encoding="utf-8")
        return target

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        chapters = [
            {"title": one.title, "sections": [*map(plain_section, one.sections)]}  # pictures show the same figures
            for one in self.chapters
        ]
        return {"snapshot": self.snapshot.caption(), "policy": self.snapshot.policy, "chapters": chapters}

    def title(self) -> str:
        """Return the answer in one line."""
        stored = f"{human_bytes(self.snapshot.bytes)} in {count(self.snapshot.blobs, 'blob')}"
        return truncate(f"{stored}: report on {self.snapshot.place}", LINE_SHOWN)

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the sections of all chapters."""
        return tuple(
            replace(section, title=section.title or chapter.title, table=section.table and _first(section.table, rows))
            for chapter in self.chapters
            for section in chapter.sections
        )


def _first(table: Table, rows: int) -> Table:
    """Return the first rows of a table."""
    columns = (replace(column, values=column.values[:rows]) for column in table.columns)
    hidden = max(len(table) - rows, 0)
    return Table(tuple(columns), table.more + hidden, {} if hidden else table.rest)


def report(  # noqa: PLR0913 (what is wanted is keyword-only)
    x: SupportsSnapshot | Address,
    path: str | os.PathLike[str] | None = None,
    *,
    policy: str | None = None,
    before: SupportsSnapshot | Address | None = None,
    min_age: Age = "24h",
    progress: bool = True,
    storage_options: StorageOptions | None = None,
) -> Report:
    """Return a report about a store; if `path` is given, written there as one HTML page.

    In this order: what is stored; what to do first (findings with commands); who keeps the bytes; the tags and
    repositories that free most alone; three plans; what is shared; sizes; what changed since `before`, an older
    snapshot of the store, or by month; how it was counted. Names are escaped; the page loads nothing and runs nothing.
    A question without an answer is a sentence in its place. Garbage younger than `min_age` is kept.

    `storage_options` as in `scan`, also for `before`. Errors: as `scan`, AgeError, DiffError if `before` is of another
    kind of store, ExportError for a path in the store itself, OSError. Cost: as `audit`, `sharing` and three times
    `plan`; half a minute for a million blobs. The page has less than 500 kB.

    >>> report = blobkit.report(demo.small(), "report.html")
    >>> [chapter.title for chapter in report.chapters][:2]
    ['What is stored', 'What to do first']
    """
    if path is not None:
        check_place(Path(path))
    both = options_of_each([x] if before is None else [x, before], storage_options)
    snapshot = as_snapshot(as_surveyed(x, both[0]), policy)
    older = None if before is None else as_snapshot(before, storage_options=both[1])
    given = [os.fspath(one) for one in (x, before) if isinstance(one, str | os.PathLike)]
    return report_of(snapshot, path, given, before=older, min_age=min_age, progress=progress)


def report_of(  # noqa: PLR0913 (as `report`)
    snapshot: Snapshot,
    path: str | os.PathLike[str] | None = None,
    given: Sequence[str] = (),
    *,
    before: Snapshot | None = None,
    min_age: Age = "24h",
    progress: bool = True,
) -> Report:
    """Return the report about a snapshot, as `report`; `given`: the addresses it was read from, its own first."""
    age, places = parse_age(min_age), _places(snapshot, given)
    if path is not None:
        _refuse(Path(path), places)
    asked = Asked(snapshot, _to_type(snapshot, given), age, before and _same_kind(snapshot, before))
    chapters = []
    with staged("report", show=progress) as say:
        for title, make in CHAPTERS.items():
            say(title.lower())
            chapters.append(attempted(title, partial(make, asked)))
    made = Report(snapshot, tuple(chapters), places)
    if path is not None:
        made.save(path)
    return made


def _same_kind(snapshot: Snapshot, before: Snapshot) -> Snapshot:
    """Return the older snapshot under the same policy; DiffError if it is of another kind of store."""
    if before.kind != snapshot.kind:
        msg = f"{before.caption()} is not an older snapshot of this store: {before.kind} and {snapshot.kind}"
        raise DiffError(msg, hint="give one of the same store")
    return before.with_policy(snapshot.policy)


def _to_type(snapshot: Snapshot, given: Sequence[str]) -> str:
    """Return what to type for the store: an address that means the same in any directory, else the word ADDRESS."""
    if not given:
        is_sure = snapshot.address.startswith("/") or has_scheme(snapshot.address)
        return snapshot.place if is_sure and len(snapshot.address) < LONGEST else NO_ADDRESS
    address = given[0]
    kind, colon, rest = address.partition(":")
    if Path(address).exists():
        return str(Path(address).absolute())
    return f"{kind}:{Path(rest).absolute()}" if colon and Path(rest).exists() else address


def _places(snapshot: Snapshot, given: Sequence[str]) -> tuple[Path, ...]:
    """Return the stores and files that a report is about: nothing is written there."""
    typed = [part for one in given for part in (one, one.partition(":")[2]) if part and Path(part).exists()]
    own = [snapshot.address] if snapshot.address.startswith("/") else []
    return tuple(Path(os.path.realpath(one)) for one in (*typed, *own))


def _refuse(path: Path, places: Sequence[Path]) -> None:
    """Raise ExportError if a path is one of these places, or is in one."""
    target = path.parent.resolve() / path.name
    for place in places:
        if place in (target, *target.parents):
            msg = f"{printable(str(path))} is in {printable(str(place))}, which is only read"
            raise ExportError(msg, hint="give a path outside it")
