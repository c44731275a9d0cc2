"""Ctrl-C at any point of a verb: no descriptor stays open, no temporary file, no thread."""

from __future__ import annotations

import fcntl
import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blobkit.content import temporary
from blobkit.content.temporary import LockedFile, StagedFile, StagingArea
from blobkit.filehandle import FileHandle, close, open_into
from interrupting import interrupted, is_open
from patience import HANG

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = Path(__file__).parents[1] / "torture/interrupting.py"
PUTS = ("put", "put_many", "put_tag", "put_large", "put_path", "put_file")
OTHERS = ("get", "writer", "batch", "untag", "export", "import_", "scan", "open")
TRIES = 120 * int(os.environ.get("BLOBKIT_TORTURE", "1"))
"""Of up to a thousand lines that a verb goes through; ten times as many are all."""


@pytest.mark.parametrize(
    ("works", "tries"),
    [(("put",), 60), *(pytest.param(works, TRIES, marks=pytest.mark.slow) for works in (PUTS, OTHERS))],
    ids=["a put", "puts", "others"],
)
def test_an_interrupt_leaves_nothing_open(quick_path: Path, works: tuple[str, ...], tries: int) -> None:
    """One process does the works one after the other: to start it takes as long as many interrupts."""
    command = [sys.executable, PROGRAM, quick_path, str(tries), *works]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=HANG * 10)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for work, found in json.loads(done.stdout).items():
        assert found["tried"] >= min(tries, 50), work
        assert found["leaks"] == [], work


MAKE: dict[str, Callable[[str], object]] = {
    "file": LockedFile,
    "content": lambda place: StagedFile(place, sync=True),
    "area": lambda place: StagingArea(place, sync=True),
    "file of an area": lambda place: StagingArea(place, sync=True).stage(),
}


@pytest.mark.slow
@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("what", MAKE)
def test_each_point_of_making_a_temporary_file(quick_path: Path, what: str) -> None:
    before = is_open()
    points = interrupted(lambda: MAKE[what](str(quick_path)), 0).points
    assert points > 5
    for number in range(1, points + 1):
        interrupted(lambda: MAKE[what](str(quick_path)), number)
        assert (is_open() - before, list(quick_path.iterdir())) == ({}, []), number


@pytest.mark.parametrize("what", [LockedFile, MAKE["area"]])
def test_a_lock_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: Callable[[str], object]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(temporary.fcntl, "flock", fail)
    before = is_open()
    with pytest.raises(OSError, match="No locks"):
        what(str(tmp_path))
    assert (is_open(), list(tmp_path.iterdir())) == (before, [])


def test_a_temporary_file_goes_with_its_object(tmp_path: Path) -> None:
    file = LockedFile(str(tmp_path))
    file.write(memoryview(b"text"))
    path = tmp_path / file.token
    with path.open("rb") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    del file
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    kept = LockedFile(str(tmp_path))
    (tmp_path / kept.token).rename(tmp_path / "kept")
    kept.discard()
    kept.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    with pytest.raises(OSError, match="Bad file descriptor"):
        kept.fileno()


def test_a_handle_is_closed_once_and_becomes_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"text")
    before = is_open()
    with FileHandle(tmp_path / "x") as handle:
        assert os.read(handle.fileno(), 9) == b"text"
        assert not os.get_inheritable(handle.fileno())
    handle.close()
    file = FileHandle(tmp_path / "x").file()
    gc.collect()
    assert file.read() == b"text"
    file.close()
    FileHandle(tmp_path / "x")
    assert is_open() == before
    with pytest.raises(FileNotFoundError):
        FileHandle(tmp_path / "absent")


def test_descriptors_are_closed_one_by_one(tmp_path: Path) -> None:
    before = is_open()
    held: list[int] = []
    open_into(held, tmp_path, os.O_RDONLY)
    open_into(held, tmp_path, os.O_RDONLY)
    first, second = held
    close(held)
    assert held == [second] != [first]
    close(held)
    close(held)
    assert (held, is_open()) == ([], before)
