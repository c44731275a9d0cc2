"""Places for the examples in docstrings: each runs in an empty directory, and has `blobkit` and `demo` imported."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from _pytest.doctest import DoctestItem

import blobkit
from blobkit import demo

if TYPE_CHECKING:
    from collections.abc import Iterator


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
