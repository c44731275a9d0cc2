"""Check when a loop is compiled, and the message before it: counted in blobs, links and events, never in seconds."""

from __future__ import annotations

import importlib.util
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import numba
import numpy as np
import pytest

from blobkit import progress
from blobkit.analysis import compiling
from blobkit.analysis.compiling import Kernel, on_disk, steep
from unprivileged import barred, common

__all__ = ["common"]

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Forms:
    """A loop of which each form notes how much it is given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, price: int, make: Callable[..., Kernel] = Kernel) -> None:
        self.plain: list[int] = []
        self.compiled: list[int] = []
        monkeypatch.setattr(Kernel, "price", price)
        monkeypatch.setattr(numba, "njit", lambda **_: lambda _plain: lambda nodes: self.compiled.append(len(nodes)))
        self.kernel = make(lambda nodes: self.plain.append(len(nodes)))

    def run(self, *sizes: int) -> None:
        for size in sizes:
            self.kernel(np.zeros(size))


def test_a_loop_runs_plain_until_that_would_have_paid_for_compiling_it(monkeypatch: pytest.MonkeyPatch) -> None:
    forms = Forms(monkeypatch, price=1000)
    forms.run(400, 400)
    assert (forms.plain, forms.compiled) == ([400, 400], [])
    forms.run(300)
    assert (forms.plain, forms.compiled) == ([400, 400], [300])


def test_a_big_first_call_is_compiled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    forms = Forms(monkeypatch, price=1000)
    forms.run(1000)
    assert (forms.plain, forms.compiled) == ([], [1000])


def test_a_steep_loop_is_compiled_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    forms = Forms(monkeypatch, price=1000, make=steep)
    forms.run(100, 100)
    assert (forms.plain, forms.compiled) == ([100], [100])


def test_all_arrays_of_a_call_are_counted_and_numbers_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kernel, "price", 1000)
    kernel = Kernel(lambda *_: None)
    kernel(np.zeros(100), np.zeros(200), 700)
    assert kernel.spent == 300


def test_once_compiled_only_a_tiny_call_runs_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba, "njit", lambda **_: lambda _plain: len)
    kernel = Kernel(lambda _: "plain")
    assert kernel.compiled is len
    assert kernel(np.zeros(compiling.LOADED)) == compiling.LOADED
    assert kernel(np.zeros(compiling.LOADED - 1)) == "plain"
    assert kernel(np.zeros(compiling.LOADED - 1)) == "plain"


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("kept", [False, True])
def test_the_price_depends_on_what_is_there_already(
    monkeypatch: pytest.MonkeyPatch,
    started: bool,  # noqa: FBT001 (a parameter)
    kept: bool,  # noqa: FBT001 (a parameter)
) -> None:
    monkeypatch.setattr(compiling, "on_disk", lambda _: kept)
    if not started:
        monkeypatch.delitem(sys.modules, "numba")
    expected = (compiling.LOADED if kept else compiling.COMPILED) + (0 if started else compiling.STARTED)
    assert Kernel(len).price == expected


@pytest.mark.slow
@pytest.mark.parametrize("where", ["given", "beside", "home"])
def test_compiled_code_is_found_where_numba_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    file = tmp_path / "code" / "loops.py"
    file.parent.mkdir()
    file.write_text("\n\ndef twice(x):\n    return 2 * x\n")
    if where == "home":  # no directory for compiled code beside the file
        (file.parent / "__pycache__").write_text("")
    given = str(tmp_path / "given") if where == "given" else ""
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", given)
    monkeypatch.setenv("NUMBA_CACHE_DIR", given)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("loops", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kernel = Kernel(module.twice)
    assert not on_disk(module.twice)
    assert kernel.compiled(21) == 42
    assert on_disk(module.twice)
    parts = {"given": "given", "beside": "__pycache__", "home": "home"}
    assert [path for path in tmp_path.rglob("*.nbi") if parts[where] in path.parts]


SCRIPT = """
import logging, sys
import numpy as np
from blobkit.analysis import kernels
from blobkit.analysis.compiling import Kernel
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
Kernel.price = 0
first, ids = np.array([0, 1, 1]), np.array([1], np.int32)
print(kernels.depths(first, ids, ids).tolist(), kernels.reverse(first, ids)[0].tolist())
"""


def said(cache: Path, *, watched: bool) -> tuple[list[str], list[str]]:
    """Return what two loops that are to run compiled say: on standard output (the log), and on standard error."""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    ours, theirs = pty.openpty() if watched else os.pipe()
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=env, stdout=subprocess.PIPE, stderr=theirs, check=True)
    os.write(theirs, b"\n")  # never nothing to read
    errors = os.read(ours, 1 << 16).decode()
    os.close(ours)
    os.close(theirs)
    return done.stdout.decode().splitlines(), errors.split("\n")


@pytest.mark.slow
def test_who_watches_is_told_once_and_the_log_of_every_loop(tmp_path: Path) -> None:
    fresh, warm = said(tmp_path / "one", watched=True), said(tmp_path / "one", watched=True)
    answer = "[-1, 0] [0, 0, 1]"
    loops = [
        f"INFO blobkit compiling blobkit.analysis.kernels.{name}, once per machine" for name in ("depths", "reverse")
    ]
    assert fresh[0] == [*loops, answer]
    assert [line.strip() for line in fresh[1] if line.strip()] == [compiling.MESSAGE]
    assert warm[0] == [answer]
    assert not "".join(warm[1]).strip()


@pytest.mark.slow
def test_where_nobody_watches_only_the_log_is_told(tmp_path: Path) -> None:
    out, errors = said(tmp_path / "one", watched=False)
    assert len(out) == 3
    assert not "".join(errors).strip()


def test_nothing_is_said_where_progress_is_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    list(progress.watched([], "x", show=False))
    assert not progress.show_line("one")
    list(progress.watched([], "x", show=True))
    assert progress.show_line("two")
    assert capsys.readouterr().err.split() == ["two"]


def test_a_cache_that_may_not_be_read_is_as_an_empty_one(common: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(common / "kept"))
    (common / "kept").mkdir()
    with barred(common / "kept"):
        assert not on_disk(test_a_big_first_call_is_compiled_at_once)
