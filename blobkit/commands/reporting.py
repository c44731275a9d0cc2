"""The command that writes a report about a store."""

from __future__ import annotations

from pathlib import Path

import click

from blobkit.commands import completing
from blobkit.commands.addressed import address_argument, storage_options
from blobkit.commands.shown import policy_option, watched
from blobkit.connect import facts, scan
from blobkit.protocols import options_of_each
from blobkit.questions.inputs.ages import parse_age
from blobkit.render import human_bytes, printable
from blobkit.replacing import check_place
from blobkit.views.report.report import report_of

__all__ = ["report"]


@click.command()
@address_argument
@click.option(
    "-o", "--output", required=True, metavar="FILE", shell_complete=completing.paths, help="The file to write (.html)."
)
@click.option(
    "--before",
    metavar="ADDRESS",
    shell_complete=completing.addresses,
    help="An older snapshot of the store: shows what changed since.",
)
@click.option("--min-age", default="24h", show_default=True, metavar="AGE", help="Garbage younger than this is kept.")
@policy_option
def report(address: str, output: str, before: str | None, min_age: str, policy: str | None) -> None:
    """Write a report about a store, one HTML page with pictures.

    Shows what is stored, what to do first, who keeps the bytes, three plans, what is shared, and how it was counted.
    The page needs no network and no script, and can be printed.
    """
    parse_age(min_age)
    check_place(Path(output))
    given = [address] if before is None else [address, before]
    options, *earlier = options_of_each(given, storage_options())
    older = None if before is None else facts(before, progress=watched(), storage_options=earlier[0])
    snapshot = scan(address, policy=policy, progress=watched(), storage_options=options)
    made = report_of(snapshot, output, given, before=older, min_age=min_age, progress=watched())
    click.echo(f"{printable(output)}: {human_bytes(len(made.html.encode()))}, {made.title()}", err=True)
