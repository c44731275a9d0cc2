"""A small cache of the Hugging Face hub, as months of work in notebooks leave it."""

from __future__ import annotations

import os
import time
from hashlib import sha1, sha256
from typing import TYPE_CHECKING

from blobkit.demo.places import directory_for

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["hub"]

KIB = 1024
DAY = 86_400
SMALL = 1_000
"""Bytes: the hub names larger files by sha256, smaller ones as git does."""
MODEL, TOKENS = "model.safetensors", "tokenizer.json"
WEIGHTS, MORE = ("base weights", 2_400), ("more weights", 2_400)
REVISIONS = (
    ("model/acme/tiny-llm", "1", {MODEL: WEIGHTS, TOKENS: ("tokens", 90)}, (), 170),
    ("model/acme/tiny-llm", "2", {MODEL: MORE, TOKENS: ("tokens", 90)}, ("main",), 60),
    ("model/acme/tiny-llm", "3", {MODEL: MORE, TOKENS: ("more tokens", 95)}, ("refs/pr/7",), 9),
    (
        "model/me/tiny-llm-tuned",
        "4",
        {MODEL: WEIGHTS, "adapter.safetensors": ("adapter", 60)},
        ("main",),
        80,
    ),
    (
        "model/acme/vision",
        "5",
        {MODEL: ("vision", 1_700), "preprocessor.json": ("sizes", 0)},
        ("main",),
        200,
    ),
    ("dataset/acme/corpus", "6", {"train.parquet": ("rows", 900)}, (), 120),
    ("dataset/acme/corpus", "7", {"train.parquet": ("rows", 900), "more.parquet": ("more rows", 300)}, ("main",), 20),
    ("space/acme/demo", "8", {"app.py": ("program", 3)}, ("main",), 15),
)
"""Repository, commit, files (what their content is made from, and KiB), refs, age in days."""


def hub(directory: str | os.PathLike[str] | None = None, *, unit: int = KIB) -> Path:
    """Return the directory of a cache of the Hugging Face hub: a revision that no ref names, one file in two models.

    One download was not completed, and a download that was replaced left a file.

    >>> cache = blobkit.scan(demo.hub(unit=1))
    >>> cache.simulate_deref("dataset/acme/corpus@main").bytes
    300
    """
    place = directory_for(directory)
    for name, commit, files, refs, days in REVISIONS:
        folder = _folder(place, name)
        whole = sha1(commit.encode(), usedforsecurity=False).hexdigest()
        for path, (text, size) in files.items():
            _link(folder, whole, path, _content(text, size * unit), days)
        for ref in refs:
            _write(folder / "refs" / ref, whole.encode(), days)
    tuned = _folder(place, "model/me/tiny-llm-tuned")
    _write(tuned / "blobs" / f"{'c0' * 32}.5f0e1d2c.incomplete", _content("cut", 700 * unit), 3)
    _write(tuned / "blobs" / ("0d" * 20), _content("replaced", 40 * unit), 75)
    return place


def _folder(place: Path, name: str) -> Path:
    kind, _, rest = name.partition("/")
    return place / f"{kind}s--{rest.replace('/', '--')}"


def _link(folder: Path, commit: str, path: str, data: bytes, days: int) -> None:
    """Write a file of a revision: a blob, and a link to it."""
    git = b"blob %d\0" % len(data) + data
    etag = sha256(data).hexdigest() if len(data) > SMALL else sha1(git, usedforsecurity=False).hexdigest()
    _write(folder / "blobs" / etag, data, days)
    link = folder / "snapshots" / commit / path
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(f"../../blobs/{etag}")


def _write(path: Path, data: bytes, days: int) -> None:
    """Write a file of this age, unless it is there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (time.time() - days * DAY,) * 2)


def _content(text: str, size: int) -> bytes:
    """Return so many bytes made from a text, at least the text."""
    return (text.encode() * (size // len(text) + 1))[: max(size, len(text))]
