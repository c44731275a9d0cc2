"""The facts of a store as a snapshot."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from blobkit.content.memory import MemoryContent
from blobkit.digest import of
from blobkit.index import columns
from blobkit.index.memory import MemoryIndex
from blobkit.store.local import LocalStore
from blobkit.store.store import Store
from blobkit.testing.arrivals import MANIFEST, manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["memory", "directory", "directory in slices"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    if request.param == "directory in slices":
        monkeypatch.setattr(columns, "SLICE", 2)
    if request.param == "memory":
        yield Store(MemoryContent(), MemoryIndex())
    else:
        with LocalStore(tmp_path / "store", durability="off") as store:
            yield store


def test_an_empty_store(store: Store) -> None:
    snapshot = store.snapshot()
    assert (snapshot.kind, snapshot.policy, snapshot.nodes.num_rows) == ("blobkit", "counts", 0)


def test_every_fact_is_in_it(store: Store, tmp_path: Path) -> None:
    layer, config = store.put(b"layer"), store.put(b"{}")
    image = store.put(manifest(b"{}", b"layer", b"absent"), media_type=MANIFEST, tag="app:v1")
    other = store.put(b"other", links=[layer.digest])
    gone = store.put(b"gone")
    store.deref(gone.digest)
    store.ref(other.digest)
    store.tag("b", other.digest)
    snapshot = store.snapshot()

    nodes = {row["key"]: row for row in snapshot.nodes.to_pylist()}
    assert {key: (row["size"], row["kind"], row["stored"]) for key, row in nodes.items()} == {
        layer.digest: (5, "layer", "yes"),
        config.digest: (2, "config", "yes"),
        image.digest: (image.size, "manifest", "yes"),
        other.digest: (5, "blob", "yes"),
        of(b"absent"): (0, "layer", "missing"),
    }
    assert nodes[image.digest]["media_type"] == MANIFEST
    assert nodes[other.digest]["modified"] == store.get(other.digest).created
    assert nodes[other.digest]["created"] is None

    key = {row["id"]: row["key"] for row in nodes.values()}
    assert {(key[row["source"]], key[row["target"]], row["kind"]) for row in snapshot.links.to_pylist()} == {
        (image.digest, config.digest, "config"),
        (image.digest, layer.digest, "layer"),
        (image.digest, of(b"absent"), "layer"),
        (other.digest, layer.digest, "link"),
    }
    pins = [(key[row["node"]], row["name"], row["kind"], row["count"]) for row in snapshot.pins.to_pylist()]
    assert sorted(pins, key=str) == sorted(
        [(image.digest, "app:v1", "tag", 1), (other.digest, "b", "tag", 1), (other.digest, None, "pin", 2)], key=str
    )
    address = tmp_path / "store" if isinstance(store, LocalStore) else "memory"
    assert snapshot.address == str(address)
    assert snapshot.notices.num_rows == 0


def test_counts_of_the_snapshot_are_those_of_the_store(store: Store) -> None:
    low = [store.put(b"%d" % number).digest for number in range(6)]
    for number in range(4):
        store.put(json.dumps(number).encode() * 3, links=low[number : number + 3])
    counted = store.snapshot().graph
    keys = store.snapshot().nodes["key"].to_pylist()
    counts = dict(zip(keys, (counted.pins + counted.links_in).tolist(), strict=True))
    assert counts == {digest: store.get(digest).refcount for digest in store}


@pytest.mark.parametrize("step", [1, 1 << 29, 1 << 40], ids=["dense", "sparse", "wide"])
def test_ids_of_any_size_and_blobs_of_every_algorithm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr(columns, "SLICE", 3)
    with LocalStore(tmp_path / "store", durability="off") as store:
        blobs = {
            number: store.put(b"%d" % number, algorithm=("sha512", "sha256", "sha384")[number % 3], tag=f"t{number}")
            for number in range(9)
        }
        wanted = {(blobs[i].digest, blobs[j].digest) for i in blobs for j in range(i)}
        for source, target in wanted:
            store.link(target, source, transfer=False)
    with sqlite3.connect(tmp_path / "store" / ".blobkit" / "index.sqlite") as db:
        for table, column in (("blobs", "id"), ("links", "from_id"), ("links", "to_id"), ("tags", "blob_id")):
            db.execute(f"UPDATE {table} SET {column} = -{column} * {step}")  # noqa: S608 (names of this test)
            db.execute(f"UPDATE {table} SET {column} = -{column}")  # noqa: S608 (the same)
    db.close()
    with LocalStore(tmp_path / "store", durability="off") as store:
        snapshot = store.snapshot()
    keys = snapshot.nodes["key"].to_pylist()
    assert keys == sorted(blob.digest for blob in blobs.values())
    assert {(keys[row["source"]], keys[row["target"]]) for row in snapshot.links.to_pylist()} == wanted
    assert {(row["name"], keys[row["node"]]) for row in snapshot.pins.to_pylist()} == {
        (f"t{number}", blob.digest) for number, blob in blobs.items()
    }
    assert snapshot.nodes["size"].to_pylist() == [1] * len(blobs)
