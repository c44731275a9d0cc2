"""Commands that list blobs and tags. They need no data frame, and load no pandas."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from blobkit.commands.shown import dumps, json_option, policy_option, scanned
from blobkit.questions.listing import BLOB_NUMBERS, blob_columns, tag_columns
from blobkit.render import human_bytes, listed, short, text_table
from blobkit.snapshot.frameless import leave_pandas_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ls", "tags"]


@click.command()
@click.argument("address")
@click.option("--sort", default="size", show_default=True, metavar="COLUMN", help="size, retained, frees or refcount.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Only the first N rows.")
@policy_option
@json_option
def ls(address: str, sort: str, limit: int | None, policy: str | None, *, as_json: bool) -> None:
    """List the blobs, the biggest first."""
    if sort not in BLOB_NUMBERS:
        msg = f"cannot sort by {sort!r}: use {', '.join(BLOB_NUMBERS)}"
        raise click.BadParameter(msg, param_hint="--sort")
    leave_pandas_out()
    _show(blob_columns(scanned(address, policy), sort=sort, limit=limit), as_json=as_json)


@click.command()
@click.argument("address")
@policy_option
@json_option
def tags(address: str, policy: str | None, *, as_json: bool) -> None:
    """List the tags: what each reaches, and what it alone keeps."""
    leave_pandas_out()
    columns = tag_columns(scanned(address, policy))
    names = ["tag", "digest", "kind", "closure", "exclusive", "same_digest", "created"]
    _show(columns if as_json else {name: columns[name] for name in names}, as_json=as_json)


def _show(columns: Mapping[str, Sequence[object]], *, as_json: bool) -> None:
    """Print columns, as JSON or as a table."""
    rows = list(zip(*columns.values(), strict=True))
    if as_json:
        click.echo(dumps([dict(zip(columns, row, strict=True)) for row in rows]))
        return
    full = not sys.stdout.isatty()
    numbers = frozenset(name for name, values in columns.items() if values and isinstance(values[0], int))
    sizes = numbers - {"refcount", "same_digest"}
    texts = [
        [_cell(value, is_size=name in sizes, full=full) for name, value in zip(columns, row, strict=True)]
        for row in rows
    ]
    click.echo(text_table(list(columns), texts, right=numbers))


def _cell(value: object, *, is_size: bool, full: bool) -> str:
    if isinstance(value, tuple):
        return listed(list(map(str, value)), len(value) if full else 3)
    if is_size and not full:
        return human_bytes(int(str(value)))
    return "" if value is None else str(value) if full else short(str(value))
