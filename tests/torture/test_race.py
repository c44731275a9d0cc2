"""Content that comes back while its removal is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Driven = Callable[..., dict[str, int]]


@pytest.mark.slow
def test_what_comes_back_is_there(memory: Path, driven: Driven, more: int) -> None:
    figures = driven("racing.py", memory, "--cycles", 4000 * more)
    assert figures["cycles"] == 4000 * more
    assert figures["lost"] == 0


@pytest.mark.slow
def test_unlinking_without_the_lock_would_lose_content(memory: Path, driven: Driven) -> None:
    figures = driven("racing.py", memory, "--cycles", 200_000, "--bug", "unlinking_without_the_lock")
    assert figures["lost"] > 0
