"""Parse addresses into kind and path, and suggest what to use instead of an address that is not a store.

An address is a path, or `kind:path`. A kind is recognised by a few file names; only the first bytes of a file are read.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.access import is_denied, reason
from blobkit.errors import AddressError, UnreadableStoreError
from blobkit.render import alike, in_shell, join_some, printable
from blobkit.snapshot.kinds import STORES

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KINDS", "SCANNERS", "SNAPSHOT", "kind_of", "parse", "recognise"]

SCANNERS = {
    "oci": ("blobkit.scanners.oci_layout", "is_layout"),
    "registry": ("blobkit.scanners.registry", "is_registry"),
    "go-blobstore": ("blobkit.scanners.go_blobstore", "is_store"),
}
"""The module of each scanner, and its function that recognises a directory."""
OWN, SNAPSHOT = "blobkit", "snapshot"
KINDS = (OWN, *SCANNERS, SNAPSHOT)
LOOKED_FOR = ", ".join([*(f"{kind.name} ({kind.signs})" for kind in STORES.values()), "snapshot (snapshot.json)"])
UP, ENTRIES, SHOWN = 3, 1000, 3
"""Limits of the search for a near store: directories above the path, entries in it; and stores to show."""

_HTTP = (
    "on the host of the registry give its storage directory, such as /var/lib/registry; "
    "or copy an image here (skopeo copy --all docker://HOST/REPOSITORY:TAG oci:DIR:TAG) and give DIR"
)
_BUCKET = "copy the bucket to a directory, and give that"
_ENGINE = "copy an image (skopeo copy --all {source} oci:DIR:TAG) and give DIR"
_ARCHIVE = (
    "unpack it (mkdir DIR && tar -xf {file} -C DIR) and give DIR; "
    "one of `docker save` with skopeo copy docker-archive:{file} oci:DIR:TAG"
)
_LATER = {
    **dict.fromkeys(("http", "https"), _HTTP),
    **dict.fromkeys(("s3", "gs", "gcs", "az", "abfs", "abfss"), _BUCKET),
    **dict.fromkeys(("docker", "docker-daemon", "containers-storage", "containerd", "podman"), _ENGINE),
    **dict.fromkeys(("oci-archive", "docker-archive"), _ARCHIVE),
}
"""Hints for addresses that are not supported yet, by scheme."""
_MAGIC = ((0, b"\x1f\x8b"), (0, b"\x28\xb5\x2f\xfd"), (0, b"BZh"), (0, b"\xfd7zXZ\0"), (257, b"ustar"))


def parse(address: str) -> tuple[str, Path]:
    """Return the kind ("" if absent) and the path of an address; AddressError if the kind is unknown."""
    kind, colon, rest = address.partition(":")
    if colon and kind in KINDS:
        if not rest:
            msg = f"the path of the address {address!r} is empty"
            raise AddressError(msg, hint="give kind:path")
        return kind, Path(rest)
    if not re.match(r"[a-z][a-z0-9+-]+:", address) or Path(address).exists():
        return "", Path(address)
    shown = printable(address)
    scheme = kind.rpartition("+")[2]
    if scheme in _LATER:
        msg = f"{shown} is not supported yet"
        raise AddressError(msg, hint=_LATER[scheme].format(source=in_shell(address), file=in_shell(rest)))
    near = alike(kind, KINDS)
    guess = f"did you mean {near}:{printable(rest)}? The kinds are" if near else "use"
    msg = f"{shown} does not exist, and the kind {printable(kind)!r} is not known"
    raise AddressError(msg, hint=f"{guess} {', '.join(KINDS)}")


def recognise(path: Path) -> str:
    """Return the kind of store at a path; else AddressError, with the files looked for or with a store nearby."""
    shown = printable(os.fspath(path))
    if not path.exists():
        msg = f"{shown} does not exist"
        raise AddressError(msg, hint="give the path of a store, or kind:path")
    if path.is_file():
        return _recognise_file(path, shown)
    if kind := kind_of(path):
        return kind
    if hint := _near(path):
        msg = f"{shown} is not a store itself"
        raise AddressError(msg, hint=hint)
    msg = f"{shown} is not a store that blobkit knows; looked for {LOOKED_FOR}"
    raise AddressError(msg)


def kind_of(path: Path) -> str:
    """Return the kind of store in a directory, "" if it is not recognised."""
    if (path / ".blobkit" / "index.sqlite").is_file():
        return OWN
    for kind, (module, function) in SCANNERS.items():
        is_it: Callable[[Path], bool] = getattr(import_module(module), function)
        if is_it(path):
            return kind
    return SNAPSHOT if (path / "snapshot.json").is_file() and (path / "nodes.parquet").is_file() else ""


def _recognise_file(path: Path, shown: str) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        msg = f"{shown} cannot be read ({reason(error, path)})" if is_denied(error) else f"{shown}: {error.strerror}"
        raise UnreadableStoreError(printable(msg)) from error
    if head.startswith(b"PK\x03\x04"):
        return SNAPSHOT
    if any(head[at:].startswith(magic) for at, magic in _MAGIC):
        msg = f"{shown} is an archive, which is not supported yet"
        raise AddressError(msg, hint=_ARCHIVE.format(file=in_shell(path)))
    msg = f"{shown} is a file, and not a saved snapshot"
    raise AddressError(msg, hint="give the directory of a store, or a file made by `blobkit scan -o`")


def _near(path: Path) -> str:
    """Return a hint: the store that contains this directory, or the stores in it; "" if there is none."""
    whole = path.absolute()
    for above in islice(whole.resolve().parents, UP):
        if kind := _quiet_kind(above):
            return f"it is a part of the {kind} store in {in_shell(above)}: give that"
    try:
        with os.scandir(whole) as entries:
            names = sorted(entry.name for entry in islice(entries, ENTRIES) if entry.is_dir())
    except OSError:
        return ""
    found = [in_shell(path / name) for name in names if _quiet_kind(whole / name)]
    return f"give the store in it, {join_some(found, SHOWN)}" if found else ""


def _quiet_kind(path: Path) -> str:
    """Return the kind of store in a directory, "" also if this user cannot read it."""
    try:
        return kind_of(path)
    except OSError:
        return ""
