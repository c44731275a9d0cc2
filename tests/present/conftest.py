"""One small store, and every answer about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit import demo

if TYPE_CHECKING:
    from blobkit.present.answer import Answer
    from blobkit.store.store import Store


@pytest.fixture(scope="session")
def store() -> Store:
    return demo.small()


@pytest.fixture(scope="session")
def answers() -> dict[str, Answer]:
    """Every kind of answer, by its name."""
    store, name = demo.small(), "shop/web:1.0"
    snapshot = store.snapshot()
    plan = blobkit.plan(snapshot, free="1KiB")
    return {
        "audit": blobkit.audit(snapshot),
        "diff": blobkit.diff(snapshot, snapshot),
        "plan": plan,
        "preview": blobkit.simulate_deref(snapshot, name, "data/*"),
        "sharing": blobkit.sharing(snapshot),
        "snapshot": snapshot,
        "usage": blobkit.usage(snapshot, by="repo"),
        "verified": plan.verify(snapshot),
        "why": blobkit.why(snapshot, name),
        "descriptor": store.put(b"another blob"),
        "blob": store.get(store.tags()[name]),
        "freed": store.untag(name, dry_run=True),
        "fsck": store.fsck(progress=False),
    }
