"""Recognise archives of images by the names of their first members, and open them for a scan."""

from __future__ import annotations

import os
import re
from itertools import islice
from typing import TYPE_CHECKING, cast

from blobkit.access import reason
from blobkit.errors import AddressError, UnreadableStoreError
from blobkit.progress import counted
from blobkit.render import printable
from blobkit.sources.archive import Archive, first_members, is_tar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["kind_in", "opened", "refuse"]

OCI, DOCKER = "oci-archive", "docker-archive"
LOOKED_AT = 100_000
"""Members whose names are looked at to recognise an archive."""
_HEX = "[0-9a-f]{64}"
_SIGNS = (
    (re.compile(f"oci-layout|blobs/(?:sha256/{_HEX}|sha512/{_HEX}{_HEX})"), OCI),
    (re.compile(rf"repositories|(?:sha256:)?{_HEX}(?:\.json|\.tar|\.tar\.gz|/VERSION|/json|/layer\.tar)?"), DOCKER),
)
_SYSTEM = frozenset({"bin", "boot", "dev", "etc", "home", "lib", "opt", "proc", "root", "sbin", "sys", "usr", "var"})
"""Directories of a file system's root; three of them make one."""


def kind_in(path: Path) -> str:
    """Return the kind of archive that a file is, "" if it is no tar; OSError if it cannot be read.

    A docker archive that is an OCI layout too is an oci-archive, which tells more. AddressError for a tar without
    images. Cost: the headers up to the first telling name; of a compressed file, what is before it.
    """
    if not is_tar(path):
        return ""
    names: set[str] = set()
    for name in islice(first_members(path), LOOKED_AT):
        kind = next((kind for sign, kind in _SIGNS if sign.fullmatch(name)), "")
        if kind:
            return kind
        names.add(name.partition("/")[0])
        if _is_system(names):
            break
    if not {"index.json", "blobs"} - names:
        return OCI
    if "manifest.json" in names:
        return DOCKER
    message, hint = _no_images(path, names)
    raise AddressError(message, hint=hint)


def opened(path: Path, *, progress: bool) -> Archive:
    """Return the archive at a path, with its index; UnreadableStoreError if it is not a tar or cannot be read."""
    try:
        known = is_tar(path)
        with counted(os.stat(path).st_size, "indexing", show=progress) as passed:
            archive = Archive(path, passed) if known else None
    except OSError as error:
        msg = f"{path} cannot be read ({reason(error, path)})"
        raise UnreadableStoreError(printable(msg)) from error
    if archive is None:
        msg = f"{path} is not a tar archive, plain or compressed by gzip, zstd, bzip2 or xz"
        raise UnreadableStoreError(printable(msg))
    return archive


def refuse(archive: Archive, wanted: str, others: Sequence[tuple[str, str]] = ()) -> UnreadableStoreError:
    """Return the error that an archive has no `wanted`; `others`: members that make it another kind of archive."""
    if archive.index.ends:
        msg = f"{archive.address} has no {wanted}, and cannot be read to its end: {archive.index.ends}"
        return UnreadableStoreError(printable(msg), hint="copy it here again")
    rows = archive.index.rows
    if "repositories" in rows and not {member for member, _ in others} & rows.keys():
        msg = f"{archive.address} has no {wanted}: docker before 1.10 wrote it"
        return UnreadableStoreError(printable(msg), hint="load it into docker, and save it again")
    for member, kind in others:
        if member in rows:
            msg = f"{archive.address} has no {wanted}, but {member}"
            return UnreadableStoreError(printable(msg), hint=f"give it as {kind}:PATH")
    tops = {name.partition("/")[0] for name in rows}
    message, hint = _no_images(cast("Path", archive.address), tops)
    return UnreadableStoreError(message, hint=hint)


def _is_system(names: set[str]) -> bool:
    return len(names & _SYSTEM) >= 3  # noqa: PLR2004 (see _SYSTEM)


def _no_images(path: Path, names: set[str]) -> tuple[str, str]:
    """Return the message and the hint about a tar without images, which has these names at its top."""
    shown = printable(os.fspath(path))
    if _is_system(names):
        message = f"{shown} is a tar of a file system, as `docker export` writes it, and no image"
        return message, "write the image with `docker save`, or import the file with `docker import` first"
    message = f"{shown} is a tar archive without images: it has neither oci-layout, index.json nor manifest.json"
    return message, "give an archive that docker save, podman save, skopeo copy or buildah push wrote"
