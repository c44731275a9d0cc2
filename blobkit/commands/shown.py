"""Options that mean the same in every command, and the printing of results."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from blobkit.connect import facts
from blobkit.questions.summary import cells, records, table

if TYPE_CHECKING:
    import pandas as pd

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["dumps", "json_option", "policy_option", "scanned", "show", "watched"]

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


def show(frame: pd.DataFrame, *, as_json: bool) -> None:
    """Print a frame, as JSON or as a table."""
    click.echo(dumps(records(frame)) if as_json else table(cells(frame, full=not sys.stdout.isatty())))


def dumps(value: object) -> str:
    """Return JSON."""
    return json.dumps(value, indent=1, default=str)
