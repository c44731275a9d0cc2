"""Scan an OCI image layout in a tar archive, as skopeo, podman, buildah and docker >= 25 write it, read-only.

The archive is indexed in one pass and never extracted. Its index.json is read as that of a directory. `docker save`
and BuildKit add a manifest.json with the names of the images, and documents of an older format: these stay as long as
an image does. Cost: one header for each member, one read of each document; a compressed archive is read whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.oci.documents import entry_of
from blobkit.progress import watched
from blobkit.scanners.archives.content import facts_of
from blobkit.scanners.archives.manifest import MANIFEST
from blobkit.scanners.archives.names import link_legacy, with_names
from blobkit.scanners.archives.opening import kind_in, opened, refuse
from blobkit.scanners.archives.store import ArchiveStore
from blobkit.scanners.layouts.entries import record, record_marks
from blobkit.scanners.layouts.sourced import blobs_in, junk_in, not_followed_in, read_top
from blobkit.scanners.layouts.sweep import record_unswept
from blobkit.scanners.places import LAYOUT_ARCHIVE
from blobkit.scanners.scanned import completed
from blobkit.sources.source import Is, LeavesError

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.digest import Digest
    from blobkit.scanners.archives.content import Members
    from blobkit.scanners.layouts.entries import Top
    from blobkit.scanners.scanned import Scanned
    from blobkit.sources.archive import Archive

__all__ = ["scan", "sniff", "source"]

sniff = kind_in


def scan(root: Path, *, policy: str | None = None, progress: bool = True, verify: bool = False) -> Scanned:
    """Return the facts of the layout in the archive at `root`; UnreadableStoreError if it has no index.json.

    The scan writes nothing. `verify` hashes every blob.
    """
    return _scanned(root, policy, progress=progress, verify=verify)[0]


def source(root: Path) -> ArchiveStore:
    """Return the archive as a source for an import."""
    return ArchiveStore(lambda: _scanned(root, None, progress=False, verify=False))


def _scanned(root: Path, policy: str | None, *, progress: bool, verify: bool) -> tuple[Scanned, Members]:
    archive = opened(root, progress=progress)
    facts, files = facts_of(archive, LAYOUT_ARCHIVE)
    read = _read_index(archive)
    found = blobs_in(archive, facts, lambda path: _target(archive, path))
    for digest, path in watched(list(found), "listing", show=progress):
        _add(files, digest, path)
    top = with_names(read, files)
    documents = record(top, facts, files, progress=progress, verify=verify)
    if MANIFEST in archive.index.rows:
        roots = filter(None, (entry_of(entry, []) for entry in top.entries))
        unnamed = [digest for digest in files.stored() if digest not in documents.named]
        link_legacy(files, (root.digest for root in roots), unnamed)
    record_marks(top, facts, files, is_swept=True)
    record_unswept(facts, is_listed=True)
    return completed(facts, "oci-archive", archive.address, policy), files


def _read_index(archive: Archive) -> Top:
    try:
        return read_top(archive)
    except FileNotFoundError:
        raise refuse(archive, "index.json", [("manifest.json", "docker-archive")]) from None


def _add(files: Members, digest: Digest, path: str) -> None:
    """Record the stored blob in a member, or a notice why it is not a blob."""
    archive, facts = files.archive, files.facts
    is_link = archive.stat(path).kind is Is.LINK
    try:
        info = archive.stat(archive.resolved(path))
    except LeavesError:
        not_followed_in(archive, facts, path, _target(archive, path), digest)
        return
    except OSError as error:
        facts.unreadable(f"{digest} cannot be looked at", error, f"{archive.address}/{path}", digest)
        return
    if info.kind is not Is.FILE:
        junk_in(archive, facts, f"{digest} is not a regular file", path, digest)
        return
    if is_link:
        message = f"{digest} is a symbolic link: removing it frees no content"
        facts.notice("symlink", message, digest, f"{archive.address}/{path}")
    files.found(digest, path, info)


def _target(archive: Archive, path: str) -> str:
    """Return where a symbolic link leads, as the archive says it."""
    return archive.index.targets.get(archive.index.rows.get(path, -1), "")
