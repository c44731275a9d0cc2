"""Checks of a directory before it is opened as a store; nothing is written to one that is something else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

from blobkit.access import why_unreadable
from blobkit.errors import Hint, NotAdoptedError, NotAStoreError, StoreDamagedError, UnreadableStoreError
from blobkit.index.schema import check_version
from blobkit.remotes import image_at, is_elsewhere, reading
from blobkit.render import in_shell, printable
from blobkit.store.mounts import check_disk

if TYPE_CHECKING:
    from blobkit.store.layout.layout import Layout

__all__ = ["check_root", "index_path", "local_root", "refuse_layout"]


def index_path(root: Path) -> Path:
    """Return where the index of a store is."""
    return root / ".blobkit" / "index.sqlite"


def local_root(root: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a store; NotAStoreError for "" and for an address on another machine: no paths."""
    if not os.fspath(root):
        msg = "the path of a store is empty: give the directory of one, or . for the current one"
        raise NotAStoreError(msg)
    if not is_elsewhere(root):
        return Path(root).absolute()
    address = reading(root)
    msg = f"{printable(address)} is on another machine, and a blobkit store is a directory on this one"
    rest = f"skopeo copy --all {in_shell(image_at(root))} oci:DIR:TAG copies an image of it here"
    python, shell = f"blobkit.scan({address!r})", f"blobkit audit {in_shell(address)}"
    raise NotAStoreError(msg, hint=Hint(f"{python} reads it; {rest}", f"{shell} reads it; {rest}"))


def refuse_layout(root: Path) -> NoReturn:
    """Return the advice for a layout that no store owns."""
    msg = f"{root} is an OCI image layout, no blobkit store"
    python = (
        f"blobkit.LocalStore({str(root)!r}, adopt=True) makes it one, blobkit.scan({str(root)!r}) reads it as it is"
    )
    shell = f"blobkit adopt {in_shell(root)} makes it one, blobkit audit {in_shell(root)} reads it as it is"
    raise NotAdoptedError(msg, hint=Hint(python, shell))


def check_root(root: Path, *, create: bool, adopt: bool, layout: Layout) -> None:
    """Check that `root` is a store or, with `create`, can become one: it is missing, empty, or was being made.

    NotAStoreError, NotAdoptedError for an OCI layout unless `adopt`, StoreTooNewError, StoreDamagedError where blobs
    have no index; UnreadableStoreError where this user may not read it, or the layout that is to be adopted has no
    readable index.json; StoreError on a network file system.
    """
    why = why_unreadable(root, index_path(root))
    if why:
        raise UnreadableStoreError(why)
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
        msg = f"{root} is no blobkit store and not empty"
        other = "give another directory, or read it with"
        hint = Hint(f"{other} blobkit.scan({str(root)!r})", f"{other} blobkit audit {in_shell(root)}")
        raise NotAStoreError(msg, hint=hint)
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
        msg = f"{root} has blobs but its index {path} is gone"
        rebuild = f"restore it, or rebuild it with blobkit fsck --repair {in_shell(root)}; where it never had one,"
        begins = "begins with what index.json names"
        python = f"{rebuild} blobkit.LocalStore({str(root)!r}, adopt=True) {begins}"
        raise StoreDamagedError(msg, hint=Hint(python, f"{rebuild} blobkit adopt {in_shell(root)} {begins}"))
    else:
        _check_creation(root, "is not finished", create=create)


def _check_creation(root: Path, state: str, *, create: bool) -> None:
    if not create:
        msg = f"{root} {state}, and is no store"
        python = "give the path of one (create=False makes none)"
        raise NotAStoreError(msg, hint=Hint(python, "give the path of one"))
