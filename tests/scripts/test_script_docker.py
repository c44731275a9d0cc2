"""Scripts for docker, read: real ones run in tests/differential/test_dockerd.py."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

import blobkit
from docker_roots import DockerRoot, digest, small

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

HOSTILE = ("-rf:1", "a'; touch HERE; ':1", "$(touch HERE):1", "a b:1", "x:1\n", "../x:1", "x\x1b[31m:1")


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return small(tmp_path_factory.mktemp("docker") / "root").scan()


def commands(script: str) -> list[str]:
    """The calls at the end of a script."""
    return [
        line for line in script.splitlines() if line.startswith(("drop_", "skip ", '"$DOCKER"')) and "{ #" not in line
    ]


def run(script: str, place: Path, docker: str) -> subprocess.CompletedProcess[str]:
    """Run a script with a program in the place of docker."""
    tool = place / "docker"
    tool.write_text(f"#!/bin/sh\n{docker}\n")
    tool.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "DOCKER": os.fspath(tool)}
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, env=environment, cwd=place)


def test_what_is_used_goes_last(snapshot: Snapshot) -> None:
    tags = snapshot.tags_frame()["digest"]
    script = snapshot.simulate_deref("acme/app:1", "acme/app:latest", "box", "ownfiles").script()
    found = commands(script)
    app = tags["acme/app:1"].removeprefix("image/")
    box = next(key for key in snapshot.to_frame().index if key.startswith("container/")).removeprefix("container/")
    assert found == [
        f"drop_container box {box}",
        f"drop_name acme/app:1 {app}",
        f"drop_name acme/app:latest {app}",
        "drop_cache ownfiles",
    ]


def test_a_digest_is_left_to_docker_unless_it_is_a_target(snapshot: Snapshot) -> None:
    pulled = f"acme/tool@{digest('pulled')}"
    assert len(commands(snapshot.simulate_deref("acme/tool:1").script())) == 1
    both = commands(snapshot.simulate_deref("acme/tool:1", pulled).script())
    assert [line.split()[1] for line in both] == [pulled, "acme/tool:1"]


def test_names_that_stay_are_skipped(snapshot: Snapshot) -> None:
    found = commands(snapshot.simulate_deref("acme/app:1", "acme/app:latest").script())
    assert found[0].startswith("drop_name acme/app:1 ")
    assert found[1].startswith("skip acme/app:latest 'its image is in use by container box")


def test_the_whole_build_cache_is_one_command(snapshot: Snapshot) -> None:
    found = commands(snapshot.simulate_deref("acme/tool:1", groups=("(build cache)",)).script())
    assert found[-1] == '"$DOCKER" builder prune --force --all'
    assert len(found) == 2


def test_records_go_before_those_that_they_are_built_on(tmp_path: Path) -> None:
    store = DockerRoot(tmp_path / "root")
    base = store.layer("base")
    top = store.layer("top", base)
    store.cache("abelow", layer=base)
    store.cache("above", layer=top)
    store.cache("other", layer=store.layer("other"))
    found = commands(store.scan().simulate_deref("abelow", "above").script())
    assert found == ["drop_cache above", "drop_cache abelow"]


def test_an_image_without_a_name(snapshot: Snapshot) -> None:
    pins = [pin for pin in snapshot.pins.to_pylist() if pin["kind"] == "unnamed"]
    one = snapshot.key(pins[0]["node"])
    assert commands(snapshot.simulate_deref(one).script()) == [f"drop_unnamed {one.removeprefix('image/')}"]


def test_hostile_names_are_no_commands(tmp_path: Path) -> None:
    store = DockerRoot(tmp_path / "root '$(touch HERE)'")
    layer = store.layer("x")
    image = store.image(*HOSTILE, "good:1", top=layer)
    store.container("-f $(touch HERE)", image, layer)
    snapshot = store.scan()
    preview = blobkit.simulate_deref(snapshot, f"image/{image}", *snapshot.pins["name"].drop_null().to_pylist())
    script = preview.script()
    assert sum(line.startswith("skip ") for line in commands(script)) >= len(HOSTILE)
    done = run(script, tmp_path, f'echo "$@" >> calls; [ "$1" != info ] || echo "{tmp_path}/root \'\\$(touch HERE)\'"')
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("HERE"))
    assert "good:1" in (tmp_path / "calls").read_text()
    assert "touch" not in (tmp_path / "calls").read_text()


def test_a_script_stops_at_another_engine(snapshot: Snapshot, tmp_path: Path) -> None:
    done = run(snapshot.simulate_deref("acme/tool:1").script(), tmp_path, 'echo "$@" >> calls; echo /var/lib/docker')
    assert done.returncode == 1
    assert "stopped: this engine has its data in /var/lib/docker" in done.stderr
    assert (tmp_path / "calls").read_text().count("\n") == 1


def test_a_script_stops_without_an_engine(snapshot: Snapshot, tmp_path: Path) -> None:
    done = run(snapshot.simulate_deref("acme/tool:1").script(), tmp_path, "echo no daemon >&2; exit 1")
    assert done.returncode != 0
    assert "no daemon" in done.stderr
