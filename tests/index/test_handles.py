"""Whoever reads the database's file past SQLite must not cost this process SQLite's locks: commits would be lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.store.local import LocalStore, open_read_only

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER = """
import blobkit, sys
with blobkit.LocalStore(sys.argv[1]) as store:
    store.put(sys.argv[2].encode())
    print(len(store))
"""


def check(root: Path) -> None:
    with open_read_only(root) as store:
        assert not store.fsck(progress=False)


LOOKS: dict[str, Callable[[Path], object]] = {
    "scan": blobkit.scan,
    "check": check,
    "open again": lambda root: LocalStore(root).close(),
    "open and keep": LocalStore,
}


def put_in_another_process(root: Path, text: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", OTHER, str(root), text],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    "look", [pytest.param(look, marks=[] if look == "open and keep" else pytest.mark.slow) for look in LOOKS]
)
def test_a_look_at_an_open_store_loses_no_commit(tmp_path: Path, look: str) -> None:
    root = tmp_path / "store"
    with LocalStore(root) as store:
        store.put(b"one")
        kept = LOOKS[look](root)
        assert put_in_another_process(root, "two") == 2
        assert (root / ".blobkit/index.sqlite-wal").exists(), "the other process took itself for the last one"
        store.put(b"three")
        assert put_in_another_process(root, "four") == 4
        if isinstance(kept, LocalStore):
            kept.close()
    with LocalStore(root) as store:
        assert len(store) == 4
