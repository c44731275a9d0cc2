"""A real registry on a free port of this machine, and images that real programs push into it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import blobkit
from patience import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot
    from layouts import Layout

PROGRAM = "docker-registry"
CONFIG = """\
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {root}}}
  delete: {{enabled: true}}
http: {{addr: "{address}"}}
"""


def needs(*programs: str) -> None:
    """Skip where one of these programs is not there."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


class Served:
    """The storage of a registry that is running at `address`."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "storage"
        self.root.mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.config = directory / "config.yml"
        self.config.write_text(CONFIG.format(root=self.root, address=self.address))

    def push(self, layout: Layout, name: str, target: str) -> None:
        """Push what a layout calls `name` to `target`, all platforms of it."""
        source, into = f"oci:{layout.root}:{name}", f"docker://{self.address}/{target}"
        options = ["--all", "--preserve-digests", "--dest-tls-verify=false", "--quiet"]
        subprocess.run(["skopeo", "copy", *options, source, into], check=True, capture_output=True)

    def scan(self, policy: str | None = None) -> Snapshot:
        return blobkit.scan(f"registry:{self.root}", policy=policy, progress=False)

    def stored(self) -> set[str]:
        """The digests whose files are there."""
        blobs = self.root / "docker/registry/v2/blobs"
        return {f"{path.parts[-4]}:{path.parts[-2]}" for path in blobs.glob("*/*/*/data")}

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script against it."""
        settings = {"REGISTRY": self.address, "CONFIG": os.fspath(self.config)}
        return shell(script, self.config.parent, **settings)


def shell(script: str, where: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a directory, as the shell runs it that has the fewest extensions."""
    path = where / "script.sh"
    path.write_text(script)
    environment = os.environ | settings
    return subprocess.run(["sh", path], cwd=where, env=environment, check=False, capture_output=True, text=True)


def answers(host: str, port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex((host, port)) == 0


@contextmanager
def serving(directory: Path) -> Iterator[Served]:
    """Run a registry in a directory until the block ends."""
    needs(PROGRAM, "skopeo", "curl")
    served = Served(directory)
    host, port = served.address.split(":")
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, "serve", served.config], stdout=log, stderr=log)
        try:
            until(lambda: process.poll() is not None or answers(host, int(port)), pause=0.02)
            assert process.poll() is None, (directory / "log").read_text()
            yield served
        finally:
            process.kill()
            process.wait()
