"""What the tests that really do it share. More rounds: `BLOBKIT_TORTURE=10 pytest tests/torture`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import independent_reader as reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TORTURE = Path(__file__).parent


@pytest.fixture(scope="session")
def more() -> int:
    """How many times the usual number of rounds."""
    return int(os.environ.get("BLOBKIT_TORTURE", "1"))


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory, where the system has one: for what has nothing to do with disks."""
    with tempfile.TemporaryDirectory(dir=reader.QUICK or tmp_path) as place:
        yield Path(place)


@pytest.fixture(scope="session")
def driven() -> Callable[..., dict[str, object]]:
    """A function that runs one of the scripts beside this file, in one small process that forks its workers.

    It returns the figures that the script prints, and fails where there are problems among them, if they are not
    `wanted`.
    """

    def run(script: str, *arguments: object, wanted: bool = False) -> dict[str, object]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-W", "error", str(TORTURE / script), *map(str, arguments)]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        assert not done.returncode, done.stderr
        figures = json.loads(done.stdout)
        print(command, figures)  # noqa: T201 (shown where a test fails)
        assert bool(figures["problems"]) == wanted, done.stdout
        return figures

    return run
