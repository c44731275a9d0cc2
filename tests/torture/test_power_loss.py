"""A loss of power at any moment, modelled from the system calls of a real history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import crash_images
from blobkit.store.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def wrong_after_crashes(place: Path, levels: str, *bugs: str, seed: int = 1, images: int = 100) -> Iterator[str]:
    calls = crash_images.history(place, seed, 60, levels, *bugs)
    return crash_images.cut(place, calls, seed, images, levels)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("levels", ["full", "normal", "off,full", "off,normal"])
def test_what_was_acknowledged_survives(tmp_path: Path, more: int, levels: str, seed: int) -> None:
    for number in range(more):
        place = tmp_path / str(number)
        assert list(wrong_after_crashes(place, levels, seed=seed + 10 * number, images=20)) == []


@pytest.mark.slow
def test_a_drain_of_the_journal_that_is_cut_at_any_step(tmp_path: Path, more: int) -> None:
    for number in range(more):
        place = tmp_path / str(number)
        calls = crash_images.history(place, 5 + number, 40, "full")
        assert sum(call.name == "syncfs" for call in calls) > 2
        assert list(crash_images.cut_drains(place, calls, 5 + number)) == []


@pytest.mark.slow
def test_a_commit_of_a_stronger_store_seals_what_a_weaker_one_wrote(tmp_path: Path) -> None:
    assert list(wrong_after_crashes(tmp_path, "off+full")) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("levels", "bug", "harm"),
    [
        pytest.param("off", (), "missing", marks=pytest.mark.slow),
        pytest.param("full", ("no_sync_of_directories",), "missing", marks=pytest.mark.slow),
        pytest.param("full", ("no_sync_of_content",), "truncated", marks=pytest.mark.slow),
        pytest.param("normal", ("no_durable_commits",), "missing", marks=pytest.mark.slow),
        pytest.param("full", ("a_drain_without_a_sync",), "missing", marks=pytest.mark.slow),
        pytest.param("full", ("placing_before_the_commit",), "orphan that is damaged", marks=pytest.mark.slow),
        ("off+full", ("no_seal",), "missing"),
    ],
)
def test_the_model_finds_what_is_planted(tmp_path: Path, levels: str, bug: tuple[str, ...], harm: str) -> None:
    """Not each history shows each bug: while the journal has the content of a blob, its file may be lost."""
    histories = (wrong_after_crashes(tmp_path / str(seed), levels, *bug, seed=seed) for seed in (3, 4, 6))
    assert any(f": {harm}: " in problem for history in histories for problem in history)


@pytest.mark.slow
def test_the_model_finds_a_store_that_restores_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal, "recover", lambda _: None)
    monkeypatch.setattr(Journal, "_put_right", lambda *_, **__: frozenset())
    found = list(wrong_after_crashes(tmp_path, "full", seed=3))
    assert any(f": {harm}: " in problem for problem in found for harm in ("missing", "truncated"))
