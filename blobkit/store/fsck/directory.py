"""Check a directory, whatever state its store is in: one that cannot be opened is rebuilt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.content.quarantine import purge
from blobkit.errors import NO_STORE, NotAStoreError, StoreDamagedError
from blobkit.store.fsck.rebuild import rebuild
from blobkit.store.fsck.report import Finding, Fsck
from blobkit.store.local import LocalStore, open_read_only
from blobkit.store.opening import index_path, local_root
from blobkit.store.store import Store

if TYPE_CHECKING:
    import os
    from pathlib import Path

__all__ = ["fsck_directory", "purge_quarantine"]

DAMAGED = "index-damaged"


class NoRecoveryStore(LocalStore):
    """A store that recovers nothing when it is opened or closed, so that a check finds all that is left undone."""

    def close(self) -> None:
        """Let go of the store."""
        Store.close(self)

    def _open(self, *, adopt: bool) -> None: ...


def fsck_directory(root: str | os.PathLike[str], *, repair: bool, content: bool, progress: bool) -> Fsck:
    """Return what is wrong with the store in `root`; without `repair` nothing at all is written.

    With it, an index that is broken as a whole is rebuilt. NotAStoreError, StoreTooNewError, StoreBusyError.
    """
    place = local_root(root)
    found = _checked(place, repair=repair, content=content, progress=progress)
    if not repair or not any(finding.code == DAMAGED for finding in found.findings):
        return found
    rebuilt = rebuild(place, progress=progress)
    rest = _checked(place, repair=True, content=False, progress=progress)
    return Fsck((*rebuilt.findings, *rest.findings), rebuilt.checked, rest.notes, rest.address)


def purge_quarantine(root: str | os.PathLike[str]) -> tuple[int, int]:
    """Delete what repairs moved to quarantine; return how many files that were, and their bytes. NotAStoreError."""
    place = local_root(root)
    if not index_path(place).parent.is_dir():
        msg = f"{root} is no blobkit store: it has no .blobkit"
        raise NotAStoreError(msg, hint=NO_STORE)
    return purge(place)


def _checked(root: Path, *, repair: bool, content: bool, progress: bool) -> Fsck:
    try:
        with NoRecoveryStore(root, create=False) if repair else open_read_only(root) as store:
            return store.fsck(repair=repair, content=content, progress=progress)
    except StoreDamagedError as error:
        why = str(error)
    except NotAStoreError:
        if not ((root / ".blobkit").is_dir() and any((root / "blobs").glob("*/*"))):
            raise
        why = "there are blobs, but their index is gone: restore it, or blobkit fsck --repair builds it anew"
    return Fsck((Finding(DAMAGED, "", why),), address=str(root))
