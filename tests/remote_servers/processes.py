"""Programs that serve while a test runs, on ports of this machine that nobody else has."""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from live_registry import answers, needs
from patience import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["HOST", "free_port", "serving"]

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


@contextmanager
def serving(command: list[str], port: int, log: Path, **environment: str) -> Iterator[int]:
    """Run a program until the block ends, and from when it listens on the port. Yield its process id.

    It ends with the process that started it, however that ends: a test that is killed leaves no server behind.
    """
    needs(command[0], "setpriv")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}  # distribution panics
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=kept | environment,
            cwd=log.parent,
        )
    try:
        until(lambda: process.poll() is not None or answers(HOST, port), pause=0.02)
        assert process.poll() is None, log.read_text(errors="replace")
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
