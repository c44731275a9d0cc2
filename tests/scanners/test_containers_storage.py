"""containers-storage roots made by hand: every shape that podman leaves, and what may not be looked at."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.errors import SourceError, UnreadableStoreError
from blobkit.scanners import containers_storage
from commands import command
from podman_roots import PodmanRoot, identifier, small
from unprivileged import barred, common, unprivileged  # noqa: F401 (a fixture)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot


@pytest.fixture(autouse=True)
def own_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration of this system is read."""
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", os.fspath(tmp_path / "storage.conf"))


@pytest.fixture
def root(tmp_path: Path) -> PodmanRoot:
    return PodmanRoot(tmp_path / "root")


def scan(root: PodmanRoot) -> Snapshot:
    return blobkit.scan(root.address, progress=False)


def layer(name: str) -> str:
    return f"layer/{identifier(name)}"


def status(snapshot: Snapshot, key: str, min_age: str | int | None = None) -> str:
    return str(snapshot.to_frame(min_age=min_age).loc[key, "status"])


def codes(snapshot: Snapshot) -> set[str]:
    return set(snapshot.notices["code"].to_pylist())


@pytest.mark.parametrize("driver", ["overlay", "vfs"])
def test_a_small_root(tmp_path: Path, driver: str) -> None:
    snapshot = scan(small(tmp_path / "root", driver))
    frame = snapshot.to_frame()
    assert frame["kind"].value_counts().to_dict() == {"layer": 5, "image": 4, "container": 1, "volume": 1} | {
        kind: 0 for kind in frame["kind"].cat.categories if kind not in {"layer", "image", "container", "volume"}
    }
    garbage = set(frame.index[frame["status"] == "garbage"])
    assert garbage == {layer("garbage"), layer("no record")}
    assert set(snapshot.tags_frame()["repo"]) == {
        "localhost/shop/base",
        "localhost/shop/app",
        "docker.io/shop/app",
        "localhost/shop/list",
    }
    assert snapshot.tags_frame().loc["localhost/shop/app:1", "platforms"] == ("linux/amd64",)
    assert snapshot.disk is not None
    every = sum(path.lstat().st_size for path in (tmp_path / "root").rglob("*") if path.is_file())
    assert snapshot.disk.bytes == every == snapshot.bytes + snapshot.disk.metadata
    assert (frame["disk"] >= 0).all()


def test_an_image_in_use_keeps_its_last_name(tmp_path: Path) -> None:
    snapshot = scan(small(tmp_path / "root"))
    assert "its last name stays" not in str(snapshot.simulate_deref("localhost/shop/app:1"))
    both = snapshot.simulate_deref("localhost/shop/app:1", "docker.io/shop/app:1", "localhost/shop/base:1")
    assert "its image is in use by box, so its last name stays" in str(both)
    assert {key.partition("/")[0] for key in both.digests} == {"image"}
    assert len(both.digests) == 1


def test_an_unnamed_parent_goes_with_its_child(root: PodmanRoot) -> None:
    base, app = root.layer("base"), root.layer("app", identifier("base"))
    step = root.image("step", app, lines=["a", "b"], diffs=["base", "app"])
    first = root.image("base", base, lines=["a"], diffs=["base"])
    last = root.image("app", app, ["localhost/app:1"], lines=["a", "b", "c"], diffs=["base", "app"])
    preview = scan(root.write()).simulate_deref("localhost/app:1")
    assert set(preview.digests) == {f"image/{one}" for one in (step, first, last)} | {layer("base"), layer("app")}


def test_a_named_parent_goes_alone(root: PodmanRoot) -> None:
    base, app = root.layer("base"), root.layer("app", identifier("base"))
    first = root.image("base", base, ["localhost/base:1"], lines=["a"], diffs=["base"])
    root.image("app", app, ["localhost/app:1"], lines=["a", "b"], diffs=["base", "app"])
    assert scan(root.write()).simulate_deref("localhost/base:1").digests == (f"image/{first}",)


@pytest.mark.parametrize(
    ("lines", "diffs"),
    [
        (["a", "b"], ["base", "app"]),
        (["x"], ["base"]),
        (["a"], ["other"]),
        ([], ["base"]),
        (["a"], ["base", "app", "more"]),
    ],
)
def test_no_parent(root: PodmanRoot, lines: list[str], diffs: list[str]) -> None:
    """One line of history less, the same lines, and the first diff IDs: nothing else makes a parent."""
    base, app = root.layer("base"), root.layer("app", identifier("base"))
    root.image("other", base, lines=lines, diffs=diffs)
    root.image("app", app, ["localhost/app:1"], lines=["a", "b"], diffs=["base", "app"])
    snapshot = scan(root.write())
    assert "parent-image" not in snapshot.links["kind"].to_pylist()
    assert "unnamed" in snapshot.pins["kind"].to_pylist()


def test_of_two_possible_parents_the_first_is_taken(root: PodmanRoot) -> None:
    base, app = root.layer("base"), root.layer("app", identifier("base"))
    below = root.image("one", base, lines=["a"], diffs=["base"])
    beside = root.image("two", app, lines=["a"], diffs=["base", "app"])
    child = root.image("app", app, ["localhost/app:1"], lines=["a", "b"], diffs=["base", "app"])
    snapshot = scan(root.write())
    assert "tie" in codes(snapshot)
    preview = snapshot.simulate_deref("localhost/app:1")
    assert f"image/{beside}" in preview.digests, "the one on the layer of the child itself comes first"
    assert f"image/{below}" not in preview.digests
    assert f"image/{child}" in preview.digests


def test_copies_of_a_layer_for_other_users_go_with_the_image(root: PodmanRoot) -> None:
    top, copy = root.layer("top"), root.layer("copy")
    root.image("app", top, ["localhost/app:1"])
    root.images[0]["mapped-layers"] = [copy]
    assert {layer("top"), layer("copy")} < set(scan(root.write()).simulate_deref("localhost/app:1").digests)


def test_a_list_without_an_image_of_it_is_broken(root: PodmanRoot) -> None:
    """A list holds no image, and has the platforms of its images."""
    image = root.image("app", root.layer("app"), ["localhost/app:1"])
    root.index("list", ["localhost/list:1"], image, identifier("elsewhere"))
    snapshot = scan(root.write())
    preview = snapshot.simulate_deref("localhost/app:1")
    assert set(preview.digests) == {f"image/{image}", layer("app")}
    assert preview.breaks == ("localhost/list:1",)
    assert snapshot.tags_frame().loc["localhost/list:1", "platforms"] == ("linux/amd64",)
    assert "missing" not in set(snapshot.audit().findings["code"])


def test_garbage_above_a_layer_keeps_it(root: PodmanRoot) -> None:
    base = root.layer("base")
    root.layer("left", base)
    image = root.image("base", base, ["localhost/base:1"])
    preview = scan(root.write()).simulate_deref("localhost/base:1")
    assert preview.digests == (f"image/{image}", layer("base"))
    assert preview.collected.digests == (f"image/{image}",)
    assert "waits: 1 blob" in str(preview)
    assert "something that nothing names needs it" in str(preview)


def test_what_is_being_written_is_fresh(root: PodmanRoot) -> None:
    root.layer("pulled", flags={"incomplete": True})
    old = root.files("old", "x")
    os.utime(old, (1, 1))
    snapshot = scan(root.write())
    assert status(snapshot, layer("pulled"), "1s") == "fresh"
    assert status(snapshot, layer("old"), "24h") == "garbage"
    assert "incomplete" in codes(snapshot)


def test_hard_links_inside_a_layer_count_once(root: PodmanRoot) -> None:
    root.layer("a", content="x" * 1000)
    folder = root.data / identifier("a") / "diff" / "etc"
    os.link(folder / "file", folder / "again")
    snapshot = scan(root.write())
    assert 1000 < snapshot.to_frame().loc[layer("a"), "size"] < 2000
    assert "estimated" not in codes(snapshot)


def test_hard_links_between_layers_make_their_sizes_estimates(root: PodmanRoot) -> None:
    for name in "ab":
        root.image(name, root.layer(name, content=name * 1000), [f"localhost/{name}:1"])
    inside = [root.data / identifier(name) / "diff" / "etc" for name in "ab"]
    os.link(inside[0] / "file", inside[1] / "same")
    snapshot = scan(root.write())
    preview = snapshot.simulate_deref("localhost/a:1")
    assert preview.estimated == (layer("a"),)
    assert preview.certain_bytes < 1000 < preview.bytes
    assert snapshot.disk is not None
    assert snapshot.disk.bytes == sum(
        {
            info.st_ino: info.st_size for path in root.root.rglob("*") if path.is_file() for info in [path.lstat()]
        }.values()
    )


def test_layers_of_btrfs_have_estimates(root: PodmanRoot) -> None:
    root.image("a", root.layer("a", **{"diff-size": 12345}), ["localhost/a:1"])
    root.write()
    (root.root / "btrfs").mkdir()
    root.data.rename(root.root / "btrfs" / "subvolumes")
    for what in ("layers", "images", "containers"):
        (root.root / f"overlay-{what}").rename(root.root / f"btrfs-{what}")
    (root.root / "overlay").rmdir() if (root.root / "overlay").exists() else None
    preview = scan(root).simulate_deref("localhost/a:1")
    assert preview.estimated == (layer("a"),)
    assert preview.freed.loc[layer("a"), "size"] == 12345
    assert "shares blocks" in " ".join(preview.snapshot.notices["message"].to_pylist())


def test_layers_of_another_store(root: PodmanRoot, tmp_path: Path) -> None:
    other = PodmanRoot(tmp_path / "other")
    other.layer("base")
    other.write()
    root.image("app", root.layer("app", identifier("base")), ["localhost/app:1"])
    root.write()
    assert "missing" in set(scan(root).audit().findings["code"])
    options = f'[storage.options]\nadditionalimagestores = ["{other.root}"]\n'
    (tmp_path / "storage.conf").write_text(options)
    snapshot = scan(root)
    found = blobkit.to_frame(snapshot, absent=True).loc[layer("base")]
    assert (found["size"], found["stored"]) == (0, "foreign")
    assert not {"missing", "tag-without-content"} & set(snapshot.audit().findings["code"])
    assert snapshot.simulate_deref("localhost/app:1").exact


def test_a_volume_with_the_name_of_a_container(root: PodmanRoot) -> None:
    """The name means the container alone: dropping a volume loses data."""
    image = root.image("app", root.layer("app"), ["localhost/app:1"])
    root.container("box", image, identifier("app"))
    root.volume("box", "data")
    snapshot = scan(root.write())
    assert "volume/box" not in snapshot.simulate_deref("box").digests
    assert snapshot.simulate_deref("volume/box").digests == ("volume/box",)


@pytest.mark.parametrize("what", ["layers", "images", "containers"])
def test_nothing_is_free_without_a_list(tmp_path: Path, what: str) -> None:
    root = small(tmp_path / "root")
    (root.root / f"overlay-{what}" / f"{what}.json").unlink()
    snapshot = scan(root)
    assert not set(snapshot.to_frame()["status"]) & {"garbage"}
    assert f"overlay-{what}/{what}.json" in str(snapshot.audit().to_dict())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[", "not JSON"),
        (b'{"format": 2}', "it is not a list: a newer format"),
        (b'[{"id": ' + b"[" * 5000, "JSON"),
        (b"\xff\xfe[]", "not JSON"),
    ],
)
def test_a_list_that_cannot_be_read(tmp_path: Path, content: bytes, why: str) -> None:
    root = small(tmp_path / "root")
    path = root.root / "overlay-images" / "images.json"
    path.write_bytes(content)
    with pytest.raises(UnreadableStoreError, match=why) as caught:
        scan(root)
    assert str(path) in str(caught.value)
    assert "restore this file" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_references_that_are_no_ids(root: PodmanRoot) -> None:
    """Who may need anything keeps everything."""
    root.image("app", root.layer("app"), ["localhost/app:1"])
    root.images[0]["layer"] = "../../etc"
    snapshot = scan(root.write())
    assert status(snapshot, layer("app")) == "unknown"


@pytest.mark.parametrize("record", [{"id": ".."}, {"id": "a/b"}, {"id": 1}, {}, "x", None, {"id": "x\x00"}])
def test_records_without_a_valid_id(root: PodmanRoot, record: object) -> None:
    root.files("some", "x")
    root.layers.append(record)  # type: ignore[arg-type]
    snapshot = scan(root.write())
    assert status(snapshot, layer("some")) == "unknown"
    assert "odd" in codes(snapshot)


def test_names_twice(root: PodmanRoot) -> None:
    for name in "ab":
        root.image(name, root.layer(name), ["localhost/same:1"])
    snapshot = scan(root.write())
    assert "duplicate-name" in set(snapshot.audit().findings["code"])


def test_a_name_by_digest(root: PodmanRoot) -> None:
    digest = "sha256:" + "a" * 64
    root.image("a", root.layer("a"), [f"localhost/shop/a@{digest}"])
    frame = scan(root.write()).tags_frame()
    assert frame["repo"].tolist() == ["localhost/shop/a"]
    assert frame["version"].tolist() == [digest]


def test_things_that_nothing_records(root: PodmanRoot) -> None:
    stray = root.root / "overlay-images" / identifier("stray")
    stray.mkdir()
    (stray / "manifest").write_text("{}")
    staging = root.root / "overlay" / "staging" / "12"
    staging.mkdir(parents=True)
    (staging / "part").write_text("x" * 50)
    (root.root / "overlay" / "notes").mkdir()
    (root.root / "overlay" / "notes" / "file").write_text("y" * 70)
    snapshot = scan(root.write())
    assert status(snapshot, f"image/{identifier('stray')}") == "garbage"
    audit = snapshot.audit()
    found = audit.findings.set_index("code")
    assert found.loc["upload", "bytes"] == 50
    assert (found.loc["leftover", "bytes"], found.loc["leftover", "names"]) == (70, ("overlay/notes",))
    assert audit.bytes == sum(path.lstat().st_size for path in root.root.rglob("*") if path.is_file())


def test_a_link_out_of_the_store_is_not_followed(tmp_path: Path) -> None:
    root = small(tmp_path / "root")
    shutil.move(root.root / "overlay", tmp_path / "elsewhere")
    (root.root / "overlay").symlink_to(tmp_path / "elsewhere")
    snapshot = scan(root)
    assert not snapshot.simulate_deref("localhost/shop/*", "docker.io/shop/app:1", "box").exact
    assert "outside" in set(snapshot.audit().findings["code"])
    assert "missing" not in set(snapshot.audit().findings["code"])


def test_lists_behind_a_link_out_of_the_store(tmp_path: Path) -> None:
    root = small(tmp_path / "root")
    shutil.move(root.root / "overlay-images", tmp_path / "elsewhere")
    (root.root / "overlay-images").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnreadableStoreError, match=r"leads out of .* by a symbolic link") as caught:
        scan(root)
    assert "mount --bind" in str(caught.value)


def test_an_image_without_config(tmp_path: Path) -> None:
    root = small(tmp_path / "root")
    for path in (root.root / "overlay-images").glob("*/=*"):
        path.unlink()
    snapshot = scan(root)
    assert "odd" in codes(snapshot)
    assert set(snapshot.tags_frame().index) >= {"localhost/shop/app:1", "localhost/shop/base:1"}


def test_the_store_of_another_driver_is_no_leftover(tmp_path: Path) -> None:
    root = small(tmp_path / "root")
    PodmanRoot(tmp_path / "vfs", "vfs").layer("other")
    for path in (tmp_path / "vfs").iterdir():
        path.rename(root.root / path.name)
    snapshot = scan(root)
    assert "unread" in codes(snapshot)
    assert "leftover" not in codes(snapshot)
    assert snapshot.audit().bytes == sum(path.lstat().st_size for path in root.root.rglob("*") if path.is_file())


def test_not_a_root(tmp_path: Path) -> None:
    with pytest.raises(UnreadableStoreError, match="podman info"):
        blobkit.scan(f"podman:{tmp_path}", progress=False)


def test_content_cannot_be_imported(tmp_path: Path) -> None:
    root = small(tmp_path / "root")
    with pytest.raises(SourceError, match="unpacked layers"):
        blobkit.LocalStore(tmp_path / "store").import_(root.address)


@pytest.fixture
def rootless(common: Path) -> Iterator[PodmanRoot]:  # noqa: F811 (a fixture)
    """A root that everyone may read, but for the files of one layer, which belong to another user."""
    root = small(common / "root")
    for path in root.root.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    root.root.chmod(0o755)
    diff = root.data / identifier("app") / "diff"
    diff.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(diff, 100_000, 100_000)
    yield root
    diff.chmod(0o755)


@pytest.mark.slow
def test_files_of_other_users_are_estimated(rootless: PodmanRoot) -> None:
    if os.geteuid() != 0:
        pytest.skip("another user's files can be made by root only")
    with unprivileged():
        snapshot = scan(rootless)
        audit = snapshot.audit()
    preview = snapshot.simulate_deref("localhost/shop/app:1", "docker.io/shop/app:1", "box")
    assert preview.estimated == (layer("app"),)
    assert not preview.exact
    assert snapshot.to_frame().loc[layer("app"), "size"] == 4096
    assert preview.certain_bytes == preview.bytes - 4096
    assert "about" in preview.title()
    found = audit.findings.set_index("code").loc["estimated"]
    assert found["bytes"] == 4096
    assert f"type: podman unshare blobkit audit {rootless.address}" in found["advice"]
    assert snapshot.simulate_deref("localhost/shop/base:1").exact


@pytest.mark.slow
def test_a_directory_of_layers_that_cannot_be_listed(common: Path) -> None:  # noqa: F811 (a fixture)
    root = small(common / "root")
    with barred(root.root / "overlay"):
        snapshot = scan(root)
    assert layer("no record") not in snapshot.to_frame().index
    assert set(snapshot.simulate_deref("volume/data").digests) == {"volume/data"}
    some = snapshot.simulate_deref("localhost/shop/*", "docker.io/shop/app:1", "box")
    assert set(some.estimated) >= {layer("app"), layer("base")}
    assert "missing" not in set(snapshot.audit().findings["code"])


@pytest.mark.slow
def test_a_list_that_this_user_may_not_read(common: Path) -> None:  # noqa: F811 (a fixture)
    root = small(common / "root")
    path = root.root / "overlay-layers" / "layers.json"
    with barred(path), pytest.raises(UnreadableStoreError, match="sudo -u") as caught:
        scan(root)
    assert str(path) in str(caught.value)


def test_the_default_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = small(tmp_path / "data" / "containers" / "storage")
    other = PodmanRoot(tmp_path / "other").write()
    monkeypatch.setenv("XDG_DATA_HOME", os.fspath(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", os.fspath(tmp_path / "config"))
    assert blobkit.scan("podman", progress=False).address == os.fspath(own.root)
    assert blobkit.scan("containers-storage", progress=False).address == os.fspath(own.root)
    (tmp_path / "storage.conf").write_text(f"[storage]\ngraphroot = {json.dumps(os.fspath(other.root))}\n")
    assert blobkit.scan("podman", progress=False).address == os.fspath(other.root)
    shutil.rmtree(other.root)
    assert blobkit.scan("podman", progress=False).address == os.fspath(own.root)


@pytest.mark.slow
def test_a_default_place_that_this_user_may_not_enter(common: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811 (a fixture)
    root = small(common / "containers" / "storage")
    monkeypatch.chdir(common)
    monkeypatch.setenv("XDG_DATA_HOME", os.fspath(common))
    with barred(root.root), pytest.raises(UnreadableStoreError, match="cannot be read by user") as caught:
        blobkit.scan("podman", progress=False)
    assert os.fspath(root.root) in str(caught.value)


def test_lists_that_change_while_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = small(tmp_path / "root")
    read, busy = containers_storage.read_records, [1]

    def racing(*args: object) -> object:
        found = read(*args)  # type: ignore[arg-type]
        if busy:
            busy.pop()
            root.write()
        return found

    monkeypatch.setattr(containers_storage, "read_records", racing)
    assert "changed" not in codes(scan(root)), "it was read again"
    busy += [1] * containers_storage.TRIES
    assert "changed" in codes(scan(root))


COMMANDS = (
    ("audit",),
    ("tags",),
    ("ls",),
    ("usage", "--by", "repo"),
    ("simulate", "localhost/shop/app:1", "--script", "podman"),
    ("simulate", f"layer/{identifier('app')}"),
    ("why", f"layer/{identifier('app')}"),
    ("plan", "--free", "10"),
    ("compare-gc", "podman-prune-a"),
    ("report", "-o", "report.html"),
)


@pytest.mark.slow
def test_commands(tmp_path: Path) -> None:
    root = small(tmp_path / "storage")
    configuration = tmp_path / "storage.conf"
    configuration.write_text(f"[storage]\ngraphroot = {json.dumps(os.fspath(root.root))}\n")
    said = {}
    for name, *words in COMMANDS:
        done = command(name, "podman", *words, cwd=tmp_path, CONTAINERS_STORAGE_CONF=os.fspath(configuration))
        said[name, *words] = done.returncode, done.stdout + done.stderr
    assert {code for code, _ in said.values()} == {0, 2}
    assert os.fspath(root.root) in said["audit",][1]
    assert "localhost/shop/app:1" in said["tags",][1]
    assert "(containers)" in said["usage", "--by", "repo"][1]
    assert "drop " in said["simulate", "localhost/shop/app:1", "--script", "podman"][1]
    assert "only links hold it" in said["simulate", f"layer/{identifier('app')}"][1]
    assert "localhost/shop/app:1" in said["why", f"layer/{identifier('app')}"][1]
    assert "podman image prune -a would remove" in said["compare-gc", "podman-prune-a"][1]
    assert (tmp_path / "report.html").stat().st_size > 10_000
