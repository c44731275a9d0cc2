"""The command that saves a snapshot of a store, without pandas."""

from __future__ import annotations

from functools import partial

import click

from blobkit.commands.addressed import address_argument, storage_options
from blobkit.commands.shown import cache_option, policy_option, watched
from blobkit.connect import scan as scan_address
from blobkit.render import count, human_bytes, printable
from blobkit.snapshot.frameless import hide_pandas

__all__ = ["scan"]


@click.command()
@address_argument
@click.option(
    "-o", "--output", required=True, metavar="FILE", help="The file to write (.blobkit), or a directory (DIR/)."
)
@click.option("--verify", is_flag=True, help="Read and hash every blob (for a blobkit store, give oci:PATH).")
@click.option("--quick", is_flag=True, help="Of a registry read only what its collector reads (not for an audit).")
@cache_option
@policy_option
def scan(  # noqa: PLR0913 (one parameter an option)
    address: str, output: str, policy: str | None, *, verify: bool, quick: bool, cache: bool | None
) -> None:
    """Save a snapshot of a store in a file, for use as an address.

    A FILE that ends with a slash is a directory of parquet files, for stores that are too large for the memory.
    """
    hide_pandas()
    asked = partial(
        scan_address,
        address,
        policy=policy,
        progress=watched(),
        verify=verify,
        every_file=not quick,
        cache=cache,
        storage_options=storage_options(),
    )
    if output.endswith("/"):
        found = asked(out=output)
        notices = found.notices
    else:
        found = asked()
        found.save(output)
        notices = found.notices.num_rows
    stored = f"{count(found.blobs, 'blob')}, {human_bytes(found.bytes)}"
    click.echo(f"{printable(output)}: {stored}, {count(notices, 'notice')}", err=True)
