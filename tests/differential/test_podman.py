"""What is predicted for a containers-storage root, against what the installed podman does with it."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import blobkit
from conftest import MEMORY
from podman_roots import identifier
from real_podman import Podman, things

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.snapshot.snapshot import Snapshot

pytestmark = pytest.mark.slow

FILE = """
FROM localhost/shop/base:1
LABEL step=1
COPY b /b
LABEL step={step}
COPY {file} /c
"""


@pytest.fixture(scope="module", params=["overlay", "vfs"])
def podman(request: pytest.FixtureRequest) -> Iterator[Podman]:
    """A root that podman and buildah filled."""
    for tool in ("podman", "buildah"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed (apt-get install podman buildah)")
    if os.geteuid() != 0:
        pytest.skip("podman needs root for a root of its own here")
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None, prefix="bk-") as place:
        made = Podman(Path(place), request.param)
        versions = (made.does("podman", "--version"), made.does("buildah", "--version"), request.param)
        sys.stdout.write(f"{versions}\n")
        if made.run("podman", "info").returncode:
            pytest.skip(f"podman cannot use the driver {request.param} here")
        try:
            fill(made)
            made.keep()
            yield made
        finally:
            made.unmount()


def fill(made: Podman) -> None:
    """Make images that share layers, names, a list, containers, a volume, and garbage."""
    context = made.place / "context"
    context.mkdir()
    for name in "abcde":
        (context / name).write_bytes(os.urandom(3000 + ord(name)))
    base = made.does("buildah", "from", "scratch")
    made.does("buildah", "copy", base, f"{context}/a", "/a")
    made.does("buildah", "commit", "-q", base, "localhost/shop/base:1")
    made.does("buildah", "rm", base)
    for tag, step, file in (("1", "2", "c"), ("2", "3", "e"), ("3", "3", "d"), ("3", "4", "d")):
        (context / "Containerfile").write_text(FILE.format(step=step, file=file))
        made.does("podman", "build", "-q", "--layers", "-t", f"localhost/shop/app:{tag}", os.fspath(context))
    made.does("podman", "tag", "localhost/shop/app:1", "quay.io/other/app:stable")
    with tarfile.open(context / "tree.tar", "w") as tar:
        tar.add(context / "d", "d")
    made.does("podman", "import", "-q", f"{context}/tree.tar", "localhost/shop/imported:1")
    made.does("podman", "save", "-q", "-o", f"{context}/saved.tar", "localhost/shop/imported:1")
    made.does("podman", "rmi", "localhost/shop/imported:1")
    made.does("podman", "load", "-q", "-i", f"{context}/saved.tar")
    made.does("podman", "manifest", "create", "localhost/shop/list:1")
    made.does("podman", "manifest", "add", "localhost/shop/list:1", "containers-storage:localhost/shop/app:2")
    made.does("podman", "create", "--name", "box", "localhost/shop/app:1", "/bin/true")
    made.does("buildah", "from", "--name", "work", "localhost/shop/imported:1")
    made.does("podman", "volume", "create", "data")
    (made.root / "volumes" / "data" / "_data" / "file").write_text("kept" * 100)
    leave_garbage(made)


def leave_garbage(made: Podman) -> None:
    """Add a layer on that of app:2 that nothing names, and a directory without a record."""
    layers = made.root / f"{made.driver}-layers" / "layers.json"
    records = json.loads(layers.read_text())
    images = json.loads((made.root / f"{made.driver}-images" / "images.json").read_text())
    top = next(image["layer"] for image in images if "localhost/shop/app:2" in image.get("names", ()))
    one, data = identifier("left"), made.root / ("overlay" if made.driver == "overlay" else "vfs/dir")
    shutil.copytree(data / top, data / one, symlinks=True)
    (data / identifier("no record")).mkdir()
    (data / identifier("no record") / "file").write_text("left" * 50)
    layers.write_text(json.dumps([*records, {"id": one, "parent": top, "created": "2026-01-01T00:00:00Z"}]))


@pytest.fixture(scope="module")
def snapshot(podman: Podman) -> Snapshot:
    return blobkit.scan(f"podman:{podman.root}", progress=False)


def test_every_thing_is_seen(podman: Podman, snapshot: Snapshot) -> None:
    assert snapshot.to_frame()["size"].to_dict() == things(podman.root, podman.driver)
    every = sum(path.lstat().st_size for path in podman.root.rglob("*") if path.is_file() and not path.is_symlink())
    assert snapshot.disk is not None
    assert snapshot.disk.bytes == every
    assert not any(code in {"missing", "odd", "leftover"} for code in snapshot.notices["code"].to_pylist())


def test_names_are_those_of_podman(podman: Podman, snapshot: Snapshot) -> None:
    lines = podman.does("podman", "images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines()
    named = dict(line.split() for line in lines if "<none>" not in line)
    assert snapshot.tags_frame()["digest"].to_dict() == {
        name: one.replace("sha256:", "image/") for name, one in named.items()
    }


def expect(podman: Podman, preview: blobkit.Preview, *words: str, stdin: str = "") -> None:
    """A command removes what its preview says, thing by thing, byte by byte."""
    run = podman.trying(*words, stdin=stdin)
    sizes = preview.snapshot.to_frame()["size"]
    assert run.removed == {key: int(sizes[key]) for key in preview.collected.digests}, (words, run.said)
    assert preview.collected.bytes == sum(run.removed.values())


def names(snapshot: Snapshot) -> list[str]:
    return [name for name in snapshot.tags_frame().index if "/list:" not in name]


def test_dropping_each_name(podman: Podman, snapshot: Snapshot) -> None:
    for name in names(snapshot):
        expect(podman, snapshot.simulate_deref(name), "podman", "rmi", name)


def test_dropping_sets_of_names(podman: Podman, snapshot: Snapshot) -> None:
    every = names(snapshot)
    for some in (*itertools.islice(itertools.combinations(every, 2), 0, None, 4), every[::2], every):
        expect(podman, snapshot.simulate_deref(some), "podman", "rmi", *some)


def test_dropping_what_has_no_name(podman: Podman, snapshot: Snapshot) -> None:
    pins = snapshot.pins
    unnamed = [at for at, kind in enumerate(pins["kind"].to_pylist()) if kind == "unnamed"]
    assert unnamed
    for at in unnamed:
        key = snapshot.key(pins["node"][at].as_py())
        expect(podman, snapshot.simulate_deref(key), "podman", "rmi", key.removeprefix("image/"))


def test_dropping_containers_volumes_and_lists(podman: Podman, snapshot: Snapshot) -> None:
    expect(podman, snapshot.simulate_deref("box"), "podman", "rm", "box")
    expect(podman, snapshot.simulate_deref("work"), "buildah", "rm", "work")
    expect(podman, snapshot.simulate_deref("data"), "podman", "volume", "rm", "data")
    expect(
        podman, snapshot.simulate_deref("localhost/shop/list:1"), "podman", "manifest", "rm", "localhost/shop/list:1"
    )


@pytest.mark.parametrize("tool", ["podman-prune", "podman-prune-a"])
def test_pruning(podman: Podman, snapshot: Snapshot, tool: str) -> None:
    command = blobkit.compare_gc(snapshot, tool)
    run = podman.trying(*command.collected.rule.tool.split(), "--force")
    assert run.removed == command.frame["size"].to_dict(), run.said


def test_garbage_is_never_counted_as_freed_by_rmi(snapshot: Snapshot) -> None:
    """A layer that nothing names keeps those below it: podman leaves both."""
    preview = snapshot.simulate_deref("localhost/shop/app:2")
    left = f"layer/{identifier('left')}"
    assert left in blobkit.audit(snapshot, min_age=0).findings.set_index("code").loc["garbage", "digests"]
    assert preview.waiting["reason"].tolist() == ["something that nothing names needs it, and stays"]
    assert preview.waiting["held_by"].tolist() == [(left,)]


@pytest.mark.parametrize(
    "targets",
    [
        ["localhost/shop/app:1", "quay.io/other/app:stable"],
        ["localhost/shop/app:1", "quay.io/other/app:stable", "box"],
        ["localhost/shop/list:1", "localhost/shop/base:1"],
        ["work", "localhost/shop/imported:1", "data"],
        ["localhost/shop/*"],
    ],
)
def test_scripts_do_it(podman: Podman, snapshot: Snapshot, targets: list[str]) -> None:
    preview = snapshot.simulate_deref(*targets)
    expect(podman, preview, "sh", "-s", stdin=preview.script())


def test_a_script_names_the_root(podman: Podman, snapshot: Snapshot) -> None:
    """Where podman uses another root by default, the script says which one is meant."""
    preview = snapshot.simulate_deref("localhost/shop/list:1", "localhost/shop/app:3")
    elsewhere = f"export CONTAINERS_STORAGE_CONF={podman.place}/other.conf\n"
    (podman.place / "other.conf").write_text(
        f'[storage]\ndriver = "{podman.driver}"\ngraphroot = "{podman.place}/other"\nrunroot = "{podman.place}/run2"\n'
    )
    expect(podman, preview, "sh", "-s", stdin=elsewhere + preview.script())


def test_a_script_skips_what_changed(podman: Podman, snapshot: Snapshot) -> None:
    script = snapshot.simulate_deref("localhost/shop/app:2", "localhost/shop/app:3").script()
    podman.does("podman", "tag", "localhost/shop/base:1", "localhost/shop/app:2")
    podman.does("podman", "rmi", "localhost/shop/app:3")
    run = podman.trying("sh", "-s", stdin=script)
    assert (run.code, run.removed) == (0, {})
    assert "skipped localhost/shop/app:2: it names" in run.said
    assert "skipped localhost/shop/app:3: it names nothing now" in run.said
    assert "2 skipped" in run.said


def test_pruning_by_script(podman: Podman, snapshot: Snapshot) -> None:
    view = snapshot.with_policy("prune-a")
    preview = view.simulate_deref("box")
    script = preview.script()
    assert "pod image prune -a --force" in script
    run = podman.trying("sh", "-s", stdin=script)
    status = view.to_frame(columns=["status"])["status"]
    assert set(run.removed) == set(status.index[status == "garbage"]) | set(preview.digests)


BUSY = """
for turn in 1 2 3 4; do
    work=$(buildah from localhost/shop/base:1)
    buildah copy -q "$work" context/$1 /$turn$1
    buildah commit -q "$work" localhost/busy/image:$1$turn
    buildah rm "$work"
    podman rmi localhost/busy/image:$1$turn
done
"""


def test_scans_while_podman_works(podman: Podman, snapshot: Snapshot) -> None:
    """What is there all the time is always seen and never free; what comes and goes never stops a scan."""
    if podman.driver != "overlay":
        pytest.skip("one driver is enough")
    before = snapshot.to_frame()
    stays = before.index[before["status"] == "live"]
    works = [podman.start("sh", "-c", BUSY, "-", name) for name in "bc"]
    scans = 0
    while any(work.poll() is None for work in works) or not scans:
        now = blobkit.scan(f"podman:{podman.root}", progress=False)
        frame = blobkit.to_frame(now, min_age="1h").loc[stays]
        assert (frame["status"] == "live").all()
        assert frame["size"].equals(before.loc[stays, "size"])
        assert set(snapshot.tags_frame().index) <= set(now.tags_frame().index)
        assert not blobkit.audit(now).findings["code"].isin(["garbage"]).any()
        scans += 1
    assert [work.wait() for work in works] == [0, 0]
    podman.put_back()
