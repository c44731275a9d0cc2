"""A real PostgreSQL for tests: a server of its own in a directory of its own, reached through a socket there."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DatabaseServer", "running_database"]

PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
USER = "nobody"
SETTINGS = ("listen_addresses=", "max_connections=60", "shared_buffers=32MB", "autovacuum=off")
"""Commits are durable, as they are by default."""


class DatabaseServer:
    """A server; each store has a schema of its own."""

    def __init__(self, place: Path, programs: Path) -> None:
        self.place, self.programs = place, programs
        self._numbers = count()

    @property
    def url(self) -> str:
        return f"postgresql://owner@/postgres?host={self.place}"

    def guard(self) -> None:
        """Ask the user "locked" for a password; nobody has set one."""
        rules = self.place / "data/pg_hba.conf"
        rules.write_text(f"local all locked scram-sha-256\n{rules.read_text()}")

    def schema(self) -> str:
        return f"store_{os.getpid()}_{next(self._numbers)}"

    def control(self, *words: str) -> None:
        """Run pg_ctl as a user that the server accepts: it refuses root."""
        run(self.programs / "pg_ctl", "-D", self.place / "data", "-w", "-t", "120", *words)

    def start(self) -> None:
        options = " ".join(f"-c {one}" for one in (*SETTINGS, f"unix_socket_directories={self.place}"))
        self.control("-l", str(self.place / "log"), "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self.control("-m", mode, "stop")


def run(*command: object) -> None:
    """Run a command as another user, if this one is root."""
    options = {"user": USER, "group": pwd.getpwnam(USER).pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
    words = list(map(str, command))
    done = subprocess.run(
        words, cwd="/", capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def running_database() -> Iterator[DatabaseServer]:
    """Give a server; the test is skipped where there is no PostgreSQL."""
    pytest.importorskip("psycopg")
    if not PLACES:
        pytest.skip("PostgreSQL is not here: apt install postgresql")
    place = Path(tempfile.mkdtemp(prefix="blobkit-pg-"))  # short: the path of a socket has 107 characters at most
    try:
        if os.getuid() == 0:
            shutil.chown(place, USER)
        run(PLACES[0] / "initdb", "-D", place / "data", "-U", "owner", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        server = DatabaseServer(place, PLACES[0])
        server.guard()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(place, ignore_errors=True)
