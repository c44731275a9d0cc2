"""A real registry on a free port of this machine, and images that real programs push into it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

import blobkit
from layouts import ARTIFACT, DOCKER_LIST, DOCKER_MANIFEST, INDEX, LAYER, MANIFEST, sha
from layouts import CONFIG as IMAGE_CONFIG
from patience import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot
    from layouts import Descriptor, Layout

PROGRAM = "docker-registry"
ACCEPT = f"{MANIFEST}, {INDEX}, {DOCKER_MANIFEST}, {DOCKER_LIST}, {ARTIFACT}"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
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

    def fill(self, root: Path | None = None) -> None:
        """Replace what is stored with a copy of what another root holds, times and all; or with nothing."""
        subprocess.run(["rm", "-rf", self.root], check=True)
        if root is None:
            self.root.mkdir()
        else:
            subprocess.run(["cp", "-a", root, self.root], check=True)

    def push(self, layout: Layout, name: str, target: str) -> None:
        """Push what a layout calls `name` to `target`, all platforms of it."""
        source, into = f"oci:{layout.root}:{name}", f"docker://{self.address}/{target}"
        options = ["--all", "--preserve-digests", "--dest-tls-verify=false", "--quiet"]
        subprocess.run(["skopeo", "copy", *options, source, into], check=True, capture_output=True)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Ask the registry, and return the status and the body of its answer."""
        connection = HTTPConnection(self.address, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        location, content = answer.headers.get("Location", ""), answer.read()
        connection.close()
        return answer.status, location.encode() if method == "POST" else content

    def blob(self, repo: str, content: bytes | str, label: str = "sha256") -> Descriptor:
        """Upload a blob under its digest of this algorithm."""
        content = content.encode() if isinstance(content, str) else content
        _, location = self.ask("POST", f"/v2/{repo}/blobs/uploads/")
        path = location.decode().partition(self.address)[2]
        digest = sha(content, label)
        status, said = self.ask("PUT", f"{path}&digest={digest}", content, Content_Type="application/octet-stream")
        assert status == 201, said
        return {"mediaType": LAYER, "digest": digest, "size": len(content)}

    def manifest(self, repo: str, body: dict[str, object], reference: str = "") -> Descriptor:
        """Upload a manifest, under a tag or by its digest."""
        content = json.dumps(body).encode()
        media_type, digest = str(body["mediaType"]), sha(content)
        path = f"/v2/{repo}/manifests/{reference or digest}"
        status, said = self.ask("PUT", path, content, Content_Type=media_type)
        assert status == 201, said
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def image(self, repo: str, *layers: str, tag: str = "", docker: bool = False, **more: object) -> Descriptor:
        """Upload an image with a layer for each text; `docker`: of docker's media types."""
        kinds = (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER) if docker else (MANIFEST, IMAGE_CONFIG, LAYER)
        config = self.blob(repo, json.dumps({"architecture": "amd64", "os": "linux", "made of": layers}))
        body: dict[str, object] = {
            "schemaVersion": 2,
            "mediaType": kinds[0],
            "config": config | {"mediaType": kinds[1]},
        }
        body["layers"] = [self.blob(repo, text) | {"mediaType": kinds[2]} for text in layers]
        return self.manifest(repo, body | more, tag)

    def index(self, repo: str, *children: Descriptor, tag: str = "", docker: bool = False) -> Descriptor:
        """Upload an index over these manifests."""
        media_type = DOCKER_LIST if docker else INDEX
        platforms = [{"os": "linux", "architecture": f"arm{i}"} for i, _ in enumerate(children)]
        entries = [child | {"platform": where} for child, where in zip(children, platforms, strict=True)]
        return self.manifest(repo, {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}, tag)

    def has(self, repo: str, reference: str) -> bool:
        """Return whether the registry answers for a manifest."""
        return self.ask("HEAD", f"/v2/{repo}/manifests/{reference}", Accept=ACCEPT)[0] == 200

    def pulls(self, repo: str, reference: str) -> bool:
        """Return whether a manifest can be had, and all that it contains."""
        status, content = self.ask("GET", f"/v2/{repo}/manifests/{reference}", Accept=ACCEPT)
        if status != 200:
            return False
        body = json.loads(content)
        inside = [body["config"], *body["layers"]] if "layers" in body else []
        blobs = (self.ask("HEAD", f"/v2/{repo}/blobs/{one['digest']}")[0] == 200 for one in inside)
        return all(blobs) and all(self.pulls(repo, one["digest"]) for one in body.get("manifests", ()))

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


def syntax(script: str, where: Path, severity: str = "style") -> None:
    """Check that a script is one, and what a linter of scripts says."""
    path = where / "checked.sh"
    path.write_text(script)
    subprocess.run(["sh", "-n", path], check=True)
    if shutil.which("shellcheck"):
        found = subprocess.run(
            ["shellcheck", "-s", "sh", "-S", severity, path], check=False, capture_output=True, text=True
        )
        assert found.stdout == ""


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
