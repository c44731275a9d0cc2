"""Commands for a blobkit store: they write to it, or check it."""

from __future__ import annotations

import click

from blobkit.commands import completing
from blobkit.commands.shown import dumps, json_option, watched
from blobkit.protocols import as_source
from blobkit.render import count, human_bytes
from blobkit.store.fsck.directory import fsck_directory, purge_quarantine
from blobkit.store.local import LocalStore, open_read_only

__all__ = ["adopt", "export", "fsck", "import_"]


@click.command("import")
@click.argument("source", shell_complete=completing.paths)
@click.argument("store", shell_complete=completing.paths)
@click.option("--strict", is_flag=True, help="Refuse a source with problems, before anything is written.")
def import_(source: str, store: str, *, strict: bool) -> int:
    """Copy the images of another store into a blobkit store.

    SOURCE is the address of a store. STORE is the directory of a blobkit store; it is created if it does not exist.
    Only new blobs and names are added. Exits with 1 if blobs had to be skipped. If --strict refuses the source, nothing
    is copied, but a store that did not exist is still created.
    """
    with as_source(source) as opened, LocalStore(store) as into:
        done = into.import_(opened, strict=strict, progress=watched())
    click.echo(str(done))
    return int(done.skipped > 0)


@click.command()
@click.argument("store", shell_complete=completing.paths)
@click.argument("tag", shell_complete=completing.blobs)
@click.argument("target", shell_complete=completing.paths)
def export(store: str, tag: str, target: str) -> None:
    """Copy an image of a blobkit store to an OCI layout or archive.

    TAG is a tag or a digest; all blobs that it needs are copied. TARGET is a directory (images are added to an existing
    layout) or a new .tar file; write oci:TARGET or oci-archive:TARGET if that is not clear.
    """
    with open_read_only(store) as opened:
        click.echo(str(opened.export(tag, target)))


@click.command()
@click.argument("path", shell_complete=completing.paths)
def adopt(path: str) -> int:
    """Turn an OCI layout into a blobkit store, or take in new images.

    PATH is an OCI image layout, or a blobkit store that another program wrote to. Exits with 1 if an entry of
    index.json is damaged and was not taken in.
    """
    with LocalStore(path, create=False, adopt=True) as store:
        done = store.adopted
    click.echo(str(done))
    return int(done is not None and bool(done.damaged))


@click.command()
@click.argument("path", shell_complete=completing.paths)
@click.option("--repair", is_flag=True, help="Repair what can be repaired; damaged files are moved to quarantine.")
@click.option("--purge", is_flag=True, help="First delete the files that earlier repairs moved to quarantine.")
@click.option("--no-content", is_flag=True, help="Do not read and hash the blobs.")
@json_option
def fsck(path: str, *, repair: bool, purge: bool, no_content: bool, as_json: bool) -> int:
    """Check a blobkit store for damage, and repair it.

    Without --repair and --purge, nothing is written. Exits with 0 if no problem is left, else with 1.
    """
    if purge:
        files, size = purge_quarantine(path)
        click.echo(f"quarantine: {count(files, 'file')} deleted, {human_bytes(size)}", err=True)
    found = fsck_directory(path, repair=repair, content=not no_content, progress=watched())
    click.echo(dumps(found.to_dict()) if as_json else str(found))
    return int(bool(found.left))
