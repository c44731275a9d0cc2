"""The chapter about three plans: what each drops, what it frees, and the command that prints its script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.errors import BlobkitError
from blobkit.present.sections import Section, columns_table
from blobkit.present.units import Unit
from blobkit.questions.plan import plan
from blobkit.render import human_bytes
from blobkit.views.report.asked import EMPTY, Chapter, part

if TYPE_CHECKING:
    from blobkit.questions.plan import Plan
    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.views.report.asked import Asked

__all__ = ["TITLE", "Goal", "goals", "three_plans"]

TITLE = "Three plans, and what each frees"
KEPT, DAYS, PARTS = 3, 90, 10
NOTHING = "there is nothing to drop: the rule spares every name"
SECONDS = 20.0
"""The time limit of the search for the cheapest plan."""
LINES = (
    "Each plan is a proposal: nothing is deleted. The command prints a script to read and then run.",
    '"frees" is what the policy promises, "really frees" what the script and the collector of the store do.',
)
UNITS = {"plan": Unit.PROSE, "names": Unit.COUNT, "frees": Unit.BYTES, "really frees": Unit.BYTES, "answer": Unit.PROSE}


@dataclass(frozen=True, slots=True)
class Goal:
    """The goal of a plan: in words, as arguments of `plan`, as options of the command."""

    words: str
    arguments: dict[str, int | str]
    options: tuple[str, ...]


def goals(snapshot: Snapshot) -> tuple[Goal, ...]:
    """Return the goals of the three plans."""
    tenth = snapshot.bytes // PARTS
    return (
        Goal(f"Keep the newest {KEPT} images of each repository", {"keep_last": KEPT}, ("--keep-last", str(KEPT))),
        Goal(f"Drop what is older than {DAYS} days", {"older_than": f"{DAYS}d"}, ("--older-than", f"{DAYS}d")),
        Goal(f"Free a tenth of what is stored: {human_bytes(tenth)}", {"free": tenth}, ("--free", str(tenth))),
    )


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The outcome of a plan, without the plan, which is large: a row of the table, and the names."""

    row: tuple[object, ...]
    names: tuple[Section, ...] = ()


def three_plans(asked: Asked) -> Chapter:
    """Return the chapter; a plan that is not possible is a row that says why."""
    if asked.is_empty:
        return Chapter(TITLE, (Section("", (EMPTY,)),))
    outcomes = [_outcome(asked, goal) for goal in goals(asked.snapshot)]
    rows = zip(*(one.row for one in outcomes), strict=True)
    head = ("plan", "names", "frees", "really frees", "answer", "command")
    table = columns_table(dict(zip(head, map(list, rows), strict=True)), UNITS)
    return Chapter(TITLE, (Section("", LINES, table), *(name for one in outcomes for name in one.names)))


def _outcome(asked: Asked, goal: Goal) -> _Outcome:
    command = asked.shell.command("plan", *goal.options)
    try:
        found = _planned(asked.snapshot, goal)
    except BlobkitError as error:
        return _Outcome((goal.words, None, None, None, f"not possible: {error.in_shell()}", command))
    really = found.collected.bytes if found.collected.tool else None
    script = asked.shell.command("plan", *goal.options, *asked.shell.script_option())
    if not found:
        return _Outcome((goal.words, 0, 0, None, NOTHING, command))
    row = (goal.words, len(found), found.bytes, really, found.title(), script)
    return _Outcome(row, part(found.sections(), asked, f"{goal.words}: names to drop"))


def _planned(snapshot: Snapshot, goal: Goal) -> Plan:
    return plan(snapshot, **goal.arguments, time_limit=SECONDS, progress=False)  # type: ignore[arg-type]
