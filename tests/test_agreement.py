"""The preview of a snapshot, the dry run of the store and the real deletion are one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

import blobkit
from blobkit import demo
from blobkit.content.memory import MemoryContent
from blobkit.errors import BlobkitError
from blobkit.index.memory import MemoryIndex
from blobkit.testing.histories import Step, aim, histories, play, play_model
from blobkit.testing.model import Model
from effort import TORTURE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def answer(ask: Callable[[], blobkit.Freed | blobkit.Preview]) -> object:
    """Return what was freed, in order and by level, or the name of the error."""
    try:
        freed = ask()
    except BlobkitError as error:
        return type(error).__name__
    return freed.digests, freed.bytes, freed.levels


@pytest.mark.slow
@settings(max_examples=25 * TORTURE, derandomize=True)
@given(histories(24))
def test_after_every_step_of_a_history_previews_are_what_the_store_would_do(history: list[Step]) -> None:
    store, model = blobkit.Store(MemoryContent(), MemoryIndex()), Model()
    for raw in history:
        step = aim(raw, model)
        play(store, step)
        play_model(model, step)
    snapshot = store.snapshot()
    for digest in store:
        told = answer(lambda digest=digest: blobkit.simulate_deref(snapshot, digest))
        assert told == answer(lambda digest=digest: store.simulate_deref(digest))
    for name in store.tags():
        told = answer(lambda name=name: blobkit.simulate_deref(snapshot, name))
        assert told == answer(lambda name=name: store.untag(name, dry_run=True))


@pytest.mark.slow
@settings(max_examples=25 * TORTURE, derandomize=True)
@given(histories(24))
def test_frames_of_a_store_count_as_the_oracle_does(history: list[Step]) -> None:
    store, model = blobkit.Store(MemoryContent(), MemoryIndex()), Model()
    for raw in history:
        step = aim(raw, model)
        play(store, step)
        play_model(model, step)
    frame = blobkit.to_frame(store, links=True)
    found = {
        digest: (row.refcount, row.pins, tuple(row.links), row.tags)
        for digest, row in zip(frame.index, frame.itertuples(index=False), strict=True)
    }
    expected = {digest: known[:4] for digest, known in model.state().items()}
    stored = set(model.state())
    assert {
        d: (r, p, tuple(t for t in links if t in stored), tags) for d, (r, p, links, tags) in found.items()
    } == expected
    assert frame["reachable"].all()


@pytest.mark.slow
def test_a_whole_store_is_taken_down_as_previewed(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "store", durability="off") as store:
        demo.fill(store)
        while store.tags():
            name = next(iter(store.tags()))
            preview = blobkit.simulate_deref(store, name)
            freed = store.untag(name)
            assert (preview.digests, preview.bytes, preview.levels) == (freed.digests, freed.bytes, freed.levels)
        assert store.list() == []
        assert [path for path in (tmp_path / "store" / "blobs").rglob("*") if path.is_file()] == []


def test_one_anonymous_pin_is_one_anonymous_pin(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "store", durability="off") as store:
        blob = store.put(b"twice")
        store.put(b"twice")
        assert not blobkit.simulate_deref(store, blob.digest)
        assert blobkit.simulate_deref(store, blob.digest, all_pins=True).digests == (blob.digest,)
        assert not store.deref(blob.digest)
        assert blobkit.simulate_deref(store, blob.digest).digests == store.deref(blob.digest).digests


@pytest.mark.slow
def test_scans_and_previews_of_a_local_store_write_nothing(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with blobkit.LocalStore(root, durability="off") as store:
        demo.fill(store)

    def fingerprint() -> dict[str, tuple[int, int, bytes]]:
        return {
            str(path): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in (root, *root.rglob("*"))
        }

    before = fingerprint()
    blobkit.to_frame(root)
    blobkit.simulate_deref(str(root), "shop/web:*").kept.to_string()
    blobkit.simulate_deref(f"oci:{root}", "shop/web:1.0", policy="strong")
    assert fingerprint() == before


@pytest.mark.slow
def test_a_local_store_is_the_same_store_as_the_oci_layout_that_it_is(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "store", durability="off") as store:
        demo.fill(store)
        snapshot = store.snapshot()
    layout = blobkit.scan(f"oci:{tmp_path / 'store'}")
    columns = ["size", "refcount", "pins", "links_in", "links_out", "retained", "frees", "depth", "tags", "kind"]
    ours, theirs = (blobkit.to_frame(x, columns=columns) for x in (snapshot, layout))
    assert ours.equals(theirs)
    for name in blobkit.tags_frame(layout).index:
        assert blobkit.simulate_deref(layout, name).digests == blobkit.simulate_deref(snapshot, name).digests


@pytest.mark.parametrize("digest", ["sha256:" + "0" * 64, "sha256:12", "SHA256:" + "0" * 64, "../../etc/passwd"])
def test_bad_digests_are_refused_alike(tmp_path: Path, digest: str) -> None:
    with blobkit.LocalStore(tmp_path / "store", durability="off") as store:
        with pytest.raises((blobkit.InvalidDigestError, blobkit.BlobNotFoundError)):
            store.simulate_deref(digest)
        with pytest.raises((blobkit.InvalidDigestError, blobkit.BlobNotFoundError, blobkit.UnknownTargetError)):
            blobkit.simulate_deref(store, digest)
