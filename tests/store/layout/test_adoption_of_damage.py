"""What cannot be taken in from an index.json is said, stays where it is, and never means that there is nothing."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from blobkit.errors import (
    StoreBusyError,
    UnreadableStoreError,
)
from blobkit.store.local import LocalStore
from blobkit.store.transfer.results import Adopted
from foreign import Foreign, check, names
from layouts import NAME, nowhere, sha
from patience import Clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Entry = dict[str, object]


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
    elif how == "longer":
        path.write_bytes(content + b" ")  # a manifest like this is still one
    elif how == "a directory":
        path.unlink()
        path.mkdir()
    elif how == "a link":
        path.rename(other.root.parent / "outside")
        path.symlink_to(other.root.parent / "outside")
    else:
        path.unlink()
        os.mkfifo(path)


HOW = ["missing", "cut", "changed", "longer", "a directory", "a link", "a pipe"]


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
    (told,) = (one for one in store.snapshot().notices.to_pylist() if one["code"] == "layout-damaged")
    assert (told["path"], bad in told["message"]) == ("index.json", True)
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
    assert other.entries()[1:] == [*odd[:-1], {"digest": 2}]  # the last of a field counts


def test_annotations_of_any_type(store: LocalStore, other: Foreign) -> None:
    image = other.image("a", b"one")
    odd = [{**other.entry(image), "annotations": value} for value in ({NAME: ["x"]}, {NAME: None}, 5, [NAME], {})]
    other.write(*odd)
    assert store.adopt().entries == (image,)
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


@pytest.mark.parametrize("how", ["missing", "a directory", "a link", "a pipe"])
def test_an_entry_of_a_known_blob_that_is_no_file_any_more_is_damaged(
    store: LocalStore, other: Foreign, how: str
) -> None:
    blob = store.put(b"known").digest
    other.write(other.entry(blob, "t", "text/plain"))
    damage(other, blob, how)
    assert [name for name, _ in store.adopt().damaged] == ["t"]
    assert store.tags() == {}


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
def test_an_index_json_that_cannot_be_read_never_means_no_tags(
    store: LocalStore, other: Foreign, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    blob = store.put(b"x", tag="t").digest
    (other.root / "index.json").write_bytes(UNREADABLE[text])
    clock = Clock(monkeypatch)
    with pytest.raises(UnreadableStoreError, match="cannot be read as an image index"):
        store.adopt()
    assert 1 <= clock.now < 1.1, "seconds that were waited for"
    assert store.tags() == {"t": blob}
    assert (other.root / "index.json").read_bytes() == UNREADABLE[text]


def test_half_an_index_json_is_waited_for(store: LocalStore, other: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    image = other.image("a", b"one")
    other.write(other.entry(image, "t"))
    whole = (other.root / "index.json").read_bytes()
    (other.root / "index.json").write_bytes(whole[:30])
    clock = Clock(monkeypatch, 0.3, lambda: (other.root / "index.json").write_bytes(whole))
    assert store.adopt().tags == ("t",)
    assert 0.3 <= clock.now < 0.4


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


def before_the_lock(store: LocalStore, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something once, between the reading of an adoption and its transaction."""
    writing, acts = store._session.writing, iter([act])

    def acting(*, durable: bool) -> object:
        next(acts, lambda: None)()
        return writing(durable=durable)

    monkeypatch.setattr(store._session, "writing", acting)


def test_a_file_that_goes_after_it_was_verified_is_not_recorded(
    store: LocalStore, other: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = other.image("a", b"one")
    other.write(other.entry(image, "t"))
    before_the_lock(store, monkeypatch, other.path(sha(b"one")).unlink)
    assert sha(b"one") in store.adopt().notices[0]
    assert sha(b"one") not in store


def test_a_file_that_changes_after_it_was_verified_is_not_recorded(
    store: LocalStore, other: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.write(other.entry(other.image("a", b"one", b"two"), "t"))
    before_the_lock(store, monkeypatch, lambda: other.path(sha(b"one")).write_bytes(b"eno"))
    assert f"{sha(b'one')}: it has other content" in store.adopt().notices[0]
    assert (sha(b"one") in store, sha(b"two") in store) == (False, True)


def test_what_was_verified_is_not_read_again_where_all_is_tried_again(
    store: LocalStore, other: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = store.put(b"known").digest
    other.write(other.entry(other.image("a", b"one", b"two", b"known"), "t"))
    opened: list[str] = []
    opener = store._content.open
    monkeypatch.setattr(store._content, "open", lambda digest: (opened.append(digest), opener(digest))[1])
    before_the_lock(store, monkeypatch, lambda: other.add(other.entry(other.image("b", b"three"), "u")))
    assert store.adopt().tags == ("t", "u")
    assert [opened.count(sha(layer)) for layer in (b"one", b"two", b"three")] == [1, 1, 1]
    assert known not in opened, "the store has it"


def test_an_entry_whose_pin_goes_while_others_are_read_is_pinned_anew(
    store: LocalStore, other: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = other.image("a", b"one")
    other.write(other.entry(image))
    store.adopt()
    store.tag("keep", image)
    other.add(other.entry(other.image("b", b"two"), "t"))
    before_the_lock(store, monkeypatch, lambda: store.deref(image))
    done = store.adopt()
    assert (done.tags, done.entries, done.damaged) == (("t",), (image,), ())
    assert store.get(image).pins == 2
    check(store)


def test_one_that_never_rests_is_busy(store: LocalStore, other: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
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


@pytest.mark.slow
def test_two_that_adopt_at_once_pin_once(root: Path, other: Foreign) -> None:
    LocalStore(root, durability="off").close()
    for number in range(10):
        image = other.image(f"image {number}", b"one")
        other.add(other.entry(image, f"t{number}"), other.entry(image))
        gate = threading.Barrier(2)

        def adopt(gate: threading.Barrier = gate) -> None:
            gate.wait()
            LocalStore(root, durability="off", adopt=True).close()

        threads = [threading.Thread(target=adopt) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with LocalStore(root, durability="off") as store:
        assert [store.get(blob).pins for blob in store.tags().values()] == [2] * 10
        check(store)


@pytest.mark.parametrize(("durability", "syncs"), [("full", 1), ("normal", 1), ("off", 0)])
def test_what_another_program_may_not_have_synced_is_durable_before_it_is_recorded(
    root: Path, other: Foreign, durability: str, syncs: int
) -> None:
    with LocalStore(root, durability=durability) as store:
        other.add(other.entry(other.image("a", b"one"), "t"))
        recorded = []
        sync = store._content.sync
        store._content.sync = lambda: (recorded.append(store.tags()), sync())
        store.adopt()
        assert recorded == [{}] * syncs
