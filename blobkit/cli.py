"""The command line: what the library answers, for the shell. Results go to stdout, all else to stderr.

Exit codes: 0 done; 1 done, but for what had to be skipped or is still damaged; 2 bad input, with one line that says
what to do; 130 interrupted.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING

import click

import blobkit
from blobkit import demo as demo_store
from blobkit.connect import scan as scan_address
from blobkit.errors import BlobkitError
from blobkit.protocols import as_source
from blobkit.questions.frame import tags_frame, to_frame
from blobkit.questions.preview import simulate_deref
from blobkit.questions.summary import cells, records, summary, table
from blobkit.render import count, human_bytes, printable
from blobkit.store.fsck.directory import fsck_directory, purge_quarantine
from blobkit.store.local import open_read_only

if TYPE_CHECKING:
    import pandas as pd

    from blobkit.snapshot import Snapshot

__all__ = ["cli", "main"]

INTERRUPTED = 130
DEMO_DIRECTORY = "blobkit-demo"

_policy = click.option("--policy", metavar="NAME", help="What counts as holding a blob (default: the store's own).")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines: bytes as numbers, full digests.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(blobkit.__version__, prog_name="blobkit")
def cli() -> None:
    """Audit blob stores and container registries: what uses the space, and exactly what would go.

    ADDRESS is the path of a store (a blobkit store, an OCI layout, a registry's storage directory) or of a saved
    snapshot; kind:path where it is not recognised. What is audited is only read, never changed.
    """


@cli.command()
@click.argument("address")
@click.option("-o", "--output", required=True, metavar="FILE", help="The file to write (.blobkit).")
@click.option("--verify", is_flag=True, help="Read and hash every blob (of a blobkit store: give oci:PATH).")
@_policy
def scan(address: str, output: str, policy: str | None, *, verify: bool) -> None:
    """Save a snapshot of a store, which every command takes as ADDRESS."""
    snapshot = scan_address(address, policy=policy, progress=_watched(), verify=verify)
    snapshot.save(output)
    stored = f"{count(snapshot.blobs, 'blob')}, {human_bytes(snapshot.bytes)}"
    click.echo(f"{printable(output)}: {stored}, {count(snapshot.notices.num_rows, 'notice')}", err=True)


@cli.command()
@click.argument("address")
@click.option(
    "--top", type=click.IntRange(min=0), default=10, show_default=True, metavar="N", help="Rows in each table."
)
@click.option("--verify", is_flag=True, help="Read and hash every blob (of a blobkit store: give oci:PATH).")
@_policy
@_json
def audit(address: str, top: int, policy: str | None, *, verify: bool, as_json: bool) -> None:
    """Show what a store holds: totals, garbage, what retains most, what each tag costs."""
    answer = summary(scan_address(address, policy=policy, progress=_watched(), verify=verify), top=top)
    click.echo(_dumps(answer.to_dict()) if as_json else str(answer))


@cli.command()
@click.argument("address")
@click.option("--sort", default="size", show_default=True, metavar="COLUMN", help="size, retained, frees or refcount.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Only the first N rows.")
@_policy
@_json
def ls(address: str, sort: str, limit: int | None, policy: str | None, *, as_json: bool) -> None:
    """List the blobs, biggest first."""
    columns = ["size", "retained", "frees", "refcount", "kind", "status", "tags"]
    if sort not in columns[:4]:
        msg = f"cannot sort by {sort!r}: use {', '.join(columns[:4])}"
        raise click.BadParameter(msg, param_hint="--sort")
    frame = to_frame(_scan(address, policy), columns=columns).sort_values(sort, ascending=False, kind="stable")
    _show(frame.head(limit) if limit is not None else frame, as_json=as_json)


@cli.command()
@click.argument("address")
@_policy
@_json
def tags(address: str, policy: str | None, *, as_json: bool) -> None:
    """List the tags: what each reaches, and what dropping it alone would free (exclusive)."""
    frame = tags_frame(_scan(address, policy))
    columns = ["digest", "kind", "closure", "exclusive", "same_digest", "created"]
    _show(frame if as_json else frame[columns], as_json=as_json)


@cli.command()
@click.argument("address")
@click.argument("targets", nargs=-1, metavar="TARGET...")
@click.option("--group", "groups", multiple=True, metavar="REPOSITORY", help="Drop every pin of a repository.")
@click.option("--all-pins", is_flag=True, help="Drop all pins on what is named.")
@_policy
@_json
def simulate(  # noqa: PLR0913 (one parameter an option)
    address: str,
    targets: tuple[str, ...],
    groups: tuple[str, ...],
    policy: str | None,
    *,
    all_pins: bool,
    as_json: bool,
) -> None:
    """Show exactly what would go if TARGETs were dropped together: tags, digests, patterns with *."""
    answer = simulate_deref(_scan(address, policy), *targets, groups=groups, all_pins=all_pins)
    click.echo(_dumps(answer.to_dict()) if as_json else str(answer))


@cli.command("import")
@click.argument("source")
@click.argument("store")
@click.option("--strict", is_flag=True, help="Refuse a source that is not sound, before anything is written.")
def import_(source: str, store: str, *, strict: bool) -> int:
    """Take what the store at SOURCE holds into the blobkit store in STORE, which is made if it is absent.

    Only what is new there is added. Exits with 1 where blobs had to be skipped.
    """
    with as_source(source) as opened, blobkit.LocalStore(store) as into:
        done = into.import_(opened, strict=strict, progress=_watched())
    click.echo(str(done))
    return int(done.skipped > 0)


@cli.command()
@click.argument("store")
@click.argument("tag")
@click.argument("target")
def export(store: str, tag: str, target: str) -> None:
    """Write TAG (or a digest) of a blobkit store, with all that it links to, to an OCI layout or archive TARGET.

    TARGET is a directory, which is added to if it is a layout, or a new file .tar; oci:TARGET or oci-archive:TARGET
    where that is not plain.
    """
    with open_read_only(store) as opened:
        click.echo(str(opened.export(tag, target)))


@cli.command()
@click.argument("path")
def adopt(path: str) -> int:
    """Take in what another program wrote into the blobkit store in PATH, or make the OCI image layout there a store.

    Exits with 1 where an entry of index.json is damaged and was not taken in.
    """
    with blobkit.LocalStore(path, create=False, adopt=True) as store:
        done = store.adopted
    click.echo(str(done))
    return int(done is not None and bool(done.damaged))


@cli.command()
@click.argument("path")
@click.option("--repair", is_flag=True, help="Make right what can be; what is damaged is moved to quarantine.")
@click.option("--purge", is_flag=True, help="First delete what earlier repairs moved to quarantine.")
@click.option("--no-content", is_flag=True, help="Do not read and hash the blobs.")
@_json
def fsck(path: str, *, repair: bool, purge: bool, no_content: bool, as_json: bool) -> int:
    """Check the blobkit store in PATH for every kind of damage; without --repair and --purge nothing is written.

    Exits with 0 where it is sound or all was repaired, with 1 where something is left.
    """
    if purge:
        files, size = purge_quarantine(path)
        click.echo(f"quarantine: {count(files, 'file')} deleted, {human_bytes(size)}", err=True)
    found = fsck_directory(path, repair=repair, content=not no_content, progress=_watched())
    click.echo(_dumps(found.to_dict()) if as_json else str(found))
    return int(bool(found.left))


@cli.command()
@click.argument("directory", default=DEMO_DIRECTORY)
def demo(directory: str) -> None:
    """Build a small store of images in DIRECTORY, audit it, and preview dropping a tag."""
    with blobkit.LocalStore(directory) as store:
        if len(store):
            msg = f"{printable(directory)} is a store with {count(len(store), 'blob')} already: give a new directory"
            raise click.BadParameter(msg, param_hint="DIRECTORY")
        demo_store.fill(store)
        snapshot = store.snapshot()
    shown = printable(directory)
    click.echo(f"A store of container images in {shown} (a valid OCI layout).\n")
    click.echo(f"$ blobkit audit {shown}\n{summary(snapshot, top=8)}\n")
    click.echo(f"$ blobkit simulate {shown} {demo_store.TARGET}\n{simulate_deref(snapshot, demo_store.TARGET)}\n")
    both = (demo_store.TARGET, demo_store.COMPANION)
    click.echo(f"$ blobkit simulate {shown} {' '.join(both)}\n{simulate_deref(snapshot, *both).title()}")
    click.echo("More than the two apart: what they share goes only with the last of them.\n")
    click.echo(_what_next(shown))


def main() -> None:
    """Run the command line, and exit with its code. A reader that goes away ends it, as it ends any filter."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        code = cli(prog_name="blobkit", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code or 0)
    except (click.ClickException, BlobkitError, OSError) as error:
        sys.exit(_failed(error))
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)


def _failed(error: Exception) -> int:
    """Say in one line what went wrong, and return the exit code; a bare `blobkit` shows the help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return 2
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
    message = error.format_message() if isinstance(error, click.ClickException) else str(error)
    if isinstance(error, OSError) and error.filename:
        message = f"{error.filename}: {error.strerror}"
    more = f" (see {command} --help)" if command else ""
    click.echo(f"blobkit: {printable(message)}{more}", err=True)
    return 2


def _scan(address: str, policy: str | None) -> Snapshot:
    return scan_address(address, policy=policy, progress=_watched())


def _watched() -> bool:
    return sys.stderr.isatty()


def _show(frame: pd.DataFrame, *, as_json: bool) -> None:
    click.echo(_dumps(records(frame)) if as_json else table(cells(frame, full=not sys.stdout.isatty())))


def _dumps(value: object) -> str:
    return json.dumps(value, indent=1, default=str)


def _what_next(shown: str) -> str:
    return "\n".join(
        (
            "Try next:",
            f"  blobkit simulate {shown} 'shop/web:*'           # several tags together",
            f"  blobkit tags {shown}                            # what each tag costs",
            f"  blobkit scan {shown} -o before.blobkit          # a snapshot to compare with later",
            f"  python -c \"import blobkit; print(blobkit.to_frame('{shown}'))\"",
        )
    )
