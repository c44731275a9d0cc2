"""What is shown of long work, and to whom."""

from __future__ import annotations

import pytest

import blobkit
from blobkit import progress
from registries import images


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
