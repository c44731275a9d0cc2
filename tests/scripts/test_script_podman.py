"""Scripts for podman, read: real ones run in tests/differential/test_podman.py."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

import blobkit
from podman_roots import PodmanRoot, identifier, small

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

HOSTILE = ("-rf", "a'; rm -rf ~; '", "$(id)", "a b:1", "localhost/x:1\n", "localhost/../x:1", "UPPER/x:1")


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return blobkit.scan(small(tmp_path_factory.mktemp("podman") / "root").address, progress=False)


def commands(script: str) -> list[str]:
    """The calls at the end of a script."""
    return [line for line in script.splitlines() if line.startswith(("drop", "skip ", "pod ")) and "() {" not in line]


def parses(script: str) -> bool:
    return subprocess.run(["sh", "-n"], input=script.encode(), check=False).returncode == 0


def test_what_is_used_goes_last(snapshot: Snapshot) -> None:
    script = snapshot.simulate_deref("localhost/shop/*", "docker.io/shop/app:1", "box", "data").script()
    assert parses(script)
    tags, box = snapshot.tags_frame()["digest"], identifier("container box")
    app, base = (tags[f"localhost/shop/{name}:1"].removeprefix("image/") for name in ("app", "base"))
    found = commands(script)
    assert found[:2] == [f"drop_container {box} box", "drop_volume data"]
    assert set(found[2:]) == {
        f"drop {app} docker.io/shop/app:1",
        f"drop {app} localhost/shop/app:1",
        f"drop {base} localhost/shop/base:1",
        f"drop_list {identifier('list')} localhost/shop/list:1",
    }
    assert "ROOT=" + snapshot.address in script


def test_a_list_is_not_removed_by_rmi(snapshot: Snapshot) -> None:
    script = snapshot.simulate_deref("localhost/shop/list:1").script()
    assert "# the list itself: podman rmi would take the image in it for this platform" in script
    assert commands(script) == [f"drop_list {identifier('list')} localhost/shop/list:1"]


def test_names_that_podman_does_not_accept(tmp_path: Path) -> None:
    root = PodmanRoot(tmp_path / "root")
    one = root.image("a", root.layer("a"), [*HOSTILE, "localhost/good:1"])
    root.volume("-f", "x")
    snapshot = blobkit.scan(root.write().address, progress=False)
    preview = snapshot.simulate_deref(f"image/{one}", "volume/-f", all_pins=True)
    script = preview.script()
    assert parses(script)
    found = commands(script)
    assert f"drop {one} localhost/good:1" in found
    assert sum(line.startswith("skip ") for line in found) == len(HOSTILE) + 1
    assert preview.collected.bytes == 0, "the image keeps the names that podman does not accept"


def test_an_image_without_a_name(tmp_path: Path) -> None:
    root = PodmanRoot(tmp_path / "root")
    one = root.image("a", root.layer("a"))
    script = blobkit.scan(root.write().address, progress=False).simulate_deref(f"image/{one}").script()
    assert commands(script) == [f"drop_unnamed {one}"]


def test_pruning_ends_the_script_under_its_policy(snapshot: Snapshot) -> None:
    box = snapshot.with_policy("prune-a").simulate_deref("box").script()
    assert commands(box)[-1] == "pod image prune -a --force"
    assert "prune" not in "".join(commands(snapshot.simulate_deref("box").script()))
