"""Archives that skopeo, podman and buildah write: the same images, names, digests and sizes as these tools tell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import blobkit
from archives import classic, layer, picture, sha, write
from layouts import Layout
from live_containerd import containerd, version
from real_dockerd import DidNotStartError, Dockerd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

    Tool = Callable[..., str]

WEB, API = "example.org/shop/web:1.0", "example.org/shop/api:1.0"
BASE, ONE, TWO = layer("base"), layer("web", 30_000), layer("api")
PICTURES = picture([WEB, "example.org/shop/web:latest"], BASE, ONE), picture([API], BASE, TWO)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of two images that share a layer."""
    return write(tmp_path_factory.mktemp("images") / "images.tar", classic(*PICTURES))


def tool(name: str, root: Path) -> Tool:
    """A function that runs a program with all its state below `root`, and returns what it prints."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    root.mkdir(exist_ok=True)
    (root / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    places = ["--root", root / "root", "--runroot", root / "run", "--storage-driver", "vfs"]
    options = {
        "skopeo": ["--tmpdir", root, "--policy", root / "policy.json"],
        "podman": [*places, "--tmpdir", root / "tmp", "--events-backend", "none"],
        "buildah": places,
    }[name]
    environment = {"PATH": os.environ["PATH"], "HOME": os.fspath(root), "TMPDIR": os.fspath(root)}
    environment["XDG_RUNTIME_DIR"] = os.fspath(root)

    def run(*words: object) -> str:
        command = [name, *map(str, (*options, *words))]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    sys.stdout.write(run("--version"))
    return run


def scanned(path: Path) -> Snapshot:
    """The snapshot of an archive that is sound."""
    snapshot = blobkit.scan(path, progress=False, verify=True)
    assert snapshot.notices.num_rows == 0
    assert set(snapshot.to_frame()["status"]) == {"live"}
    assert snapshot.audit().bytes == snapshot.disk.bytes
    return snapshot


@pytest.mark.slow
def test_docker_archives_of_skopeo(images: Path, tmp_path: Path) -> None:
    skopeo = tool("skopeo", tmp_path / "tool")
    path = tmp_path / "x.tar"
    skopeo("copy", f"docker-archive:{images}:{WEB}", f"docker-archive:{path}:{WEB}")
    snapshot = scanned(path)
    config = skopeo("inspect", "--config", "--raw", f"docker-archive:{path}")
    told = json.loads(skopeo("inspect", "--no-tags", f"docker-archive:{path}"))
    assert snapshot.kind == "docker-archive"
    assert snapshot.tags_frame()["digest"].to_dict() == {WEB: sha(config.encode())}
    sizes = snapshot.to_frame()["size"].to_dict()
    assert {name: sizes[name] for name in told["Layers"]} == {sha(BASE): len(BASE), sha(ONE): len(ONE)}


@pytest.mark.slow
@pytest.mark.parametrize("compress", ["", "gzip", "zstd"])
def test_oci_archives_of_skopeo(images: Path, tmp_path: Path, compress: str) -> None:
    skopeo = tool("skopeo", tmp_path / "tool")
    path = tmp_path / "x.tar"
    skopeo("copy", f"docker-archive:{images}:{API}", f"oci-archive:{path}:{API}")
    raw = skopeo("inspect", "--raw", f"oci-archive:{path}")
    if compress:
        with path.with_suffix(".packed").open("wb") as file:
            subprocess.run([compress, "-c", path], stdout=file, check=True)
        path = path.with_suffix(".packed")
    snapshot = scanned(path)
    manifest = json.loads(raw)
    wanted = {one["digest"]: one["size"] for one in (manifest["config"], *manifest["layers"])}
    assert snapshot.kind == "oci-archive"
    assert snapshot.tags_frame()["digest"].to_dict() == {API: sha(raw.encode())}
    assert snapshot.to_frame()["size"].to_dict() == wanted | {sha(raw.encode()): len(raw)}


@pytest.mark.slow
def test_archives_of_podman(images: Path, quick_path: Path, tmp_path: Path) -> None:
    """One with several images, one of each format, one of an image by its ID."""
    podman = tool("podman", quick_path)
    podman("load", "-q", "-i", images)
    known = {
        name: f"sha256:{one['Id']}"
        for one in json.loads(podman("images", "--format", "json", "--no-trunc"))
        for name in one["Names"]
    }
    assert set(known) == {name for one in PICTURES for name in one.names or ()}
    many = tmp_path / "many.tar"
    podman("save", "-q", "-m", "-o", many, WEB, API, "example.org/shop/web:latest")
    snapshot = scanned(many)
    assert snapshot.tags_frame()["digest"].to_dict() == known
    frame = snapshot.to_frame()
    assert frame.loc[sha(BASE), ["size", "links_in"]].tolist() == [len(BASE), 2]
    assert snapshot.simulate_deref(API).bytes == len(TWO) + frame.loc[known[API], "size"]
    podman("save", "-q", "-o", tmp_path / "id.tar", known[API].removeprefix("sha256:"))
    assert set(scanned(tmp_path / "id.tar").to_frame().index) >= {known[API], sha(BASE), sha(TWO)}
    podman("save", "-q", "--format", "oci-archive", "-o", tmp_path / "oci.tar", API)
    oci = scanned(tmp_path / "oci.tar")
    assert (oci.kind, list(oci.tags_frame().index)) == ("oci-archive", [API])
    assert set(oci.to_frame()["kind"]) == {"manifest", "config", "layer"}


@pytest.mark.slow
def test_a_file_system_of_podman(quick_path: Path, tmp_path: Path) -> None:
    """`podman export`, like `docker export`, writes no image."""
    root = tmp_path / "root"
    for name in ("bin", "etc", "usr", "var"):
        (root / name).mkdir(parents=True)
    subprocess.run(["tar", "cf", tmp_path / "root.tar", "-C", root, "."], check=True)
    podman = tool("podman", quick_path)
    podman("import", "-q", tmp_path / "root.tar", "example.org/root:1")
    podman("create", "--name", "box", "--network", "none", "example.org/root:1", "/bin/true")
    podman("export", "-o", tmp_path / "box.tar", "box")
    with pytest.raises(blobkit.BlobkitError, match="tar of a file system, as `docker export` writes it"):
        blobkit.scan(tmp_path / "box.tar", progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive"])
def test_archives_of_buildah(images: Path, tmp_path: Path, kind: str) -> None:
    buildah = tool("buildah", tmp_path / "tool")
    buildah("pull", "-q", f"docker-archive:{images}:{WEB}")
    path = tmp_path / "x.tar"
    buildah("push", "-q", WEB, f"{kind}:{path}:{WEB}")
    snapshot = scanned(path)
    assert (snapshot.kind, list(snapshot.tags_frame().index)) == (kind, [WEB])
    if kind == "docker-archive":  # the other one gets a config of its own format
        identity = json.loads(buildah("images", "--json", "--no-trunc", WEB))[0]["id"]
        assert f"sha256:{identity.removeprefix('sha256:')}" in snapshot.to_frame().index


@pytest.mark.slow
def test_archives_of_containerd(tmp_path: Path) -> None:
    """`ctr images export` writes an OCI layout that is a docker-archive too; its names are in index.json."""
    layout = Layout(tmp_path / "store")
    tops: list[str] = []
    for name, layers in ((WEB, [BASE, ONE]), (API, [BASE, TWO])):
        diff_ids = {"type": "layers", "diff_ids": list(map(sha, layers))}
        tops.append(layout.image(name, *layers, config=layout.config(rootfs=diff_ids)))
    layout.write({"schemaVersion": 2, "manifests": layout.entries})
    with containerd() as daemon:
        sys.stdout.write(f"{version()}\n")
        daemon.load(layout, "--no-unpack")
        path = tmp_path / "x.tar"
        daemon.ctr("images", "export", path, WEB, API)
        stored = daemon.blobs()  # and, for a while, the index.json that was imported
    snapshot = blobkit.scan(path, progress=False, verify=True)
    assert snapshot.kind == "oci-archive"
    assert snapshot.notices["code"].to_pylist() == ["also-kind"]
    assert snapshot.tags_frame()["digest"].to_dict() == dict(zip((WEB, API), tops, strict=True))
    sizes = snapshot.to_frame()["size"].to_dict()
    assert sizes.items() <= stored.items()
    assert sizes == {f"sha256:{path.name}": path.stat().st_size for path in layout.root.glob("blobs/sha256/*")}
    assert set(snapshot.to_frame()["status"]) == {"live"}
    other = blobkit.scan(f"docker-archive:{path}", progress=False, verify=True)
    assert set(other.tags_frame().index) == {WEB, API}


@pytest.mark.slow
def test_archives_of_docker(images: Path, quick_path: Path, tmp_path: Path) -> None:
    """`docker save` of names and of an ID, and `docker export`."""
    if not shutil.which("dockerd") or not shutil.which("docker") or os.geteuid() != 0:
        pytest.skip("dockerd is not installed (apt-get install docker.io), or cannot run")
    docker = Dockerd(quick_path, "vfs")
    try:
        docker.start()
    except DidNotStartError as error:
        pytest.skip(f"dockerd cannot work here: {error}")
    try:
        sys.stdout.write(docker.does("version", "--format", "docker {{.Server.Version}}\n"))
        docker.does("load", "-q", "-i", str(images))
        lines = docker.does("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines()
        known = dict(line.split() for line in lines)
        docker.does("save", "-o", str(tmp_path / "names.tar"), *known)
        docker.does("save", "-o", str(tmp_path / "id.tar"), known[API])
        docker.does("create", "--name", "box", API, "true")
        docker.does("export", "-o", str(tmp_path / "box.tar"), "box")
    finally:
        docker.stop()
    snapshot = blobkit.scan(tmp_path / "names.tar", progress=False, verify=True)
    assert snapshot.tags_frame().index.tolist() == sorted(known)
    assert known.items() <= dict(images_of(snapshot)).items()
    frame = snapshot.to_frame()
    assert set(frame["status"]) == {"live"}
    assert snapshot.simulate_deref(API).bytes >= len(TWO)
    assert frame.loc[sha(BASE), "size"] == len(BASE)
    assert snapshot.audit().bytes == snapshot.disk.bytes
    unnamed = blobkit.scan(tmp_path / "id.tar", progress=False, verify=True)
    assert unnamed.tags_frame().empty
    assert set(unnamed.to_frame()["status"]) == {"live"}
    assert known[API] in unnamed.to_frame().index
    with pytest.raises(blobkit.BlobkitError, match="tar of a file system, as `docker export` writes it"):
        blobkit.scan(tmp_path / "box.tar", progress=False)


def images_of(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Each name with the ID of its image: the digest of the config, which docker 25 and later name by a manifest."""
    frame = snapshot.to_frame()
    return [
        (name, digest)
        for name in snapshot.tags_frame().index
        for digest in snapshot.reach(name).index
        if frame.loc[digest, "kind"] == "config"
    ]
