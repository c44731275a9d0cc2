"""What another program wrote into index.json becomes tags, pins and links, and is never lost."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from blobkit.errors import (
    LinkCycleError,
)
from blobkit.store.transfer.results import Adopted
from foreign import Foreign, check, names
from layouts import CONFIG, INDEX, LAYER, MANIFEST, NAME, sha

if TYPE_CHECKING:
    from blobkit.store.local import LocalStore

    Entry = dict[str, object]

TITLE = "org.opencontainers.image.title"
FULL_NAME = "io.containerd.image.name"


# What entries become


def test_a_new_name_becomes_a_tag_with_all_that_it_reaches(store: LocalStore, other: Foreign) -> None:
    mine = store.put(b"mine", tag="mine").digest
    image = other.image("a", b"one", b"two")
    other.add(other.entry(image, "reg.example.org/team/core:9.0"))
    done = store.adopt()
    assert done.tags == ("reg.example.org/team/core:9.0",)
    assert set(done.blobs) == {image, sha(b"one"), sha(b"two"), other.config("a")}
    assert done.bytes == other.size(*done.blobs)
    assert (done.entries, done.moved, done.vanished, done.damaged, done.notices) == ((), (), (), (), ())
    assert store.tags() == {"mine": mine, "reg.example.org/team/core:9.0": image} == names(other)
    assert store.get(image).media_type == MANIFEST
    assert set(store.get(image).links) == set(done.blobs) - {image}
    assert [store.get(digest).pins for digest in done.blobs] == [int(digest == image) for digest in done.blobs]
    check(store)
    assert set(store.untag("reg.example.org/team/core:9.0").digests) == set(done.blobs)
    assert not other.path(image).exists()


def test_a_second_time_is_nothing(store: LocalStore, other: Foreign) -> None:
    image = other.image("a", b"one")
    other.add(other.entry(image, "v1"), other.entry(image), other.entry(other.image("b", b"one")))
    assert store.adopt()
    before = {digest: store.get(digest) for digest in store.list()}
    for _ in range(2):
        assert store.adopt() == Adopted()
        other.write(*other.entries())
        assert store.adopt() == Adopted()
    assert {digest: store.get(digest) for digest in store.list()} == before


def test_an_entry_without_a_name_is_one_recorded_pin_and_stays_shown(store: LocalStore, other: Foreign) -> None:
    image = other.image("a", b"one")
    other.add(other.entry(image), other.entry(image))
    assert store.adopt().entries == (image,)
    assert (store.get(image).pins, store.tags()) == (1, {})
    store.put(b"x", tag="x")
    assert names(other) == {"": image, "x": sha(b"x")}
    assert len(store.deref(image)) == 3
    assert names(other) == {"x": sha(b"x")}
    other.add(other.entry(other.image("a", b"one")))
    assert store.adopt().entries == (image,)


def test_an_entry_whose_pin_is_gone_is_pinned_anew_where_it_is_written_anew(store: LocalStore, other: Foreign) -> None:
    image = other.image("a", b"one")
    other.add(other.entry(image))
    store.adopt()
    store.tag("keep", image)
    assert not store.deref(image)
    assert names(other) == {"keep": image}
    store.ref(image)
    store.put(b"x", tag="x")
    assert "" not in names(other)
    other.add(other.entry(image))
    assert store.adopt().entries == (image,)
    assert store.get(image).pins == 3


def test_an_entry_whose_pin_went_to_a_link_is_pinned_anew_where_it_is_still_shown(
    store: LocalStore, other: Foreign
) -> None:
    image = other.image("a", b"one")
    other.write(other.entry(image))
    store.adopt()
    index = json.dumps({"manifests": [other.to(image, MANIFEST)]}).encode()
    store.put(index, media_type=INDEX)
    assert (store.get(image).pins, names(other)) == (0, {"": image})
    other.write(other.entry(image))
    assert store.adopt().entries == (image,)
    assert store.get(image).pins == 1
    check(store)


def test_a_name_that_moved_names_the_new_blob_and_the_old_one_keeps_its_pin(store: LocalStore, other: Foreign) -> None:
    old = store.put(b"old", tag="t").digest
    new = other.image("a", b"one")
    other.write(other.entry(new, "t"))
    done = store.adopt()
    assert done.moved == (("t", old, new),)
    assert (done.tags, done.entries, store.tags()) == ((), (), {"t": new})
    assert store.get(old).pins == 1
    assert names(other) == {"t": new, "": old}
    assert store.deref(old).digests == (old,)
    check(store)


def test_a_moved_name_whose_old_blob_is_left_as_an_entry_needs_no_second_pin(store: LocalStore, other: Foreign) -> None:
    old = other.image("a", b"one")
    other.write(other.entry(old, "t"), other.entry(old, "u"))
    store.adopt()
    new = other.image("b", b"one")
    other.write(other.entry(old), other.entry(new, "t"), other.entry(new, "u"))
    assert store.adopt().moved == (("t", old, new), ("u", old, new))
    assert [store.get(old).pins, store.get(new).pins] == [2, 2]
    assert store.adopt() == Adopted()
    assert [entry["digest"] for entry in other.entries()] == [new, new, old]


def test_a_name_that_vanished_is_kept_and_shown_again(store: LocalStore, other: Foreign) -> None:
    blob = store.put(b"x", tag="t").digest
    other.write()
    done = store.adopt()
    assert done.vanished == ("t",)
    assert not done
    assert store.tags() == names(other) == {"t": blob}


def test_a_name_that_vanished_keeps_what_its_entry_said(store: LocalStore, other: Foreign) -> None:
    other.write(other.entry(other.image("a", b"one"), "t", platform={"os": "linux"}))
    store.adopt()
    before = other.entries()
    other.write()
    assert store.adopt().vanished == ("t",)
    assert other.entries() == before


def test_an_entry_without_a_tag_that_vanished_is_kept_and_shown_again(store: LocalStore, other: Foreign) -> None:
    one, two = other.image("a", b"one"), other.image("b", b"two")
    other.write(other.entry(one, platform={"os": "linux"}), other.entry(two, "a b"))
    store.adopt()
    before = other.entries()
    other.write()
    done = store.adopt()
    assert done.vanished == (one, two)
    assert f"vanished: {one} is kept; store.deref('{one}') drops it" in str(done)
    assert other.entries() == [before[0], {key: before[1][key] for key in ("mediaType", "digest", "size")}]
    assert [store.get(blob).pins for blob in (one, two)] == [1, 1]
    store.deref(one)
    other.write()
    assert store.adopt().vanished == (two,)


def test_an_entry_that_vanished_after_its_pin_is_not_reported(store: LocalStore, other: Foreign) -> None:
    image = other.image("a", b"one")
    other.write(other.entry(image))
    store.adopt()
    store.put(json.dumps({"manifests": [other.to(image, MANIFEST)]}).encode(), media_type=INDEX)  # takes the pin
    other.write()
    assert store.adopt().vanished == ()
    assert other.entries() == []


def test_what_the_store_moved_meanwhile_stays_and_what_the_file_shows_is_kept(
    store: LocalStore, other: Foreign
) -> None:
    old, new = store.put(b"old", tag="latest").digest, store.put(b"new").digest
    image = other.image("a", b"one")
    other.add(other.entry(image, "theirs"))
    store.tag("latest", new, move=True)
    store.tag("fresh", new)
    done = store.adopt()
    assert (done.tags, done.entries, done.moved, done.vanished) == (("theirs",), (old,), (), ())
    assert "latest names" in done.notices[0]
    assert store.tags() == {"latest": new, "fresh": new, "theirs": image}
    assert names(other) == {**store.tags(), "": old}
    assert store.get(old).read() == b"old"


def test_a_name_that_was_dropped_meanwhile_comes_back(store: LocalStore, other: Foreign) -> None:
    """Nobody can tell whether the program wrote it anew: it found the blob, and said that all is well."""
    image = other.image("a", b"one")
    other.write(other.entry(image, "t"))
    store.adopt()
    other.add(other.entry(image, "u"))
    store.untag("t")
    assert image not in store
    assert store._index.read(lambda rows: len(rows.tombstones(9))) == 3
    assert store.adopt().tags == ("t", "u")
    assert store.sweep() == 0
    check(store)
    assert len(store) == 3


def test_names_that_are_no_tags_here_are_held_and_shown_as_they_were(store: LocalStore, other: Foreign) -> None:
    one, two = other.image("a", b"one"), other.image("b", b"two")
    entries = [other.entry(one, "a b"), other.entry(two, sha(b"x")), other.entry(two, "x" * 256)]
    other.write(*entries)
    done = store.adopt()
    assert set(done.entries) == {one, two}
    assert len(done.notices) == 3
    assert other.entries() == entries
    assert store.adopt().entries == ()


def test_of_a_name_given_twice_one_entry_is_the_tag(store: LocalStore, other: Foreign) -> None:
    one, two, three = (other.image(text, b"one") for text in "abc")
    other.write(other.entry(one, "t"), other.entry(two, "t"), other.entry(one, "t"))
    assert (store.adopt().tags, store.tags()) == (("t",), {"t": one})
    assert [(e["digest"], "annotations" in e) for e in other.entries()] == [(one, True), (two, False)]
    other.write(other.entry(three, "t"), other.entry(one, "t"), other.entry(two), other.entry(one, "t"))
    assert (store.adopt().entries, store.tags()) == ((three,), {"t": one})
    assert [store.get(blob).pins for blob in (one, two, three)] == [1, 1, 1]


def test_two_entries_of_one_name_and_blob_that_differ_both_stay(store: LocalStore, other: Foreign) -> None:
    image, arm = other.image("a", b"one"), {"platform": {"os": "linux", "architecture": "arm64"}}
    other.write(other.entry(image, "t"), other.entry(image, "t", **arm), other.entry(image, "t"))
    done = store.adopt()
    assert (done.tags, done.entries, store.tags()) == (("t",), (image,), {"t": image})
    assert len(done.notices) == 1
    assert "by two entries that differ: the second one is held without the name" in done.notices[0]
    shown = [other.entry(image, "t"), other.entry(image, **arm)]
    assert other.entries() == shown
    assert store.get(image).pins == 2
    other.write(*reversed(shown))
    assert store.adopt() == Adopted()
    store.untag("t")
    assert other.entries() == shown[1:]
    check(store)


def test_no_manifests_at_all_is_an_empty_list(store: LocalStore, other: Foreign) -> None:
    (other.root / "index.json").write_text('{"schemaVersion": 2, "manifests": null}')
    assert store.adopt() == Adopted()
    assert other.entries() == []


def test_what_other_programs_say_beside_is_kept(store: LocalStore, other: Foreign) -> None:
    image, content = other.image("a", b"one"), b"in line"
    inline = {"data": base64.b64encode(content).decode(), "artifactType": "application/x", "x-unknown": [1, None]}
    entries = [
        other.to(
            image,
            MANIFEST,
            platform={"os": "linux", "architecture": "arm64"},
            annotations={TITLE: "t", NAME: "v1", FULL_NAME: "reg.example.org/x:v1"},
        ),
        {**other.entry(other.blob(content), media_type="text/plain"), **inline},
    ]
    other.write(*entries, annotations={"who": "another"}, artifactType="application/y")
    store.adopt()
    for _ in range(2):
        index = other.read()
        assert index["manifests"] == entries
        assert (index["annotations"], index["artifactType"]) == ({"who": "another"}, "application/y")
        store.put(b"x", tag="x")
        store.untag("x")
    assert store.tags() == {"reg.example.org/x:v1": image}
    store.tag("reg.example.org/x:v1", sha(content), move=True)
    assert TITLE not in other.entries()[0]["annotations"]
    assert other.entries()[0]["mediaType"] == "text/plain"


def test_two_entries_never_show_one_reference_name(store: LocalStore, other: Foreign) -> None:
    image = other.image("a", b"one")
    other.write(other.to(image, MANIFEST, annotations={NAME: "v1", FULL_NAME: "reg.example.org/x:v1"}))
    store.adopt()
    store.put(b"x", tag="v1")
    assert names(other) == store.tags() == {"reg.example.org/x:v1": image, "v1": sha(b"x")}


@pytest.mark.parametrize("label", ["sha384", "sha512"])
def test_other_algorithms(store: LocalStore, other: Foreign, label: str) -> None:
    layer = other.blob(b"layer", label=label)
    image = other.json({"config": other.to(other.config(), CONFIG), "layers": [other.to(layer)]}, label=label)
    other.write(other.entry(image, "t"))
    assert layer in store.adopt().blobs
    check(store)


# Links


def test_an_index_may_miss_platforms_which_are_linked_when_they_come(store: LocalStore, other: Foreign) -> None:
    here = other.image("a", b"one")
    absent = b'{"layers": []}'
    index = other.json(
        {"manifests": [other.to(here, MANIFEST), {"mediaType": MANIFEST, "digest": sha(absent), "size": len(absent)}]}
    )
    other.write(other.entry(index, "t", INDEX))
    done = store.adopt()
    assert (done.damaged, done.notices) == ((), ())
    assert store.get(index).links == (here,)
    store.put(absent, media_type=MANIFEST)
    assert set(store.get(index).links) == {here, sha(absent)}
    check(store)


def test_a_blob_that_was_expected_is_linked_when_it_is_adopted(store: LocalStore, other: Foreign) -> None:
    layer = b"layer"
    manifest = json.dumps({"layers": [{"mediaType": LAYER, "digest": sha(layer), "size": 5}]}).encode()
    image = store.put(manifest, media_type=MANIFEST, tag="t").digest
    other.add(other.entry(other.blob(layer), "layer", LAYER))
    store.adopt()
    assert store.get(image).links == (sha(layer),)
    assert (store.get(sha(layer)).pins, store.get(sha(layer)).refcount) == (1, 2)
    assert not store._index.read(lambda rows: rows.expecting([sha(layer)]))


def test_pins_of_the_store_are_not_given_to_links(store: LocalStore, other: Foreign) -> None:
    layer = store.put(b"layer").digest
    other.write(other.entry(other.image("a", b"layer"), "t"))
    store.adopt()
    assert (store.get(layer).pins, store.get(layer).refcount) == (1, 2)
    store.untag("t")
    assert store.list() == [layer]


def test_a_manifest_that_was_here_as_plain_bytes_is_linked(store: LocalStore, other: Foreign) -> None:
    image = other.image("a", b"one")
    store.put(other.path(image).read_bytes())
    other.write(other.entry(image, "t"))
    store.adopt()
    assert len(store.get(image).links) == 2
    assert (store.get(image).media_type, store.get(image).pins) == (MANIFEST, 2)


def test_another_media_type_than_is_known_is_a_notice(store: LocalStore, other: Foreign) -> None:
    blob = store.put(b"x", media_type="text/plain").digest
    other.write(other.entry(blob, "t", "text/html"))
    assert "is here as 'text/plain', not as 'text/html'" in store.adopt().notices[0]
    assert store.get(blob).media_type == "text/plain"
    assert other.entries()[0]["mediaType"] == "text/html"


def test_an_entry_without_a_media_type_is_what_its_content_is(store: LocalStore, other: Foreign) -> None:
    image, text = other.image("a", b"one"), other.blob("no document")
    other.write({"digest": image, "size": 3}, {"digest": text, "size": 3})
    done = store.adopt()
    assert set(done.blobs) == {image, text, sha(b"one"), other.config("a")}
    assert set(store.get(image).links) == {sha(b"one"), other.config("a")}
    assert (store.get(image).media_type, store.get(text).media_type) == (MANIFEST, "")
    first, second = sorted(done.notices, key=lambda notice: "bytes" in notice)
    assert f"has no media type in index.json: read as {MANIFEST}" in first
    assert "has no media type in index.json: held as bytes that name nothing" in second
    assert not store.adopt()


def test_links_by_hand_that_would_close_a_cycle_are_named(store: LocalStore, other: Foreign) -> None:
    layer = store.put(b"layer").digest
    image = other.image("a", b"layer")
    index = store.put(
        json.dumps({"manifests": [other.to(image, MANIFEST)]}).encode(), media_type=INDEX, tag="index"
    ).digest
    store.link(index, layer, transfer=False)
    other.add(other.entry(image, "t"))
    before = other.read()
    with pytest.raises(LinkCycleError, match="unlink one of them"):
        store.adopt()
    assert image not in store
    assert other.read() == before
    store.unlink(index, layer)
    assert store.adopt().tags == ("t",)
    check(store)
