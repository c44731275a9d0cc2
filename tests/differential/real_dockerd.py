"""A real `dockerd` of this system with a data root of its own, which can be put back to what it was."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from bytes_on_disk import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 60
TREES = {"overlay2": "overlay2", "vfs": "vfs/dir"}


class DidNotStartError(Exception):
    """The daemon cannot work here; the message has its last words."""


class Dockerd:
    """A daemon and all that it writes, below one directory with a short path (its socket needs that)."""

    def __init__(self, place: Path, driver: str) -> None:
        self.place, self.driver = place, driver
        self.root, self.kept = place / "root", place / "kept"
        self.client = next(
            one for one in ("/usr/bin/docker", shutil.which("docker")) if one and os.access(one, os.X_OK)
        )
        (place / "home").mkdir()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": f"{place}/home",
            "DOCKER_HOST": f"unix://{place}/sock",
            "DOCKER": self.client,
        }
        self.daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        words = [
            *("dockerd", "--data-root", self.root, "--exec-root", self.place / "run", "--pidfile", self.place / "pid"),
            *("--host", self.environment["DOCKER_HOST"], "--storage-driver", self.driver),
            *("--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"),
        ]
        with (self.place / "log").open("ab") as log:
            self.daemon = subprocess.Popen(list(map(str, words)), stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + SECONDS
        while self.daemon.poll() is None and time.monotonic() < end:
            if self.run("version").returncode == 0:
                return
            time.sleep(0.05)
        self.stop()
        raise DidNotStartError((self.place / "log").read_text()[-500:])

    def stop(self) -> None:
        """Stop the daemon, which stops containerd."""
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait(SECONDS)
            self.daemon = None

    def run(self, *words: str, kit: str = "0") -> subprocess.CompletedProcess[str]:
        """Run a command of the client."""
        return self.shell([self.client, *words], DOCKER_BUILDKIT=kit)

    def shell(self, words: list[str], **more: str) -> subprocess.CompletedProcess[str]:
        """Run a program that talks to this daemon."""
        environment = self.environment | more
        return subprocess.run(
            words, capture_output=True, text=True, check=False, env=environment, timeout=SECONDS, cwd=self.place
        )

    def does(self, *words: str, kit: str = "0") -> str:
        """Run a command of the client that must succeed, and return what it printed."""
        done = self.run(*words, kit=kit)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout.strip()

    def keep(self) -> None:
        """Keep a copy of the root as it is now; the daemon stops meanwhile."""
        self.stop()
        shutil.rmtree(self.kept, ignore_errors=True)
        subprocess.run(["cp", "-a", self.root, self.kept], check=True)
        self.start()

    def put_back(self) -> None:
        """Make the root what it was when it was kept."""
        self.stop()
        shutil.rmtree(self.root)
        subprocess.run(["cp", "-a", self.kept, self.root], check=True)
        self.start()

    def change_by_hand(self, names: dict[str, str]) -> None:
        """Write names into the records, as a pull by digest does, and leave a layer and a directory of nobody."""
        self.stop()
        self._leave()
        path = self.root / "image" / self.driver / "repositories.json"
        body = json.loads(path.read_text())
        for name, image in names.items():
            repository = name.partition("@")[0] if "@" in name else name.rpartition(":")[0]
            body["Repositories"].setdefault(repository, {})[name] = image
        path.write_text(json.dumps(body))
        self.start()

    def layer(self, key: str) -> Path:
        """Return the record of a layer."""
        return self.root / "image" / self.driver / "layerdb" / "sha256" / key.removeprefix("layer/sha256:")

    def _leave(self) -> None:
        """Leave a layer that nothing uses on one of an image, and a directory that no record names."""
        database, trees = self.root / "image" / self.driver, self.root / TREES[self.driver]
        below = next(one for one in _directories(database / "layerdb" / "sha256") if not (one / "parent").exists())
        diff = "sha256:" + hashlib.sha256(b"left").hexdigest()
        chain = hashlib.sha256(f"sha256:{below.name} {diff}".encode()).hexdigest()
        layer = below.with_name(chain)
        layer.mkdir()
        words = {"cache-id": "f" * 64, "diff": diff, "parent": f"sha256:{below.name}", "size": "4"}
        for name, word in words.items():
            (layer / name).write_text(word)
        for tree in ("e" * 64, "f" * 64):
            (trees / tree).mkdir()
            (trees / tree / "file").write_bytes(b"left")


def things(root: Path, driver: str) -> dict[str, int]:
    """The bytes of what is there, by key; an oracle that shares nothing with the scanner.

    Directories that belong to no layer or container have keys `tree/...`.
    """
    database, trees = root / "image" / driver, root / TREES[driver]
    layers, mounts = database / "layerdb" / "sha256", database / "layerdb" / "mounts"
    found, own = {}, {"l"} if driver == "overlay2" else set()
    for layer in _directories(layers):
        name = (layer / "cache-id").read_text()
        own.add(name)
        found[f"layer/sha256:{layer.name}"] = bytes_of([layer, trees / name])
    for image in (database / "imagedb/content/sha256").iterdir():
        found[f"image/sha256:{image.name}"] = bytes_of([image, database / "imagedb/metadata/sha256" / image.name])
    for mount in _directories(mounts):
        names = [(mount / part).read_text() for part in ("mount-id", "init-id")]
        own.update(names)
        parts = [mount, root / "containers" / mount.name, *(trees / name for name in names)]
        found[f"container/{mount.name}"] = bytes_of(parts)
    return found | {f"tree/{one.name}": bytes_of([one]) for one in _directories(trees) if one.name not in own}


def _directories(path: Path) -> Iterator[Path]:
    return (one for one in path.iterdir() if one.is_dir())
