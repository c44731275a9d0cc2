"""Stores that this user may not read: tests are another user for a while, where they are root."""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import blobkit
from blobkit.snapshot.snapshot import build

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534

LEFT_OUT = ("blobkit.__main__", "blobkit.testing", "blobkit.views")


@cache
def import_all() -> None:
    """Import all modules of blobkit: another user may not be able to read the directory of Python."""
    for module in pkgutil.walk_packages(blobkit.__path__, "blobkit."):
        if not module.name.startswith(LEFT_OUT):
            importlib.import_module(module.name)
    snapshot = build("oci", "x", nodes={"key": [], "size": []}, links={"source": [], "target": []}, pins={"node": []})
    blobkit.audit(snapshot).to_dict()  # pandas and pyarrow import modules when they are first used
    pd.DataFrame({"a": [1]}).to_dict("records")


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be a user for whom modes hold: another one where this is root."""
    if os.geteuid() != 0:
        yield
        return
    import_all()
    groups = os.getgroups()
    os.setgroups([])
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setgroups(groups)


@contextmanager
def barred(path: Path, mode: int = 0) -> Iterator[None]:
    """Give a file or directory this mode for a while, and be a user who is held by it."""
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        with unprivileged():
            yield
    finally:
        path.chmod(before)


@pytest.fixture
def common() -> Iterator[Path]:
    """A directory that every user may enter, unlike those that pytest makes."""
    root = Path(tempfile.mkdtemp(prefix="blobkit-common-"))
    root.chmod(0o755)
    yield root
    shutil.rmtree(root)
