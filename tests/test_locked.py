"""Directories of a process that lives stay; those of dead ones go, and no others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from blobkit.locked import lock, remove_dead
from blobkit.replacing import replacing_directory

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys
from pathlib import Path
from blobkit.replacing import replacing_directory
with replacing_directory(Path(sys.argv[1]), "sign") as whole:
    (whole / "large").write_text("half")
    if sys.argv[2] == "moved":
        Path(sys.argv[1]).rename(whole.with_name("old"))
    print("here", flush=True)
    sys.stdin.read()
"""


def holding(out: Path, state: str = "") -> subprocess.Popen[bytes]:
    """Return a process that writes a directory, once it does."""
    command = [sys.executable, "-c", HOLD, str(out), state]
    found = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert found.stdout is not None
    assert found.stdout.readline() == b"here\n"
    return found


def replace(out: Path) -> None:
    with replacing_directory(out, "sign") as whole:
        (whole / "sign").write_text("new")


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    with holding(tmp_path / "out") as process:
        replace(tmp_path / "out")
        (left,) = tmp_path.glob(".out.*")  # it lives
        process.send_signal(signal.SIGKILL)
    assert (left / "whole" / "large").exists()
    replace(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_old_snapshot_that_was_moved_away_is_not_removed(tmp_path: Path) -> None:
    replace(tmp_path / "out")
    with holding(tmp_path / "out", "moved") as process:
        process.send_signal(signal.SIGKILL)
    replace(tmp_path / "out")
    (left,) = tmp_path.glob(".out.*")
    assert (left / "old" / "sign").read_text() == "new"


@pytest.mark.parametrize("name", [".out.backup", ".out.d"])
def test_directories_of_others_stay(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "lock").write_text("mine")
    replace(tmp_path / "out")
    assert (tmp_path / name / "lock").read_text() == "mine"


def test_a_lock_is_held_until_it_is_closed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    held = lock(tmp_path / "a")
    remove_dead([tmp_path / "a", tmp_path / "absent"])
    assert (tmp_path / "a").exists()
    os.close(held)
    remove_dead([tmp_path / "a"], but_with=".blobkit-lock")
    assert (tmp_path / "a").exists()
    remove_dead([tmp_path / "a"])
    assert not (tmp_path / "a").exists()
