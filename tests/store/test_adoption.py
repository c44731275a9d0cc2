"""What another program wrote into index.json is taken in: verified, pinned, and never lost."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import threading
import time
import warnings
from typing import TYPE_CHECKING

import pytest

from blobkit.errors import (
    LayoutChangedWarning,
    LinkCycleError,
    NotAdoptedError,
    NotAStoreError,
    StoreBusyError,
    UnreadableStoreError,
)
from blobkit.store.adopted import Adopted
from blobkit.store.local import LocalStore, open_read_only
from layouts import CONFIG, INDEX, LAYER, MANIFEST, NAME, Shelf, nowhere, sha

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Entry = dict[str, object]

TITLE = "org.opencontainers.image.title"


class Foreign(Shelf):
    """Another program that writes into a layout: blobs, then index.json, as it likes."""

    def path(self, digest: str) -> Path:
        return self.root / "blobs" / digest.replace(":", "/")

    def image(self, text: str, *layers: bytes) -> str:
        """The digest of a manifest of a config and these layers."""
        body = {
            "schemaVersion": 2,
            "config": self.to(self.config(text), CONFIG),
            "layers": [self.to(self.blob(layer)) for layer in layers],
        }
        return self.json(body)

    def entry(self, digest: str, name: str = "", media_type: str = MANIFEST, **more: object) -> Entry:
        annotations = {"annotations": {NAME: name}} if name else {}
        return self.to(digest, media_type, **annotations, **more)

    def read(self) -> dict[str, object]:
        return json.loads((self.root / "index.json").read_bytes())

    def entries(self) -> list[Entry]:
        return self.read()["manifests"]

    def write(self, *entries: object, **top: object) -> None:
        index = {"schemaVersion": 2, "manifests": list(entries), **top}
        (self.root / "index.json").write_text(json.dumps(index, indent=1))

    def add(self, *entries: object) -> None:
        """Append, as umoci does."""
        self.write(*self.entries(), *entries)


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
        store._look = lambda: None
        yield store


@pytest.fixture
def plain(other: Foreign) -> Foreign:
    """A layout that no store owns."""
    other.blob(b"layer")
    (other.root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    other.write()
    return other


def names(other: Foreign) -> dict[str, str]:
    """What index.json shows, by name; "" is an entry without one."""
    return {entry.get("annotations", {}).get(NAME, ""): entry["digest"] for entry in other.entries()}


def check(store: LocalStore) -> None:
    """Hold by a count of its own that every reference count is pins and links, and that content is whole."""
    facts = {digest: store.get(digest) for digest in store.list()}
    held = [target for blob in facts.values() for target in blob.links]
    for digest, blob in facts.items():
        assert blob.refcount == blob.pins + held.count(digest) > 0
        content = blob.read()
        assert hashlib.new(digest.partition(":")[0], content).hexdigest() == digest.partition(":")[2]
        assert blob.size == len(content)


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
    other.write(other.entry(three, "t"), other.entry(one, "t"), other.entry(two))
    assert (store.adopt().entries, store.tags()) == ((three,), {"t": one})
    assert [store.get(blob).pins for blob in (one, two, three)] == [1, 1, 1]


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
            annotations={TITLE: "t", NAME: "v1", "io.containerd.image.name": "reg.example.org/x:v1"},
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
    store.tag("v1", sha(content), move=True)
    assert TITLE not in other.entries()[0]["annotations"]
    assert other.entries()[0]["mediaType"] == "text/plain"


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
    assert "is here as text/plain, not as text/html" in store.adopt().notices[0]
    assert store.get(blob).media_type == "text/plain"


def test_an_entry_without_a_media_type_is_bytes_and_a_notice(store: LocalStore, other: Foreign) -> None:
    image = other.image("a", b"one")
    other.write({"digest": image, "size": 3})
    done = store.adopt()
    assert done.blobs == (image,)
    assert "has no media type" in done.notices[0]


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


# What is damaged


def damage(other: Foreign, digest: str, how: str) -> None:
    path = other.path(digest)
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[:-1])
    elif how == "changed":
        path.write_bytes(content[:-1] + b" ")
    elif how == "a directory":
        path.unlink()
        path.mkdir()
    elif how == "a link":
        path.rename(other.root.parent / "outside")
        path.symlink_to(other.root.parent / "outside")
    else:
        path.unlink()
        os.mkfifo(path)


HOW = ["missing", "cut", "changed", "a directory", "a link", "a pipe"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", ["", "t", "mine"])
def test_a_damaged_entry_is_not_taken_in_and_stays_in_index_json(
    store: LocalStore, other: Foreign, how: str, name: str
) -> None:
    mine = store.put(b"mine", tag="mine").digest
    bad, good = other.image("bad", b"one"), other.image("good", b"two")
    entry = other.entry(bad, name, platform={"os": "plan9"})
    other.write(entry, other.entry(good, "good"))
    content = other.path(bad).read_bytes()
    damage(other, bad, how)
    done = store.adopt()
    assert [what for what, _ in done.damaged] == [name or bad]
    assert done.tags == ("good",)
    assert bad not in store
    assert store.tags() == {"mine": mine, "good": good}
    unnamed = {key: value for key, value in entry.items() if key != "annotations"}
    assert other.entries()[2] == (unnamed if name == "mine" else entry)
    assert len(store.adopt().damaged) == 1
    assert "layout-damaged" in [notice["code"] for notice in store.snapshot().notices.to_pylist()]
    if other.path(bad).is_dir():
        other.path(bad).rmdir()
    else:
        other.path(bad).unlink(missing_ok=True)
    other.path(bad).write_bytes(content)
    assert bad in store.adopt().blobs
    assert store.adopt().damaged == ()
    check(store)


def test_an_entry_that_names_no_blob_stays(store: LocalStore, other: Foreign) -> None:
    odd = [{"digest": "md5:00"}, {"digest": "sha256:../../x", "size": 1}, {}, 5, None, {"digest": 1, "Digest": 2}]
    other.write(*odd)
    assert len(store.adopt().damaged) == len(odd)
    store.put(b"x", tag="x")
    assert other.entries()[1:] == odd


def test_a_manifest_that_is_none_or_too_large_is_not_taken_in(store: LocalStore, other: Foreign) -> None:
    bad = [other.blob(b"no json"), other.blob(b'{"manifests": []}'), other.blob(b" " * (4 << 20) + b"{}")]
    other.write(*(other.entry(blob, f"t{i}") for i, blob in enumerate(bad)))
    done = store.adopt()
    assert [name for name, _ in done.damaged] == ["t0", "t1", "t2"]
    assert "larger than 4 MiB" in done.damaged[2][1]
    assert store.list() == []
    assert names(other) == {f"t{i}": blob for i, blob in enumerate(bad)}


@pytest.mark.parametrize("how", HOW)
def test_a_damaged_layer_is_recorded_as_missing(store: LocalStore, other: Foreign, how: str) -> None:
    image = other.image("a", b"one", b"two")
    other.write(other.entry(image, "t"))
    damage(other, sha(b"one"), how)
    done = store.adopt()
    assert done.tags == ("t",)
    assert sha(b"one") in done.notices[0]
    assert sha(b"one") not in store
    if how != "a directory":
        store.put(b"one")
        assert sha(b"one") in store.get(image).links
        check(store)


def test_the_bytes_of_a_damaged_entry_are_not_unlinked(store: LocalStore, other: Foreign) -> None:
    blob = store.put(b"no manifest").digest
    other.add(other.entry(blob, "t"))
    store.deref(blob)
    store.adopt()
    store.sweep()
    assert other.path(blob).read_bytes() == b"no manifest"


# index.json itself


UNREADABLE = {
    "empty": b"",
    "half": b'{"schemaVersion": 2, "manifests": [{"mediaT',
    "no object": b"[]",
    "without manifests": b"{}",
    "manifests of another type": b'{"manifests": {}}',
    "no utf-8": b"\xff",
    "deep": b"[" * 100_000,
    "no number": b'{"manifests": [], "x": NaN}',
}


@pytest.mark.parametrize("text", UNREADABLE)
def test_an_index_json_that_cannot_be_read_never_means_no_tags(store: LocalStore, other: Foreign, text: str) -> None:
    blob = store.put(b"x", tag="t").digest
    (other.root / "index.json").write_bytes(UNREADABLE[text])
    start = time.monotonic()
    with pytest.raises(UnreadableStoreError, match="cannot be read as an image index"):
        store.adopt()
    assert 1 <= time.monotonic() - start < 5
    assert store.tags() == {"t": blob}
    assert (other.root / "index.json").read_bytes() == UNREADABLE[text]


def test_half_an_index_json_is_waited_for(store: LocalStore, other: Foreign) -> None:
    image = other.image("a", b"one")
    other.write(other.entry(image, "t"))
    whole = (other.root / "index.json").read_bytes()
    (other.root / "index.json").write_bytes(whole[:30])
    timer = threading.Timer(0.3, lambda: (other.root / "index.json").write_bytes(whole))
    timer.start()
    assert store.adopt().tags == ("t",)
    timer.join()


def test_a_change_while_it_is_read_is_seen(store: LocalStore, other: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = other.image("a", b"one"), other.image("b", b"two")
    other.write(other.entry(one, "one"))
    load = store._layout.load
    changes = iter([lambda: other.add(other.entry(two, "two")), lambda: other.path(sha(b"two")).unlink()])

    def loaded() -> object:
        found = load()
        next(changes, lambda: None)()
        return found

    monkeypatch.setattr(store._layout, "load", loaded)
    done = store.adopt()
    assert done.tags == ("one", "two")
    assert sha(b"two") in done.notices[0]


def test_a_file_that_goes_after_it_was_verified_is_not_recorded(
    store: LocalStore, other: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = other.image("a", b"one")
    other.write(other.entry(image, "t"))
    committing = store._committing

    def unlinking(*, durable: bool) -> object:
        other.path(sha(b"one")).unlink(missing_ok=True)
        return committing(durable=durable)

    monkeypatch.setattr(store, "_committing", unlinking)
    assert sha(b"one") in store.adopt().notices[0]
    assert sha(b"one") not in store


def test_one_that_never_rests_is_busy(store: LocalStore, other: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store._layout, "hash", lambda: "never the same")
    other.add(other.entry(other.image("a"), "t"))
    with pytest.raises(StoreBusyError, match="changes all the time"):
        store.adopt()
    assert store.tags() == {}


def test_an_absent_index_json_is_nothing_to_adopt(store: LocalStore, other: Foreign) -> None:
    blob = store.put(b"x", tag="t").digest
    (other.root / "index.json").unlink()
    assert store.adopt() == Adopted()
    store.put(b"y", tag="u")
    assert names(other) == {"t": blob, "u": sha(b"y")}


def test_names_of_strangers_are_shown_escaped_and_the_list_is_short(store: LocalStore, other: Foreign) -> None:
    bad = [other.entry(nowhere(i), f"<b>\x1b[31m{i}") for i in range(50)]
    other.write(*bad, other.entry(other.image("a"), "t"))
    done = store.adopt()
    assert len(done.damaged) == 50
    assert "\x1b" not in str(done)
    assert len(str(done).splitlines()) < 30
    assert "and 30 more like this" in str(done)
    page = done._repr_html_()
    assert "<b>\\x1b" not in page
    assert "adopted 1 tag, 0 entries without a tag, 2 blobs" in page
    assert len(page) < 15_000


# The warning


def test_it_is_said_before_anything_is_done_and_shows_the_line_of_the_caller(root: Path, other: Foreign) -> None:
    with LocalStore(root, durability="off") as store:
        blob = store.put(b"x").digest
        for verb in (
            lambda: store.ref(blob),
            lambda: store.put(b"y", tag="y"),
            lambda: store.put_many([b"z"]),
            lambda: store.batch().__enter__(),
        ):
            other.write(annotations={"now": str(time.monotonic())})
            with pytest.warns(LayoutChangedWarning, match=r"store\.adopt\(\)") as said:
                verb() if verb is not None else None
            assert [warning.filename for warning in said] == [__file__]
            store._here.batching = False
        count = len(store)
        other.write(annotations={"now": "at last"})
        with pytest.raises(LayoutChangedWarning):
            store.deref(blob)  # warnings are errors in these tests
        assert (len(store), store.get(blob).pins) == (count, 2)
        assert not store.deref(blob)
        store.adopt()
        store.put(b"z", tag="z")


def test_an_opening_says_it_and_adopt_true_needs_no_word(root: Path, other: Foreign) -> None:
    with LocalStore(root, durability="off"):
        pass
    image = other.image("a", b"one")
    other.write(other.entry(image, "t"))
    with pytest.warns(LayoutChangedWarning) as said:
        LocalStore(root).close()
    assert [warning.filename for warning in said] == [__file__]
    with LocalStore(root, adopt=True) as store:
        assert store.adopted.tags == ("t",)
    with LocalStore(root) as store:
        assert store.adopted is None
        assert store.tags() == {"t": image}


def test_tag_changes_of_another_process_are_no_foreign_change(root: Path) -> None:
    with LocalStore(root, durability="off") as one, LocalStore(root, durability="off") as two:
        for number in range(20):
            one.put(b"%d" % number, tag=f"a{number}")
            two.put(b"%d" % number, tag=f"b{number}")


# A layout that becomes a store


def test_a_plain_layout_becomes_a_store_and_loses_nothing(plain: Foreign) -> None:
    image = plain.image("a", b"one")
    stray = plain.blob(b"stray")
    (plain.root / "notes.txt").write_text("dear")
    plain.write(plain.entry(image, "v1"), plain.entry(image, "a b"))
    with pytest.raises(NotAdoptedError, match="adopt=True"):
        LocalStore(plain.root)
    assert not (plain.root / ".blobkit").exists()
    with LocalStore(plain.root, adopt=True) as store:
        assert store.adopted.tags == ("v1",)
        assert store.tags() == {"v1": image}
        check(store)
        assert stray not in store
    assert sorted(path.name for path in plain.root.iterdir()) == sorted(
        ["oci-layout", "index.json", "blobs", ".blobkit", "notes.txt"]
    )
    assert plain.path(stray).exists()
    with LocalStore(plain.root) as store:
        assert store.tags() == {"v1": image}
    with open_read_only(plain.root) as frozen:
        assert frozen.snapshot().notices.num_rows == 0


def test_adopt_true_makes_a_store_where_nothing_is_but_not_of_anything_else(root: Path) -> None:
    with LocalStore(root, adopt=True) as store:
        assert store.adopted == Adopted()
    shutil.rmtree(root)
    root.mkdir()
    (root / "index.json").write_text("{}")
    with pytest.raises(NotAStoreError):
        LocalStore(root, adopt=True)
    assert [path.name for path in root.iterdir()] == ["index.json"]


@pytest.mark.parametrize("fault", ["half", "missing", "version", "blobs", "folder"])
def test_what_cannot_be_adopted_is_left_as_it_is(plain: Foreign, fault: str) -> None:
    index = plain.root / "index.json"
    if fault == "half":
        index.write_bytes(b'{"manif')
    elif fault == "missing":
        index.unlink()
    elif fault == "version":
        (plain.root / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}')
    else:
        moved = plain.root / "blobs" / ("sha256" if fault == "folder" else "")
        outside = plain.root.parent / "outside"
        moved.rename(outside)
        moved.symlink_to(outside)
    before = sorted(plain.root.rglob("*"))
    expected = UnreadableStoreError if fault in ("half", "missing") else NotAdoptedError
    with pytest.raises(expected):
        LocalStore(plain.root, adopt=True)
    assert sorted(plain.root.rglob("*")) == before


def test_the_mode_of_index_json_stays(plain: Foreign) -> None:
    (plain.root / "index.json").chmod(0o600)
    with LocalStore(plain.root, adopt=True) as store:
        store.put(b"x", tag="x")
    assert (plain.root / "index.json").stat().st_mode & 0o777 == 0o600


def test_opening_it_again_says_nothing(root: Path, other: Foreign) -> None:
    LocalStore(root, durability="off").close()
    other.write(other.entry(nowhere(1), "gone"), other.entry(other.image("a", b"one"), "t"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LocalStore(root, adopt=True).close()
        LocalStore(root).close()
