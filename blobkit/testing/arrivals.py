"""Tests of names and arrivals in every store: tags, put, manifests (rules 7, 8). Part of `StoreSuite`."""
# ruff: noqa: D102, PLR2004, S101 (the names of the tests say what they prove; a suite asserts)

from __future__ import annotations

import io
import json
from array import array
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.errors import (
    BlobNotFoundError,
    InvalidTagError,
    LinkCycleError,
    MediaTypeConflictError,
    NotPinnedError,
    TagExistsError,
    TagNotFoundError,
)
from blobkit.testing.references import ABSENT

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.store.store import Store

__all__ = ["MANIFEST", "ArrivalRules", "manifest"]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class ArrivalRules:
    """Tests of the fixture `store`, which `StoreSuite` declares."""

    # Rule 7: tags

    def test_a_tag_is_a_pin_of_its_own_or_takes_the_callers(self, store: Store) -> None:
        digest = store.put(b"x").digest
        assert not store.tag("one", digest)
        assert (store.get(digest).pins, store.get(digest).tags) == (2, ("one",))
        assert not store.tag("two", digest, transfer=True)
        assert (store.get(digest).pins, store.get(digest).tags) == (2, ("one", "two"))
        with pytest.raises(NotPinnedError):
            store.tag("three", digest, transfer=True)
        assert store.tags() == {"one": digest, "two": digest}
        assert not store.tag("one", digest)
        assert store.get(digest).pins == 2
        assert not store.untag("one")
        assert store.untag("two").digests == (digest,)
        assert store.tags() == {}

    def test_a_tag_moves_only_when_told_and_frees_what_it_left(self, store: Store) -> None:
        old, new = store.put(b"old", tag="t").digest, store.put(b"new").digest
        with pytest.raises(TagExistsError, match="move=True") as caught:
            store.tag("t", new)
        assert caught.value.digest == old
        with pytest.raises(TagExistsError):
            store.put(b"newer", tag="t")
        assert len(store) == 2
        preview = store.tag("t", new, move=True, dry_run=True)
        assert store.tags() == {"t": old}
        assert store.tag("t", new, move=True) == preview
        assert preview.digests == (old,)
        assert store.tags() == {"t": new}
        assert (store.get(new).pins, store.get(new).refcount) == (2, 2)

    def test_a_tag_that_moves_to_what_only_its_old_blob_held_keeps_it(self, store: Store) -> None:
        child = store.put(b"child").digest
        parent = store.put(b"parent", links=[child], tag="t").digest
        assert store.tag("t", child, move=True).digests == (parent,)
        assert (store.get(child).refcount, store.get(child).pins) == (1, 1)

    def test_put_with_a_tag_leaves_no_anonymous_pin_and_repeats_as_nothing(self, store: Store) -> None:
        for _ in range(3):
            found = store.put(b"x", tag="app:v1")
            assert (found.refcount, found.pins, found.tags) == (1, 1, ("app:v1",))
        assert store.put(b"y", tag="app:v1", move=True).tags == ("app:v1",)
        assert len(store) == 1

    def test_unknown_tags_are_not_found(self, store: Store) -> None:
        for name in ("nothing", "", "\ud800", ["x"], None):
            with pytest.raises(TagNotFoundError) as caught:
                store.untag(name)  # type: ignore[arg-type]
            assert isinstance(caught.value, KeyError)
        with pytest.raises(BlobNotFoundError):
            store.tag("t", ABSENT)

    def test_names_follow_the_grammar_of_the_layout(self, store: Store) -> None:
        digest = store.put(b"x").digest
        good = ("a", "v1.0", "repo/app:1.2", "a--b", "a@b+c_d", "A" * 255, "docker.io/library/x:latest")
        bad = ("", "/a", "a/", "a//b", "-a", "a..b", "a---b", "a b", "a\n", "é", "A" * 256, "../x", digest, "a/-b")
        for name in good:
            store.tag(name, digest)
        assert set(store.tags()) == set(good)
        for name in bad:
            with pytest.raises(InvalidTagError):
                store.tag(name, digest)
            with pytest.raises(InvalidTagError):
                store.put(b"y", tag=name)

    # Rule 8: put

    def test_put_takes_bytes_paths_and_files(self, store: Store, tmp_path: Path) -> None:
        path = tmp_path / "data"
        path.write_bytes(b"content")
        digests = {store.put(data).digest for data in (b"content", bytearray(b"content"), path, str(path))}
        rest = io.BytesIO(b"..content")
        rest.seek(2)
        digests.add(store.put(rest).digest)
        assert digests == {of(b"content")}
        assert store.get(of(b"content")).refcount == 5
        with pytest.raises(FileNotFoundError):
            store.put(tmp_path / "absent")

    def test_put_takes_whatever_is_like_bytes(self, store: Store) -> None:
        for data in (b"content", manifest(b"{}", b"layer")):
            for like in (array("B", data), memoryview(data).cast("B", (len(data), 1)), memoryview(data)):
                for media_type in ("", MANIFEST) if data != b"content" else ("",):
                    assert store.put(like, media_type=media_type).digest == of(data)

    def test_what_is_open_is_read_on_after_the_blob_went(self, store: Store) -> None:
        data = bytes(range(256)) * 1000
        blob = store.get(store.put(data).digest)
        with blob.open() as first, blob.open() as second:
            assert first.read(100) == data[:100]
            assert store.deref(blob.digest).digests == (blob.digest,)
            store.sweep()
            assert first.read() == data[100:]
            store.put(data)
            assert second.read() == data
        assert blob.read() == data

    def test_put_links_take_a_pin_each_where_there_is_one(self, store: Store) -> None:
        pinned, held = store.put(b"pinned").digest, store.put(b"held").digest
        store.put(b"holder", links=[held])
        parent = store.put(b"parent", links=[pinned, held, pinned])
        assert parent.links == tuple(sorted([pinned, held]))
        assert (store.get(pinned).refcount, store.get(pinned).pins) == (1, 0)
        assert (store.get(held).refcount, store.get(held).pins) == (2, 0)
        tagged = store.put(b"tagged", tag="t").digest
        store.put(b"second", links=[tagged])
        assert (store.get(tagged).refcount, store.get(tagged).pins) == (2, 1)

    def test_put_again_gives_up_the_surplus_pins(self, store: Store) -> None:
        for count in (1, 2):
            child = store.put(b"child").digest
            parent = store.put(b"parent", links=[child])
            assert (parent.pins, store.get(child).refcount) == (count, 1)

    def test_given_targets_must_be_here(self, store: Store) -> None:
        with pytest.raises(BlobNotFoundError):
            store.put(b"x", links=[ABSENT])
        assert store.list() == []

    def test_manifests_link_what_they_name(self, store: Store) -> None:
        config, layer = store.put(b"{}").digest, store.put(b"layer").digest
        found = store.put(manifest(b"{}", b"layer"), media_type=MANIFEST)
        assert found.links == tuple(sorted([config, layer]))
        assert store.get(layer).pins == 0
        assert set(store.deref(found.digest).digests) == {found.digest, config, layer}

    def test_what_a_manifest_names_is_linked_when_it_arrives(self, store: Store) -> None:
        top = store.put(manifest(b"{}", b"layer"), media_type=MANIFEST)
        assert top.links == ()
        layer = store.put(b"layer")
        assert (layer.refcount, layer.pins) == (2, 1)
        with store.new_writer() as writer:
            writer.write(b"{}")
        assert store.get(top.digest).links == tuple(sorted([of(b"{}"), of(b"layer")]))
        store.deref(layer.digest)
        assert set(store.deref(top.digest).digests) == {top.digest, layer.digest}
        assert store.put(b"layer").refcount == 1

    def test_a_link_that_was_dropped_by_hand_is_not_made_again(self, store: Store) -> None:
        top = store.put(manifest(b"{}", b"layer"), media_type=MANIFEST).digest
        layer = store.put(b"layer").digest
        store.unlink(layer, top)
        store.deref(layer)
        assert store.put(b"layer").refcount == 1
        assert store.get(top).links == ()

    def test_a_writer_derives_nothing(self, store: Store) -> None:
        store.put(b"layer")
        with store.new_writer(media_type=MANIFEST) as writer:
            writer.write(manifest(b"{}", b"layer"))
            assert writer.commit().links == ()

    def test_what_is_no_manifest_cannot_be_put_as_one(self, store: Store) -> None:
        for data in (b"not JSON", b"[]", b"{}", b" " * (5 << 20)):
            with pytest.raises(MediaTypeConflictError):
                store.put(data, media_type=MANIFEST)
        with pytest.raises(TypeError, match="made of bytes"):
            store.put(5, media_type=MANIFEST)  # type: ignore[arg-type]  # a mistake that nothing else catches
        assert store.list() == []
        assert store.put(b"not JSON", media_type=MANIFEST, links=[store.put(b"x").digest]).links == (of(b"x"),)

    def test_a_manifest_that_would_close_a_cycle_leaves_everything_as_it_was(self, store: Store) -> None:
        data = manifest(b"{}", b"layer")
        raw = store.put(data).digest
        layer = store.put(b"layer", links=[raw]).digest
        with pytest.raises(LinkCycleError):
            store.put(data, media_type=MANIFEST)
        assert (store.get(raw).refcount, store.get(raw).media_type, store.get(layer).refcount) == (1, "", 1)


def manifest(config: bytes, *layers: bytes) -> bytes:
    """Return an image manifest that names these."""
    entry = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": of(config), "size": len(config)}
    parts = [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": of(x), "size": len(x)} for x in layers]
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": entry, "layers": parts}).encode()
