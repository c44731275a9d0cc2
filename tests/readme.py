"""The shown commands of README.md: run each in a terminal of 100 columns, and compare or write what it prints.

`python tests/readme.py` writes the outputs anew; a test compares them. `tests/screenshots.py` writes the picture. Paths
and times that differ from run to run are shown as PLACE and TIME. An output that ends in `...` stays as long as it is.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import struct
import tempfile
import termios
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from commands import run

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
    """Run a command of blobkit with a terminal as its output, and return what it printed there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    mode = termios.tcgetattr(theirs)
    mode[1] &= ~termios.OPOST  # lines end as the program ends them
    termios.tcsetattr(theirs, termios.TCSANOW, mode)
    printed = bytearray()
    reader = threading.Thread(target=_read, args=(ours, printed))
    reader.start()
    errors = cwd / ".errors"
    errors.touch()
    program, *arguments = shlex.split(command)
    assert program == "blobkit", command
    code = run(arguments, Path(os.ttyname(theirs)), errors, cwd, NO_COLOR="1", TERM="dumb", COLUMNS=None)
    os.close(theirs)
    reader.join()
    os.close(ours)
    if code:
        msg = f"{command}: exit code {code}: {errors.read_text()}"
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


def _read(terminal: int, printed: bytearray) -> None:
    with suppress(OSError):  # the other end is closed
        while part := os.read(terminal, 1 << 16):
            printed += part


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
