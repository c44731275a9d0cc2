"""Options that mean the same in every command, and the printing of results."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING

import click

from blobkit.connect import facts
from blobkit.present.plain import plain
from blobkit.present.sections import columns_table
from blobkit.present.text import TextStyle, table_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["dumps", "json_option", "policy_option", "scanned", "show", "style", "watched"]

policy_option = click.option(
    "--policy", metavar="NAME", help="What counts as holding a blob (default: the store's own)."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for machines: bytes as numbers, full digests."
)


def scanned(address: str, policy: str | None) -> Snapshot:
    """Return the snapshot at an address."""
    return facts(address, policy=policy, progress=watched())


def watched() -> bool:
    """Return whether somebody watches progress."""
    return sys.stderr.isatty()


def show(columns: Mapping[str, Sequence[object]], *, as_json: bool) -> None:
    """Print columns, as JSON or as a table."""
    table = columns_table(columns)
    if as_json:
        rows = zip(*columns.values(), strict=True)
        click.echo(dumps([dict(zip(columns, map(plain, row), strict=True)) for row in rows]))
    else:
        click.echo(table_text(table, style()))


def style() -> TextStyle:
    """Return the manner of output: on a terminal for people, as wide as that is; in a pipe exact and whole."""
    if not sys.stdout.isatty():
        return TextStyle(bytes=True, full=True)
    width = shutil.get_terminal_size().columns
    return TextStyle(width=width, colour="NO_COLOR" not in os.environ)


def dumps(value: object) -> str:
    """Return JSON."""
    return json.dumps(value, indent=1, default=str)
