"""Where the collector of a registry stops, what it passes over and takes: one small case each, and the real run."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.scanners.registries import collector as registry_collector
from blobkit.snapshot.kinds import collector
from layouts import DOCKER_MANIFEST, INDEX, MANIFEST, Registry, garbage, noticed, nowhere, sha
from live_registry import PROGRAM
from real_registry_gc import collect_copy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Case = tuple[Callable[["Store"], object], str, str]

TOOLS = {"registry": "gc", "registry-m": "gc-m"}
A, B = "app", "team/lib"
TAGS = f"repositories/{A}/_manifests/tags"


class Store(Registry):
    """Two repositories with an image each, one of them with an untagged image as well, and garbage."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.kept = self.push(A, "1", "kept")
        self.other = self.push(B, "1", "other")
        self.untagged = self.revision(A, self.manifest(self.blob("untagged")))
        self.waste = self.blob("waste")

    def at(self, path: str) -> Path:
        return self.v2 / "repositories" / path

    def put(self, path: str, content: str = "x") -> Path:
        """Write a file below v2."""
        (self.v2 / path).parent.mkdir(parents=True, exist_ok=True)
        (self.v2 / path).write_text(content)
        return self.v2 / path

    def revise(self, digest: str, content: str) -> None:
        self.link(f"{A}/_manifests/revisions/{digest.replace(':', '/')}/link", content)

    def pushed(self, body: object) -> str:
        """Put a document into storage, and link and tag it."""
        return self.tag(A, "odd", self.revision(A, self.blob(body if isinstance(body, str) else json.dumps(body))))

    def moved(self, path: str, to: str) -> None:
        self.at(to).parent.mkdir(parents=True, exist_ok=True)
        self.at(path).rename(self.at(to))

    def emptied(self, path: str) -> None:
        shutil.rmtree(self.at(path))

    def parts(self, image: str) -> set[str]:
        """An image and what it lists."""
        return {image, *self._parts(image)}


def in_place(path: str) -> Callable[[Store], object]:
    """A file in the place of a directory."""

    def change(store: Store) -> None:
        shutil.rmtree(store.v2 / path)
        store.put(path)

    return change


def copied(store: Store, path: str) -> None:
    shutil.copytree(store.v2 / path, store.v2 / f"{path}.bak")


def typed(media_type: str | None, **fields: object) -> Callable[[Store], object]:
    head: dict[str, object] = {"schemaVersion": 2} | ({"mediaType": media_type} if media_type else {})
    return lambda store: store.pushed(head | fields)


STOPS: dict[str, Case] = {
    "name with capitals": (lambda s: s.moved(B, "team/Lib"), "gc-name", "gc-name"),
    "name of 256 bytes": (lambda s: s.moved(B, "x/" + "y" * 254), "gc-name", "gc-name"),
    "_layers at the top": (lambda s: s.at("_layers").mkdir(), "gc-name", "gc-name"),
    "name with a port": (lambda s: s.moved(B, "localhost:5000/lib"), "gc-path", "gc-path"),
    "link below a blank": (lambda s: s.revise("sha256:a b", s.kept), "gc-path", "gc-path"),
    "link with a newline": (lambda s: s.revise(s.kept, s.kept + "\n"), "gc-link", "gc-link"),
    "empty link": (lambda s: s.revise(s.kept, ""), "gc-link", "gc-link"),
    "link in capitals": (lambda s: s.revise(s.kept, s.kept.upper()), "gc-link", "gc-link"),
    "revisions is a file": (in_place(f"repositories/{A}/_manifests/revisions"), "gc-file", "gc-file"),
    "_manifests is a file": (in_place(f"repositories/{A}/_manifests"), "gc-file", "gc-file"),
    "manifest cut short": (lambda s: s.path(s.kept).write_text("{"), "gc-manifest-json", "gc-manifest-json"),
    "manifest of 0 bytes": (lambda s: s.path(s.kept).write_text(""), "gc-manifest-json", "gc-manifest-json"),
    "byte order mark": (lambda s: s.pushed("\ufeff{}"), "gc-manifest-json", "gc-manifest-json"),
    "bytes after the end": (lambda s: s.pushed("{}{}"), "gc-manifest-json", "gc-manifest-json"),
    "untagged manifest cut short": (lambda s: s.path(s.untagged).write_text("{"), "gc-manifest-json", ""),
    "schemaVersion 3": (lambda s: s.pushed({"schemaVersion": 3}), "gc-manifest-version", "gc-manifest-version"),
    "no schemaVersion": (lambda s: s.pushed({"layers": []}), "gc-manifest-version", "gc-manifest-version"),
    "unknown media type": (typed("x/y"), "gc-manifest-type", "gc-manifest-type"),
    "fraction of a size": (typed(MANIFEST, config={"size": 1.5}), "gc-manifest-field", "gc-manifest-field"),
    "number in an annotation": (typed(MANIFEST, annotations={"a": 1}), "gc-manifest-field", "gc-manifest-field"),
    "untyped, odd manifests": (typed(None, manifests="x"), "gc-manifest-crash", "gc-manifest-crash"),
    "manifest above 4 MiB": (lambda s: s.pushed("{}" + " " * (4 << 20)), "gc-manifest-size", "gc-manifest-size"),
    "no blobs": (lambda s: shutil.rmtree(s.v2 / "blobs"), "gc-no-blobs", "gc-no-blobs"),
    "data beside the blobs": (lambda s: s.put("blobs/tmp/data"), "gc-data", "gc-data"),
    "copy of the blobs": (lambda s: copied(s, "blobs/sha256"), "gc-data", "gc-data"),
    "blob of another algorithm": (lambda s: s.put(f"blobs/md5/aa/{'a' * 32}/data"), "gc-data", "gc-data"),
    "data below one letter": (lambda s: s.put("blobs/t/data"), "gc-data-crash", "gc-data-crash"),
    "blob elsewhere": (lambda s: s.put(f"blobs/old/sha256/aa/{'a' * 64}/data"), "gc-elsewhere", "gc-elsewhere"),
    "layer of an untagged image elsewhere": (
        lambda s: s.path(sha(b"untagged")).parent.rename(s.v2 / "blobs/sha256" / sha(b"untagged")[7:]),
        "",
        "gc-m-elsewhere",
    ),
    "circle of links": (lambda s: s.at(f"{A}/up").symlink_to(".."), "gc-loop", "gc-loop"),
    "no tags": (lambda s: s.emptied(f"{A}/_manifests/tags"), "", "gc-m-no-tags"),
    "tags is a file": (in_place(f"repositories/{A}/_manifests/tags"), "", "gc-m-file"),
    "file among the tags": (lambda s: s.put(f"{TAGS}/.DS_Store"), "", "gc-m-file"),
    "odd name among the tags": (lambda s: s.at(f"{A}/_manifests/tags/@eaDir").mkdir(), "", "gc-m-path"),
    "empty tag": (lambda s: s.link(f"{A}/_manifests/tags/2/current/link", ""), "", "gc-m-link"),
    "tag with a newline": (lambda s: s.tag(A, "2", s.kept + "\n"), "", "gc-m-link"),
    "link of a tag is a directory": (lambda s: s.put(f"{TAGS}/2/current/link/x"), "", "gc-m-file"),
    "history of a tag is a file": (lambda s: s.put(f"{TAGS}/2/index"), "", "gc-m-file"),
    "tag that is a circle": (lambda s: s.at(f"{A}/_manifests/tags/2").symlink_to("2"), "", "gc-m-loop"),
    "untagged link twice": (lambda s: s.revise("sha256:copy", s.untagged), "", "gc-m-gone"),
    "untagged in a repository with two names": (lambda s: s.at("too").symlink_to(A), "", "gc-m-gone"),
}  # fmt: skip
"""What is done to a store, and the rule by which the collector stops then, plain and with -m ("" for none)."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "registry")


def stopped_by(snapshot: blobkit.Snapshot, tool: str) -> str:
    """The rules by which a collector stops."""
    if not blobkit.compare_gc(snapshot, tool).aborts:
        return ""
    return " ".join(sorted(collector(tool).codes & {code for code, _ in noticed(snapshot)}))


def taken(store: Store, tmp_path: Path, tool: str = "registry") -> set[str]:
    """What a collector takes by our answer, which is what the real one takes."""
    snapshot = store.scan()
    found = blobkit.compare_gc(snapshot, tool)
    assert not found.aborts
    removed = set(found.frame.index)
    assert garbage(snapshot, TOOLS[tool]) == removed
    if shutil.which(PROGRAM):
        run = collect_copy(store.root, tmp_path, untagged=tool == "registry-m")
        assert (run.code, set(run.removed), sum(run.removed.values())) == (0, removed, found.bytes)
    return removed


@pytest.mark.slow
@pytest.mark.parametrize("case", STOPS)
def test_where_the_collector_stops(store: Store, tmp_path: Path, case: str) -> None:
    change, *wanted = STOPS[case]
    change(store)
    snapshot = store.scan()
    for tool, code in zip(TOOLS, wanted, strict=True):
        assert stopped_by(snapshot, tool) == code
        if shutil.which(PROGRAM):
            run = collect_copy(store.root, tmp_path, untagged=tool == "registry-m")
            assert run.stopped == bool(code), run.said


def test_every_rule_has_a_case() -> None:
    """But for those about rights and links that are not followed: test_registry_places has them."""
    rules = {rule.code for tool in TOOLS for rule in collector(tool).stops if not rule.unsure}
    reached = {code for case in STOPS.values() for code in case[1:]}
    in_buckets = {"gc-no-repositories"}
    assert rules - reached - in_buckets == {"gc-unreadable", "gc-manifest-unread", "gc-m-unreadable"}


def test_the_history_of_very_many_tags_is_looked_at_in_part(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_collector, "LOOKED_FOR", 1)
    store.put(f"{TAGS}/2/index/sha256")
    assert stopped_by(store.scan(), "registry-m") == "gc-m-file"


@pytest.mark.slow
def test_nothing_wrong(store: Store, tmp_path: Path) -> None:
    assert taken(store, tmp_path) == {store.waste}
    assert taken(store, tmp_path, "registry-m") == {store.waste, store.untagged, sha(b"untagged")}


def test_a_repository_without_layers_is_not_seen(store: Store, tmp_path: Path) -> None:
    store.emptied(f"{B}/_layers")
    assert taken(store, tmp_path) == {store.waste, store.other, sha(b"other")}
    snapshot = store.scan()
    assert garbage(snapshot, "tags") == {store.waste, store.untagged, sha(b"untagged")}
    assert garbage(snapshot, "revisions") == {store.waste}
    assert ("passed-over", B) in noticed(snapshot)
    assert list(blobkit.compare_gc(snapshot, "registry").broken["tag"]) == [f"{B}:1"]
    assert set(blobkit.simulate_deref(snapshot, f"{B}@{store.other}", policy="revisions").digests) >= {store.other}


@pytest.mark.parametrize(("file", "lost"), [("_0", True), ("team/_z", True), ("team/lib/_z", False), ("app/_0", False)])
def test_a_file_that_begins_with_an_underscore_hides_what_sorts_after_it(
    store: Store, tmp_path: Path, file: str, *, lost: bool
) -> None:
    store.put(f"repositories/{file}")
    assert (store.other in taken(store, tmp_path)) == lost


def test_layers_as_a_file_make_a_repository_and_hide_what_is_below_it(store: Store, tmp_path: Path) -> None:
    inner = store.push(f"{B}/inner", "1", "inner")
    in_place(f"repositories/{B}/_layers")(store)
    removed = taken(store, tmp_path)
    assert inner in removed
    assert store.other not in removed


@pytest.mark.parametrize("name", ["A/b", "Foo.bar/x", "x" * 255, "a--b", "a__b", "0"])
def test_names_that_are_right(store: Store, tmp_path: Path, name: str) -> None:
    store.moved(B, name)
    assert taken(store, tmp_path) == {store.waste}


def test_what_is_passed_over(store: Store, tmp_path: Path) -> None:
    store.at("lost+found").mkdir()
    store.put("repositories/a b/_uploads/1/data")
    store.put("repositories/README")
    store.put("blobs/README")
    (store.v2 / "blobs/lost+found").mkdir()
    store.put(f"repositories/{A}/_manifests/revisions/sha256/README")
    assert taken(store, tmp_path) == {store.waste}


def test_a_revision_whose_manifest_is_not_stored(store: Store, tmp_path: Path) -> None:
    store.drop(store.other)
    assert taken(store, tmp_path) == {store.waste, sha(b"other")}
    assert blobkit.to_frame(store.scan())["status"].to_dict()[sha(b"other")] == "unknown"


@pytest.mark.parametrize("part", ["current", "current/link"])
def test_a_tag_without_a_current_link_names_nothing(store: Store, tmp_path: Path, part: str) -> None:
    path = store.at(f"{A}/_manifests/tags/1/{part}")
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert store.kept in taken(store, tmp_path, "registry-m")


def test_file_among_tags_that_nothing_looks_at(store: Store, tmp_path: Path) -> None:
    store.delete(B, store.other)
    store.put(f"repositories/{B}/_manifests/tags/.DS_Store")
    assert store.other in taken(store, tmp_path, "registry-m")


def test_a_link_names_what_is_kept(store: Store, tmp_path: Path) -> None:
    """The content of a link file counts; its manifest is found through the link of that digest."""
    store.revise(store.kept, store.untagged)
    assert taken(store, tmp_path) == {store.waste, store.kept, sha(b"kept")}
    assert store.kept not in garbage(store.scan(), "tags")


def test_a_link_to_a_manifest_that_has_none_itself(store: Store, tmp_path: Path) -> None:
    store.revise(store.kept, store.other)
    assert store.kept in taken(store, tmp_path)


def test_a_link_in_two_steps(store: Store, tmp_path: Path) -> None:
    """It is marked by its first digest, and read by its last one."""
    third = store.manifest(store.blob("third"))
    store.revise(store.kept, store.untagged)
    store.revise(store.untagged, third)
    store.link(f"{A}/_layers/{third.replace(':', '/')}/link", third)
    removed = taken(store, tmp_path)
    assert store.untagged not in removed
    assert sha(b"third") not in removed


@pytest.mark.parametrize(
    ("said", "field", "kept"),
    [
        (INDEX, "layers", False),
        (MANIFEST, "manifests", False),
        (DOCKER_MANIFEST, "LAYERS", True),
        (None, "layers", True),
    ],
)
def test_a_manifest_is_read_as_what_it_calls_itself(
    store: Store, tmp_path: Path, said: str | None, field: str, *, kept: bool
) -> None:
    typed(said, **{field: [{"digest": store.waste}]})(store)
    assert (store.waste not in taken(store, tmp_path)) == kept


def test_a_layer_pushed_by_sha512_is_taken_and_needed(store: Store, tmp_path: Path) -> None:
    layer, long = store.blob("long"), sha(b"long", "sha512")
    store.link(f"{A}/_layers/{long.replace(':', '/')}/link", layer)
    typed(MANIFEST, config=store.to(store.config()), layers=[{"digest": long, "size": 4}])(store)
    assert layer in taken(store, tmp_path)
    snapshot = store.scan()
    assert layer not in garbage(snapshot, "tags") | garbage(snapshot, "revisions")
    assert f"{A}:odd" in list(blobkit.compare_gc(snapshot, "registry").broken["tag"])
    assert "missing" not in {code for code, _ in noticed(snapshot)}
    assert long not in blobkit.to_frame(snapshot).index


def test_a_manifest_stored_by_sha512(store: Store, tmp_path: Path) -> None:
    body = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": [{"digest": store.waste}]}
    store.revision(A, store.json(body, label="sha512"))
    assert taken(store, tmp_path) == set()


def test_the_copy_of_a_blob_at_another_place_is_no_matter(store: Store, tmp_path: Path) -> None:
    name = store.waste[7:]
    store.put(f"blobs/old/sha256/{name[:2]}/{name}/data", "waste")
    store.put(f"blobs/sha256/{store.kept[7:]}/data", "kept")
    assert taken(store, tmp_path) == {store.waste}


def test_what_lies_beside_the_data_goes_with_it(store: Store, tmp_path: Path) -> None:
    (store.path(store.waste).parent / ".nfs0001").write_text("x" * 1000)
    assert taken(store, tmp_path) == {store.waste}


def test_a_layer_without_its_link_is_told(store: Store) -> None:
    layer = sha(b"other")
    store.emptied(f"{B}/_layers/{layer.replace(':', '/')}")
    assert [key for code, key in noticed(store.scan()) if code == "unlinked-layer"] == [layer]
    store.emptied(f"{B}/_layers")
    told = {key for code, key in noticed(store.scan()) if code == "unlinked-layer"}
    assert told == {layer, store.config()}


def test_a_child_without_its_link_is_told(store: Store) -> None:
    child = store.manifest(store.blob("child"))
    store.tag(A, "multi", store.revision(A, store.index(child)))
    assert ("unlinked-layer", child) in noticed(store.scan())
    store.revision(A, child)
    assert "unlinked-layer" not in {code for code, _ in noticed(store.scan())}


def test_a_reader_that_may_not_list_layers_says_nothing_of_them(store: Store) -> None:
    store.at(f"{B}/_layers").rename(store.root.parent / "elsewhere")
    store.at(f"{B}/_layers").symlink_to(store.root.parent / "elsewhere")
    assert "unlinked-layer" not in {code for code, _ in noticed(store.scan())}


def test_a_link_of_a_digest_that_is_absent_is_not_followed_to_others(store: Store, tmp_path: Path) -> None:
    store.revise("sha256:zz", nowhere(7))
    assert taken(store, tmp_path) == {store.waste}
