"""Common options of the commands, and the printing of results.

One rule for all commands: on a terminal, output is for people (KiB, short digests, days, as wide as the terminal); in a
pipe it is exact (bytes, full digests and names, nothing truncated).
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from blobkit.commands import completing
from blobkit.commands.addressed import storage_options
from blobkit.commands.arranging import Arranged, Rows
from blobkit.connect import facts
from blobkit.present.plain import plain, plain_section
from blobkit.present.sections import ROWS_SHOWN, columns_table
from blobkit.present.text import TextStyle, answer_text, table_text
from blobkit.protocols import options_of_each
from blobkit.render import choices

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from blobkit.present.sections import SupportsSections
    from blobkit.snapshot.snapshot import Snapshot

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

__all__ = [
    "NUMBER",
    "Output",
    "cache_option",
    "dumps",
    "group_option",
    "json_option",
    "output_options",
    "policy_option",
    "print_script",
    "scanned",
    "scanned_both",
    "script_option",
    "watched",
]

COLUMNS = 80
"""The width of a terminal that does not report one."""

NUMBER = click.IntRange(min=0)
NUMBER.name = "whole number"  # the name in messages

policy_option = click.option(
    "--policy",
    metavar="NAME",
    shell_complete=completing.policies,
    help="The references that keep a blob (default: the policy of the store): counts; dependent, strong or ignore for "
    "an OCI layout; tags, revisions, gc or gc-m for a registry.",
)

cache_option = click.option(
    "--cache/--no-cache",
    default=None,
    help="Keep what is read of a registry in ~/.cache/blobkit, and read only what is new (the default over HTTP).",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for machines: bytes as numbers, full digests."
)


def group_option(text: str) -> Decorator:
    """Return the option for repositories, with this help text."""
    return click.option(
        "--group", "groups", multiple=True, metavar="REPOSITORY", shell_complete=completing.repositories, help=text
    )


def script_option(text: str) -> Decorator:
    """Return the option to print a script instead of the answer, with this help text."""
    return click.option("--script", "tool", metavar="TOOL", shell_complete=completing.tools, help=text)


@dataclass(frozen=True, slots=True)
class Output:
    """The style of the output of a command, from the common options."""

    as_json: bool = False
    bytes: bool = False
    full: bool = False
    rows: Rows = Rows()  # noqa: RUF009 (frozen)

    def style(self, rows: int | None = None) -> TextStyle:
        """Return the style of a text; without a limit, tables have `rows` rows, None for all."""
        on_terminal = sys.stdout.isatty()
        limit = self.rows.limit
        return TextStyle(
            width=_columns() if on_terminal else None,
            bytes=self.bytes or not on_terminal,
            full=self.full or not on_terminal,
            rows=limit if limit is not None else rows if on_terminal else None,
            colour=on_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
        )

    def answer(
        self, answer: SupportsSections, body: Callable[[], Mapping[str, object]], *, rows: int | None = ROWS_SHOWN
    ) -> None:
        """Print an answer as text (on a terminal with at most `rows` rows in each table), or as JSON.

        The JSON is `body()` with the title of the answer, and with its sections: the tables that the text shows.
        """
        arranged = Arranged(answer, self.rows)
        if self.as_json:
            limit = ROWS_SHOWN if self.rows.limit is None else self.rows.limit
            shown = {"title": answer.title(), "sections": [*map(plain_section, arranged.sections(limit))]}
            click.echo(dumps({name: self._cut(value) for name, value in body().items()} | shown))
        else:
            click.echo(answer_text(arranged, self.style(rows)))

    def table(self, columns: Mapping[str, Sequence[object]], *, heading: Sequence[str] = ()) -> None:
        """Print columns, as JSON or as a table below some lines."""
        places = self.rows.of(columns)[: self.rows.limit]
        chosen = {name: [values[place] for place in places] for name, values in columns.items()}
        if self.as_json:
            rows = zip(*chosen.values(), strict=True)
            click.echo(dumps([dict(zip(chosen, map(plain, row), strict=True)) for row in rows]))
            return
        for line in heading:
            click.echo(line)
        click.echo(table_text(columns_table(chosen), self.style()))

    def _cut(self, value: object) -> object:
        """Return a list of rows with the selected ones only; any other value unchanged."""
        if not isinstance(value, list) or not value or not all(isinstance(row, dict) for row in value):
            return value
        columns = {name: [row.get(name) for row in value] for name in value[0]}
        return [value[place] for place in self.rows.of(columns)[: self.rows.limit]]


def output_options(*sorts: str, default: str | None = None) -> Decorator:
    """Give a command the options for its output, as the argument `out`.

    `sorts` are the columns to sort by, `default` is the default one.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def run(*args: object, as_json: bool, exact: bool, full: bool, **others: object) -> object:
            where, sort, limit = (others.pop(name, None) for name in ("where", "sort", "limit"))
            if sort is not None and sort not in sorts:
                msg = f"cannot sort by {sort!r}: {choices(str(sort), sorts)}"
                raise click.UsageError(msg, click.get_current_context())
            rows = Rows(where, sort or default, limit)  # type: ignore[arg-type]  # as the options below say
            return command(*args, out=Output(as_json, exact, full, rows), **others)

        found: Callable[..., Any] = run
        for option in (*_lists(sorts, default), *_SHAPES):
            found = option(found)
        return found

    return add


def _lists(sorts: Sequence[str], default: str | None) -> list[Decorator]:
    by = f"{', '.join(sorts)}{f' (default: {default})' if default else ''}."
    return [
        click.option("--limit", type=NUMBER, metavar="N", help="Only the first N rows of each table."),
        click.option(
            "--sort",
            metavar="COLUMN",
            shell_complete=completing.words(*sorts),
            help=f"Sort by {by} Numbers: largest first.",
        ),
        click.option(
            "--where",
            metavar="PATTERN",
            help="Only rows with a name that matches a pattern (*, ?, [..], or re:EXPRESSION) as a whole.",
        ),
    ]


_SHAPES = (
    json_option,
    click.option("--full", is_flag=True, help="Full digests and names, nothing truncated (the default in a pipe)."),
    click.option("--bytes", "exact", is_flag=True, help="Exact bytes instead of KiB and MiB (the default in a pipe)."),
)


def scanned(address: str, policy: str | None) -> Snapshot:
    """Return the snapshot at an address."""
    return facts(address, policy=policy, progress=watched(), storage_options=storage_options())


def scanned_both(before: str, after: str, policy: str | None) -> tuple[Snapshot, Snapshot]:
    """Return the snapshots at two addresses; those on other machines take the options that are given."""
    pairs = zip((before, after), options_of_each((before, after), storage_options()), strict=True)
    old, new = (facts(one, policy=policy, progress=watched(), storage_options=options) for one, options in pairs)
    return old, new


def watched() -> bool:
    """Return whether progress is shown: stderr is a terminal."""
    return sys.stderr.isatty()


def print_script(text: str) -> None:
    """Print a script as UTF-8, whatever the encoding of the terminal."""
    click.echo(text.encode(), nl=False)


def dumps(value: object) -> str:
    """Return JSON."""
    return json.dumps(value, indent=1, default=str)


def _columns() -> int:
    """Return how many columns the terminal has: that of the output, which is no longer file descriptor 1."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or COLUMNS
    except OSError:
        return COLUMNS
