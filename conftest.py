"""How tests are collected, and places for the examples in docstrings.

Each example runs in an empty directory, and has `blobkit` and `demo` imported.
"""

from __future__ import annotations

import gc
import os
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.doctest import DoctestItem, DoctestModule

import blobkit
from blobkit import demo

if TYPE_CHECKING:
    from collections.abc import Iterator


TESTS = Path(__file__).with_name("tests")
MEMORY = Path("/dev/shm")  # noqa: S108 (only private directories are made there)
ROOM = 2 << 30
"""Bytes that a run of all tests may take there, with room to spare."""


def has_room(place: Path) -> bool:
    """Return whether the tests may write their stores there."""
    if not os.access(place, os.W_OK):
        return False
    state = os.statvfs(place)
    return state.f_bavail * state.f_frsize >= ROOM


if "TMPDIR" not in os.environ and has_room(MEMORY):  # thousands of small stores, each synced again and again
    os.environ["TMPDIR"] = str(MEMORY)

images = import_module("blobkit.demo.images")
images._layer = cache(images._layer)  # noqa: SLF001 (dozens of tests fill a store: to compress it takes a second)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Iterator[list[pytest.Collector]]:
    """Look for examples in the package alone."""
    found: list[pytest.Collector] = yield
    is_test = file_path.is_relative_to(TESTS)
    return [one for one in found if not (is_test and isinstance(one, DoctestModule))]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Start three workers on two processors for slow tests, which wait for disks, servers and killed processes."""
    found = len(os.sched_getaffinity(0))
    return found if config.option.markexpr == "not slow" else found + (found + 1) // 2


def pytest_collection_finish() -> None:
    """Keep what collecting made out of each garbage collection that follows."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def place_of_an_example(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, doctest_namespace: dict[str, object]
) -> Iterator[None]:
    """Let an example write files and draw where it leaves nothing behind."""
    if not isinstance(request.node, DoctestItem):
        yield
        return
    doctest_namespace.update(blobkit=blobkit, demo=demo)
    monkeypatch.chdir(request.getfixturevalue("tmp_path"))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
