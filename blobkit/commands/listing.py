"""Commands that list blobs and tags. They need no data frame, and load no pandas."""

from __future__ import annotations

import click

from blobkit.commands.shown import json_option, policy_option, scanned, show
from blobkit.questions.listing import BLOB_NUMBERS, blob_columns, tag_columns
from blobkit.snapshot.frameless import leave_pandas_out

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
    show(blob_columns(scanned(address, policy), sort=sort, limit=limit), as_json=as_json)


@click.command()
@click.argument("address")
@policy_option
@json_option
def tags(address: str, policy: str | None, *, as_json: bool) -> None:
    """List the tags: what each reaches, and what it alone keeps."""
    leave_pandas_out()
    columns = tag_columns(scanned(address, policy))
    names = ["tag", "digest", "kind", "closure", "exclusive", "same_digest", "created"]
    show(columns if as_json else {name: columns[name] for name in names}, as_json=as_json)
