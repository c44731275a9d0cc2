"""What is predicted for docker's data root, against what the installed dockerd does, scanned while it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import blobkit
from conftest import MEMORY
from real_dockerd import DidNotStartError, Dockerd, things

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.questions.preview import Preview
    from blobkit.snapshot.snapshot import Snapshot

pytestmark = pytest.mark.slow

DIGEST = "sha256:" + "5" * 64
FILES = {
    "app": "FROM acme/base:1\nCOPY a /a\nLABEL step=1\nCOPY b /b\n",
    "tool": "FROM acme/base:1\nCOPY a /a\nLABEL step=2\n",
    "kit": "FROM acme/base:1\nCOPY a /a\nCOPY c /c\n",
    "kit2": "FROM acme/base:1\nCOPY c /c\n",
    "own": "FROM scratch\nCOPY d /d\n",
}


ONE = pytest.mark.parametrize("dockerd", ["overlay2"], indirect=True, scope="module")
BOTH = pytest.mark.parametrize("dockerd", ["overlay2", "vfs"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def dockerd(request: pytest.FixtureRequest) -> Iterator[Dockerd]:
    """A daemon whose root has all that it can make without a network."""
    if not shutil.which("dockerd") or not shutil.which("docker"):
        pytest.skip("dockerd is not installed (apt-get install docker.io)")
    if os.geteuid() != 0:
        pytest.skip("dockerd needs root")
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None, prefix="bk-") as place:
        made = Dockerd(Path(place), request.param)
        try:
            made.start()
        except DidNotStartError as error:
            pytest.skip(f"dockerd cannot work here with {request.param}: {error}")
        try:
            versions = made.does("version", "--format", "client {{.Client.Version}}, server {{.Server.Version}}")
            sys.stdout.write(f"docker: {versions}, {request.param}\n")
            fill(made)
            made.keep()
            yield made
        finally:
            made.stop()
            subprocess.run(["umount", "-R", f"{place}/run/netns"], check=False, capture_output=True)


def fill(made: Dockerd) -> None:
    """Make images in every way, names of every kind, containers, a volume, and a directory of nobody."""
    context = made.place / "context"
    (context / "root").mkdir(parents=True)
    for number, name in enumerate("abcd"):
        (context / name).write_bytes(os.urandom(3000 + number))
    (context / "root" / "file").write_bytes(os.urandom(9000))
    os.link(context / "root" / "file", context / "root" / "hard")
    with tarfile.open(context / "root.tar", "w") as tar:
        tar.add(context / "root", ".")
    made.does("import", f"{context}/root.tar", "acme/base:1")
    for name, text in FILES.items():
        (context / f"{name}.docker").write_text(text)
    for name, tag in (("app", "acme/app:1"), ("tool", "acme/tool:1")):
        made.does("build", "-q", "-f", f"{context}/{name}.docker", "-t", tag, f"{context}")
    (context / "b").write_bytes(os.urandom(2000))
    made.does(
        "build", "-q", "-f", f"{context}/app.docker", "-t", "acme/app:1", f"{context}"
    )  # the old one loses its name
    for name in ("kit", "kit2", "own"):
        made.does("build", "-q", "-f", f"{context}/{name}.docker", "-t", f"acme/{name}:1", f"{context}", kit="1")
    made.does("save", "-o", f"{context}/saved.tar", "acme/own:1")
    made.does("rmi", "acme/own:1")
    made.does("load", "-i", f"{context}/saved.tar")
    made.does("tag", "acme/app:1", "acme/app:latest")
    made.does("tag", "acme/tool:1", "other/tool:stable")
    made.does("create", "--name", "box", "acme/tool:1", "/a")
    made.does("create", "--name", "second", "acme/app:latest", "/a")
    made.does("volume", "create", "data")
    images = {name: made.does("image", "inspect", "--format", "{{.Id}}", name) for name in ("acme/own:1", "acme/kit:1")}
    digests = [
        ("acme/own", images["acme/own:1"]),
        ("far/kit", images["acme/kit:1"]),
        ("acme/kit", images["acme/kit:1"]),
    ]
    made.change_by_hand({f"{repository}@{DIGEST}": image for repository, image in digests})


@pytest.fixture
def snapshot(dockerd: Dockerd) -> Snapshot:
    return blobkit.scan(f"docker:{dockerd.root}", progress=False)


def as_seen(key: str) -> str:
    """The key of a node as the oracle has it."""
    kind, _, name = key.partition("/")
    return f"tree/{name}" if kind in ("cache", "dir") else key


def sizes(snapshot: Snapshot) -> dict[str, int]:
    return {as_seen(key): size for key, size in snapshot.to_frame()["size"].to_dict().items()}


def gone(dockerd: Dockerd, *words: str) -> dict[str, int]:
    """Run a command of the client, and return what is no longer there."""
    before = things(dockerd.root, dockerd.driver)
    dockerd.run(*words)
    after = things(dockerd.root, dockerd.driver)
    return {key: size for key, size in before.items() if key not in after}


def promised(preview: Preview) -> dict[str, int]:
    return {as_seen(key): int(size) for key, size in preview.freed["size"].items()}


@BOTH
def test_every_thing_is_seen(dockerd: Dockerd, snapshot: Snapshot) -> None:
    assert sizes(snapshot) == things(dockerd.root, dockerd.driver)
    every = {
        (info.st_dev, info.st_ino): info.st_size
        for path in dockerd.root.rglob("*")
        if path.is_file() and not path.is_symlink()
        for info in [path.lstat()]
    }
    assert snapshot.disk is not None
    assert snapshot.disk.bytes == sum(every.values())
    assert not {"missing", "damaged", "unreadable", "estimated"} & set(snapshot.notices["code"].to_pylist())


@ONE
def test_names_are_those_of_docker(dockerd: Dockerd, snapshot: Snapshot) -> None:
    lines = dockerd.does("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines()
    said = {name: f"image/{image}" for name, image in map(str.split, lines) if "<none>" not in name}
    shown = snapshot.tags_frame()["digest"].to_dict()
    assert {name: key for name, key in shown.items() if "@" not in name} == said
    assert "far/kit@" + DIGEST in shown


@BOTH
def test_rmi_of_each_name_after_the_others(dockerd: Dockerd) -> None:
    """Each step is predicted from a scan of the running daemon, and done by its client."""
    try:
        for name in blobkit.scan(f"docker:{dockerd.root}", progress=False).tags_frame().index:
            now = blobkit.scan(f"docker:{dockerd.root}", progress=False)
            if name not in now.tags_frame().index:
                continue
            preview = blobkit.simulate_deref(now, name)
            before = things(dockerd.root, dockerd.driver)
            done = dockerd.run("rmi", name)
            assert (done.returncode != 0) == bool(preview.deletion.is_busy.any()), (name, done.stderr)
            after = things(dockerd.root, dockerd.driver)
            assert promised(preview) == {key: size for key, size in before.items() if key not in after}, name
    finally:
        dockerd.put_back()


SETS = [
    ["acme/app:1", "acme/app:latest", "acme/base:1"],
    ["acme/app:1", "acme/app:latest", "second"],
    ["acme/tool:1", "other/tool:stable", "box", "acme/kit:1"],
    ["acme/own:1", "acme/kit2:1", f"far/kit@{DIGEST}", "acme/kit:1"],
]


@ONE
@pytest.mark.parametrize("targets", SETS)
def test_scripts_do_what_the_preview_says(dockerd: Dockerd, snapshot: Snapshot, targets: list[str]) -> None:
    preview = blobkit.simulate_deref(snapshot, *targets)
    before = things(dockerd.root, dockerd.driver)
    try:
        done = dockerd.shell(["sh", "-c", preview.script()])
        after = things(dockerd.root, dockerd.driver)
        assert done.returncode == 0, done.stderr
        assert {as_seen(key) for key in preview.collected.digests} == set(before) - set(after)
        assert promised(preview) == {key: size for key, size in before.items() if key not in after}
        left = preview.deletion.is_busy.sum()
        assert f"{left} skipped" in done.stderr
    finally:
        dockerd.put_back()


@BOTH
def test_the_build_cache_and_the_images_that_it_keeps(dockerd: Dockerd, snapshot: Snapshot) -> None:
    names = [name for name in snapshot.tags_frame().index if "kit" in name or "own" in name]
    preview = blobkit.simulate_deref(snapshot, *names, groups=("(build cache)",))
    alone = blobkit.simulate_deref(snapshot, *names)
    assert any("docker builder prune -a" in line for line in alone.lines())
    before = things(dockerd.root, dockerd.driver)
    try:
        done = dockerd.shell(["sh", "-c", preview.script()])
        after = things(dockerd.root, dockerd.driver)
        assert done.returncode == 0, done.stderr
        assert promised(preview) == {key: size for key, size in before.items() if key not in after}
        scanned = blobkit.scan(f"docker:{dockerd.root}", progress=False)
        assert sizes(scanned) == after
        assert "cache" not in set(scanned.pins["kind"].to_pylist())
    finally:
        dockerd.put_back()


@ONE
def test_each_record_of_the_build_cache_by_its_id(dockerd: Dockerd, snapshot: Snapshot) -> None:
    """Records go one by one, those that others are built on last."""
    records = [pin["name"] for pin in snapshot.pins.to_pylist() if pin["kind"] == "cache"]
    preview = blobkit.simulate_deref(snapshot, *records[:-1])
    before = things(dockerd.root, dockerd.driver)
    try:
        dockerd.shell(["sh", "-c", preview.script()])
        after = things(dockerd.root, dockerd.driver)
        assert set(before) - set(after) <= set(promised(preview))
        scanned = blobkit.scan(f"docker:{dockerd.root}", progress=False)
        assert sizes(scanned) == after
    finally:
        dockerd.put_back()


PRUNES = {
    "docker-prune": ("image", "prune", "--force"),
    "docker-prune-a": ("image", "prune", "--force", "--all"),
    "docker-builder-prune": ("builder", "prune", "--force", "--all"),
    "docker-system-prune": ("system", "prune", "--force", "--all"),
}


@ONE
@pytest.mark.parametrize("tool", PRUNES)
def test_prune_takes_what_its_policy_says(dockerd: Dockerd, snapshot: Snapshot, tool: str) -> None:
    comparison = blobkit.compare_gc(snapshot, tool)
    try:
        took = gone(dockerd, *PRUNES[tool])
        assert {as_seen(key): int(size) for key, size in comparison.frame["size"].items()} == took
        if tool == "docker-prune-a":
            left = set(blobkit.scan(f"docker:{dockerd.root}", progress=False).tags_frame().index)
            assert (
                len(left & {"acme/app:1", "acme/app:latest"}) == len(left & {"acme/tool:1", "other/tool:stable"}) == 1
            )
            assert "takes all names but one of images in use: acme/app:1, acme/app:latest" in str(comparison)
    finally:
        dockerd.put_back()


@ONE
def test_a_command_is_skipped_if_a_name_has_moved(dockerd: Dockerd, snapshot: Snapshot) -> None:
    script = blobkit.simulate_deref(snapshot, "acme/own:1", "acme/kit2:1").script()
    try:
        dockerd.does("tag", "acme/base:1", "acme/own:1")
        done = dockerd.shell(["sh", "-c", script])
        assert "skipped acme/own:1" in done.stderr
        assert dockerd.run("image", "inspect", "acme/own:1").returncode == 0
        assert dockerd.run("image", "inspect", "acme/kit2:1").returncode != 0
    finally:
        dockerd.put_back()


@ONE
def test_scans_of_a_daemon_that_works(dockerd: Dockerd) -> None:
    """Images come and go meanwhile: a layer of an image that stays is never free, and nothing fails."""
    before = set(things(dockerd.root, dockerd.driver))
    layers = {key: (dockerd.layer(key) / "cache-id").read_text() for key in before if key.startswith("layer/")}
    left = {key for key, tree in layers.items() if tree == "f" * 64}
    context = dockerd.place / "context"
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            for name, kit in (("app", "0"), ("kit", "1")):
                (context / "c").write_bytes(os.urandom(4000))
                words = ("-f", f"{context}/{name}.docker", "-t", f"busy/{name}:1", str(context))
                dockerd.run("build", "-q", *words, kit=kit)
            dockerd.run("rmi", "--force", "busy/app:1", "busy/kit:1")

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(15):
            snapshot = blobkit.scan(f"docker:{dockerd.root}", progress=False)
            frame = snapshot.to_frame(min_age=0)
            free = {as_seen(key) for key in frame.index[frame["status"] == "garbage"]}
            assert not {key for key in free & before if key.startswith(("image/", "container/"))}
            assert {key for key in free if key.startswith("layer/")} <= left
            audit = blobkit.audit(snapshot)
            assert str(audit)
            assert not {"missing", "damaged", "unreadable", "busy"} & set(audit.findings["code"])
    finally:
        done.set()
        worker.join()
        dockerd.put_back()


@ONE
def test_a_container_that_runs(dockerd: Dockerd) -> None:
    """Its mounted file system is not counted again, and no command takes it, nor the name of its image."""
    try:
        import_sleep(dockerd)
        done = dockerd.run("run", "-d", "--network", "none", "--name", "runs", "acme/sleep:1", "/bin/sleep", "600")
        if done.returncode:
            pytest.skip(f"no container can run here: {done.stderr}")
        snapshot = blobkit.scan(f"docker:{dockerd.root}", progress=False)
        every = sizes(snapshot)
        alone = blobkit.simulate_deref(snapshot, "acme/sleep:1", "runs")
        assert 0 == alone.collected.bytes < alone.bytes < (dockerd.place / "sleep.tar").stat().st_size * 1.1
        assert {name for name in alone.targets if f"{name}: " in "".join(alone.notices)} == {"acme/sleep:1", "runs"}
        assert dockerd.run("rm", "runs").returncode != 0
        assert dockerd.run("rmi", "acme/sleep:1").returncode != 0
        dockerd.does("system", "prune", "--force", "--all")
        left = set(every) - {as_seen(key) for key in blobkit.compare_gc(snapshot, "docker-system-prune").frame.index}
        assert set(sizes(blobkit.scan(f"docker:{dockerd.root}", progress=False))) == left
        dockerd.does("rm", "--force", "runs")
    finally:
        dockerd.put_back()


def import_sleep(made: Dockerd) -> None:
    """Make an image of this system's `sleep` and its libraries."""
    said = made.shell(["ldd", "/bin/sleep"]).stdout.split()
    with tarfile.open(made.place / "sleep.tar", "w") as tar:
        for path in ("/bin/sleep", *(word for word in said if word.startswith("/"))):
            tar.add(Path(path).resolve(), path)
    made.does("import", f"{made.place}/sleep.tar", "acme/sleep:1")
