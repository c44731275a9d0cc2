"""The scanner of containerd: each rule of its collector, the bytes of snapshots, and stores with something wrong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.errors import UnreadableStoreError
from blobkit.testing.scanner import ScannerSuite
from bolts import bolt
from containerd_roots import CONTENT, META, Containerd, moment
from layouts import codes, nowhere, sha
from unprivileged import NOBODY, barred, common

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from blobkit.snapshot.snapshot import Snapshot


__all__ = ["common"]  # a fixture


@pytest.fixture
def store(tmp_path: Path) -> Containerd:
    return Containerd(tmp_path / "root")


def status(snapshot: Snapshot) -> dict[str, str]:
    return snapshot.to_frame()["status"].astype(str).to_dict()


def garbage(snapshot: Snapshot) -> set[str]:
    return {key for key, one in status(snapshot).items() if one == "garbage"}


def findings(snapshot: Snapshot) -> pd.DataFrame:
    return snapshot.audit().frame.set_index("code")


def freed(snapshot: Snapshot, *names: str) -> set[str]:
    return set(snapshot.simulate_deref(*names).digests)


def test_an_image_holds_what_its_labels_lead_to(store: Containerd) -> None:
    image = store.image("a:1", "one", "two")
    other = store.image("b:1", "two", "three")
    snapshot = store.scan()
    assert garbage(snapshot) == set()
    assert freed(snapshot, "default/a:1") == {image, sha(b"one"), store.config("config of a:1")}
    assert sha(b"two") in freed(snapshot, "default/a:1", "default/b:1")
    assert snapshot.tags_frame()["digest"].to_dict() == {"default/a:1": image, "default/b:1": other}
    assert snapshot.tags_frame()["repo"].unique().tolist() == ["default"]


def test_labels_hold_and_documents_do_not(store: Containerd) -> None:
    layer = store.add("layer")
    config = store.claim(store.config())
    manifest = store.claim(store.manifest(layer, config=config), ref__content__config=config)
    store.name("a:1", manifest)
    assert garbage(store.scan()) == {layer}


def test_a_name_whose_layer_no_label_of_its_own_holds_would_break(store: Containerd) -> None:
    store.image("a:1", "one", "both")
    config = store.claim(store.config("other"))
    bare = store.claim(store.manifest(sha(b"both"), config=config), ref__content__config=config)
    store.name("b:1", bare)
    snapshot = store.scan()
    assert snapshot.simulate_deref("default/a:1").breaks == ("default/b:1",)
    assert snapshot.simulate_deref("default/b:1").breaks == ()


def test_the_file_stays_while_any_namespace_claims_it(store: Containerd) -> None:
    mine, theirs = store.image("a:1", "one"), store.image("a:1", "one", namespace="k8s.io")
    assert mine == theirs
    snapshot = store.scan()
    assert freed(snapshot, "default/a:1") == set()
    assert len(freed(snapshot, "default/a:1", "k8s.io/a:1")) == 3
    assert snapshot.tags_frame()["same_digest"].tolist() == [1, 1]
    assert snapshot.to_frame().loc[mine, "tags"] == ("default/a:1", "k8s.io/a:1")
    assert snapshot.to_frame().loc[mine, "frees"] == snapshot.bytes


def test_the_bytes_that_go_with_the_names_of_a_blob(store: Containerd) -> None:
    image, other = store.image("a:1", "one", "both"), store.image("b:1", "both")
    store.list_of("many:1", other)
    snapshot = store.scan()
    frees = snapshot.to_frame()["frees"]
    assert frees[image] == snapshot.simulate_deref("default/a:1").bytes > 0
    assert frees[other] == snapshot.simulate_deref("default/b:1").bytes == 0
    assert frees[sha(b"one")] == 0


def test_a_label_never_leads_into_another_namespace(store: Containerd) -> None:
    layer = store.add("layer", namespace="other")
    store.add("top", root="1", ref__content=layer)
    assert garbage(store.scan()) == {layer}


@pytest.mark.parametrize("name", ["ref__content", "ref__content__l__0", "ref__content/any"])
def test_forms_of_labels_that_hold(store: Containerd, name: str) -> None:
    layer = store.add("layer")
    store.name("a:1", store.add("top", **{name: layer}))
    assert garbage(store.scan()) == set()


@pytest.mark.parametrize("name", ["ref__contents", "reference", "ref__blob"])
def test_forms_of_labels_that_do_not_hold(store: Containerd, name: str) -> None:
    layer = store.add("layer")
    store.name("a:1", store.add("top", **{name: layer}))
    assert garbage(store.scan()) == {layer}


def test_a_root_label_holds_content_and_snapshots(store: Containerd) -> None:
    store.add("kept", root="any")
    store.snapshot("kept", 5, root="any")
    store.snapshot("free", 7)
    assert garbage(store.scan()) == {"snapshot/default/overlayfs/free"}


def test_a_lease_holds_what_it_names_and_all_below(store: Containerd) -> None:
    low = store.add("low")
    store.lease("one", store.add("high", ref__content=low))
    snapshot = store.scan()
    assert garbage(snapshot) == set()
    assert snapshot.why(low).others == ("lease/default/one",)
    assert freed(snapshot, "lease/default/one") == {low, sha(b"high")}


def test_a_flat_lease_follows_no_labels_but_the_parents_of_snapshots(store: Containerd) -> None:
    low = store.add("low")
    high = store.add("high", ref__content=low)
    store.snapshot("base", 3)
    store.lease("one", high, store.snapshot("top", 5, "base"), flat="2026-11-30T07:31:22Z")
    assert garbage(store.scan()) == {low}


@pytest.mark.parametrize("flat", [True, False])
def test_only_a_whole_lease_follows_the_labels_of_a_snapshot(store: Containerd, *, flat: bool) -> None:
    low = store.add("low")
    tree = store.snapshot("top", 5, ref__content=low)
    store.lease("one", tree, **({"flat": ""} if flat else {}))
    store.lease("other", store.add("blob"), flat="")
    assert garbage(store.scan()) == ({low} if flat else set())


def test_a_blob_in_a_flat_and_in_a_whole_lease_is_followed(store: Containerd) -> None:
    low = store.add("low")
    high = store.add("high", ref__content=low)
    store.lease("flat", high, flat="")
    store.lease("whole", high)
    assert garbage(store.scan()) == set()


@pytest.mark.parametrize(
    ("expires", "held"),
    [
        ("2020-01-01T00:00:00Z", False),
        ("2999-01-01T00:00:00Z", True),
        ("2020-01-01T00:00:00.123456789+02:00", False),
        ("2020-01-01", True),
        ("yesterday", True),
        ("", True),
    ],
)
def test_a_lease_ends_at_its_time_and_never_by_a_text_that_is_no_time(
    store: Containerd, expires: str, *, held: bool
) -> None:
    blob = store.add("blob")
    store.lease("one", blob, expire=expires)
    assert (garbage(store.scan()) == set()) is held


@pytest.mark.parametrize(("version", "held"), [(3, True), (4, False)])
def test_a_name_ends_at_its_time_in_the_second_version(store: Containerd, version: int, *, held: bool) -> None:
    store.version = version
    store.image("a:1", "one", expire="2020-01-01T00:00:00Z")
    assert (garbage(store.scan()) == set()) is held


@pytest.mark.parametrize(("version", "held"), [(3, False), (4, True)])
@pytest.mark.parametrize("kind", ["content", "image", "container", "snapshot"])
def test_back_references_hold_in_the_second_version(store: Containerd, kind: str, version: int, *, held: bool) -> None:
    store.version = version
    image, tree = store.image("a:1", "one"), store.snapshot("top", 5)
    store.container("box", tree)
    keys = {"content": image, "image": "a:1", "container": "box", "snapshot": "top"}
    name = "bref__snapshot__overlayfs" if kind == "snapshot" else f"bref__{kind}__x"
    blob = store.add("held", **{name: keys[kind]})
    assert (blob not in garbage(store.scan())) is held


def test_an_image_holds_what_its_own_labels_name(store: Containerd) -> None:
    extra = store.add("extra")
    store.image("a:1", "one", ref__content__extra=extra)
    snapshot = store.scan()
    assert garbage(snapshot) == set()
    assert extra in freed(snapshot, "default/a:1")
    assert len(snapshot.tags_frame()) == 1
    assert snapshot.tags_frame()["digest"].iloc[0].startswith("sha256:")


def test_a_condition_whose_outcome_is_unknown_holds(store: Containerd) -> None:
    store.version = 4
    store.snapshot("top", 5)
    store.name("a:1", store.add("top", cond__snapshot__overlayfs="usedat<24h|top"))
    assert garbage(store.scan()) == set()


def test_a_sandbox_and_objects_of_unknown_kinds_hold_what_their_labels_name(store: Containerd) -> None:
    for kind in ("sandboxes", "of-tomorrow"):
        store.label(store.at("default", kind, "one"), {"ref__content": store.add(kind)})
    assert garbage(store.scan()) == set()


def test_snapshots_have_bytes_and_parents(store: Containerd) -> None:
    base, top = store.snapshot("base", 1000), store.snapshot("top", 500, "base")
    config = store.add("config", ref__snapshot__overlayfs="top")
    store.name("a:1", config)
    snapshot = store.scan()
    frame = snapshot.to_frame()
    assert frame.loc["snapshot/default/overlayfs/base", ["size", "kind"]].tolist() == [1000, "snapshot"]
    assert freed(snapshot, "default/a:1") == {config, *(f"snapshot/default/{one}" for one in (base, top))}
    assert snapshot.simulate_deref("default/a:1").bytes == 1500 + len(b"config")
    assert frame["disk"].sum() >= frame["size"].sum()
    assert "default/a:1" in snapshot.why("snapshot/default/overlayfs/base").tags


def test_a_container_holds_its_snapshot_and_those_below(store: Containerd) -> None:
    store.snapshot("base", 1000)
    store.container("box", store.snapshot("top", 500, "base"))
    snapshot = store.scan()
    assert garbage(snapshot) == set()
    assert snapshot.why("snapshot/default/overlayfs/base").others == ("container/default/box",)


def test_snapshots_that_no_namespace_knows_are_garbage_unless_others_need_them(store: Containerd) -> None:
    store.snapshot("lost", 10, claimed=False)
    store.container("box", store.snapshot("top", 500))
    store.trees["overlayfs"][b"default/2/top"][b"parent"] = b"default/3/below"
    store.snapshot("below", 20, claimed=False)
    assert garbage(store.scan()) == {"snapshot//overlayfs/default/1/lost"}


def test_dropping_a_namespace(store: Containerd) -> None:
    store.image("a:1", "one")
    store.lease("one", store.add("leased"))
    store.image("a:1", "two", namespace="other")
    preview = store.scan().simulate_deref(groups=("default",))
    assert {sha(b"one"), sha(b"leased")} <= set(preview.digests)
    assert sha(b"two") not in preview.digests


def test_usage_by_namespace(store: Containerd) -> None:
    store.image("a:1", "one" * 100)
    store.image("a:1", "two" * 50, namespace="other")
    frame = store.scan().usage(by="repo").frame
    assert {"default", "other"} <= set(frame.index)
    assert frame.loc["default", "closure"] > frame.loc["other", "closure"] > 150


def test_platforms_kinds_and_times_come_from_documents(store: Containerd) -> None:
    manifest = store.image("a:1", "one")
    store.list_of("many:1", manifest)
    frame = store.scan().tags_frame()
    assert frame.loc["default/many:1", ["kind", "platforms"]].tolist() == ["index", ("config of a:1/amd64",)]
    assert frame.loc["default/a:1", "modified"].timestamp() == 1_790_000_000


def test_an_ingest_is_told_and_is_no_row(store: Containerd) -> None:
    store.image("a:1", "one")
    path = store.ingest("pull", b"x" * 123)
    os.utime(path, (1, 1))
    snapshot = store.scan()
    assert "upload" in codes(snapshot)
    finding = findings(snapshot).loc["stale-upload"]
    assert finding["bytes"] == 123
    assert snapshot.disk is not None
    assert snapshot.disk.bytes == sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())


def test_an_ingest_behind_a_link_out_of_the_root_is_not_looked_at(store: Containerd, tmp_path: Path) -> None:
    path = store.ingest("pull", b"x" * 123)
    path.parent.rename(tmp_path / "outside")
    path.parent.symlink_to(tmp_path / "outside")
    assert "upload" not in codes(store.scan())


def test_an_ingest_in_time_holds_the_content_that_it_expects(store: Containerd) -> None:
    blob, other = store.add("blob"), store.add("other")
    store.at("default", "content", "ingests", "in-time").update(
        {b"expected": blob.encode(), b"expireat": moment(32_503_680_000)}
    )
    store.at("default", "content", "ingests", "late").update({b"expected": other.encode(), b"expireat": moment(9)})
    assert garbage(store.scan()) == {other}


def test_content_that_is_claimed_and_absent_is_missing(store: Containerd) -> None:
    store.image("a:1", "one")
    store.drop(sha(b"one"))
    snapshot = store.scan()
    assert "missing" in findings(snapshot).index


def test_labels_to_content_that_was_never_pulled_break_nothing(store: Containerd) -> None:
    store.name("a:1", store.add("top", ref__content=nowhere(1)))
    frame = findings(store.scan())
    assert "missing" not in frame.index
    assert "dangling" in frame.index


def test_a_name_whose_content_its_namespace_does_not_have(store: Containerd) -> None:
    blob = store.add("blob", namespace="other", root="1")
    store.name("a:1", blob)
    store.name("b:1", nowhere(1))
    store.name("c:1", "../../etc/passwd")
    snapshot = store.scan()
    assert set(findings(snapshot).loc["tag-without-content", "names"]) == {"default/a:1", "default/b:1", "default/c:1"}
    assert freed(snapshot, "default/a:1") == set()
    assert len(snapshot.tags_frame()) == 3


def test_blobs_that_no_namespace_claims_are_garbage(store: Containerd) -> None:
    old = store.blob("old")
    os.utime(store.path(old), (1, 1))
    assert garbage(store.scan()) == {old}


def test_a_blob_that_comes_during_the_scan_is_an_unfinished_write(store: Containerd) -> None:
    blob = store.blob("new")
    snapshot = store.scan()
    assert status(snapshot) == {}
    assert any(blob in message for message in snapshot.notices["message"].to_pylist())


def test_a_size_that_the_database_does_not_tell_is_damage(store: Containerd) -> None:
    blob = store.add("blob", root="1")
    store.path(blob).write_bytes(b"longer than it was")
    assert "damaged" in findings(store.scan()).index


def test_a_snapshot_whose_directory_is_gone_is_missing(store: Containerd, tmp_path: Path) -> None:
    store.container("box", store.snapshot("top", 500))
    store.snapshot("other", 5, root="1")
    store.tree(1).rename(tmp_path / "elsewhere")
    snapshot = store.scan()
    assert "vanished" in codes(snapshot)
    assert "snapshot/default/overlayfs/top" not in snapshot.to_frame().index


def test_snapshots_without_files_here_are_estimates(store: Containerd) -> None:
    store.name("a:1", store.add("top", ref__snapshot__devmapper="top"))
    store.snapshot("top", 500, snapshotter="devmapper")
    files = store.tree(1, "devmapper")
    (files / "fs" / "file").unlink()
    (files / "fs").rmdir()
    files.rmdir()
    files.parent.rmdir()
    snapshot = store.scan()
    preview = snapshot.simulate_deref("default/a:1")
    assert snapshot.to_frame().loc["snapshot/default/devmapper/top", "size"] == 500
    assert (preview.exact, preview.certain_bytes) == (False, len(b"top"))


def test_snapshots_of_a_snapshotter_that_keeps_them_elsewhere_are_estimates(store: Containerd) -> None:
    store.at("default", "snapshots", "remote", "top")[b"name"] = b"default/1/top"
    store.container("box", "remote/top")
    assert "estimated" in codes(store.scan())


def test_a_damaged_database_of_a_snapshotter_leaves_estimates(store: Containerd) -> None:
    store.container("box", store.snapshot("top", 500))
    store.write()
    (store.root / "io.containerd.snapshotter.v1.overlayfs" / "metadata.db").write_bytes(b"rubbish" * 99)
    snapshot = blobkit.scan(f"containerd:{store.root}", progress=False)
    assert {"estimated", "unreadable"} <= codes(snapshot)
    assert status(snapshot) == {"snapshot/default/overlayfs/top": "live"}


def test_files_with_names_in_two_snapshots_are_estimates_and_count_once(store: Containerd) -> None:
    store.container("one", store.snapshot("one", 500))
    store.container("two", store.snapshot("two", 5))
    os.link(store.tree(1) / "fs" / "file", store.tree(2) / "fs" / "same")
    snapshot = store.scan()
    assert "estimated" in codes(snapshot)
    assert snapshot.disk is not None
    files = {path.stat().st_ino: path.stat().st_size for path in store.root.rglob("*") if path.is_file()}
    assert (snapshot.disk.files, snapshot.disk.bytes) == (len(files), sum(files.values()))


def test_files_of_runtimes_describe_the_store_and_others_are_leftovers(store: Containerd) -> None:
    store.image("a:1", "one")
    for path in ("io.containerd.grpc.v1.cri/sandboxes/x/hosts", "tmpmounts/left", f"{CONTENT}/blobs/note"):
        (store.root / path).parent.mkdir(parents=True, exist_ok=True)
        (store.root / path).write_bytes(b"12345")
    frame = findings(store.scan())
    assert frame.loc["leftover", "bytes"] == 5
    assert frame.loc["junk", "bytes"] == 5


@pytest.mark.parametrize("part", [f"{CONTENT}/blobs", "io.containerd.snapshotter.v1.overlayfs/snapshots", CONTENT])
def test_a_symbolic_link_out_of_the_root_is_not_followed(store: Containerd, tmp_path: Path, part: str) -> None:
    image = store.image("a:1", "one", ref__snapshot__overlayfs="top")
    store.snapshot("top", 500)
    store.write()
    (store.root / part).rename(tmp_path / "outside")
    (store.root / part).symlink_to(tmp_path / "outside")
    snapshot = blobkit.scan(f"containerd:{store.root}", progress=False)
    assert "symlink" in codes(snapshot)
    assert garbage(snapshot) == set()
    if "snapshots" in part:
        assert snapshot.to_frame().loc["snapshot/default/overlayfs/top", "size"] == 500
        assert not snapshot.simulate_deref("default/a:1").exact
    else:
        assert "missing" not in findings(snapshot).index, image


def test_control_characters_and_odd_bytes_in_names(store: Containerd, tmp_path: Path) -> None:
    store.snapshot("top\x1b[31m/../../x", 500, root="1")
    store.name("evil\x07\n<b>", store.add("top"))
    store.at("default", "images")[b"\xff\xfe"] = {b"target": {b"digest": sha(b"top").encode()}}
    snapshot = store.scan()
    assert len(snapshot.tags_frame()) == 2
    assert "\x1b" not in "".join(snapshot.to_frame().index)
    snapshot.save(tmp_path / "saved.blobkit")
    assert blobkit.Snapshot.load(tmp_path / "saved.blobkit").blobs == snapshot.blobs


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "does not exist"),
        (b"", "shorter than a bbolt database"),
        (b"SQLite format 3\0" * 99, "not a bbolt database"),
        (bolt({b"v2": {}}), "of a newer version than blobkit knows"),
    ],
)
def test_a_database_that_cannot_be_read_is_one_line_with_the_next_step(
    store: Containerd, content: bytes | None, why: str
) -> None:
    if content is not None:
        (store.root / META).write_bytes(content)
    with pytest.raises(UnreadableStoreError, match=why) as error:
        blobkit.scan(f"containerd:{store.root}", progress=False)
    assert "\n" not in str(error.value)
    assert error.value.hint is not None


def test_it_is_recognised(store: Containerd) -> None:
    store.image("a:1", "one")
    store.write()
    assert blobkit.scan(store.root, progress=False).kind == "containerd"


class TestContainerd(ScannerSuite):
    @pytest.fixture
    def address(self, store: Containerd) -> str:
        layers = store.image("a:1", "one", "two"), store.image("b:1", "two")
        store.list_of("many:1", *layers)
        store.image("a:1", "one", namespace="k8s.io", ref__snapshot__overlayfs="top")
        store.snapshot("base", 300, namespace="k8s.io")
        store.snapshot("top", 500, "base", namespace="k8s.io")
        store.container("box", store.snapshot("active", 7, "base", namespace="k8s.io"), namespace="k8s.io")
        store.lease("one", store.add("leased"), "overlayfs/top", namespace="k8s.io", flat="")
        store.add("garbage")
        store.ingest("pull", b"x" * 99)
        store.write()
        for path in store.root.rglob("*"):
            os.utime(path, (1_790_000_000, 1_790_000_000))
        return f"containerd:{store.root}"

    def metadata(self, root: Path) -> dict[str, list[Path]]:
        snapshotters = sorted(root.glob("io.containerd.snapshotter.v1.*/metadata.db"))
        documents = [path for path in sorted(root.joinpath(CONTENT).rglob("*")) if path.is_file()]
        return {"meta.db": [root / META], "metadata.db": snapshotters, "content": documents}


def owned(store: Containerd) -> Containerd:
    """A store that another user may read, as long as no mode says otherwise."""
    store.write()
    for path in (store.root, *store.root.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
    return store


def test_a_database_that_this_user_may_not_read(common: Path) -> None:
    store = Containerd(common / "root")
    store.image("a:1", "one")
    owned(store)
    with barred(store.root / META), pytest.raises(UnreadableStoreError, match="cannot be read by user") as error:
        blobkit.scan(f"containerd:{store.root}", progress=False)
    assert "sudo" in str(error.value)


def test_snapshots_that_this_user_may_not_look_at_are_estimates(common: Path) -> None:
    store = Containerd(common / "root")
    store.name("a:1", store.add("top", ref__snapshot__overlayfs="top"))
    store.snapshot("top", 500)
    owned(store)
    for path in (store.tree(1), store.tree(1).parent):
        with barred(path):
            snapshot = blobkit.scan(f"containerd:{store.root}", progress=False)
            preview = snapshot.simulate_deref("default/a:1")
            text = str(snapshot.audit())
        assert (preview.exact, preview.bytes, preview.certain_bytes) == (False, 503, 3)
        assert "estimate" in text
        assert "about" in str(preview)


def test_content_that_this_user_may_not_look_at_is_not_missing(common: Path) -> None:
    store = Containerd(common / "root")
    store.image("a:1", "one")
    owned(store)
    with barred(store.root / CONTENT):
        snapshot = blobkit.scan(f"containerd:{store.root}", progress=False)
        found = findings(snapshot)
    assert "missing" not in found.index
    assert "unreadable" in found.index
    assert garbage(snapshot) == set()


def test_an_import_takes_the_blobs_of_images_and_no_snapshots(store: Containerd, tmp_path: Path) -> None:
    image = store.image("reg.example.org/a:1", "one", ref__snapshot__overlayfs="top")
    store.container("box", store.snapshot("top", 500))
    store.write()
    with blobkit.LocalStore(tmp_path / "own") as own:
        own.import_(f"containerd:{store.root}", progress=False)
        assert own.tags() == {"default/reg.example.org/a:1": image}
        assert set(own.list()) == {image, sha(b"one"), store.config("config of reg.example.org/a:1")}
        assert own.snapshot().bytes == store.size(*own.list())
