"""Loads a saved snapshot with bits of a member's end changed in turn: `python flipping.py archive member bytes step`.

A process of its own, because a library that ends the process at some files would end the tests. It prints how many
were refused, and how many were read as if nothing had changed.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from pathlib import Path

from blobkit.errors import SnapshotFormatError
from blobkit.snapshot.snapshot import Snapshot
from crafted import archive


def flipped(path: Path, name: str, amount: int, step: int) -> tuple[int, int]:
    with zipfile.ZipFile(path) as whole:
        files = {member: whole.read(member) for member in whole.namelist()}
    rows = Snapshot.load(path).nodes.num_rows
    refused = read = 0
    with tempfile.TemporaryDirectory() as place:
        for at in range(len(files[name]) - amount, len(files[name]), step):
            data = bytearray(files[name])
            data[at] ^= 1 << at // step % 8
            try:
                loaded = Snapshot.load(archive(Path(place) / "x", {**files, name: bytes(data)}))
            except SnapshotFormatError:
                refused += 1
            else:
                read += loaded.nodes.num_rows == rows
    return refused, read


if __name__ == "__main__":
    print(json.dumps(flipped(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))))  # noqa: T201 (a script)
