"""What every store must do: subclass `StoreSuite` and give it the fixture `store`, an empty one."""
# ruff: noqa: D102, PLR2004, PT012, S101 (the names of the tests say what they prove; a suite asserts)

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.errors import (
    BlobNotFoundError,
    HashNotSupportedError,
    InvalidDigestError,
    InvalidTagError,
    LinkCycleError,
    MediaTypeConflictError,
    NotPinnedError,
    StoreClosedError,
    TagExistsError,
    TagNotFoundError,
    WriterClosedError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.store.verbs import Store

__all__ = ["StoreSuite"]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ABSENT = of(b"never stored")
BAD_DIGESTS = (
    "",
    "sha256:",
    "md5:" + "0" * 32,
    "sha256:" + "0" * 63,
    "sha256:" + "0" * 65,
    "sha256:" + "A" * 64,
    "SHA256:" + "0" * 64,
    "0" * 64,
    "sha256:" + "/../" * 16,
    "../../etc/passwd",
    "sha256:" + "0" * 63 + "\n",
    "sha256:" + "0" * 64 + "\n",
    "sha256:" + "\N{ARABIC-INDIC DIGIT ZERO}" * 64,
)


class StoreSuite:
    """The rules of the store, one by one, and their hard cases."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    # Rule 1: commit

    @pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
    def test_new_content_has_one_pin(self, store: Store, algorithm: str) -> None:
        before = datetime.now(UTC)
        with store.new_writer(algorithm) as writer:
            assert writer.write(b"hel") == 3
            assert writer.write(memoryview(bytearray(b"lo"))) == 2
            assert writer.digest == of(b"hello", algorithm)
            found = writer.commit()
        assert (found.digest, found.size) == (of(b"hello", algorithm), 5)
        assert (found.refcount, found.pins, found.links, found.tags, found.media_type) == (1, 1, (), (), "")
        assert before <= found.created <= datetime.now(UTC)
        assert store.get(found.digest).read() == b"hello"

    def test_commit_of_what_is_here_is_a_ref_that_keeps_links_and_fills_in_the_media_type(self, store: Store) -> None:
        child = store.put(b"child").digest
        first = store.put(b"parent", links=[child])
        with store.new_writer(media_type="text/plain") as writer:
            writer.write(b"parent")
        again = store.get(first.digest)
        assert (again.refcount, again.pins, again.links, again.media_type) == (2, 2, (child,), "text/plain")
        assert again.created == first.created
        assert store.put(b"parent").media_type == "text/plain"

    def test_another_media_type_is_a_conflict_and_changes_nothing(self, store: Store) -> None:
        digest = store.put(b"x", media_type="text/plain").digest
        with pytest.raises(MediaTypeConflictError, match="text/html"):
            store.put(b"x", media_type="text/html")
        assert (store.get(digest).refcount, store.get(digest).media_type) == (1, "text/plain")

    def test_a_cancelled_or_failed_writer_leaves_nothing(self, store: Store) -> None:
        writer = store.new_writer()
        writer.write(b"x")
        writer.cancel()
        writer.cancel()
        with pytest.raises(KeyError, match="stop"), store.new_writer() as failing:
            failing.write(b"y")
            raise KeyError("stop")  # noqa: EM101
        assert store.list() == []

    def test_a_closed_writer_says_so_and_leaving_with_after_commit_does_nothing(self, store: Store) -> None:
        with store.new_writer() as writer:
            writer.write(b"x")
            digest = writer.commit().digest
        assert store.get(digest).refcount == 1
        with pytest.raises(WriterClosedError):
            writer.commit()
        with pytest.raises(WriterClosedError):
            writer.write(b"more")
        with store.new_writer() as writer:
            writer.cancel()
        assert len(store) == 1

    # Rule 2: deref and its cascade

    def test_deref_drops_one_pin_and_at_none_the_blob_goes(self, store: Store) -> None:
        digest = store.put(b"12345").digest
        assert store.ref(digest).refcount == 2
        assert not store.deref(digest)
        freed = store.deref(digest)
        assert (freed.digests, freed.bytes, freed.levels) == ((digest,), 5, ((1, 5),))
        assert digest not in store
        with pytest.raises(BlobNotFoundError):
            store.get(digest).read()

    def test_the_diamond_goes_once_level_by_level(self, store: Store) -> None:
        bottom = store.put(b"1").digest
        sides = [store.put(side, links=[bottom]).digest for side in (b"22", b"333")]
        top = store.put(b"4444", links=sides).digest
        preview = store.simulate_deref(top)
        freed = store.deref(top)
        assert freed == preview
        assert freed.digests == (top, *sorted(sides), bottom)
        assert freed.levels == ((1, 4), (2, 5), (1, 1))
        assert store.list() == []

    def test_a_blob_that_one_side_of_a_diamond_still_holds_stays(self, store: Store) -> None:
        bottom = store.put(b"bottom").digest
        left, right = (store.put(side, links=[bottom]).digest for side in (b"left", b"right"))
        assert store.get(bottom).refcount == 2
        assert store.deref(left).digests == (left,)
        assert store.get(bottom).refcount == 1
        assert store.deref(right).digests == (right, bottom)

    def test_the_level_of_a_blob_is_behind_its_last_holder(self, store: Store) -> None:
        low = store.put(b"low").digest
        middle = store.put(b"middle", links=[low]).digest
        top = store.put(b"top", links=[low, middle]).digest
        assert store.deref(top).digests == (top, middle, low)

    def test_shared_layers_stay_for_the_other_image(self, store: Store) -> None:
        shared, own = store.put(b"shared").digest, store.put(b"own").digest
        one, two = store.put(b"one", links=[shared, own]).digest, store.put(b"two", links=[shared]).digest
        assert set(store.deref(one).digests) == {one, own}
        assert store.list() == sorted([two, shared])

    # Rules 3, 4 and 5: links

    def test_link_takes_the_callers_pin(self, store: Store) -> None:
        child, parent = store.put(b"child").digest, store.put(b"parent").digest
        store.link(child, parent)
        assert (store.get(child).refcount, store.get(child).pins) == (1, 0)
        assert store.get(parent).links == (child,)

    def test_the_pin_for_a_link_that_exists_is_surplus(self, store: Store) -> None:
        child, parent = store.put(b"child").digest, store.put(b"parent").digest
        store.link(child, parent)
        store.ref(child)
        store.link(child, parent)
        assert (store.get(child).refcount, store.get(child).pins) == (1, 0)

    def test_link_without_transfer_takes_a_reference_of_its_own_once(self, store: Store) -> None:
        child, parent = store.put(b"child").digest, store.put(b"parent").digest
        for _ in range(2):
            store.link(child, parent, transfer=False)
            assert (store.get(child).refcount, store.get(child).pins) == (2, 1)

    def test_unlink_drops_the_reference_and_what_it_held(self, store: Store) -> None:
        low = store.put(b"low").digest
        child = store.put(b"child", links=[low]).digest
        parent = store.put(b"parent", links=[child]).digest
        preview = store.unlink(child, parent, dry_run=True)
        assert store.unlink(child, parent) == preview
        assert preview.digests == (child, low)
        assert store.list() == [parent]

    def test_unlinking_what_is_not_linked_is_nothing(self, store: Store) -> None:
        one, two = store.put(b"1").digest, store.put(b"2").digest
        assert not store.unlink(one, two)
        with pytest.raises(BlobNotFoundError):
            store.unlink(ABSENT, one)
        with pytest.raises(BlobNotFoundError):
            store.unlink(one, ABSENT)

    def test_links_need_both_ends(self, store: Store) -> None:
        one = store.put(b"1").digest
        for to, from_ in ((one, ABSENT), (ABSENT, one)):
            with pytest.raises(BlobNotFoundError) as caught:
                store.link(to, from_)
            assert caught.value.digest == ABSENT
            assert caught.value.is_blob_not_exists()

    def test_deref_without_a_pin_names_the_holder_and_the_way_out(self, store: Store) -> None:
        child = store.put(b"child").digest
        parent = store.put(b"parent", links=[child]).digest
        for verb in (store.deref, store.simulate_deref):
            with pytest.raises(NotPinnedError, match=f'unlink\\("{child}", "{parent}"\\)') as caught:
                verb(child)
            assert caught.value.digest == child
            assert "\n" not in str(caught.value)
        store.tag("v1", child)
        with pytest.raises(NotPinnedError, match=r"held by tag 'v1', a link from .*: use store.untag\('v1'\)"):
            store.deref(child)
        with pytest.raises(NotPinnedError, match=r"transfer=False"):
            store.link(child, store.put(b"another").digest)

    def test_links_that_close_a_cycle_are_refused(self, store: Store) -> None:
        digest = store.put(b"0").digest
        chain = [digest]
        for number in range(1, 6):
            chain.append(store.put(b"%d" % number, links=chain[-1:]).digest)
        store.ref(chain[-1])
        for transfer in (True, False):
            with pytest.raises(LinkCycleError):
                store.link(chain[-1], chain[0], transfer=transfer)
            with pytest.raises(LinkCycleError):
                store.link(chain[-1], chain[-1], transfer=transfer)
        with pytest.raises(LinkCycleError):
            store.put(b"0", links=[chain[3]])
        with pytest.raises(LinkCycleError):
            store.put(b"0", links=[chain[0]])
        assert store.get(chain[0]).refcount == 1
        store.link(chain[0], chain[-1], transfer=False)

    def test_pins_are_accounted_for(self, store: Store) -> None:
        child = store.put(b"child").digest
        parents = [store.put(b"p%d" % number).digest for number in range(3)]
        for parent in parents:
            store.link(child, parent, transfer=False)
        store.tag("t", child)
        store.ref(child)
        found = store.get(child)
        assert (found.refcount, found.pins, found.tags) == (6, 3, ("t",))
        assert not store.deref(child)
        assert not store.deref(child)
        with pytest.raises(NotPinnedError):
            store.deref(child)
        assert not store.untag("t")
        for parent in parents[:2]:
            assert store.deref(parent).digests == (parent,)
        assert store.deref(parents[2]).digests == (parents[2], child)

    # Rule 6: what is refused, and how

    @pytest.mark.parametrize("bad", BAD_DIGESTS)
    def test_what_is_no_digest_is_refused_by_every_verb(self, store: Store, bad: str) -> None:
        good = store.put(b"x").digest
        for verb in (store.get, store.ref, store.deref, store.simulate_deref):
            with pytest.raises(InvalidDigestError) as caught:
                verb(bad)
            assert isinstance(caught.value, ValueError)
        for call in (
            lambda: store.link(bad, good),
            lambda: store.link(good, bad),
            lambda: store.unlink(bad, good),
            lambda: store.unlink(good, bad),
            lambda: store.tag("t", bad),
            lambda: store.put(b"y", links=[bad]),
        ):
            with pytest.raises(InvalidDigestError):
                call()
        assert bad not in store
        assert store.list() == [good]

    @pytest.mark.parametrize("label", ["md5", "sha1", "SHA256", "sha-256", "", "sha512/256"])
    def test_other_algorithms_are_not_supported(self, store: Store, label: str) -> None:
        with pytest.raises(HashNotSupportedError):
            store.new_writer(label)
        with pytest.raises(HashNotSupportedError):
            store.put(b"", algorithm=label)

    def test_the_absent_is_not_found(self, store: Store) -> None:
        for verb in (store.get, store.ref, store.deref, store.simulate_deref):
            with pytest.raises(BlobNotFoundError) as caught:
                verb(ABSENT)
            assert isinstance(caught.value, KeyError)
        assert ABSENT not in store
        assert object() not in store

    def test_listing_is_sorted_over_all_algorithms(self, store: Store) -> None:
        labels = ("sha512", "sha256", "sha384")
        digests = [store.put(b"%d" % i, algorithm=label).digest for i in range(4) for label in labels]
        assert store.list() == sorted(digests) == list(store)
        assert len(store) == 12
        assert bool(store)

    def test_a_closed_store_says_so(self, store: Store) -> None:
        digest = store.put(b"x").digest
        store.close()
        store.close()
        for call in (store.list, lambda: store.put(b"y"), lambda: store.deref(digest), lambda: digest in store):
            with pytest.raises(StoreClosedError):
                call()

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
        with pytest.raises(TagNotFoundError) as caught:
            store.untag("nothing")
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

    def test_a_writer_derives_nothing(self, store: Store) -> None:
        store.put(b"layer")
        with store.new_writer(media_type=MANIFEST) as writer:
            writer.write(manifest(b"{}", b"layer"))
            assert writer.commit().links == ()

    def test_what_is_no_manifest_cannot_be_put_as_one(self, store: Store) -> None:
        for data in (b"not JSON", b"[]", b"{}", b" " * (5 << 20)):
            with pytest.raises(MediaTypeConflictError):
                store.put(data, media_type=MANIFEST)
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
