"""The command line: the answers of the library, for the shell. Results go to stdout, all else to stderr.

Exit codes: 0 done; 1 done, but something was skipped or is still damaged; 2 bad input, or no permission to read, with
one line that says what to do; 3 an audit found more than a threshold allows; 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module

import click
from click.shell_completion import CompletionItem

import blobkit
from blobkit.commands.table import COMMANDS, GROUPS
from blobkit.errors import BlobkitError
from blobkit.render import alike, printable

__all__ = ["cli", "main"]

INTERRUPTED = 130
STDERR = 2
COMPLETE = "_BLOBKIT_COMPLETE"
"""The environment variable that a shell sets to ask for completions."""


class Commands(click.Group):
    """The group of commands. The module of a command is loaded when it is called: few need pandas or a solver."""

    def list_commands(self, _: click.Context | None) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        """Return the command of this name."""
        if name not in COMMANDS:
            return None
        module = import_module(f"blobkit.commands.{COMMANDS[name].module}")
        found: click.Command = next(
            command for command in (getattr(module, public) for public in module.__all__) if command.name == name
        )
        return found

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in their groups; this loads no module of a command."""
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name, command.help) for name, command in commands.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands with their short helps, and the options."""
        commands = [
            CompletionItem(name, help=command.help) for name, command in COMMANDS.items() if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the called command; UsageError with the nearest name if there is no such command."""
        name = args[0]
        if name not in COMMANDS and name[:1].isalnum() and not ctx.resilient_parsing:
            near = alike(name, COMMANDS)
            hint = f"did you mean {near}?" if near else "see blobkit --help"
            msg = f"no command {name!r}: {hint}"
            raise click.ClickException(msg)
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
TAB completes commands, paths and tags in bash after
  eval "$(_BLOBKIT_COMPLETE=bash_source blobkit)"
In zsh and fish write zsh_source and fish_source.""",
)
@click.version_option(blobkit.__version__, prog_name="blobkit")
@click.option("-v", "--verbose", is_flag=True, help="Log on stderr what is read.")
def cli(*, verbose: bool) -> None:
    """Audit blob stores and container registries: what uses the space, and exactly what a deletion would free.

    ADDRESS is the path of a store (a blobkit store, an OCI layout, a registry's storage directory) or of a saved
    snapshot; write kind:path if it is not recognised. Or it is a registry, registry+https://HOST[/PREFIX], or a bucket,
    registry+s3://BUCKET[/PREFIX]. An audited store is only read, never changed.
    """
    if verbose:
        _log_on_stderr()


def _log_on_stderr() -> None:
    """Show the log on stderr; it is silent by default."""
    import logging  # noqa: PLC0415 (few commands log)

    from blobkit.log import log  # noqa: PLC0415

    class Lines(logging.Formatter):
        """A log format that escapes untrusted names."""

        def format(self, record: logging.LogRecord) -> str:
            return printable(super().format(record))

    handler = logging.StreamHandler()
    handler.setFormatter(Lines("%(asctime)s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)


def main() -> None:
    """Run the command line, and exit with its code. It ends silently if the reader of stdout exits."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        _own_stdout()
        if COMPLETE in os.environ:
            import_module("blobkit.commands.completing").join_words_of_bash()
        code = cli(prog_name="blobkit", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code or 0)
    except (click.ClickException, BlobkitError, OSError) as error:
        sys.exit(_failed(error))
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)


def _own_stdout() -> None:
    """Reserve standard output for results: the solver of plans would print its own lines into JSON.

    Characters that the encoding of the terminal lacks are escaped. Streams that are closed at the start are opened on
    /dev/null: else the next opened file, such as a store's index, would get the number of one of them.
    """
    while (nowhere := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass
    encoding = sys.stdout.encoding if sys.stdout else "utf-8"
    sys.stdout = os.fdopen(os.dup(1), "w", encoding=encoding, errors="backslashreplace", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(STDERR, "w", closefd=False)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _failed(error: Exception) -> int:
    """Print the error in one line, and return the exit code; `blobkit` without a command shows the help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return 2
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
    message = _message(error)
    more = f" (see {command} --help)" if command else ""
    click.echo(f"blobkit: {printable(message)}{more}", err=True)
    return 2


def _message(error: Exception) -> str:
    """Return the message of an error, with the next step in the words of the shell."""
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, BlobkitError):
        return error.in_shell()
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)
