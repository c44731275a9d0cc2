"""What is shown of long work, and to whom."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit import progress
from registries import images

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from remote_servers.fixtures import FilledRegistry


@pytest.mark.slow
def test_a_plan_shows_what_it_does(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "SECONDS_BEFORE_SHOWN", 0)
    snapshot = images(60)
    blobkit.plan(snapshot, free=1)
    shown = capsys.readouterr().err
    stages = ["names", "bytes that names share", "a first choice", "freed blobs"]
    assert [shown.index(f"plan: {stage} [") for stage in stages] == sorted(
        shown.index(f"plan: {one}") for one in stages
    )
    blobkit.plan(snapshot, free=1, progress=False)
    assert not capsys.readouterr().err


def test_what_is_quick_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.staged("x", show=True) as say:
        say("one")
    assert not capsys.readouterr().err.strip()


class InNotebook:
    """The module `sys` of a kernel."""

    modules = {"ipykernel": sys}  # noqa: RUF012 (nobody writes into it)

    @property
    def stderr(self) -> TextIO:
        return sys.stderr


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bars that a notebook displays, by what their widgets are called then."""
    notebook = pytest.importorskip("tqdm.notebook")
    bars: list[str] = []
    monkeypatch.setattr(notebook, "display", lambda container: bars.append(str(container)))
    monkeypatch.setattr("tqdm.auto.tqdm", notebook.tqdm)
    monkeypatch.setattr(progress, "sys", InNotebook())
    return bars


def test_a_bar_for_nothing_to_do_is_not_shown(displayed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A line beside a bar that has not begun does not show it either: it would stay there, at 0."""
    for total in (0, None, 5):
        with progress.counted(total, "manifests", show=True):
            assert progress.show_line("0 of 7 to fetch")
    assert list(progress.watched([], "listing", show=True)) == []
    assert displayed == []
    assert capsys.readouterr().err.splitlines() == ["0 of 7 to fetch"] * 3


def test_a_bar_is_shown_with_what_is_done(
    displayed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BEFORE_SHOWN", 0)
    with progress.counted(5, "manifests", show=True, unit=" manifests") as step:
        assert displayed == []
        step(2)
        progress.show_line("go on")
        step(3)
    assert ["manifests" in bar for bar in displayed] == [True]
    assert list(progress.watched(iter("abc"), "listing", show=True)) == list("abc")
    assert len(displayed) == 2
    assert capsys.readouterr().err == "go on\n"


def test_a_scan_of_which_all_is_kept_shows_no_bar(
    filled_registry: FilledRegistry, displayed: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("aiohttp")
    for _ in range(2):
        snapshot = blobkit.scan(f"registry+{filled_registry.url}", cache=tmp_path / "kept")
    assert snapshot.blobs > 0
    assert displayed == []
