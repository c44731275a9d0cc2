"""A containerd of its own for a test: images made by code go in, and what is on disk is listed past all tools."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from layouts import CONFIG, INDEX, Layout
from live_registry import needs
from patience import until

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT = "io.containerd.content.v1.content/blobs/sha256"
TREES = "io.containerd.snapshotter.v1.native/snapshots"
NO_PARTS = [
    "io.containerd.grpc.v1.cri",
    "io.containerd.internal.v1.opt",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
]


class Daemon:
    """A running containerd; `root` is its root directory."""

    def __init__(self, where: Path) -> None:
        self.where, self.root, self.socket = where, where / "root", where / "sock"
        self.layouts = 0

    def ctr(self, *words: str | Path, namespace: str = "default") -> str:
        """Run ctr and return what it prints; fail if it fails."""
        command = ["ctr", "-a", self.socket, "-n", namespace, *words]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def load(self, layout: Layout, *more: str, namespace: str = "default") -> None:
        """Import the images of a layout under the full names in its index.json."""
        archive = self.where / f"{layout.root.name}.tar"
        subprocess.run(["tar", "-C", layout.root, "-cf", archive, "."], check=True)
        self.ctr("images", "import", *more, archive, namespace=namespace)
        archive.unlink()

    def unpack(self, name: str, namespace: str = "default") -> None:
        """Make the snapshots of an image."""
        self.ctr("images", "mount", "--snapshotter", "native", name, self.where / "m", namespace=namespace)

    def blobs(self) -> dict[str, int]:
        """The files of blobs on disk, with their sizes."""
        return {f"sha256:{path.name}": path.stat().st_size for path in (self.root / CONTENT).iterdir()}

    def trees(self) -> dict[str, int]:
        """The directories of snapshots on disk, with the bytes of the files in each."""
        places = self.root / TREES
        return {
            path.name: sum(file.lstat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())
            for path in (places.iterdir() if places.exists() else ())
        }


def version() -> str:
    return subprocess.run(["containerd", "--version"], check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def containerd() -> Iterator[Daemon]:
    """Run a containerd until the block ends; skip the test where it cannot run."""
    needs("containerd", "ctr")
    if os.geteuid() != 0:
        pytest.skip("containerd runs as root only")
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 (a socket needs a short path)
    with tempfile.TemporaryDirectory(dir=place, prefix="c") as where:
        daemon = Daemon(Path(where))
        lines = [
            "version = 2",
            f'root = "{daemon.root}"',
            f'state = "{where}/state"',
            f"disabled_plugins = {json.dumps(NO_PARTS)}",
            "[grpc]",
            f'address = "{daemon.socket}"',
        ]
        (daemon.where / "config.toml").write_text("\n".join(lines))
        with (daemon.where / "log").open("wb") as log:
            process = subprocess.Popen(
                ["containerd", "-c", daemon.where / "config.toml"], stdout=log, stderr=log, cwd=where
            )
            try:
                until(lambda: process.poll() is not None or _answers(daemon), pause=0.05)
                assert process.poll() is None, (daemon.where / "log").read_text()
                yield daemon
            finally:
                process.terminate()
                process.wait()


def _answers(daemon: Daemon) -> bool:
    return not subprocess.run(["ctr", "-a", daemon.socket, "version"], check=False, capture_output=True).returncode


def layer(**files: str) -> bytes:
    """A layer with these files, as a tar."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content.encode()))
    return packed.getvalue()


def image(layout: Layout, name: str, *layers: bytes, platform: str = "amd64") -> str:
    """Store an image that can be unpacked; list it if it has a name."""
    diff_ids = [f"sha256:{hashlib.sha256(one).hexdigest()}" for one in layers]
    body = {"architecture": platform, "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    config = layout.to(layout.json(body), CONFIG)
    digest = layout.manifest(*map(layout.blob, layers), config=config)
    return layout.add(digest, name) if name else digest


def index(layout: Layout, name: str, **manifests: str) -> str:
    """Store and list an index of images by platform."""
    children = [
        layout.to(digest, "application/vnd.oci.image.manifest.v1+json", platform={"os": "linux", "architecture": arch})
        for arch, digest in manifests.items()
    ]
    return layout.add(layout.index(*children), name, INDEX)
