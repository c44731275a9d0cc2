"""The chapters of a report, in order: each asks its questions, and has their sections, a picture, and commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.present.sections import LINE_SHOWN, Column, Section, Table, frame_table
from blobkit.present.units import Unit
from blobkit.questions.diff import diff
from blobkit.questions.growth import growth
from blobkit.questions.sharing import sharing
from blobkit.questions.usage import usage
from blobkit.render import count, truncate
from blobkit.views import plots
from blobkit.views.report import counted, plans
from blobkit.views.report.asked import EMPTY, Chapter, commands, part
from blobkit.views.report.bar import bar

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from matplotlib.axes import Axes

    from blobkit.views.report.asked import Asked

__all__ = ["CHAPTERS"]

TAGS, REPOSITORIES, MONTHS = 15, 10, 12
STORED, TO_DO, KEPT = "What is stored", "What to do first", "Who keeps the bytes"
ALONE, SHARED, SIZES = "Tags and repositories that free most alone", "What is shared", "How large the blobs are"
GROWN, CHANGED = "How the store grew", "What changed since {:%Y-%m-%d}"


def _stored(asked: Asked) -> Chapter:
    """Return the totals by status, as a sentence and a bar."""
    summary = asked.audit.summary
    totals = summary.totals[summary.totals["blobs"] > 0]
    parts = list(zip(map(str, totals.index), totals["bytes"].tolist(), strict=True))
    lines = tuple(truncate(line, LINE_SHOWN) for line in reversed(summary.totalled()))
    return Chapter(STORED, (Section("", lines),), bar(parts) if asked.snapshot.bytes else None)


def _to_do(asked: Asked) -> Chapter:
    """Return the findings of the audit, each with its command."""
    first, findings, *_ = asked.audit.sections()
    typed = Column("command", Unit.COMMAND, [asked.shell.about(finding) for finding in asked.audit.problems])
    table = findings.table and Table((*findings.table.columns, typed))
    return Chapter(TO_DO, (Section("", (asked.audit.title(), *first.lines[2:]), table),))


def _kept(asked: Asked) -> Chapter:
    """Return the icicle: each place is as wide as the bytes that go if it alone is dropped."""
    if not asked.is_empty and not asked.audit.summary.totals.loc["live", "bytes"]:
        return Chapter(KEPT, (Section("", ("Nothing is in use: no pin reaches a blob with bytes.",)),))
    return _drawn(asked, KEPT, "icicle", lambda: plots.icicle(asked.snapshot))


def _alone(asked: Asked) -> Chapter:
    """Return the tags and repositories that free most when each alone is dropped."""
    tags = asked.audit.summary.tags[["closure", "exclusive", "same_digest", "modified"]]
    whole = usage(asked.snapshot, "repo").frame
    repositories = whole[~whole["beside"]].sort_values("exclusive", ascending=False, kind="stable")
    sections = (
        _most("tag", tags, TAGS),
        _most("repository", repositories[["blobs", "closure", "exclusive"]], REPOSITORIES),
        _what_goes(asked, tags, repositories),
    )
    return Chapter(ALONE, sections)


def _most(noun: str, frame: pd.DataFrame, rows: int) -> Section:
    """Return the first rows of a frame as a section; a sentence if it has none."""
    if not len(frame):
        return Section("", (f"There is no {noun}.",))
    number = count(len(frame), noun)
    title = f"The {min(rows, len(frame)):,} of {number} that free most when each alone is dropped"
    return Section(title, table=frame_table(frame, rows=rows))


def _what_goes(asked: Asked, tags: pd.DataFrame, repositories: pd.DataFrame) -> Section:
    """Return the commands that preview dropping the first tag and the first repository."""
    shell = asked.shell
    tag, repository = (str(next(iter(frame.index), "")) for frame in (tags, repositories))
    rows = [
        ("what goes with this tag, what stays, and why", shell.dropping(tag)),
        ("the same for all tags of this repository", shell.dropping(group=repository)),
        ("all tags", shell.command("tags", "--sort", "exclusive")),
    ]
    return commands([(what, command) for what, command in rows if command])


def _shared(asked: Asked) -> Chapter:
    """Return the bytes that repositories share."""
    answer = sharing(asked.snapshot, "repo")
    sections = (*part(answer.sections(), asked, answer.title()), *answer.details())
    return _drawn(asked, SHARED, "sharing", lambda: plots.sharing(answer), sections)


def _sizes(asked: Asked) -> Chapter:
    """Return the sizes of blobs, and the bytes by kind."""
    answer = usage(asked.snapshot, "kind")
    sections = part(answer.sections(), asked, answer.title())
    return _drawn(asked, SIZES, "sizes", lambda: plots.sizes(asked.snapshot), sections)


def _changed(asked: Asked) -> Chapter:
    """Return the changes since the older snapshot; if there is none, the growth by month."""
    if asked.before is not None:
        answer = diff(asked.before, asked.snapshot)
        title = CHANGED.format(asked.before.time)
        sections = (*part(answer.sections(), asked, answer.title()), *answer.details())
        return _drawn(asked, title, "changes", answer.plot, sections)
    frame = growth(asked.snapshot)
    frame = frame.set_axis(frame.index.astype("str")).rename_axis("month").tail(MONTHS)
    frame = frame if frame["unknown"].any() else frame.drop(columns="unknown")
    title = f"Bytes by the month of the last modification: the last {count(len(frame), 'month')}"
    table = Section(title, table=frame_table(frame, rows=MONTHS))
    return _drawn(asked, GROWN, "growth", lambda: plots.growth(asked.snapshot), (table,))


def _drawn(
    asked: Asked, title: str, name: str, plot: Callable[[], Axes], sections: tuple[Section, ...] = ()
) -> Chapter:
    """Return a chapter with a picture; if nothing is stored, with a sentence instead."""
    if asked.is_empty:
        return Chapter(title, (Section("", (EMPTY,)),))
    return Chapter(title, sections).with_picture(name, plot)


CHAPTERS: dict[str, Callable[[Asked], Chapter]] = {
    STORED: _stored,
    TO_DO: _to_do,
    KEPT: _kept,
    ALONE: _alone,
    plans.TITLE: plans.three_plans,
    SHARED: _shared,
    SIZES: _sizes,
    GROWN: _changed,
    counted.TITLE: counted.how_counted,
}
"""The function that makes each chapter, by title, in the order of the page."""
