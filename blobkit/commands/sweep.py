"""The command that deletes what removals left behind, in a store of this machine or of many hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from blobkit.commands import completing
from blobkit.commands.addressed import remote_options, storage_options
from blobkit.errors import AddressError
from blobkit.render import count
from blobkit.store.remote.opening import DATABASES

if TYPE_CHECKING:
    from blobkit.store.store import Store

__all__ = ["sweep"]


@click.command()
@click.argument("address", shell_complete=completing.paths)
@click.argument("bucket", required=False)
@click.option("--schema", default="blobkit", show_default=True, help="The schema of the store in its database.")
@remote_options()
def sweep(address: str, bucket: str | None, *, schema: str) -> None:
    """Delete the content that removals left behind.

    ADDRESS is the directory of a blobkit store. A store of many hosts has two addresses: ADDRESS is its database,
    postgresql://HOST/DATABASE, and BUCKET is s3://BUCKET/PREFIX. Its removals sweep now and then only: run this every
    day, on any host. Give the password of the database in ~/.pgpass or PGPASSWORD: other users see command lines.
    """
    with _opened(address, bucket, schema) as store:
        removed = store.sweep()
    click.echo(f"{count(removed, 'file' if bucket is None else 'object')} deleted")


def _opened(address: str, bucket: str | None, schema: str) -> Store:
    if bucket is None and address.startswith(DATABASES):
        msg = "a store of many hosts has two addresses, of its database and of its bucket"
        raise AddressError(msg, hint="give s3://BUCKET/PREFIX, too")
    if bucket is None:
        from blobkit.store.fsck.directory import NoRecoveryStore  # noqa: PLC0415 (each store loads its own parts)

        return NoRecoveryStore(address, create=False)  # which does not sweep by itself, so that all is counted
    from blobkit.store.remote.store import RemoteStore  # noqa: PLC0415 (the same)

    return RemoteStore(address, bucket, schema=schema, create=False, storage_options=storage_options())
