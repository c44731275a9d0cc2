"""Random layouts with random damage: the real umoci, on copies, against what blobkit says of each.

BLOBKIT_DIFFERENTIAL is the number of layouts; from 3,000 on each rule has to be reached 20 times.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

import real_umoci
from blobkit.oci import index
from layout_comparison import Comparison
from layout_damage import TEXTS
from random_layouts import SORTS, WAYS, random_layout

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBER = int(os.environ.get("BLOBKIT_DIFFERENTIAL", "120"))
MANY, OFTEN = 3_000, 20
TOLD = 10
REACHED = (
    *(f"umoci stops: {reason}" for reason, _ in real_umoci.REASONS),
    "umoci collects",
    "umoci stops after it removed some",
    "umoci takes what names need",
    "names dropped and collected",
    "script with umoci gc",
    "script by hand",
    "script does not collect",
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory in memory, where there is one: umoci and blobkit only read and unlink there."""
    memory = Path("/dev/shm")  # noqa: S108 (a directory of its own in it)
    path = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
    yield path
    shutil.rmtree(path)


@pytest.mark.slow
def test_umoci_does_what_blobkit_says(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not real_umoci.installed():
        pytest.skip("umoci is not installed")
    monkeypatch.setattr(index, "TIMEOUT", 0.0)  # nobody else writes here
    comparison, counts, wrong = Comparison(), Counter[str](), list[str]()
    for number in range(NUMBER):
        where = place / str(number)
        where.mkdir()
        case = random_layout(number, where)
        wrong += [
            f"layout {number} ({', '.join(case.damage) or 'sound'}; {', '.join(case.built)}): {text}"
            for text in comparison.differences(case, Random(number))  # noqa: S311 (a test)
        ]
        counts.update(map(_sort, case.damage))
        counts.update(case.built)
        shutil.rmtree(where)
    counts += comparison.counts
    with capsys.disabled():
        print(f"\n{NUMBER:,} layouts, {len(wrong)} differences")  # noqa: T201 (what was reached)
        for name, times in sorted(counts.items()):
            print(f"  {name}: {times:,}")  # noqa: T201
    assert not wrong, "\n".join(wrong[:TOLD])
    if NUMBER >= MANY:
        rules = {*map(_sort, SORTS), *(way.__name__ for way in WAYS), *REACHED}
        assert not {name: counts[name] for name in rules if counts[name] < OFTEN}


def _sort(name: str) -> str:
    """Return the sort of a damage; one to the text of a document is one sort for all kinds of documents."""
    return next((text for text in (*TEXTS, "random-fields") if name.startswith(f"{text}-")), name)
