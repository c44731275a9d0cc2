"""Stores that this user may not read: tests are another user for a while, where they are root."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import blobkit

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534

LOADED = (pd, blobkit.scan, blobkit.audit)
"""What must be imported before: another user may not be able to read where Python is."""


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be a user for whom modes hold: another one where this is root."""
    if os.geteuid() != 0:
        yield
        return
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
