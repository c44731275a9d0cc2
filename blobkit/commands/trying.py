"""The command that builds a store to try the others on."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import click

from blobkit import demo as demo_store
from blobkit.commands import completing
from blobkit.questions.audit import audit
from blobkit.questions.preview import simulate_deref
from blobkit.render import count, in_shell, printable
from blobkit.store.local import LocalStore

__all__ = ["demo"]

DIRECTORY = "blobkit-demo"


@click.command()
@click.argument("directory", default=DIRECTORY, shell_complete=completing.paths)
def demo(directory: str) -> None:
    """Build a small store of images to try the commands on.

    Shows an audit of it, and a preview of dropping a tag.
    """
    with LocalStore(directory) as store:
        if len(store):
            msg = f"{printable(directory)} is a store with {count(len(store), 'blob')} already: give a new directory"
            raise click.UsageError(msg, click.get_current_context())
        demo_store.fill(store)
        snapshot = store.snapshot()
    shown = in_shell(directory)
    click.echo(f"A store of container images in {printable(directory)} (a valid OCI layout).\n")
    click.echo(f"$ blobkit audit {shown}\n{audit(snapshot, top=8)}\n")
    click.echo(f"$ blobkit simulate {shown} {demo_store.TARGET}\n{simulate_deref(snapshot, demo_store.TARGET)}\n")
    both = (demo_store.TARGET, demo_store.COMPANION)
    click.echo(f"$ blobkit simulate {shown} {' '.join(both)}\n{simulate_deref(snapshot, *both).title()}")
    click.echo("More than the two apart: what they share goes only with the last of them.\n")
    click.echo(_what_next(directory))


def _what_next(directory: str) -> str:
    """Return commands that work as they are printed, from this directory."""
    code = f"import blobkit; print(blobkit.to_frame({json.dumps(directory, ensure_ascii=False)}))"
    command, store = _started_as(), shlex.quote(directory)
    wanted = (
        (f"{command} simulate {store} 'shop/web:*'", "several tags together"),
        (f"{command} tags {store}", "what each tag costs"),
        (f"{command} scan {store} -o before.blobkit", "a snapshot to compare with later"),
        (f"{_python()} -c {shlex.quote(code)}", "a data frame"),
    )
    width = max(len(line) for line, _ in wanted)
    return "\n".join(["Try next:", *(f"  {line:{width}}  # {what}" for line, what in wanted)])


def _started_as() -> str:
    """Return what to type to start blobkit again: as it was started, or through the interpreter that runs it."""
    script = Path(sys.argv[0])
    if script.name in ("", "-c", "-m", "__main__.py") or not script.is_file():
        return f"{_python()} -m blobkit"
    return _typed(script)


def _python() -> str:
    """Return the interpreter, and -P where blobkit is installed: a checkout in this directory shadows it otherwise."""
    elsewhere = [path for path in sys.path if path and Path(path).resolve() != Path.cwd()]
    return f"{_typed(Path(sys.executable))}{' -P' if PathFinder.find_spec('blobkit', elsewhere) else ''}"


def _typed(program: Path) -> str:
    """Return what to type for a program: its name, where the shell finds this very file under it, or its path."""
    found = shutil.which(program.name)
    return program.name if found and Path(found).absolute() == program.absolute() else shlex.quote(str(program))
