"""Every public value as plain values: what `to_dict` gives goes through JSON unchanged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit import demo
from layouts import Registry

if TYPE_CHECKING:
    from pathlib import Path

NO_VALUES = {"Batch", "Blob", "BlobWriter", "LocalStore", "RemoteStore", "Store"}
"""Things to work with: open content, or a place to write to."""


def values(root: Path) -> dict[str, object]:
    registry = Registry(root / "registry")
    image = registry.push("a", "1", "base", "own")
    registry.push("b", "1", "base", "other")
    snapshot = registry.scan()
    store = demo.small()
    preview = snapshot.simulate_deref("a:1")
    exported = store.export("shop/web:1.0", root / "layout")
    with blobkit.LocalStore(root / "layout", create=False, adopt=True, durability="off") as adopting:
        adopted = adopting.adopted
    with blobkit.LocalStore(root / "other", durability="off") as importing:
        imported = importing.import_(root / "registry", progress=False)
    return {
        "Adopted": adopted,
        "Audit": snapshot.audit(),
        "Collected": preview.collected,
        "Comparison": snapshot.compare_gc("registry"),
        "Descriptor": store.put(b"x"),
        "Diff": snapshot.diff(snapshot),
        "Exported": exported,
        "Freed": store.untag("shop/web:1.0"),
        "Fsck": store.fsck(progress=False),
        "Imported": imported,
        "Plan": snapshot.plan(free=1),
        "Preview": preview,
        "Report": snapshot.report(progress=False),
        "Sharing": snapshot.sharing(),
        "Snapshot": snapshot,
        "Usage": snapshot.usage(),
        "WhatIf": snapshot.what_if(),
        "Why": snapshot.why(image),
    }


@pytest.mark.slow
def test_every_public_value_has_plain_values(tmp_path: Path) -> None:
    found = values(tmp_path)
    public = {name for name in blobkit.__all__ if isinstance(getattr(blobkit, name), type)}
    assert public == set(found) | NO_VALUES
    for name, value in found.items():
        body = value.to_dict()  # type: ignore[attr-defined]
        assert type(value).__name__ == name
        assert body == json.loads(json.dumps(body)), name
        assert body, name


@pytest.mark.parametrize("name", ["kind", "address", "policy", "bytes", "blobs"])
def test_a_snapshot_says_what_it_is_of(tmp_path: Path, name: str) -> None:
    Registry(tmp_path).push("a", "1", "base")
    snapshot = blobkit.scan(tmp_path)
    assert snapshot.to_dict()[name] == getattr(snapshot, name)
