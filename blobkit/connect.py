"""From an address to a snapshot: which kind of store is at a path, and the maker that reads it.

An address is a path, or `kind:path`. This is the one place that knows both readers' addresses and makers.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.access import refusal
from blobkit.errors import AddressError, SourceError, UnreadableStoreError
from blobkit.protocols import as_snapshot
from blobkit.render import listed, printable
from blobkit.scanners import go_blobstore, oci_layout, registry
from blobkit.scanners.foreign import ForeignStore
from blobkit.scanners.survey import survey
from blobkit.snapshot.kinds import STORES
from blobkit.snapshot.snapshot import Snapshot
from blobkit.store.local import LocalStore, ReadOnlyStore, open_read_only

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from blobkit.digest import Digest
    from blobkit.protocols import Address, Source, SupportsSnapshot

__all__ = ["facts", "scan", "source", "surveyed"]

LOOKED_FOR = ", ".join(
    [*(f"{kind.name} ({kind.signs})" for kind in STORES.values()), "snapshot (snapshot.json)"],
)


def scan(
    address: Address,
    *,
    policy: str | None = None,
    progress: bool = True,
    verify: bool = False,
    storage_options: Mapping[str, object] | None = None,
) -> Snapshot:
    """Return a snapshot of the store at `address`, read-only: nothing there is written, locked or touched.

    `address` is a path, of which the kind is recognised, or `kind:path` with a kind of blobkit, oci, registry,
    go-blobstore or snapshot. `policy` picks the first policy (see `Snapshot.policies`); `verify` reads and hashes
    every blob (small ones are always verified); `progress` shows a bar for what takes longer than a second.
    AddressError where there is no such path or no store, UnreadableStoreError where a store cannot be read. Cost: one
    look at each file, one read of each manifest. `storage_options` are for stores that are not local, of which there
    are none yet.

    >>> image = demo.small().export("shop/web:1.0", "layout")
    >>> snapshot = blobkit.scan("layout")
    >>> snapshot.kind, snapshot.policies
    ('oci', ('dependent', 'strong', 'ignore'))
    """
    if storage_options:
        msg = f"storage_options are given ({listed(sorted(storage_options))}), and {os.fspath(address)} is a local path"
        raise AddressError(msg)
    kind, path = _located(address)
    if kind == "blobkit":
        return _scan_blobkit(path, policy, verify=verify, files=True)
    return _MAKERS[kind](path, policy, progress, verify)


def facts(address: Address, *, policy: str | None = None, progress: bool = True) -> Snapshot:
    """Return a snapshot as `scan` does, but of a blobkit store what its index says: no look at each file.

    Only an audit asks for more.
    """
    kind, path = _located(address)
    if kind == "blobkit":
        return _scan_blobkit(path, policy, verify=False, files=False)
    return _MAKERS[kind](path, policy, progress, False)  # noqa: FBT003 (private)


def _located(address: Address) -> tuple[str, Path]:
    """Return the kind of store at an address, and its path; AddressError, UnreadableStoreError."""
    if not os.fspath(address):
        msg = "the address is empty: give the path of a store, or kind:path"
        raise AddressError(msg)
    kind, path = parse(os.fspath(address))
    _check_permission(path)
    return kind or recognise(path), path


@contextmanager
def source(address: Address) -> Iterator[Source]:
    """Give the store at `address` as something to import from, read-only; closed at the end.

    SourceError for a saved snapshot, which has no content; AddressError as in `scan`.
    """
    kind, path = _located(address)
    if kind == "blobkit":
        with open_read_only(_directory(path)) as store:
            yield store
    elif kind in _PATHS:
        root = _directory(path)
        yield ForeignStore(root, lambda root: scan(f"{kind}:{root}", progress=False), _PATHS[kind](root))
    else:
        msg = f"{printable(os.fspath(address))} is a saved snapshot, which has no content: give the store itself"
        raise SourceError(msg)


def parse(address: str) -> tuple[str, Path]:
    """Return the kind ("" where none is given) and the path of an address; AddressError for a kind unknown."""
    kind, colon, rest = address.partition(":")
    if colon and kind in _KINDS:
        if not rest:
            msg = f"the path of the address {address!r} is empty: give kind:path"
            raise AddressError(msg)
        return kind, Path(rest)
    if re.fullmatch(r"[a-z][a-z-]+:.*", address) and not Path(address).exists():
        msg = f"{printable(address)}: the kind {kind!r} is not known (use {', '.join(_KINDS)}), and no such path exists"
        raise AddressError(msg)
    return "", Path(address)


def _check_permission(path: Path) -> None:
    """Raise UnreadableStoreError where this user may not look into a directory, or into where its facts would be."""
    why = refusal(path.absolute(), *(path.absolute() / below for below in _NEEDED))
    if why:
        raise UnreadableStoreError(printable(why))


def recognise(path: Path) -> str:
    """Return the kind of store at a path; AddressError says what was looked for."""
    shown = printable(os.fspath(path))
    if not path.exists():
        msg = f"{shown} does not exist: give the path of a store, or kind:path"
        raise AddressError(msg)
    if path.is_file():
        return _recognise_file(path, shown)
    for kind, is_it in _SIGNS.items():
        if is_it(path):
            return kind
    msg = f"{shown} is no store that blobkit knows; looked for {LOOKED_FOR}"
    raise AddressError(msg)


def _recognise_file(path: Path, shown: str) -> str:
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            return "snapshot"
    msg = (
        f"{shown} is a file, and no saved snapshot: give the directory of a store, or a file made by `blobkit scan -o`"
    )
    raise AddressError(msg)


def _directory(path: Path) -> Path:
    """Return the path of a directory, absolute, so that a snapshot says where it came from; AddressError where none."""
    if not path.is_dir():
        state = "is a file, not a directory" if path.exists() else "does not exist"
        msg = f"{printable(os.fspath(path))} {state}: give the directory of the store"
        raise AddressError(msg)
    return path.absolute()


def surveyed(x: SupportsSnapshot | Address) -> Snapshot:
    """Return the snapshot of a store, a snapshot or an address; of a store on a disk with all its files counted."""
    if isinstance(x, str | os.PathLike):
        return scan(x)
    return _with_files(x) if isinstance(x, LocalStore | ReadOnlyStore) else as_snapshot(x)


def _with_files(store: LocalStore | ReadOnlyStore) -> Snapshot:
    """Return the snapshot of a store with what its files say; what is recorded meanwhile is no orphan."""
    orphans = store.orphans()
    snapshot = store.snapshot()
    left = {digest: stamp for digest, stamp in orphans.items() if snapshot.find(digest) < 0}
    return snapshot.with_files(*survey(store.root, left))


def _scan_blobkit(path: Path, policy: str | None, *, verify: bool, files: bool) -> Snapshot:
    if verify:
        shown = printable(os.fspath(path))
        msg = f"{shown} is a blobkit store, of which only the index is read: verify its blobs as oci:{shown}"
        raise AddressError(msg)
    with open_read_only(_directory(path)) as store:
        snapshot = _with_files(store) if files else store.snapshot()
    return snapshot if policy is None else snapshot.with_policy(policy)


def _scan_oci(path: Path, policy: str | None, progress: bool, verify: bool) -> Snapshot:  # noqa: FBT001 (private)
    return oci_layout.scan(_directory(path), policy=policy, progress=progress, verify=verify)


def _scan_registry(path: Path, policy: str | None, progress: bool, verify: bool) -> Snapshot:  # noqa: FBT001 (private)
    return registry.scan(_directory(path), policy=policy, progress=progress, verify=verify)


def _scan_go(path: Path, policy: str | None, progress: bool, verify: bool) -> Snapshot:  # noqa: FBT001 (private)
    return go_blobstore.scan(_directory(path), policy=policy, progress=progress, verify=verify)


def _load_snapshot(path: Path, policy: str | None, _progress: bool, _verify: bool) -> Snapshot:  # noqa: FBT001 (private)
    if not path.exists():
        msg = f"{printable(os.fspath(path))} does not exist: give a file that `blobkit scan -o` or `save` made"
        raise AddressError(msg)
    snapshot = Snapshot.from_parquet(path) if path.is_dir() else Snapshot.load(path)
    return snapshot if policy is None else snapshot.with_policy(policy)


_MAKERS: dict[str, Callable[[Path, str | None, bool, bool], Snapshot]] = {
    "oci": _scan_oci,
    "registry": _scan_registry,
    "go-blobstore": _scan_go,
    "snapshot": _load_snapshot,
}
_NEEDED = (".blobkit/index.sqlite", "index.json", registry.BELOW)
"""Paths in a directory without which nothing is known of the store in it."""
_KINDS = ("blobkit", *_MAKERS)
_PATHS: dict[str, Callable[[Path], Callable[[Digest], str]]] = {
    "oci": oci_layout.path_of,
    "registry": registry.path_of,
    "go-blobstore": go_blobstore.path_of,
}
_SIGNS: dict[str, Callable[[Path], bool]] = {
    "blobkit": lambda path: (path / ".blobkit" / "index.sqlite").is_file(),
    "oci": oci_layout.is_layout,
    "registry": registry.is_registry,
    "go-blobstore": go_blobstore.is_store,
    "snapshot": lambda path: (path / "snapshot.json").is_file() and (path / "nodes.parquet").is_file(),
}
