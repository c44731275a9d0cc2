"""Data roots of docker as dockerd writes them: what holds what, what goes with what, and what nothing removes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.errors import NotPinnedError, SourceError, UnreadableStoreError
from blobkit.testing.scanner import ScannerSuite
from bolts import bolt
from docker_roots import DockerRoot, digest, identifier, small
from layouts import freed, noticed
from unprivileged import barred, common

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["common"]


WORDS = ("cache-id", "parent", "size", "mount-id", "init-id", "link", "lower", "lastUpdated")
"""Files with one word each."""


class TestDockerRoot(ScannerSuite):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return f"docker:{small(tmp_path / 'root').root}"

    def metadata(self, root: Path) -> dict[str, list[Path]]:
        words = [path for name in WORDS for path in sorted(root.rglob(name)) if path.is_file()]
        configs = sorted((root / "image").glob("*/imagedb/content/sha256/*"))
        found = {name: sorted(root.rglob(name)) for name in ("repositories.json", "config.v2.json", "*.db")}
        return {"words": words, "configs": configs, **found}


@pytest.fixture
def root(tmp_path: Path) -> DockerRoot:
    return DockerRoot(tmp_path / "root")


def of_kind(keys: set[str]) -> set[str]:
    return {key.partition("/")[0] for key in keys}


def bytes_of(path: Path) -> int:
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file() and not one.is_symlink())


def test_every_file_is_counted_once(tmp_path: Path) -> None:
    store = small(tmp_path / "root")
    audit = blobkit.audit(store.scan())
    found = audit.findings.set_index("code")["bytes"]
    assert audit.bytes == bytes_of(store.root) == audit.snapshot.bytes + found["other"] + found["metadata"]
    assert found["other"] == len("of a volume")


def test_a_layer_is_its_record_and_its_directory(root: DockerRoot) -> None:
    chain = root.layer("content")
    root.image("a:1", top=chain)
    hard = root.trees / identifier("tree of content") / "diff"
    os.link(hard / "file", hard / "again")
    expected = bytes_of(root.database / "layerdb/sha256" / chain[7:]) + len("content") + 26
    frame = root.scan().to_frame()
    assert frame["size"][f"layer/{chain}"] == expected
    assert (frame["disk"] >= frame["size"]).all()
    assert not root.scan().simulate_deref("a:1").estimated


def test_a_directory_that_two_layers_name_counts_once(root: DockerRoot) -> None:
    root.image("a:1", top=root.layer("one"))
    root.image("b:1", top=root.layer("two", tree=identifier("tree of one")))
    snapshot = root.scan()
    assert snapshot.disk is not None
    assert snapshot.disk.bytes == bytes_of(root.root)


def test_a_named_parent_goes_with_the_last_of_its_names_and_children(root: DockerRoot) -> None:
    base = root.layer("base")
    parent = root.image("base:1", top=base)
    child = root.image("app:1", top=root.layer("app", base), parent=parent, text="child")
    snapshot = root.scan()
    assert freed(snapshot, "base:1") == set()
    assert freed(snapshot, "app:1") == {f"image/{child}", f"layer/{root.layer('app', base)}"}
    assert freed(snapshot, "app:1", "base:1") >= {f"image/{parent}", f"layer/{base}"}


def test_an_unnamed_parent_is_no_target_and_an_unnamed_child_is(root: DockerRoot) -> None:
    base = root.layer("base")
    parent = root.image(top=base, text="parent")
    child = root.image(top=base, parent=parent, text="child")
    snapshot = root.scan()
    assert freed(snapshot, f"image/{child}") == {f"image/{parent}", f"image/{child}", f"layer/{base}"}
    with pytest.raises(NotPinnedError):
        blobkit.simulate_deref(snapshot, f"image/{parent}")


def test_images_that_are_each_others_parents_are_kept(root: DockerRoot) -> None:
    one, two = (root.image(top=root.layer("x"), text=text) for text in "ab")
    root.image(top=root.layer("x"), parent=two, text="a")
    root.image(top=root.layer("x"), parent=one, text="b")
    assert set(root.scan().to_frame()["status"]) == {"live"}


def test_a_digest_goes_with_the_last_tag_of_its_repository(root: DockerRoot) -> None:
    pulled = f"acme/a@{digest('manifest')}"
    image = root.image("acme/a:1", "acme/a:2", pulled, top=root.layer("x"))
    snapshot = root.scan()
    assert freed(snapshot, pulled) == freed(snapshot, "acme/a:1") == freed(snapshot, "acme/a:1", pulled) == set()
    preview = blobkit.simulate_deref(snapshot, "acme/a:1", "acme/a:2")
    assert preview.also_untagged == (pulled,)
    assert f"image/{image}" in preview.digests
    assert blobkit.simulate_deref(snapshot, "acme/a:1").also_untagged == ()


def test_a_digest_of_another_repository_stays(root: DockerRoot) -> None:
    pulled = f"acme/b@{digest('manifest')}"
    image = root.image("acme/a:1", pulled, top=root.layer("x"))
    snapshot = root.scan()
    assert freed(snapshot, "acme/a:1") == set()
    assert f"image/{image}" in freed(snapshot, pulled, "acme/a:1")


def refused(snapshot: Snapshot, *names: str) -> set[str]:
    """The targets that docker leaves because a container uses their image."""
    preview = blobkit.simulate_deref(snapshot, *names)
    rows = preview.deletion.rows[preview.deletion.is_busy]
    return set(snapshot.pins["name"].take(rows).to_pylist())


def test_the_last_name_of_an_image_in_use_stays(root: DockerRoot) -> None:
    layer = root.layer("x")
    pulled = f"a@{digest('manifest')}"
    image = root.image("a:1", "b:1", pulled, top=layer)
    root.container("box", image, layer)
    snapshot = root.scan()
    assert refused(snapshot, "a:1") == refused(snapshot, "b:1") == set()
    assert refused(snapshot, "a:1", "b:1") == {"b:1"}
    assert refused(snapshot, "a:1", "b:1", "box") == set()
    preview = blobkit.simulate_deref(snapshot, "a:1", "b:1")
    assert preview.bytes == preview.collected.bytes == 0
    assert preview.also_untagged == (pulled,)
    assert "b:1 stays" in preview.title()
    assert any("in use by container box" in notice for notice in preview.notices)


def test_digests_count_as_one_name_with_the_tag_of_their_repository(root: DockerRoot) -> None:
    layer = root.layer("x")
    image = root.image("a:1", f"a@{digest('one')}", f"a@{digest('two')}", top=layer)
    root.container("box", image, layer)
    preview = blobkit.simulate_deref(root.scan(), "a:1")
    assert "a:1 stays" in preview.title()
    assert preview.also_untagged == ()


def test_a_container_that_runs_is_not_removed(root: DockerRoot) -> None:
    layer = root.layer("x")
    root.container("box", root.image("a:1", top=layer), layer, running=True)
    preview = blobkit.simulate_deref(root.scan(), "box", "a:1")
    assert preview.bytes > preview.collected.bytes == 0
    assert blobkit.compare_gc(preview.snapshot, "docker-system-prune").bytes == 0
    assert "stop it first" in str(preview)


def test_a_plan_drops_no_container(tmp_path: Path) -> None:
    snapshot = small(tmp_path / "root").scan()
    plan = blobkit.plan(snapshot, older_than=0)
    assert "box" not in plan.tags
    assert {"acme/tool:1", "ownfiles"} <= set(plan.tags)


def test_a_container_of_an_image_that_was_removed_by_force(root: DockerRoot) -> None:
    layer = root.layer("x")
    root.container("box", digest("gone"), layer)
    snapshot = root.scan()
    assert set(snapshot.to_frame()["status"]) == {"live"}
    assert "missing" not in set(blobkit.audit(snapshot).findings["code"])


def test_the_build_cache_keeps_layers(root: DockerRoot) -> None:
    base = root.layer("base")
    top = root.layer("top " * 90, base)
    image = root.image("bk:1", top=top)
    root.cache("one", layer=base)
    root.cache("two", layer=top)
    preview = blobkit.simulate_deref(root.scan(), "bk:1")
    assert preview.digests == (f"image/{image}",)
    assert preview.also_drop["tag"].tolist() == ["two"]
    assert any("together with docker builder prune -a" in line for line in preview.lines())
    whole = blobkit.simulate_deref(root.scan(), "bk:1", groups=("(build cache)",))
    assert of_kind(set(whole.digests)) == {"image", "layer"}
    assert len(whole) == 3


def test_snapshots_without_a_record_keep_nothing(root: DockerRoot) -> None:
    root.cache("stale", layer=root.layer("x"), record=False)
    root.records["record"] = digest("x")  # BuildKit calls the snapshot of an image's layer by its digest
    root.snapshots[digest("x").encode()] = {}
    root.write_cache()
    snapshot = root.scan()
    assert [pin["name"] for pin in snapshot.pins.to_pylist()] == ["record"]
    root.records.clear()
    root.write_cache()
    assert set(root.scan().to_frame(min_age=0)["status"]) == {"garbage"}


def test_a_copy_that_buildkit_left_is_garbage_unless_layers_are_mounted_on_it(root: DockerRoot) -> None:
    """Seen with dockerd 20.10.24: BuildKit builds a layer again that is there already, and its directory stays."""
    base = root.layer("built twice")
    copy = root.tree("built twice, by BuildKit", "copyofbuildkit")
    root.cache("one", layer=base, committed=copy)
    snapshot = root.scan()
    assert snapshot.to_frame(min_age=0)["status"][f"dir/{copy}"] == "garbage"
    assert ("unowned", f"dir/{copy}") in noticed(snapshot)
    above = root.tree("on top", "ontopofthecopy", lower=copy)
    root.cache("two", layer=root.layer("on top", base, tree=above))
    snapshot = root.scan()
    assert snapshot.to_frame(min_age=0)["status"][f"dir/{copy}"] == "live"
    assert f"dir/{copy}" not in freed(snapshot, "one", "two")


def test_a_list_of_directories_that_cannot_be_read_keeps_all_that_nobody_names(root: DockerRoot) -> None:
    root.image("a:1", top=root.layer("x"))
    name = root.tree("of nobody")
    (root.trees / identifier("tree of x") / "lower").mkdir()
    assert root.scan().to_frame(min_age=0)["status"][f"dir/{name}"] == "live"


def test_what_no_command_removes_is_no_part_of_a_prune(tmp_path: Path) -> None:
    store = small(tmp_path / "root")
    store.layer("of nothing")
    (store.database / "layerdb/sha256" / f"{identifier('gone')}-abc-removing").mkdir()
    snapshot = store.scan()
    garbage = set(snapshot.to_frame(min_age=0).query("status == 'garbage'").index)
    assert of_kind(garbage) == {"dir", "layer"}
    for tool in ("docker-prune", "docker-prune-a", "docker-builder-prune", "docker-system-prune"):
        assert not garbage & set(blobkit.compare_gc(snapshot, tool).frame.index)
    everything = set(blobkit.compare_gc(snapshot, "docker-system-prune").frame.index)
    assert everything == set(snapshot.to_frame().index) - garbage


def test_image_prune_takes_what_has_no_tag(tmp_path: Path) -> None:
    removed = set(blobkit.compare_gc(small(tmp_path / "root").scan(), "docker-prune").frame.index)
    assert of_kind(removed) == {"image", "layer"}
    assert {f"layer/{digest('pulled')}", f"layer/{digest('left by a build')}"} <= removed


def test_a_directory_of_nobody_is_fresh_until_it_is_old(root: DockerRoot) -> None:
    name = root.tree("of nobody")
    assert root.scan().to_frame(min_age="24h")["status"].tolist() == ["fresh"]
    os.utime(root.trees / name, (1e9, 1e9))
    assert root.scan().to_frame(min_age="24h")["status"].tolist() == ["garbage"]


@pytest.mark.parametrize("driver", ["overlay2", "vfs"])
def test_drivers_with_a_directory_for_each_layer_are_exact(tmp_path: Path, driver: str) -> None:
    snapshot = small(tmp_path / "root", driver).scan()
    assert blobkit.simulate_deref(snapshot, "acme/tool:1").exact
    assert any(key.startswith("dir/") for key in snapshot.to_frame().index)


def test_other_drivers_are_estimated_from_the_records(tmp_path: Path) -> None:
    store = small(tmp_path / "root", "btrfs")
    preview = blobkit.simulate_deref(store.scan(), "acme/tool:1")
    tool = f"layer/{store.layer('tool', store.layer('base ' * 100))}"
    assert tool in preview.estimated
    assert not preview.exact
    assert preview.freed["size"][tool] == len("tool") + bytes_of(store.database / "layerdb/sha256" / tool[-64:])


def test_a_file_with_another_name_elsewhere_makes_its_layers_estimates(root: DockerRoot) -> None:
    root.image("a:1", top=root.layer("one"))
    root.image("b:1", top=root.layer("two"))
    one, two = (root.trees / identifier(f"tree of {text}") / "diff" for text in ("one", "two"))
    os.link(one / "file", two / "again")
    snapshot = root.scan()
    assert len(blobkit.simulate_deref(snapshot, "a:1", "b:1").estimated) == 2
    assert snapshot.disk is not None
    assert snapshot.disk.bytes == bytes_of(root.root) - len("one")


def test_records_of_another_driver_are_other_files(tmp_path: Path) -> None:
    old, new = small(tmp_path / "old", "vfs"), small(tmp_path / "root")
    os.utime(old.database / "repositories.json", (1e9, 1e9))
    for name in ("image/vfs", "vfs"):
        (old.root / name).rename(new.root / name)
    audit = blobkit.audit(new.scan())
    assert audit.bytes == bytes_of(new.root)
    assert set(audit.findings.set_index("code")["names"]["other"]) == {"image/vfs", "vfs", "volumes"}


def test_images_in_containerd_are_told(root: DockerRoot) -> None:
    path = root.root / "containerd/daemon/io.containerd.metadata.v1.bolt"
    path.mkdir(parents=True)
    (path / "meta.db").write_bytes(bolt({b"v1": {b"moby": {b"images": {b"a": {}, b"b": {}}}}}))
    notices = root.scan().notices["message"].to_pylist()
    assert any("2 images for docker" in notice and "containerd:" in notice for notice in notices)


def test_a_root_with_images_in_containerd_only_says_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "containerd/daemon/io.containerd.metadata.v1.bolt"
    path.mkdir(parents=True)
    (path / "meta.db").write_bytes(bolt({b"v1": {b"moby": {b"images": {b"a": {}}}}}))
    with pytest.raises(UnreadableStoreError, match=r"1 image with containerd here: scan containerd:/.*/daemon"):
        blobkit.scan(tmp_path, progress=False)


@pytest.mark.parametrize("name", ["snapshots.db", "metadata_v2.db"])
def test_without_the_build_cache_nothing_is_certain(tmp_path: Path, name: str) -> None:
    store = small(tmp_path / "root")
    (store.root / "buildkit" / name).write_bytes(b"damaged")
    snapshot = store.scan()
    assert set(snapshot.to_frame(min_age=0)["status"]) == {"live", "unknown"}
    preview = blobkit.simulate_deref(snapshot, "acme/tool:1")
    assert not preview.exact
    assert preview.certain_bytes == 0


@pytest.mark.parametrize("part", ["cache-id", "parent"])
def test_a_layer_with_a_damaged_record_holds_what_it_may(root: DockerRoot, part: str) -> None:
    base = root.layer("base")
    root.image("a:1", top=root.layer("top", base))
    path = root.database / "layerdb/sha256" / root.layer("top", base)[7:] / part
    path.unlink()
    if part == "parent":
        path.write_text("damaged")
    assert "garbage" not in set(root.scan().to_frame(min_age=0)["status"])


def test_an_image_that_does_not_match_its_id_holds_what_it_may(root: DockerRoot) -> None:
    image = root.image("a:1", top=root.layer("x"))
    path = root.database / "imagedb/content/sha256" / image[7:]
    path.write_text(path.read_text().replace("amd64", "arm64"))
    snapshot = root.scan()
    assert ("digest-mismatch", f"image/{image}") in noticed(snapshot)
    assert "garbage" not in set(snapshot.to_frame(min_age=0)["status"])


def test_damaged_names_leave_every_image_in_place(tmp_path: Path) -> None:
    store = small(tmp_path / "root")
    (store.database / "repositories.json").write_text('{"Repositories": {')
    frame = store.scan().to_frame(min_age=0)
    assert not frame.index[frame["status"] == "garbage"].str.startswith(("image/", "layer/")).any()


def test_a_missing_layer_and_a_missing_directory_are_told(root: DockerRoot) -> None:
    one, two = root.layer("one"), root.layer("two")
    root.image("a:1", top=one)
    root.image("b:1", top=two)
    for path in (root.database / "layerdb/sha256" / one[7:], root.trees / identifier("tree of two")):
        path.rename(root.root / path.name)
    found = blobkit.audit(root.scan()).findings.set_index("code")["digests"]
    assert f"layer/{one}" in found["missing"]
    assert f"layer/{two}" in found["damaged"]


def test_records_that_change_all_the_time(root: DockerRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    from blobkit.scanners.docker_roots import state  # noqa: PLC0415

    root.image("a:1", top=root.layer("x"))
    root.tree("of nobody")
    number = iter(range(1000))
    monkeypatch.setattr(state, "_fingerprint", lambda *_: next(number))
    snapshot = root.scan()
    assert set(snapshot.to_frame(min_age=0)["status"]) == {"live", "unknown"}
    assert not blobkit.simulate_deref(snapshot, "a:1").exact


def test_directories_that_this_user_may_not_enter_are_estimated(common: Path) -> None:
    store = DockerRoot(common / "root")
    layer = store.layer("content", claimed=12_345)
    store.image("a:1", top=layer)
    with barred(store.trees / identifier("tree of content") / "diff", 0o700):
        snapshot = store.scan()
        preview = blobkit.simulate_deref(snapshot, "a:1")
        audit = blobkit.audit(snapshot)
    assert preview.estimated == (f"layer/{layer}",)
    assert preview.freed["size"][f"layer/{layer}"] == 12_345
    assert "sudo" in audit.findings.set_index("code")["advice"]["estimated"]


def test_layers_that_this_user_may_not_list_are_estimated_and_hold_their_place(common: Path) -> None:
    store = DockerRoot(common / "root")
    layer = store.layer("content", claimed=12_345)
    store.image("a:1", top=layer)
    with barred(store.trees, 0o700):
        snapshot = store.scan()
    assert blobkit.simulate_deref(snapshot, "a:1").estimated == (f"layer/{layer}",)


@pytest.mark.parametrize("part", ["", "image", "image/overlay2/imagedb/content", "containers"])
def test_records_that_this_user_may_not_read_are_one_line_with_the_next_step(common: Path, part: str) -> None:
    store = small(common / "root")
    with barred(store.root / part, 0o700), pytest.raises(UnreadableStoreError, match="sudo -u root") as error:
        blobkit.scan(store.root, progress=False) if not part else store.scan()
    assert "\n" not in str(error.value)


def test_layers_that_are_being_pulled_are_uploads(root: DockerRoot) -> None:
    path = root.database / "layerdb" / "tmp" / "write-set-123"
    path.mkdir(parents=True)
    (path / "tar-split.json.gz").write_bytes(b"half")
    assert blobkit.audit(root.scan()).findings.set_index("code")["bytes"]["upload"] == 4


def test_an_import_says_what_to_do_instead(root: DockerRoot) -> None:
    with (
        blobkit.LocalStore(root.root / "store") as store,
        pytest.raises(SourceError, match="skopeo copy docker-daemon"),
    ):
        store.import_(f"docker:{root.root}")
