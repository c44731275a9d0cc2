"""A store in a directory that another program writes into."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from blobkit.store.local import LocalStore
from foreign import Foreign

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def frozen() -> Iterator[None]:
    """Leave what is there already out of each `gc.collect()`, which then costs little: for thousands of them."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def other(root: Path) -> Foreign:
    return Foreign(root)


@pytest.fixture
def store(root: Path) -> Iterator[LocalStore]:
    """A store that has seen that its index.json may change: the warnings are a test of their own."""
    with LocalStore(root, durability="off") as store:
        store._session.projection.check_foreign = lambda: None
        yield store


@pytest.fixture
def plain(other: Foreign) -> Foreign:
    """A layout that no store owns."""
    other.blob(b"layer")
    (other.root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    other.write()
    return other
