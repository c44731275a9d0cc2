"""What a directory is before it is opened as a store; nothing is written to one that is something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.errors import NotAdoptedError, NotAStoreError, StoreDamagedError
from blobkit.index.schema import check_version

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_root", "index_path"]


def index_path(root: Path) -> Path:
    """Return where the index of a store is."""
    return root / ".blobkit" / "index.sqlite"


def check_root(root: Path, *, create: bool) -> None:
    """Hold that `root` is a store or, with `create`, can become one: it is missing, empty, or was being made.

    NotAStoreError, NotAdoptedError for an OCI layout, StoreTooNewError, StoreDamagedError where blobs have no index.
    """
    if not root.exists():
        _check_creation(root, "does not exist", create=create)
        return
    names = {path.name for path in root.iterdir()} if root.is_dir() else {"a file"}
    if ".blobkit" in names:
        _check_index(root, create=create)
    elif names & {"oci-layout", "index.json"}:
        msg = f"{root} is an OCI image layout that no blobkit store owns: blobkit.scan({str(root)!r}) reads it as it is"
        raise NotAdoptedError(msg)
    elif names:
        msg = f"{root} is no blobkit store and not empty: give another directory, or try blobkit.scan({str(root)!r})"
        raise NotAStoreError(msg)
    else:
        _check_creation(root, "is empty", create=create)


def _check_index(root: Path, *, create: bool) -> None:
    """Hold that the index is there and not too new; a store that was only being made has neither index nor blobs."""
    path = index_path(root)
    if path.exists() and path.stat().st_size:
        check_version(path)
    elif any((root / "blobs").glob("*/*")):
        msg = (
            f"{root} has blobs but its index {path} is gone: restore it, or blobkit.scan({f'oci:{root}'!r}) the layout"
        )
        raise StoreDamagedError(msg)
    else:
        _check_creation(root, "is not finished", create=create)


def _check_creation(root: Path, state: str, *, create: bool) -> None:
    if not create:
        msg = f"{root} {state}, and create=False does not make a store: give the path of one"
        raise NotAStoreError(msg)
