"""Commands that list blobs and tags, without pandas."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from blobkit.commands import completing
from blobkit.commands.addressed import address_argument
from blobkit.commands.arranging import Rows
from blobkit.commands.shown import output_options, policy_option, scanned
from blobkit.questions.listing import BLOB_NUMBERS, STATUS, blob_columns, nodes_named, tag_columns
from blobkit.render import choices
from blobkit.snapshot.frameless import hide_pandas
from blobkit.snapshot.tables import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blobkit.commands.shown import Output

__all__ = ["ls", "tags"]

JUDGED = tuple(word for word in STATUS if word != "fresh")
"""The statuses to choose from; only `audit` distinguishes fresh garbage from old garbage."""
SHOWN = ("tag", "digest", "kind", "closure", "exclusive", "same_digest", "created")


@click.command()
@address_argument
@click.option(
    "--status",
    multiple=True,
    metavar="WORD",
    shell_complete=completing.words(*JUDGED),
    help=f"Only blobs that are {', '.join(JUDGED[:-1])} or {JUDGED[-1]}; more than once for several.",
)
@click.option(
    "--kind",
    multiple=True,
    metavar="WORD",
    shell_complete=completing.words(*KINDS),
    help="Only blobs of a kind: index, manifest, config, layer, ...; more than once for several.",
)
@policy_option
@output_options(*BLOB_NUMBERS, default="size")
def ls(address: str, status: tuple[str, ...], kind: tuple[str, ...], policy: str | None, *, out: Output) -> None:
    """List the blobs, the biggest first."""
    _check("status", status, JUDGED)
    _check("kind", kind, KINDS)
    hide_pandas()
    snapshot, rows = scanned(address, policy), out.rows
    among = None if rows.where is None else nodes_named(snapshot, rows.where)
    sort = rows.sort or BLOB_NUMBERS[0]
    columns = blob_columns(snapshot, sort=sort, limit=rows.limit, status=status, kind=kind, among=among)
    replace(out, rows=Rows()).table(columns)


@click.command()
@address_argument
@policy_option
@output_options("tag", "kind", "closure", "exclusive", "same_digest", "created", "modified")
def tags(address: str, policy: str | None, *, out: Output) -> None:
    """List the tags, with the bytes that each needs and alone keeps."""
    hide_pandas()
    columns = tag_columns(scanned(address, policy))
    if out.as_json:
        out.table(columns)
        return
    shown = [*SHOWN, *(["modified"] if out.rows.sort == "modified" else [])]
    out.table({name: columns[name] for name in shown})


def _check(what: str, words: Sequence[str], known: Sequence[str]) -> None:
    for word in words:
        if word not in known:
            msg = f"{word!r} is not a {what}: {choices(word, known)}"
            raise click.UsageError(msg, click.get_current_context())
