"""Scan an OCI image layout (OCI image-spec 1.1, `image-layout.md`), read-only.

index.json is the only set of roots. Cost: one directory entry for each blob, one read of each document; small blobs
are always verified, others on request.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from blobkit.digest import Digest, is_digest
from blobkit.errors import UnreadableStoreError
from blobkit.oci.index import ADVICE, load_index
from blobkit.progress import watched
from blobkit.scanners.facts import Facts, is_directory, listing, within
from blobkit.scanners.layouts.entries import KeptFiles, record, record_marks, top_of
from blobkit.scanners.layouts.sweep import check_layout, check_path, is_swept, record_sweep_stop, record_unswept
from blobkit.scanners.leftovers import Ledger
from blobkit.scanners.places import LAYOUT
from blobkit.scanners.scanned import completed
from blobkit.scanners.spaces.space import MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from blobkit.scanners.files import Files
    from blobkit.scanners.layouts.entries import Top
    from blobkit.scanners.scanned import Scanned
    from blobkit.scanners.spaces.space import Space

__all__ = ["path_of", "scan"]


def path_of(root: Path) -> Callable[[Digest], str]:
    """Return a function from a digest to the path of its content."""
    blobs = os.fspath(root / "blobs")
    return lambda digest: f"{blobs}/{digest.replace(':', '/')}"


def scan(
    root: Path, *, policy: str | None = None, progress: bool = True, verify: bool = False, space: Space = MEMORY
) -> Scanned:
    """Return the facts of the layout at `root`; UnreadableStoreError if its index.json cannot be read.

    The scan writes nothing, and follows no symbolic link that leaves `root`. `verify` hashes every blob. `space`: where
    the facts are kept.
    """
    facts = Facts(Ledger(os.fspath(root), LAYOUT), space)
    files = KeptFiles(facts, os.fspath(root), path_of(root))
    top = _read_index(root)
    for digest, entry in watched(_blob_entries(root, facts), "listing", show=progress):
        files.add(digest, entry)
    record(top, facts, files, progress=progress, verify=verify)
    _record_collector(root, facts, files, top)
    return completed(facts, "oci", os.fspath(root), policy)


def _read_index(root: Path) -> Top:
    path = root / "index.json"
    if os.path.lexists(path) and not within(os.fspath(path), os.fspath(root)):
        msg = f"{path} cannot be read as an image index (it is not a file in the store): {ADVICE}"
        raise UnreadableStoreError(msg)
    return top_of(load_index(path))


def _record_collector(root: Path, facts: Facts, files: Files, top: Top) -> None:
    """Record how `umoci gc` works on this layout."""
    check_layout(root, facts)
    check_path(os.path.abspath(root), facts)
    record_marks(top, facts, files, is_swept=is_swept(root))
    record_unswept(facts, is_listed=is_swept(root))


def _blob_entries(root: Path, facts: Facts) -> Iterator[tuple[Digest, os.DirEntry[str]]]:
    """Yield the entries below blobs/ that are named like a digest; each other entry gets a notice."""
    for folder in _folders(root, facts):
        names = listing(folder.path, facts)
        if folder.name == "sha256":
            kinds = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in names]
            record_sweep_stop(kinds, folder.path, facts)
        for entry in names:
            digest = f"{folder.name}:{entry.name}"
            if is_digest(digest):
                yield Digest(digest), entry
            else:
                facts.notice("junk", f"{digest} below blobs/ is not named like a blob", digest, entry.path)


def _folders(root: Path, facts: Facts) -> Iterator[os.DirEntry[str]]:
    """Yield the directories of algorithms; a link out of the store is not followed."""
    blobs = os.fspath(root / "blobs")
    if not within(blobs, os.fspath(root)):
        facts.not_followed("blobs", blobs)
        facts.behind_links.add("")
        facts.notice("behind-link", "all blobs lie behind a symbolic link that leaves the store", "", blobs)
        return
    for folder in listing(blobs, facts):
        if not is_directory(folder):
            facts.notice("junk", f"{folder.name} in blobs/ is not a directory", "", folder.path)
        elif folder.is_symlink() and not within(folder.path, os.fspath(root)):
            facts.not_followed(f"blobs/{folder.name}", folder.path)
            facts.behind_links.add(folder.name)
            where = f"blobs/{folder.name} lies behind a symbolic link that leaves the store"
            facts.notice("behind-link", where, "", folder.path)
        else:
            yield folder
