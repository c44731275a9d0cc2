"""Scripts for containerd: what they say; `differential/test_containerd.py` runs them on a real one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.questions.deletion import Drop
from blobkit.scripts.containerd import with_ctr
from containerd_roots import Containerd
from layouts import sha
from live_registry import shell, syntax

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "sha256:" + "a" * 64
FAKE = """#!/bin/sh
echo "$0 $*" >> "$LOG"
case "$*" in
    *"images ls"*) printf 'REF TYPE DIGEST\\n%s type %s\\n' "$NAME" "$NOW" ;;
    *"image inspect"*) echo "$NOW" ;;
    *rmi*) [ -z "$REFUSED" ] ;;
esac
"""


def script(*drops: Drop) -> str:
    return "\n".join(["#!/bin/sh", *with_ctr(drops, {})]) + "\n"


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """Programs `ctr` and `docker` that write down what they were called with."""
    for name in ("ctr", "docker"):
        (tmp_path / name).write_text(FAKE)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "log").touch()
    return tmp_path


def run(text: str, fake: Path, name: str, *, now: str = DIGEST, refused: str = "") -> tuple[str, str]:
    """What was called, and what was said, where the store has this name on this digest."""
    path = f"{fake}:/usr/bin:/bin"
    done = shell(text, fake, PATH=path, LOG=str(fake / "log"), NAME=name, NOW=now, REFUSED=refused)
    assert done.returncode == 0, done.stderr
    return (fake / "log").read_text().replace(f"{fake}/", ""), done.stderr


def test_names_that_look_like_code_are_arguments(tmp_path: Path) -> None:
    text = script(Drop("", DIGEST, names=("k8s.io/reg.example.org/app:1", "default/$(touch pwned)")))
    syntax(text, tmp_path, "warning")  # a name that looks like code is an info
    assert "drop k8s.io reg.example.org/app:1 sha256:" in text
    assert "drop default '$(touch pwned)' sha256:" in text


@pytest.mark.parametrize("name", ["reg.example.org/app:1", "-rf", "$(reboot)", "a'b\"c"])
def test_a_name_is_removed_where_it_still_names_the_digest(fake: Path, name: str) -> None:
    called, said = run(script(Drop("", DIGEST, names=(f"ns/{name}",))), fake, name)
    assert f"ctr -n ns images rm --sync -- {name}\n" in called
    assert said == "0 skipped\n"


def test_a_name_that_names_another_digest_is_passed_over(fake: Path) -> None:
    called, said = run(script(Drop("", DIGEST, names=("ns/a:1",))), fake, "a:1", now="sha256:other")
    assert "rm" not in called
    assert said == f"skipped ns/a:1: it names sha256:other now, not {DIGEST}\n1 skipped\n"


@pytest.mark.parametrize(("refused", "skipped"), [("", 0), ("yes", 1)])
def test_names_of_docker_are_removed_by_docker(fake: Path, refused: str, skipped: int) -> None:
    text = script(Drop("", DIGEST, names=("moby/docker.io/acme/app:1",)))
    syntax(text, fake)
    called, said = run(text, fake, "", refused=refused)
    assert "docker rmi -- docker.io/acme/app:1\n" in called
    assert "ctr" not in called
    assert f"{skipped} skipped" in said


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("lease/ns/one", "ctr -n ns leases rm one"),
        ("container/ns/$(box)", "ctr -n ns containers rm '$(box)'"),
        (DIGEST, "ctr leases ls"),
    ],
)
def test_what_has_no_name_is_left_with_a_reason(fake: Path, key: str, says: str) -> None:
    called, said = run(script(Drop("", key, number=1)), fake, "")
    assert called == ""
    assert says in said


def test_the_script_of_a_preview(tmp_path: Path) -> None:
    store = Containerd(tmp_path / "root")
    image = store.image("a:1", "one")
    store.lease("held", store.add("leased"))
    snapshot = store.scan()
    preview = snapshot.simulate_deref("default/a:1")
    assert f"drop default a:1 {image}\n" in preview.script()
    assert preview.collected.bytes == preview.bytes
    assert preview.collected.tool == "ctr"
    both = snapshot.simulate_deref(groups=("default",))
    assert sha(b"leased") in both.digests
    assert sha(b"leased") not in both.collected.digests
    assert "ctr leases ls" in both.script()


def test_a_name_that_a_container_of_docker_uses_stays(tmp_path: Path) -> None:
    data = tmp_path / "docker"
    (data / "containerd").mkdir(parents=True)
    store = Containerd(data / "containerd" / "daemon")
    image = store.image("docker.io/acme/app:1", "one", namespace="moby")
    store.name("docker.io/acme/app:2", image, "moby")
    store.image("docker.io/acme/free:1", "free", namespace="moby")
    box = data / "containers" / ("c" * 64)
    box.mkdir(parents=True)
    (box / "config.v2.json").write_text(json.dumps({"ID": "c" * 64, "Image": image, "Created": "2026-01-01T00:00:00Z"}))
    snapshot = store.scan()
    one, two, free = (f"moby/docker.io/acme/{name}" for name in ("app:1", "app:2", "free:1"))
    assert snapshot.simulate_deref(one, two).bytes == 0
    assert f"container/moby/{'c' * 64}" in snapshot.why(image).others
    left = snapshot.simulate_deref(one, two, free)
    assert left.bytes == left.collected.bytes > 0
    assert "docker leaves the last name of an image in use" in left.script()
    assert left.script().count("docker_drop moby") == 2


def test_containers_of_docker_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    data = tmp_path / "docker"
    (data / "containerd").mkdir(parents=True)
    store = Containerd(data / "containerd" / "daemon")
    store.image("docker.io/acme/app:1", "one", namespace="moby")
    box = data / "containers" / "box"
    box.mkdir(parents=True)
    (box / "config.v2.json").write_text("{")
    messages = store.scan().notices["message"].to_pylist()
    assert any("docker may refuse to remove an image" in message for message in messages)


def test_what_containerd_would_remove(tmp_path: Path) -> None:
    store = Containerd(tmp_path / "root")
    store.image("a:1", "one")
    garbage = store.add("garbage")
    assert blobkit.compare_gc(store.scan(), "containerd").frame.index.tolist() == [garbage]
