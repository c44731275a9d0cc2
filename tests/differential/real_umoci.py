"""The real `umoci`, run on copies of a layout: what it removed, what it said and whether it stopped."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ALGORITHMS = {"sha256": 64, "sha384": 96, "sha512": 128}
HEX = frozenset("0123456789abcdef")
MINUTE = 60
NAME = re.compile(r"(?:[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)(?:/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*")
REASONS = (
    ("oci-layout", r"open CAS: validate: .*layout"),
    ("no blobs or index.json", r"open CAS: validate"),
    ("index.json", r"get top-level index"),
    ("other algorithm", r"unsupported (digest )?algorithm"),
    ("junk name", r"remove unmarked blob .*compute blob path"),
    ("full directory", r"directory not empty"),
    ("no file", r"is a directory"),
    ("no digest", r"invalid digest"),
    ("not stored", r"open blob: .*(no such file|too many levels)"),
    ("other content", r"digest mismatch"),
    ("other size", r"size mismatch"),
    ("no image config", r"parse application/vnd.oci.image.config"),
    ("no manifest", r"parse application/vnd.oci.image.manifest"),
    ("no index", r"parse application/vnd.oci.image.index"),
    ("odd path", r"syntax error in pattern"),
)
"""Why umoci stops, by its own words; the first one that fits holds."""


@dataclass(frozen=True)
class Run:
    """A run of umoci: its exit code, its words, and the blobs (digest to bytes) that were gone afterwards."""

    code: int
    said: str
    removed: dict[str, int]

    @property
    def stopped(self) -> bool:
        return self.code != 0

    @property
    def reason(self) -> str:
        """Why it stopped; its own words where no reason is known for them."""
        return next((name for name, words in REASONS if re.search(words, self.said, re.DOTALL)), self.said)

    @property
    def bytes(self) -> int:
        return sum(self.removed.values())


def installed() -> bool:
    return shutil.which("umoci") is not None


def stored(root: Path) -> dict[str, int]:
    """The files in the place of a blob, by digest, with their bytes."""
    found = {}
    for label, length in ALGORITHMS.items():
        folder = root / "blobs" / label
        for path in folder.iterdir() if folder.is_dir() else ():
            if len(path.name) == length and HEX.issuperset(path.name) and path.is_file():
                found[f"{label}:{path.name}"] = path.stat().st_size
    return found


def takes(name: str) -> bool:
    """Whether umoci takes this as a name of an image."""
    return NAME.fullmatch(name) is not None


def gc(root: Path) -> Run:
    """Run `umoci gc` on a copy."""
    return dropped(root, ())


def dropped(root: Path, names: Iterable[str]) -> Run:
    """Run `umoci rm` for each name and `umoci gc` on a copy; ends at the first command that fails."""
    place = Path(tempfile.mkdtemp(dir=root.parent))
    copy = place / root.name
    _copy(root, copy)
    before = stored(copy)
    commands = [["umoci", "rm", "--image", f"{copy}:{name}"] for name in names]
    said = ""
    code = 0
    try:
        for command in [*commands, ["umoci", "gc", "--layout", str(copy)]]:
            done = subprocess.run(command, capture_output=True, timeout=MINUTE, check=False)
            said, code = done.stderr.decode(errors="replace"), done.returncode
            if code:
                break
        after = stored(copy)
    finally:
        shutil.rmtree(place)
    gone = {digest: size for digest, size in before.items() if digest not in after}
    return Run(code, said.replace(str(copy), "LAYOUT").strip(), gone)


def _copy(root: Path, copy: Path) -> None:
    """Copy a tree with hard links: umoci replaces and removes files, it never writes into one."""
    copy.mkdir(mode=root.stat().st_mode & 0o777)
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _copy(root / entry.name, copy / entry.name)
            else:
                os.link(entry.path, copy / entry.name, follow_symlinks=False)
