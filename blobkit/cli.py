"""The command line: what the library answers, for the shell. Results go to stdout, all else to stderr.

Exit codes: 0 done; 1 done, but for what had to be skipped or is still damaged; 2 bad input, with one line that says
what to do; 3 an audit found more than a threshold allows; 130 interrupted.
"""

from __future__ import annotations

import signal
import sys

import click

import blobkit
from blobkit.commands import auditing, keeping, planning, reading
from blobkit.errors import BlobkitError
from blobkit.render import printable

__all__ = ["cli", "main"]

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(blobkit.__version__, prog_name="blobkit")
def cli() -> None:
    """Audit blob stores and container registries: what uses the space, and exactly what would go.

    ADDRESS is the path of a store (a blobkit store, an OCI layout, a registry's storage directory) or of a saved
    snapshot; kind:path where it is not recognised. What is audited is only read, never changed.
    """


for commands in (auditing, reading, planning, keeping):
    for name in commands.__all__:
        cli.add_command(getattr(commands, name))


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
