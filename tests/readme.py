"""The shown commands of README.md: run each in a terminal of 100 columns, and compare or write what it prints.

`python tests/readme.py` writes the outputs anew; a test compares them. `tests/screenshots.py` writes the picture. Paths
and times that differ from run to run are shown as PLACE and TIME. An output that ends in `...` stays as long as it is.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
COLUMNS = 100
CUT = "..."
PLACE = "/var/lib/demo"
"""As long as the path of a temporary directory: a terminal wraps lines in the same places."""
TIME = "2026-12-01 09:00:00 UTC"
FENCE = re.compile(r"(?<=```console\n)(.*?)(?=```)", re.DOTALL)


def on_a_terminal(command: str, cwd: Path) -> str:
    """Run a command of the shell with a terminal as its output, and return what it printed there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    mode = termios.tcgetattr(theirs)
    mode[1] &= ~termios.OPOST  # lines end as the program ends them
    termios.tcsetattr(theirs, termios.TCSANOW, mode)
    env = {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "PATH": f"{_programs(cwd)}{os.pathsep}{os.environ['PATH']}"}
    env.pop("COLUMNS", None)
    done = subprocess.Popen(["sh", "-c", command], cwd=cwd, env=env, stdout=theirs, stderr=subprocess.PIPE, text=True)
    os.close(theirs)
    printed = b""
    while part := _read(ours):
        printed += part
    os.close(ours)
    _, errors = done.communicate()
    if done.returncode:
        msg = f"{command}: exit code {done.returncode}: {errors}"
        raise RuntimeError(msg)
    return printed.decode()


def shown(text: str, cwd: Path) -> str:
    """Return a README with the outputs that its commands have now."""

    return FENCE.sub(
        lambda found: "\n\n".join(_rerun(part, cwd) for part in found[1].strip("\n").split("\n\n")) + "\n", text
    )


@contextmanager
def prepared() -> Iterator[Path]:
    """Give a directory with the store of the demo."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="") as place:
        on_a_terminal("blobkit demo", Path(place))
        yield Path(place)


def _rerun(part: str, cwd: Path) -> str:
    """Return a part of a block, comments and commands, with new outputs; where one ends in `...`, as long as before."""
    before, *commands = re.split(r"^(?=\$ )", part, flags=re.MULTILINE)
    result = [before.rstrip("\n")] * bool(before)
    for said in commands:
        command, *old = said.rstrip("\n").splitlines()
        lines = _plain(on_a_terminal(command.removeprefix("$ "), cwd), cwd).splitlines()
        if old[-1:] == [CUT] and len(lines) >= len(old):
            lines = [*lines[: len(old) - 1], CUT]
        result += [command, *lines]
    return "\n".join(result)


def _programs(cwd: Path) -> Path:
    """Return a directory with a `blobkit` that is the one of this interpreter."""
    place = cwd / ".bin"
    place.mkdir(exist_ok=True)
    program = place / "blobkit"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'from blobkit.cli import main; main()' \"$@\"\n")
    program.chmod(0o755)
    return place


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the program has closed its end
        return b""


def _plain(output: str, cwd: Path) -> str:
    """Return an output without what differs from run to run, and without spaces at the ends of lines."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", TIME, output.replace(str(cwd), PLACE))
    text = re.sub(r"\b20\d\d-\d\d-\d\d\b(?! \d\d:)", TIME[:10], text)
    return "".join(line.rstrip() + "\n" for line in text.strip("\n").splitlines() if line)


def main() -> None:
    """Write the outputs in README.md anew."""
    with prepared() as cwd:
        README.write_text(shown(README.read_text(), cwd))


if __name__ == "__main__":
    main()
