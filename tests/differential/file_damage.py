"""Damage to the files of an OCI layout, after it is written: lost, broken, linked and foreign files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

    Change = Callable[[Path, Random], None]


def _blobs(root: Path) -> Path:
    return root / "blobs" / "sha256"


def _any(root: Path, rng: Random) -> Path | None:
    """A stored blob by chance; None where there is none (left), so that a damage can be void."""
    found = sorted(path for path in _blobs(root).glob("*") if path.is_file() and not path.is_symlink())
    return rng.choice(found) if found else None


def _lost(root: Path, rng: Random) -> None:
    if blob := _any(root, rng):
        blob.unlink()


def _flipped(root: Path, rng: Random) -> None:
    """Change a byte, so that the size stays."""
    blob = _any(root, rng)
    if blob and (data := blob.read_bytes()):
        at = rng.randrange(len(data))
        _replace(blob, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def _cut(root: Path, rng: Random) -> None:
    if blob := _any(root, rng):
        _replace(blob, blob.read_bytes()[:-1])


def _grown(root: Path, rng: Random) -> None:
    if blob := _any(root, rng):
        _replace(blob, blob.read_bytes() + b"\n")


def _replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def _written(name: str, *, directory: str = "") -> Change:
    """A file (in a directory) with this name below the root."""

    def change(root: Path, rng: Random) -> None:
        folder = root / directory
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * rng.randrange(50))

    return change


def _junk(root: Path, rng: Random) -> None:
    """A name that is no digest, anywhere in the order of the blobs."""
    name = rng.choice(["", "0", "4", "8", "c", "e8", "zz", ".nfs", "oci-put-blob", "A" * 63, "f" * 70, "3" * 62])
    _written(f"{name}{rng.randrange(10)}", directory="blobs/sha256")(root, rng)


def _junk_directory(root: Path, rng: Random) -> None:
    folder = _blobs(root) / f"{rng.choice('048cz')}{rng.randrange(10)}"
    folder.mkdir(parents=True)
    (folder / f"{rng.randrange(1 << 256):064x}").write_bytes(b"x")


def _empty_directory(root: Path, rng: Random) -> None:
    (_blobs(root) / f"{rng.randrange(1 << 256):064x}").mkdir(parents=True)


def _full_directory(root: Path, rng: Random) -> None:
    folder = _blobs(root) / f"{rng.randrange(1 << 256):064x}"
    folder.mkdir(parents=True)
    (folder / rng.choice(["x", f"{rng.randrange(1 << 256):064x}"])).write_bytes(b"x")


def _blob_is_directory(root: Path, rng: Random) -> None:
    if blob := _any(root, rng):
        blob.unlink()
        blob.mkdir()


def _leads_out(root: Path, rng: Random) -> None:
    """A blob that was moved out of the store, with a link in its place."""
    if blob := _any(root, rng):
        outside = root.with_name(f"{root.name}.outside")
        blob.rename(outside)
        blob.symlink_to(outside)


def _all_lead_out(root: Path, rng: Random) -> None:
    """All blobs, or those of sha256, moved out of the store, with a link in their place."""
    path = rng.choice((root / "blobs", _blobs(root)))
    outside = root.with_name(f"{root.name}.outside")
    if path.is_dir() and not path.is_symlink() and not outside.exists():
        path.rename(outside)
        path.symlink_to(outside)


def _no_blobs_directory(root: Path, _: Random) -> None:
    if not (root / "blobs").is_symlink():
        (root / "blobs").rename(root / "blobs.old")


def _linked(name: str, target: str) -> Change:
    """A directory that was moved, with a link in its place; `target` is as seen from the link."""

    def change(root: Path, _: Random) -> None:
        path = root / name
        new = (path.parent / target).resolve()
        if path.is_dir() and not path.is_symlink():
            path.rename(new)
            path.symlink_to(target if not target.startswith("../../") else new)

    return change


def _linked_blob(root: Path, rng: Random) -> None:
    if blob := _any(root, rng):
        blob.rename(root / "moved")
        blob.symlink_to("../../moved")


def _dangling_blob(root: Path, rng: Random) -> None:
    if blob := _any(root, rng):
        blob.unlink()
        blob.symlink_to("nowhere")


def _linked_twice(root: Path, rng: Random) -> None:
    """A hard link to a blob, in the place of another one."""
    if blob := _any(root, rng):
        os.link(blob, _blobs(root) / f"{rng.randrange(1 << 256):064x}")


def _no_blobs(root: Path, rng: Random) -> None:
    while blob := _any(root, rng):
        blob.unlink()
    for path in [*_blobs(root).glob("*"), _blobs(root)]:
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def _index_is_link(root: Path, _: Random) -> None:
    (root / "index.json").rename(root / "index.old")
    (root / "index.json").symlink_to("index.old")


FILES: dict[str, Change] = {
    "blob-lost": _lost,
    "blob-flipped": _flipped,
    "blob-cut": _cut,
    "blob-grown": _grown,
    "blob-is-directory": _blob_is_directory,
    "blob-is-link": _linked_blob,
    "blob-is-dangling-link": _dangling_blob,
    "blob-linked-twice": _linked_twice,
    "junk-name": _junk,
    "junk-directory": _junk_directory,
    "empty-directory": _empty_directory,
    "full-directory": _full_directory,
    "blob-leads-out": _leads_out,
    "blobs-lead-out": _all_lead_out,
    "no-blobs-directory": _no_blobs_directory,
    "sha256-is-link": _linked("blobs/sha256", "../elsewhere"),
    "blobs-is-link": _linked("blobs", "elsewhere"),
    "no-sha256-directory": _no_blobs,
    "index-is-link": _index_is_link,
    "file-in-blobs": _written("stray", directory="blobs"),
    "other-algorithm": _written("x" * 32, directory="blobs/md5"),
    "leftover-temporary": _written("data", directory=".umoci-123"),
    "leftover-upload": _written("data", directory=".uploads/9"),
    "leftover-ingest": _written("data", directory="ingest/1"),
    "leftover-nfs": _written(".nfs0001"),
    "leftover-rsync": _written(".index.json.Ab12"),
    "leftover-put": _written("oci-put-blob77"),
    "leftover-lost-found": _written("#12", directory="lost+found"),
}
"""Files of a written layout, changed; `root` may hold links by then."""
