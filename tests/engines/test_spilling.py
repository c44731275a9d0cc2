"""DuckDB with less memory than a question needs: what does not fit goes to its directory, and the figures are equal."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

import blobkit
from blobkit.engines import DuckSnapshot
from blobkit.errors import EngineLimitError
from blobkit.snapshot.snapshot import build
from engines.equal import check_retained, check_usage

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

IMAGES, LAYERS, EACH = 20_000, 80_000, 8
MEMORY = "30MB"


@pytest.fixture(scope="module")
def images() -> Snapshot:
    """A layout of many images, each with eight layers that others may have, too."""
    chance = np.random.default_rng(1)
    nodes = IMAGES + LAYERS
    numbers = range(IMAGES)
    return build(
        "oci",
        "/store",
        nodes={"key": [f"sha256:{i:064x}" for i in range(nodes)], "size": chance.integers(1, 1 << 40, nodes)},
        links={
            "source": np.repeat(np.arange(IMAGES), EACH),
            "target": IMAGES + chance.integers(0, LAYERS, EACH * IMAGES),
            "kind": ["layer"] * (EACH * IMAGES),
        },
        pins={
            "node": np.arange(IMAGES),
            "name": [f"g{i % 300}/x:{i}" for i in numbers],
            "kind": ["entry"] * IMAGES,
            "group": [f"g{i % 300}" for i in numbers],
        },
    )


@pytest.mark.slow
def test_what_does_not_fit_the_memory_is_on_disk_and_figures_are_equal(images: Snapshot, tmp_path: Path) -> None:
    """With the same memory and no room on disk there is no answer: so the answer took room on disk."""
    images.save(f"{tmp_path}/now/")
    with DuckSnapshot(tmp_path / "now", memory=MEMORY, threads=1, work=tmp_path / "work") as duck:
        duck.engine.db.execute("SET max_temp_directory_size = '0KB'")
        with pytest.raises(EngineLimitError, match="more memory"):
            _ask_all(duck)
        duck.engine.db.execute("RESET max_temp_directory_size")
        _ask_all(duck)
        check_retained(images, duck)
        check_usage(images, duck, "repo")
    assert not (tmp_path / "work").exists()


def _ask_all(duck: DuckSnapshot) -> None:
    for ask in (duck.garbage, duck.usage, duck.sharing, duck.retained):
        ask()


KILLED = """
import sys, time
from blobkit.engines import DuckSnapshot

def here() -> int:
    print("inside", flush=True)
    time.sleep(1000)
    return 0

duck = DuckSnapshot(sys.argv[1], work=sys.argv[2], threads=1)
duck.engine.step("many", "SELECT range AS id FROM range(1000000)")
duck.engine.db.create_function("here", here, [], "BIGINT", side_effects=True)
duck.engine.step("never", "SELECT id, here() AS n FROM many")
"""


@pytest.mark.slow
def test_the_next_one_removes_what_one_left_that_was_killed_inside_a_query(tmp_path: Path) -> None:
    snapshot = blobkit.demo.small().snapshot()
    snapshot.save(f"{tmp_path}/now/")
    command = [sys.executable, "-c", KILLED, tmp_path / "now", tmp_path / "work"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"inside\n"
        killed.send_signal(signal.SIGKILL)
    (left,) = (tmp_path / "work").iterdir()
    assert (left / "tables.duckdb").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["now", "work"]
    with DuckSnapshot(tmp_path / "now", work=tmp_path / "work") as duck:
        assert not left.exists()
        check_usage(snapshot, duck, "repo")
    assert not (tmp_path / "work").exists()
