"""How every answer shows itself: its name and its result, in one short line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import blobkit
from layouts import Layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

LINE = 200
ANSWERS: dict[str, Callable[[Snapshot], object]] = {
    "Audit": blobkit.audit,
    "Comparison": lambda snapshot: blobkit.compare_gc(snapshot, "umoci"),
    "Diff": lambda snapshot: blobkit.diff(snapshot, snapshot),
    "Plan": lambda snapshot: blobkit.plan(snapshot, free=1),
    "Preview": lambda snapshot: blobkit.simulate_deref(snapshot, "one"),
    "Sharing": blobkit.sharing,
    "Summary": lambda snapshot: blobkit.audit(snapshot).summary,
    "Usage": blobkit.usage,
    "Verified": lambda snapshot: blobkit.plan(snapshot, free=1).verify(snapshot),
    "Why": lambda snapshot: blobkit.why(snapshot, "one"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_one_short_line_in_a_list(tmp_path: Path, name: str) -> None:
    layout = Layout(tmp_path)
    layout.image("one", *(f"layer {number}" for number in range(100)))
    answer = ANSWERS[name](layout.scan())
    assert repr(answer).startswith(f"<{name}")
    assert "\n" not in repr(answer)
    assert len(repr(answer)) < LINE + len(str(tmp_path))
