"""The real `podman` and `buildah` of this system, on a root of their own that is put back after each command."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bytes_on_disk import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterable

MINUTE = 60


@dataclass(frozen=True)
class Run:
    """A command: its exit code, its words, and the bytes of the things that were gone afterwards, by key."""

    code: int
    said: str
    removed: dict[str, int]


class Podman:
    """A root and everything else that podman writes, below one directory."""

    def __init__(self, place: Path, driver: str) -> None:
        self.place, self.driver = place, driver
        self.root, self.kept = place / "root", place / "kept"
        for name in ("home", "tmp", "run", "xdg"):
            (place / name).mkdir()
        (place / "storage.conf").write_text(
            f'[storage]\ndriver = "{driver}"\ngraphroot = "{self.root}"\nrunroot = "{place}/run"\n'
        )
        (place / "containers.conf").write_text(
            '[engine]\nevents_logger = "none"\ncgroup_manager = "cgroupfs"\nlock_type = "file"\n'
            f'tmp_dir = "{place}/run/tmp"\n'
        )
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": f"{place}/home",
            "TMPDIR": os.fspath(place / "tmp"),
            "CONTAINERS_STORAGE_CONF": f"{place}/storage.conf",
            "CONTAINERS_CONF": f"{place}/containers.conf",
            **{f"XDG_{name}": f"{place}/xdg" for name in ("CONFIG_HOME", "DATA_HOME", "CACHE_HOME", "RUNTIME_DIR")},
        }

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in the environment of this root."""
        return subprocess.run(
            words,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
            timeout=MINUTE,
            cwd=self.place,
        )

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command."""
        nothing = subprocess.DEVNULL
        return subprocess.Popen(words, stdout=nothing, stderr=nothing, env=self.environment, cwd=self.place)

    def does(self, *words: str) -> str:
        """Run a command that must succeed, and return what it printed."""
        done = self.run(*words)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout.strip()

    def keep(self) -> None:
        """Keep a copy of the root as it is now."""
        self._copy(self.root, self.kept)

    def put_back(self) -> None:
        """Make the root what it was when it was kept."""
        self._copy(self.kept, self.root)

    def trying(self, *words: str, stdin: str = "") -> Run:
        """Run a command on the kept root, and put that back."""
        before = things(self.root, self.driver)
        done = self.run(*words, stdin=stdin)
        after = things(self.root, self.driver)
        self.put_back()
        gone = {key: size for key, size in before.items() if key not in after}
        return Run(done.returncode, done.stdout + done.stderr, gone)

    def unmount(self) -> None:
        """Undo the mounts that podman leaves in its root: it mounts the directory of layers on itself."""
        lines = Path("/proc/self/mounts").read_text().splitlines()
        for path in [line.split()[1] for line in lines][::-1]:
            if path.startswith(f"{self.place}/"):
                self.does("umount", path)

    def _copy(self, source: Path, target: Path) -> None:
        self.unmount()
        shutil.rmtree(target, ignore_errors=True)
        self.does("cp", "-a", os.fspath(source), os.fspath(target))


def things(root: Path, driver: str) -> dict[str, int]:
    """The bytes of what is there, by key; an oracle that shares nothing with the scanner."""
    data = root / ("overlay" if driver == "overlay" else "vfs/dir")
    beside = root / f"{driver}-layers"
    found = {}
    for one in _directories(data):
        if one.name not in {"l", "staging", "tempdirs"}:
            found[f"layer/{one.name}"] = bytes_of([one, *beside.glob(f"{one.name}*")])
    for kind, place in (("image", f"{driver}-images"), ("container", f"{driver}-containers"), ("volume", "volumes")):
        found |= {f"{kind}/{one.name}": bytes_of([one]) for one in _directories(root / place)}
    return found


def _directories(path: Path) -> Iterable[Path]:
    return (one for one in path.iterdir() if one.is_dir()) if path.is_dir() else ()
