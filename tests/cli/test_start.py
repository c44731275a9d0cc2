"""What a command loads before it answers: only what it uses. Counted in modules, never in time."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit import demo
from blobkit.commands.table import COMMANDS, GROUPS
from patience import HANG

if TYPE_CHECKING:
    from pathlib import Path

LOADED = """
import sys
from blobkit.cli import main
try:
    main()
except SystemExit as end:
    code = end.code
print("\\n".join(sys.modules), file=sys.stderr)
sys.exit(code)
"""
FRAMES = {"pandas", "scipy", "networkx", "matplotlib", "numba", "IPython", "ipywidgets", "tqdm", "asyncio"}


def loaded(*arguments: str) -> set[str]:
    """The modules that a command has loaded at its end, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=False, timeout=HANG
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("start") / "store"
    with blobkit.LocalStore(root, durability="off") as made:
        demo.fill(made)
    return str(root)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_help_loads_no_command(option: str) -> None:
    modules = loaded(option)
    assert not modules & (FRAMES | {"numpy", "pyarrow", "sqlite3", "difflib", "logging"})
    assert {name for name in modules if name.startswith("blobkit.commands.")} == {"blobkit.commands.table"}


@pytest.mark.slow
@pytest.mark.parametrize("command", ["ls", "tags", "scan"])
def test_a_list_loads_no_frames(command: str, store: str, tmp_path: Path) -> None:
    output = ("-o", str(tmp_path / "saved.blobkit")) if command == "scan" else ()
    modules = loaded(command, store, *output)
    assert not modules & (FRAMES | {"numpy.ma"})
    assert not [name for name in modules if name.startswith("blobkit.scanners.")] or command == "scan"
    assert ("pyarrow.parquet" in modules) == (command == "scan")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["usage", "audit"])
def test_an_answer_loads_frames_and_no_solver(command: str, store: str) -> None:
    assert loaded(command, store) & FRAMES == {"pandas"}


def test_the_help_says_the_first_line_of_each_command() -> None:
    for name, command in COMMANDS.items():
        module = import_module(f"blobkit.commands.{command.module}")
        (found,) = (one for one in map(vars(module).get, module.__all__) if one.name == name)
        assert inspect.cleandoc(found.help).split("\n")[0] == command.help, name


def test_the_help_shows_each_line_whole_in_a_terminal_of_80_columns() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", "from blobkit.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG,
    ).stdout
    assert [title for title in GROUPS if f"\n{title}:\n" not in shown] == []
    lines = shown.splitlines()
    for name, command in COMMANDS.items():
        assert [line.split(maxsplit=1) for line in lines].count([name, command.help]) == 1, name
    assert max(map(len, lines)) <= 80


@pytest.mark.slow
def test_frames_work_after_pandas_was_left_out() -> None:
    code = """
from blobkit.snapshot.frameless import hide_pandas
hide_pandas()
import sys, pyarrow
numbers = pyarrow.array([1, 2])
assert "pandas" not in sys.modules
assert numbers.to_pandas().tolist() == [1, 2]
import pandas
assert pyarrow.array(pandas.Series([1.0, None])).null_count == 1
hide_pandas()
assert pyarrow.array(pandas.Series(["a", None])).null_count == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=HANG)
