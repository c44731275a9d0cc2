"""What a preview of a containerd root says, against what the installed containerd then removes, file by file."""

from __future__ import annotations

import json
import random
import threading
from typing import TYPE_CHECKING

import pytest

import blobkit
from effort import TORTURE
from layouts import Layout
from live_containerd import containerd, image, index, layer, version
from live_registry import shell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.questions.preview import Preview
    from blobkit.snapshot.snapshot import Snapshot
    from live_containerd import Daemon

BASE = "reg.example.org/app"
SPACES = ("default", "k8s.io")


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with containerd() as running:
        print(version())  # noqa: T201 (the rules are those of this version)
        yield running


def scan(daemon: Daemon) -> Snapshot:
    return blobkit.scan(f"containerd:{daemon.root}", progress=False)


def agrees(daemon: Daemon, snapshot: Snapshot) -> None:
    """Hold that a snapshot has the blobs and trees that are on disk, with their bytes."""
    size = snapshot.to_frame()["size"]
    is_tree = size.index.str.startswith("snapshot/")
    assert size[~is_tree].to_dict() == daemon.blobs()
    assert sorted(size[is_tree]) == sorted(daemon.trees().values())


def carried_out(daemon: Daemon, preview: Preview) -> None:
    """Run the script of a preview, and hold that what is gone is what the preview and garbage are."""
    snapshot = preview.snapshot
    frame = snapshot.to_frame()
    garbage = set(frame.index[frame["status"] == "garbage"])
    done = shell(preview.script(), daemon.where, CONTAINERD_ADDRESS=str(daemon.socket))
    assert (done.returncode, done.stderr.strip()) == (0, "0 skipped"), done.stderr
    after = scan(daemon)
    agrees(daemon, after)
    gone = set(frame.index) - set(after.to_frame().index)
    assert gone == set(preview.digests) | garbage
    assert preview.exact
    assert preview.collected.bytes == preview.bytes
    assert int(frame.loc[list(gone - garbage), "size"].sum()) == preview.bytes


def filled(daemon: Daemon, seed: int) -> None:
    """Images that share layers, in two namespaces, some unpacked; an index; labels that hold and that lead on."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    layout = Layout(daemon.where / f"layout-{seed}")
    layers = [layer(**{f"f{seed}-{i}": "x" * chance.randrange(1, 4000)}) for i in range(4)]
    images = [image(layout, f"{BASE}:{seed}-{i}", *chance.sample(layers, chance.randrange(1, 4))) for i in range(4)]
    layout.add(images[0], f"{BASE}:{seed}-again")
    index(layout, f"{BASE}:{seed}-many", amd64=images[1], arm64=image(layout, "", layers[0], platform="arm64"))
    for space in SPACES:
        unpack = ["--snapshotter", "native"] if chance.random() < 0.5 else ["--no-unpack"]
        daemon.load(layout, "--base-name", BASE, *unpack, namespace=space)
    held, led = chance.sample(images, 2)
    daemon.ctr("content", "label", held, "containerd.io/gc.root=test", namespace="default")
    daemon.ctr("content", "label", led, f"containerd.io/gc.ref.content.extra={held}", namespace="k8s.io")


def names(snapshot: Snapshot) -> list[str]:
    return snapshot.tags_frame().index.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2 * TORTURE))
def test_each_removal_frees_what_its_preview_says(daemon: Daemon, seed: int) -> None:
    filled(daemon, seed)
    chance = random.Random(-seed)  # noqa: S311 (no secret)
    snapshot = scan(daemon)
    agrees(daemon, snapshot)
    assert len(names(snapshot)) >= 12
    while left := names(snapshot):
        carried_out(daemon, snapshot.simulate_deref(*chance.sample(left, min(len(left), chance.randrange(1, 4)))))
        snapshot = scan(daemon)


@pytest.mark.slow
def test_a_container_holds_its_snapshot_and_not_its_image(daemon: Daemon) -> None:
    layout = Layout(daemon.where / "container")
    digest = image(layout, f"{BASE}:box", layer(box="x" * 5000))
    daemon.load(layout, "--base-name", BASE, "--snapshotter", "native")
    daemon.ctr("containers", "create", "--snapshotter", "native", f"{BASE}:box", "box")
    snapshot = scan(daemon)
    agrees(daemon, snapshot)
    preview = snapshot.simulate_deref(f"default/{BASE}:box")
    assert digest in preview.digests
    assert not any(key.startswith("snapshot/") for key in preview.digests)
    carried_out(daemon, preview)
    after = scan(daemon)
    tree = next(key for key in after.to_frame().index if key.endswith("/box"))
    assert after.why(tree).others == ("container/default/box",)
    daemon.ctr("containers", "rm", "box")


@pytest.mark.slow
def test_the_script_passes_over_names_that_changed_and_those_that_look_like_options(daemon: Daemon) -> None:
    layout = Layout(daemon.where / "changed")
    image(layout, f"{BASE}:changed", layer(one="1"))
    image(layout, f"{BASE}:other", layer(two="2"))
    daemon.load(layout, "--base-name", BASE, "--no-unpack")
    daemon.ctr("images", "tag", f"{BASE}:changed", "--", "-rf")
    preview = scan(daemon).simulate_deref("default/-rf", f"default/{BASE}:changed")
    daemon.ctr("images", "tag", "--force", f"{BASE}:other", f"{BASE}:changed")
    done = shell(preview.script(), daemon.where, CONTAINERD_ADDRESS=str(daemon.socket))
    assert done.returncode == 0, done.stderr
    assert f"skipped default/{BASE}:changed: it names" in done.stderr
    assert names(scan(daemon)) == [f"default/{BASE}:changed", f"default/{BASE}:other"]
    carried_out(daemon, scan(daemon).simulate_deref("default/*"))


@pytest.mark.slow
def test_pictures_of_a_busy_store_are_of_one_moment(daemon: Daemon) -> None:
    """While images come and go, each name in a picture has all of its parts: none is missing, and none is garbage."""
    layout = Layout(daemon.where / "busy")
    parts = [layer(**{f"file{i}": str(i) * 300}) for i in range(3)]
    tags = [f"{BASE}:busy-{i}" for i in range(3)]
    for i, tag in enumerate(tags):
        image(layout, tag, parts[i], parts[(i + 1) % 3])
    whole = {digest: {digest, *_below(layout, digest)} for digest in (entry["digest"] for entry in layout.entries)}
    turns, scans = 0, 0
    stop = threading.Event()

    def work() -> None:
        nonlocal turns
        while not stop.is_set():
            daemon.load(layout, "--base-name", BASE, "--snapshotter", "native")
            daemon.ctr("images", "rm", "--sync", *tags)
            turns += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        while turns < 3 * TORTURE or scans < 30 * TORTURE:
            snapshot = scan(daemon)
            frame = snapshot.to_frame()
            named = snapshot.tags_frame()["digest"]
            live = set(frame.index[frame["status"] == "live"])
            gone = {row["key"] for row in snapshot.notices.to_pylist() if row["code"] == "vanished"}
            for digest in named:
                assert whole[digest] <= live | gone, (digest, snapshot.notices.to_pylist())
            str(snapshot.audit())
            scans += 1
    finally:
        stop.set()
        worker.join()


def _below(layout: Layout, digest: str) -> set[str]:
    body = json.loads(layout.path(digest).read_bytes())
    return {body["config"]["digest"], *(one["digest"] for one in body["layers"])}
