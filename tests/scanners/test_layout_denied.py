"""What `umoci gc` does as a user who may not read everything: garbage goes all the same, what is reached stops it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

import blobkit
import real_umoci
from layouts import Layout, sha
from unprivileged import NOBODY, barred, common

if TYPE_CHECKING:
    from pathlib import Path

LARGE = "a layer of more than 64 KiB " * 3_000

__all__ = ["common"]  # a fixture


@pytest.fixture
def layout(common: Path) -> Layout:
    made = Layout(common / "layout")
    made.image("kept", "small layer", LARGE)
    made.blob("garbage")
    if os.geteuid() == 0:
        for path in (made.root, *made.root.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    return made


def stops(layout: Layout, barred_at: Path) -> bool:
    """Whether umoci stops, as blobkit says of the same user; where it does, the garbage stays."""
    code = 0
    with barred(barred_at):
        said = blobkit.compare_gc(layout.scan(), "umoci")
        if real_umoci.installed():
            command = ["umoci", "gc", "--layout", str(layout.root)]
            code = subprocess.run(command, capture_output=True, check=False).returncode
            assert bool(code) == bool(said.aborts)
    if real_umoci.installed():
        assert layout.path(sha(b"garbage")).exists() == bool(code)
    assert said.removed_before_stop == ()
    return bool(said.aborts)


@pytest.mark.parametrize("what", [b"small layer", LARGE.encode(), b"manifest"])
def test_a_blob_that_is_reached_and_may_not_be_read_stops_it(layout: Layout, what: bytes) -> None:
    digest = str(layout.entries[0]["digest"]) if what == b"manifest" else sha(what)  # type: ignore[index]
    assert stops(layout, layout.path(digest))


def test_the_directory_of_the_blobs(layout: Layout) -> None:
    assert stops(layout, layout.root / "blobs/sha256")


def test_garbage_that_may_not_be_read_goes(layout: Layout) -> None:
    layout.path(sha(b"garbage")).chmod(0)
    (layout.root / "blobs/md5").mkdir()
    assert not stops(layout, layout.root / "blobs/md5")


@pytest.mark.parametrize("name", ["blobs/md5", "blobs/sha512"])
def test_other_directories_are_not_looked_at(layout: Layout, name: str) -> None:
    (layout.root / name).mkdir()
    assert not stops(layout, layout.root / name)
