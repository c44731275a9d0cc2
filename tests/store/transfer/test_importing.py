"""Importing other stores: exactly what they hold, once, and soundly whatever they are."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import blobkit
from blobkit import demo
from blobkit.content.memory import MemoryContent
from blobkit.digest import of
from blobkit.errors import NotPinnedError, SourceError
from blobkit.index.memory import MemoryIndex
from blobkit.protocols import as_source
from blobkit.store.local import LocalStore
from blobkit.store.store import Store
from blobkit.store.transfer import importing
from layouts import LAYER, MANIFEST, GoStore, Layout, Registry, fingerprint, nowhere, sha

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from blobkit.digest import Digest
    from blobkit.snapshot.snapshot import Snapshot

    Said = dict[str, Any]
    Dataset = Callable[[str], tuple[Path, Said]]

REPOSITORY = Path(__file__).parents[3]
STORES = ("go-store-simple", "go-store-shared")


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        with Store(MemoryContent(), MemoryIndex()) as made:
            yield made
    else:
        with LocalStore(tmp_path / "mine", durability="off") as made:
            yield made


@pytest.fixture
def go(tmp_path: Path) -> GoStore:
    return GoStore(tmp_path / "go")


@pytest.fixture(params=[1, 3, 1000])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(importing, "CHUNK", request.param)
    return int(request.param)


def take(store: Store, go: GoStore, **more: bool) -> blobkit.Imported:
    return store.import_(f"go-blobstore:{go.root}", progress=False, **more)


def state(store: Store) -> dict[str, tuple[int, int, tuple[str, ...], tuple[str, ...], str]]:
    """What is known of every blob; its content is right and its references are those that there are."""
    blobs = {digest: store.get(digest) for digest in store.list()}
    held = Counter(target for blob in blobs.values() for target in blob.links)
    for digest, blob in blobs.items():
        assert of(blob.read(), digest.partition(":")[0]) == digest
        assert blob.refcount == blob.pins + held[digest] > 0
        assert blob.pins >= len(blob.tags)
    assert held.keys() <= blobs.keys()
    check_acyclic({digest: blob.links for digest, blob in blobs.items()})
    return {d: (b.refcount, b.pins, tuple(b.links), b.tags, b.media_type) for d, b in blobs.items()}


def check_acyclic(links: dict[str, tuple[Digest, ...]]) -> None:
    left = {source: set(targets) for source, targets in links.items()}
    while leaves := {source for source, targets in left.items() if not targets & left.keys()}:
        left = {source: targets for source, targets in left.items() if source not in leaves}
    assert left == {}


def pins(store: Store) -> dict[str, int]:
    return {digest: known[1] for digest, known in state(store).items() if known[1]}


@pytest.mark.parametrize("name", STORES)
@pytest.mark.usefixtures("chunk")
def test_a_real_store_of_the_go_package(store: Store, go_store: Dataset, name: str) -> None:
    root, said = go_store(name)
    before = fingerprint(root)
    done = store.import_(root, strict=True, progress=False)
    got = {digest: (known[0], sorted(known[2])) for digest, known in state(store).items()}
    assert got == {digest: (blob["refCount"], blob["linksTo"]) for digest, blob in said["blobs"].items()}
    assert pins(store) == said["owned_references"]
    assert (done.blobs, done.bytes, done.here) == (len(said["blobs"]), said["total_size"], 0)
    assert (done.pins, done.links) == (
        sum(said["owned_references"].values()),
        sum(len(blob["linksTo"]) for blob in said["blobs"].values()),
    )
    assert (done.skipped, done.notices) == (0, ())
    assert fingerprint(root) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", STORES)
def test_afterwards_a_deref_does_what_it_did_in_go(tmp_path: Path, go_store: Dataset, name: str) -> None:
    root, said = go_store(name)
    with LocalStore(tmp_path / "all", durability="off") as store:
        store.import_(root, progress=False)
    for number, (digest, done) in enumerate(said["one_deref_in_go"].items()):
        copy = shutil.copytree(tmp_path / "all", tmp_path / str(number))
        with LocalStore(copy, durability="off") as store:
            if digest not in said["owned_references"]:
                with pytest.raises(NotPinnedError):
                    store.simulate_deref(digest)
                continue
            before = {one: known[0] for one, known in state(store).items()}
            foreseen = store.simulate_deref(digest)
            freed = store.deref(digest)
            after = {one: known[0] for one, known in state(store).items()}
        assert (sorted(freed.digests), freed.bytes) == (done["removed"], done["freed_bytes"])
        assert foreseen == freed
        assert {one: count for one, count in after.items() if count != before[one]} == done["changed"]


@pytest.mark.usefixtures("chunk")
def test_a_repeat_adds_only_the_difference(store: Store, go: GoStore) -> None:
    leaf = go.add("leaf", 3)
    one, two = go.add("one", 2, leaf), go.add("two", 1, leaf)
    take(store, go)
    before = state(store)
    again = take(store, go)
    assert (again.blobs, again.bytes, again.here, again.pins, again.links, again.tags) == (0, 0, 3, 0, 0, 0)
    assert state(store) == before
    go.add("two", 4, leaf)
    go.add("one", 1, leaf)
    go.add("leaf", 5)
    three = go.add("three", 1, leaf)
    done = take(store, go)
    assert (done.blobs, done.pins, done.links) == (1, 3 + 1 + 1, 1)
    assert pins(store) == {leaf: 2, one: 2, two: 4, three: 1}
    go.add("two", 5, leaf)
    assert take(store, go).pins == 1


def test_what_was_dropped_here_is_not_given_again_unless_the_blob_went(store: Store, go: GoStore) -> None:
    one, two = go.add("one", 2), go.add("two", 2)
    take(store, go)
    store.deref(one)
    store.deref(two)
    store.deref(two)
    done = take(store, go)
    assert (done.blobs, done.pins) == (1, 2)
    assert pins(store) == {one: 1, two: 2}


def test_what_is_here_already_keeps_its_own_references(store: Store, go: GoStore) -> None:
    leaf = go.add("leaf", 2, mediaType="text/plain")
    top = go.add("top", 1, leaf)
    store.put(b"leaf", tag="mine:1")
    done = take(store, go)
    assert (done.blobs, done.here) == (1, 1)
    assert state(store)[leaf] == (3, 2, (), ("mine:1",), "text/plain")
    assert state(store)[top] == (1, 1, (leaf,), (), "")


def test_two_sources_give_each_their_own(store: Store, go: GoStore, tmp_path: Path) -> None:
    other = GoStore(tmp_path / "other")
    digest = go.add("same", 2)
    other.add("same", 3)
    take(store, go)
    take(store, other)
    take(store, go)
    assert pins(store) == {digest: 5}


def test_a_media_type_that_differs_is_kept(store: Store, go: GoStore) -> None:
    digest = go.add("same", 1, mediaType="text/html")
    store.put(b"same", media_type="text/plain")
    done = take(store, go)
    assert state(store)[digest][4] == "text/plain"
    assert [f"{digest} is here as 'text/plain', not as 'text/html': kept as it is"] == list(done.notices)


def test_a_media_type_that_is_learned_is_shown_in_index_json(tmp_path: Path, go: GoStore) -> None:
    go.add("same", 1, mediaType="text/plain")
    with LocalStore(tmp_path / "mine", durability="off") as store:
        store.put(b"same", tag="t")
        take(store, go)
        assert store.get(sha(b"same")).media_type == "text/plain"
    assert '"mediaType": "text/plain"' in (tmp_path / "mine/index.json").read_text()


# Sources that are not sound.


def break_negative(go: GoStore) -> None:
    leaf = go.add("leaf", 1)
    go.add("one", 1, leaf)
    go.add("two", 1, leaf)


def break_hash(go: GoStore) -> None:
    child = go.add("child", 1)
    bad = go.add("bad", 1, child)
    go.add("top", 1, bad)
    go.path(bad).write_text("evil")


def break_big_hash(go: GoStore) -> None:
    bad = go.add("x" * 100_000, 1)
    go.path(bad).write_text("y" * 100_000)


def break_dangling(go: GoStore) -> None:
    go.add("top", 1, nowhere(1))


def break_cycle(go: GoStore) -> None:
    go.add("one", 2, sha(b"two"))
    go.add("two", 1, sha(b"one"))


def break_self(go: GoStore) -> None:
    go.add("self", 2, sha(b"self"))


def break_info(go: GoStore) -> None:
    go.add("loose", 0, go.add("child", 1))
    go.say(go.add("damaged", 1), "")


def break_missing(go: GoStore) -> None:
    go.drop(go.add("missing", 2))


BREAKS = {
    break_.__name__.removeprefix("break_"): break_
    for break_ in (
        break_negative,
        break_hash,
        break_big_hash,
        break_dangling,
        break_cycle,
        break_self,
        break_info,
        break_missing,
    )
}


@pytest.mark.parametrize("how", BREAKS)
def test_strict_refuses_before_anything_is_written(store: Store, go: GoStore, how: str) -> None:
    go.add("good", 1)
    take(store, go, strict=True)
    before = state(store)
    BREAKS[how](go)
    with pytest.raises(SourceError, match="is not sound, nothing was imported"):
        take(store, go, strict=True)
    assert state(store) == before


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.usefixtures("chunk")
def test_what_is_not_sound_is_taken_as_far_as_it_goes(store: Store, go: GoStore, how: str) -> None:
    BREAKS[how](go)
    done = take(store, go)
    one, two, leaf, child = (sha(text) for text in (b"one", b"two", b"leaf", b"child"))
    want = {
        "negative": {one: 1, two: 1},
        "hash": {sha(b"top"): 1, child: 1},
        "big_hash": {},
        "dangling": {sha(b"top"): 1},
        "cycle": {one: 1},
        "self": {sha(b"self"): 1},
        "info": {sha(b"damaged"): 1, sha(b"loose"): 1},
        "missing": {},
    }[how]
    assert pins(store) == want
    assert done.skipped == {"hash": 1, "big_hash": 1, "missing": 1}.get(how, 0)
    assert done.notices
    assert (leaf in store, child in store) == (how == "negative", how in ("hash", "info"))
    before = state(store)
    again = take(store, go)
    assert (again.blobs, again.pins, again.links, again.notices) == (0, 0, 0, done.notices[: len(again.notices)])
    assert state(store) == before


def test_what_is_mended_later_is_taken_later(store: Store, go: GoStore) -> None:
    break_hash(go)
    take(store, go)
    go.path(sha(b"bad")).write_text("bad")
    done = take(store, go)
    assert (done.blobs, done.links, done.notices) == (1, 2, ())
    assert state(store)[sha(b"child")][0] == 2


def test_the_pin_that_keeps_a_blob_counts_as_given(store: Store, go: GoStore) -> None:
    break_hash(go)
    take(store, go)
    go.add("child", 2)
    assert take(store, go).pins == 0
    assert pins(store)[sha(b"child")] == 1
    go.add("child", 3)
    assert take(store, go).pins == 1


def test_garbage_stays_behind(store: Store, go: GoStore) -> None:
    go.add("loose", 0, go.add("held by garbage", 1))
    good = go.add("good", 1)
    done = take(store, go)
    assert store.list() == [good]
    assert "2 blobs left out that nothing holds" in done.notices[0]


def test_a_link_that_closes_a_cycle_with_what_is_here_is_dropped(store: Store, go: GoStore) -> None:
    one, two, three, four = (go.add(text, 1) for text in ("one", "two", "three", "four"))
    go.add("one", 1, two)
    go.add("three", 1, four)
    for content in (b"one", b"two", b"three", b"four"):
        store.put(content)
    store.link(three, two, transfer=False)
    store.link(one, four, transfer=False)
    done = take(store, go)
    assert done.links == 1
    assert sum("closes a cycle here: dropped" in notice for notice in done.notices) == 1
    state(store)


@pytest.mark.usefixtures("chunk")
def test_a_new_blob_that_is_waited_for_may_close_a_cycle(store: Store, go: GoStore, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    image = layout.manifest(layout.blob("layer"))
    store.put(layout.path(image), media_type=MANIFEST)
    layer = go.add("layer", 1, image)
    go.blob(layout.path(image).read_bytes())
    go.say(image, {"refCount": 1})
    done = take(store, go)
    assert any("closes a cycle here: dropped" in notice for notice in done.notices)
    assert state(store)[image][2] == (layer,)


def test_content_that_is_damaged_here_is_healed(tmp_path: Path, go: GoStore) -> None:
    digest = go.add("content", 1)
    with LocalStore(tmp_path / "mine", durability="off") as store:
        store.put(b"content")
        (tmp_path / "mine/blobs" / digest.replace(":", "/")).unlink()
        assert take(store, go).here == 1
        assert store.get(digest).read() == b"content"


# Names.


def test_entries_of_a_layout_become_tags(store: Store, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    one = layout.image("team/app:1.0", "one", "shared")
    two = layout.image(None, "two", "shared")
    layout.add(one, "not a legal name")
    layout.add(two, "team/app:1.0")
    before = fingerprint(layout.root)
    done = store.import_(layout.root, progress=False)
    assert store.tags() == {"team/app:1.0": one}
    assert (done.tags, done.pins, done.blobs) == (1, 3, 6)
    assert {digest: known[1] for digest, known in state(store).items() if known[1]} == {one: 2, two: 2}
    assert state(store)[sha(b"shared")][0] == 2
    assert [" cannot be a tag here" in done.notices[0], " names two blobs" in done.notices[1]] == [True, True]
    again = store.import_(layout.root, progress=False)
    assert (again.tags, again.pins, again.links, again.blobs) == (0, 0, 0, 0)
    assert fingerprint(layout.root) == before


def test_a_referrer_is_held_by_its_subject(store: Store, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    image = layout.image("app:1", "content")
    sbom = layout.image(None, "sbom", subject=image)
    store.import_(layout.root, progress=False)
    assert pins(store) == {image: 1}
    assert sbom in store.get(image).links


def test_a_registry(store: Store, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    one = registry.push("team/app", "1.0", "one", "shared")
    two = registry.push("team/app", "2.0", "two", "shared")
    registry.revision("team/app", registry.manifest(registry.blob("untagged")))
    before = fingerprint(registry.root)
    done = store.import_(registry.root, progress=False)
    assert store.tags() == {"team/app:1.0": one, "team/app:2.0": two}
    assert (done.blobs, done.pins, done.links, done.skipped) == (6, 0, 6, 0)
    assert {known[4] for known in state(store).values()} >= {MANIFEST}
    assert fingerprint(registry.root) == before
    registry.tag("team/app", "1.0", two)
    done = store.import_(registry.root, progress=False)
    assert store.tags()["team/app:1.0"] == one
    assert done.pins == 1
    assert store.import_(registry.root, progress=False).pins == 0


def test_what_an_unreadable_tag_may_name_is_kept_by_a_pin(store: Store, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    good = registry.push("r", "1", "good")
    lost = registry.push("r", "2", "lost", "good")
    registry.tag("r", "2", "")
    done = store.import_(registry.root, progress=False)
    assert store.tags() == {"r:1": good}
    assert pins(store) == {good: 1, lost: 1}
    assert sha(b"lost") in store
    assert any("is unknown: 2 blobs that it may hold, too" in notice for notice in done.notices)
    assert any(notice.startswith("1 blob kept by a pin") for notice in done.notices)
    assert store.import_(registry.root, progress=False).pins == 0


def test_a_name_that_is_taken_here_stays(store: Store, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    image = layout.image("app:1", "content")
    mine = store.put(b"mine", tag="app:1").digest
    done = store.import_(layout.root, progress=False)
    assert store.tags() == {"app:1": mine}
    assert pins(store) == {mine: 1, image: 1}
    assert any(notice.startswith("app:1 names sha256:") for notice in done.notices)
    assert store.import_(layout.root, progress=False).pins == 0


def test_a_child_that_is_missing_is_linked_when_it_arrives(store: Store, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    image = layout.image("app:1", "here", "gone")
    layout.drop(sha(b"gone"))
    done = store.import_(layout.root, progress=False)
    assert any(f"to {sha(b'gone')} leads nowhere: made when that arrives" in notice for notice in done.notices)
    assert store.put(b"gone").refcount == 2
    assert sha(b"gone") in store.get(image).links
    state(store)


def test_a_child_that_was_missing_is_linked_once_when_it_is_imported(store: Store, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    image = layout.image("app:1", "here", "gone")
    layout.drop(sha(b"gone"))
    store.import_(layout.root, progress=False)
    layout.blob("gone")
    done = store.import_(layout.root, progress=False)
    assert (done.blobs, done.links, done.pins) == (1, 1, 0)
    assert state(store)[sha(b"gone")][:2] == (1, 0)
    assert sha(b"gone") in store.get(image).links
    assert store._index.read(lambda rows: rows.expecting([sha(b"gone")])) == []


def test_a_foreign_layer_need_not_be_there(store: Store, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    foreign = {"mediaType": LAYER, "digest": nowhere(1), "size": 7, "urls": ["https://example.org/layer"]}
    layout.add(layout.manifest(layout.blob("here"), foreign), "app:1")
    done = store.import_(layout.root, progress=False)
    assert (done.blobs, done.skipped, done.notices) == (3, 0, ())


@pytest.mark.parametrize("what", ["symbolic link", "pipe", "directory"])
def test_content_is_never_followed_out_of_a_store(store: Store, tmp_path: Path, what: str) -> None:
    layout = Layout(tmp_path / "layout")
    layout.image("app:1", "secret", "good")
    path = layout.path(sha(b"secret"))
    snapshot = layout.scan()
    path.unlink()
    if what == "symbolic link":
        (tmp_path / "secret").write_text("secret")
        path.symlink_to(tmp_path / "secret")
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with as_source(layout.root) as source:
        done = store.import_(Stale(snapshot, source.open), progress=False)
    assert done.skipped == 1
    assert sha(b"secret") not in store
    state(store)


class Stale:
    """A source whose facts are from before."""

    def __init__(self, snapshot: Snapshot, opener: Callable[[Digest], BinaryIO]) -> None:
        self._snapshot, self.open = snapshot, opener

    def snapshot(self) -> Snapshot:
        return self._snapshot


def test_a_blob_that_goes_here_while_others_are_copied_is_copied_too(store: Store, go: GoStore) -> None:
    one, two = go.add("one", 1), go.add("two", 1)
    store.put(b"one")
    with as_source(go.root) as source:

        def opener(digest: Digest) -> BinaryIO:
            if one in store and digest == two:
                store.deref(one)
            return source.open(digest)

        done = store.import_(Stale(source.snapshot(), opener), progress=False)
    assert (done.blobs, pins(store)) == (2, {one: 1, two: 1})


@pytest.mark.parametrize("at", [1, 3, 5, 7, 9, 11])
def test_two_imports_of_one_source_at_once(
    tmp_path: Path, go_store: Dataset, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2)
    root, said = go_store("go-store-shared")
    opened: list[Digest] = []
    with as_source(root) as source, LocalStore(tmp_path / "mine", durability="off") as store:

        def opener(digest: Digest) -> BinaryIO:
            opened.append(digest)
            if len(opened) == at:
                with LocalStore(tmp_path / "mine", durability="off") as other:
                    other.import_(source, progress=False)
            return source.open(digest)

        done = store.import_(Stale(source.snapshot(), opener), progress=False)
        assert done.here
        assert pins(store) == said["owned_references"]
        given = store._index.read(lambda rows: rows.given(f"go-blobstore:{root}", store.list()))
        assert given == said["owned_references"]


def test_a_pin_of_an_unfinished_import_that_was_used_up_is_not_dropped_again(
    store: Store, go: GoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 1)
    leaf = go.add("leaf", 1)
    top = go.add("top", 1, leaf)
    with as_source(go.root) as source:

        def opener(digest: Digest) -> BinaryIO:
            if digest == top:
                raise KeyboardInterrupt
            return source.open(digest)

        with pytest.raises(KeyboardInterrupt):
            store.import_(Stale(source.snapshot(), opener), progress=False)
    assert pins(store) == {leaf: 1}
    mine = store.put(b"mine", links=[leaf]).digest
    take(store, go)
    assert pins(store) == {mine: 1, top: 1}
    assert state(store)[leaf][0] == 2


# Stores of blobkit.


@pytest.mark.slow
@pytest.mark.usefixtures("chunk")
def test_a_store_of_blobkit_is_the_same_afterwards(store: Store, tmp_path: Path) -> None:
    with LocalStore(tmp_path / "theirs", durability="off") as theirs:
        demo.fill(theirs)
        theirs.ref(theirs.tags()[demo.TARGET])
        theirs.put(b"raw")
        theirs.put(b"long", algorithm="sha512", links=[of(b"raw")])
        want = state(theirs)
    before = fingerprint(tmp_path / "theirs")
    done = store.import_(tmp_path / "theirs", progress=False)
    assert state(store) == want
    assert (done.notices, done.skipped) == ((), 0)
    assert fingerprint(tmp_path / "theirs") == before
    (tmp_path / "theirs").rename(tmp_path / "moved")
    again = store.import_(f"blobkit:{tmp_path / 'moved'}", progress=False)
    assert (again.blobs, again.pins, again.links, again.tags) == (0, 0, 0, 0)
    assert state(store) == want
    with LocalStore(tmp_path / "moved", durability="off") as theirs:
        theirs.put(b"more")
        assert store.import_(theirs, progress=False).pins == 1


def test_a_store_is_not_imported_into_itself(tmp_path: Path) -> None:
    with LocalStore(tmp_path / "s", durability="off") as store:
        store.put(b"x")
        for source in (store, tmp_path / "s"):
            with pytest.raises(SourceError, match="cannot be imported into itself"):
                store.import_(source)


def test_what_has_no_content_is_refused(store: Store, go: GoStore, tmp_path: Path) -> None:
    go.add("x", 1)
    go.scan().save(tmp_path / "x.blobkit")
    for source in (go.scan(), tmp_path / "x.blobkit"):
        with pytest.raises(SourceError, match=r"has (no content|facts and no content)"):
            store.import_(source)
    with pytest.raises(TypeError, match="of type int cannot be imported"):
        store.import_(1)
    with pytest.raises(blobkit.AddressError):
        store.import_(tmp_path / "nothing")
    assert len(store) == 0


def test_what_was_done_shows_itself(store: Store, go: GoStore) -> None:
    break_hash(go)
    done = take(store, go)
    assert str(done).startswith("imported 2 blobs, 8 B (2 pins); 0 here before; 1 blob skipped\nnotice: ")
    assert "<script" not in done._repr_html_()
    assert len(done._repr_html_()) < 15_000


# Interrupted imports.

KILLED = """
import os, signal, sys
from blobkit.protocols import as_source
import blobkit
from blobkit.store.transfer import importing
importing.CHUNK = 4
opened, after = [], int(sys.argv[3])
with as_source(sys.argv[1]) as source, blobkit.LocalStore(sys.argv[2], durability="off") as store:
    class Deadly:
        snapshot = source.snapshot
        def open(self, digest):
            opened.append(digest)
            if len(opened) == after:
                os.kill(os.getpid(), signal.SIGKILL)
            return source.open(digest)
    store.import_(Deadly(), progress=False)
"""


@pytest.mark.slow
def test_a_killed_import_is_completed_by_the_next_one(tmp_path: Path, go_store: Dataset) -> None:
    root, said = go_store("go-store-shared")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    for after in (3, 6, 2, 5):
        command = [sys.executable, "-W", "error", "-c", KILLED, str(root), str(tmp_path / "mine"), str(after)]
        assert subprocess.run(command, env=environment, check=False).returncode == -9
        with LocalStore(tmp_path / "mine", durability="off") as store:
            found = state(store)
        assert found.keys() <= said["blobs"].keys()
    assert len(found) == 8
    assert any(known[1] and digest not in said["owned_references"] for digest, known in found.items())
    with LocalStore(tmp_path / "mine", durability="off") as store:
        done = store.import_(root, progress=False)
        assert (done.blobs, done.here) == (6, 8)
        assert pins(store) == said["owned_references"]
        got = {digest: (known[0], sorted(known[2])) for digest, known in state(store).items()}
    assert got == {digest: (blob["refCount"], blob["linksTo"]) for digest, blob in said["blobs"].items()}
    assert list((tmp_path / "mine/.blobkit/tmp").iterdir()) == []


@pytest.mark.parametrize("strict", [True, False])
def test_a_disk_that_is_full_here_is_no_damage_there(
    store: Store, go: GoStore, monkeypatch: pytest.MonkeyPatch, *, strict: bool
) -> None:
    go.add(b"content", 1)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    area = store._content.area

    def filled() -> object:
        found = area()
        stage = found.stage
        found.stage = lambda: staged(stage())
        return found

    def staged(one: object) -> object:
        return SimpleNamespace(token=one.token, write=full, seal=one.seal, discard=one.discard)

    monkeypatch.setattr(store._content, "area", filled)
    with pytest.raises(OSError, match="No space"):
        store.import_(f"go-blobstore:{go.root}", strict=strict, progress=False)
    assert len(store) == 0
