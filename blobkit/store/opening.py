"""Checks of a directory before it is opened as a store; nothing is written to one that is something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NoReturn

from blobkit.errors import NotAdoptedError, NotAStoreError, StoreDamagedError
from blobkit.index.schema import check_version
from blobkit.store.mounts import check_disk

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.store.layout.layout import Layout

__all__ = ["check_root", "index_path", "refuse_layout"]


def index_path(root: Path) -> Path:
    """Return where the index of a store is."""
    return root / ".blobkit" / "index.sqlite"


def refuse_layout(root: Path) -> NoReturn:
    """Return the advice for a layout that no store owns."""
    msg = (
        f"{root} is an OCI image layout, no store: blobkit.LocalStore({str(root)!r}, adopt=True) makes it one, "
        f"blobkit.scan({str(root)!r}) reads it as it is"
    )
    raise NotAdoptedError(msg)


def check_root(root: Path, *, create: bool, adopt: bool, layout: Layout) -> None:
    """Check that `root` is a store or, with `create`, can become one: it is missing, empty, or was being made.

    NotAStoreError, NotAdoptedError for an OCI layout unless `adopt`, StoreTooNewError, StoreDamagedError where blobs
    have no index; UnreadableStoreError where the layout that is to be adopted has no readable index.json; StoreError
    on a network file system.
    """
    check_disk(root)
    if root.is_symlink() and not root.exists():
        msg = f"{root} is a symbolic link that leads nowhere: give the directory of a store"
        raise NotAStoreError(msg)
    there = next(path for path in (root, *root.parents) if path.exists())
    if not there.is_dir():
        msg = f"{there} is a file, not a directory: give the directory of a store"
        raise NotAStoreError(msg)
    if not root.exists():
        _check_creation(root, "does not exist", create=create)
        return
    names = {path.name for path in root.iterdir()}
    if ".blobkit" in names:
        _check_index(root, create=create, begun=adopt and "index.json" in names and layout)
    elif "oci-layout" in names or {"index.json", "blobs"} <= names:
        if not adopt:
            refuse_layout(root)
        layout.check_foreign()
    elif names:
        msg = f"{root} is no blobkit store and not empty: give another directory, or try blobkit.scan({str(root)!r})"
        raise NotAStoreError(msg)
    else:
        _check_creation(root, "is empty", create=create)


def _check_index(root: Path, *, create: bool, begun: Layout | Literal[False]) -> None:
    """Check that the index is there and not too new; a store that was only being made has neither index nor blobs.

    Where an adoption had only `begun` there are blobs and no index, and it begins again.
    """
    path = index_path(root)
    if path.exists() and path.stat().st_size:
        check_version(path)
    elif begun:
        begun.check_foreign()
    elif any((root / "blobs").glob("*/*")):
        msg = (
            f"{root} has blobs but its index {path} is gone: restore it, or blobkit fsck --repair rebuilds it; "
            f"where it never had one, blobkit.LocalStore({str(root)!r}, adopt=True) begins with what index.json names"
        )
        raise StoreDamagedError(msg)
    else:
        _check_creation(root, "is not finished", create=create)


def _check_creation(root: Path, state: str, *, create: bool) -> None:
    if not create:
        msg = f"{root} {state}, and create=False does not make a store: give the path of one"
        raise NotAStoreError(msg)
