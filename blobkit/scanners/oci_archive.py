"""Scan an OCI image layout in a tar archive, as skopeo, podman, buildah and docker >= 25 write it, read-only.

The archive is indexed in one pass and never extracted. Its index.json is read as that of a directory. `docker save`
and BuildKit add a manifest.json with the names of the images, and documents of an older format: these stay as long as
an image does. Cost: one header for each member, one read of each document; a compressed archive is read whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.digest import Digest, is_digest
from blobkit.errors import UnreadableStoreError
from blobkit.oci.documents import entry_of
from blobkit.oci.index import ADVICE, INDEX_LIMIT, read_index
from blobkit.oci.untrusted import DocumentError
from blobkit.progress import watched
from blobkit.render import printable
from blobkit.scanners.archives.content import facts_of
from blobkit.scanners.archives.manifest import MANIFEST
from blobkit.scanners.archives.names import link_legacy, with_names
from blobkit.scanners.archives.opening import kind_in, opened, refuse
from blobkit.scanners.archives.store import ArchiveStore
from blobkit.scanners.layouts.entries import record, record_marks, top_of
from blobkit.scanners.layouts.sweep import record_unswept
from blobkit.scanners.places import LAYOUT_ARCHIVE
from blobkit.snapshot.notices import not_followed
from blobkit.sources.source import Is, LeavesError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blobkit.scanners.archives.content import Members
    from blobkit.scanners.facts import Facts
    from blobkit.scanners.layouts.entries import Top
    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.sources.archive import Archive

__all__ = ["scan", "sniff", "source"]

sniff = kind_in


def scan(root: Path, *, policy: str | None = None, progress: bool = True, verify: bool = False) -> Snapshot:
    """Return the snapshot of the layout in the archive at `root`; UnreadableStoreError if it has no index.json.

    The scan writes nothing. `verify` hashes every blob.
    """
    return _scanned(root, policy, progress=progress, verify=verify)[0]


def source(root: Path) -> ArchiveStore:
    """Return the archive as a source for an import."""
    return ArchiveStore(lambda: _scanned(root, None, progress=False, verify=False))


def _scanned(root: Path, policy: str | None, *, progress: bool, verify: bool) -> tuple[Snapshot, Members]:
    archive = opened(root, progress=progress)
    facts, files = facts_of(archive, LAYOUT_ARCHIVE)
    read = _read_index(archive)
    for digest, path in watched(list(_blobs(archive, facts)), "listing", show=progress):
        _add(files, digest, path)
    top = with_names(read, files)
    documents = record(top, facts, files, progress=progress, verify=verify)
    if MANIFEST in archive.index.rows:
        roots = filter(None, (entry_of(entry, []) for entry in top.entries))
        unnamed = [digest for digest in files.stored() if digest not in documents.named]
        link_legacy(files, (root.digest for root in roots), unnamed)
    record_marks(top, facts, files, is_swept=True)
    record_unswept(facts, is_listed=True)
    return facts.snapshot("oci-archive", archive.address, policy), files


def _read_index(archive: Archive) -> Top:
    where = f"{archive.address}: index.json"
    try:
        return top_of(read_index(lambda: archive.read("index.json", INDEX_LIMIT + 1), timeout=0))
    except FileNotFoundError:
        raise refuse(archive, "index.json", [("manifest.json", "docker-archive")]) from None
    except OSError as error:
        msg = f"{where} cannot be read ({error.strerror}): {ADVICE}"
        raise UnreadableStoreError(printable(msg)) from error
    except DocumentError as error:
        msg = f"{where} cannot be read as an image index ({str(error)[:200]}): {ADVICE}"
        raise UnreadableStoreError(printable(msg)) from error


def _blobs(archive: Archive, facts: Facts) -> Iterator[tuple[Digest, str]]:
    """Yield the members below blobs/ that are named like a digest; each other one gets a notice."""
    for folder in _folders(archive, facts):
        for entry in archive.list(f"blobs/{folder}"):
            digest, path = f"{folder}:{entry.name}", f"blobs/{folder}/{entry.name}"
            if is_digest(digest):
                yield Digest(digest), path
            else:
                _junk(archive, facts, f"{digest} below blobs/ is not named like a blob", path, digest)


def _folders(archive: Archive, facts: Facts) -> Iterator[str]:
    """Yield the names of the directories in blobs/."""
    try:
        entries = archive.list("blobs")
    except LeavesError:
        _not_followed(archive, facts, "blobs")
        _behind_link(archive, facts, "blobs", "all blobs lie")
        return
    except OSError:
        return
    for entry in entries:
        path = f"blobs/{entry.name}"
        try:
            archive.list(path)
        except LeavesError:
            _not_followed(archive, facts, path)
            _behind_link(archive, facts, path, f"{path} lies")
        except OSError:
            _junk(archive, facts, f"{entry.name} in blobs/ is not a directory", path, "")
        else:
            yield entry.name


def _add(files: Members, digest: Digest, path: str) -> None:
    """Record the stored blob in a member, or a notice why it is not a blob."""
    archive, facts = files.archive, files.facts
    is_link = archive.stat(path).kind is Is.LINK
    try:
        info = archive.stat(archive.resolved(path))
    except LeavesError:
        _not_followed(archive, facts, path, digest)
        return
    except OSError as error:
        facts.unreadable(f"{digest} cannot be looked at", error, f"{archive.address}/{path}", digest)
        return
    if info.kind is not Is.FILE:
        _junk(archive, facts, f"{digest} is not a regular file", path, digest)
        return
    if is_link:
        message = f"{digest} is a symbolic link: removing it frees no content"
        facts.notice("symlink", message, digest, f"{archive.address}/{path}")
    files.found(digest, path, info)


def _junk(archive: Archive, facts: Facts, message: str, path: str, key: str) -> None:
    facts.notice("junk", message, key, f"{archive.address}/{path}")


def _not_followed(archive: Archive, facts: Facts, path: str, key: str = "") -> None:
    """Record a symbolic link out of the archive: the blobs behind it are unknown."""
    target = archive.index.targets.get(archive.index.rows.get(path, -1), "")
    facts.notice("symlink", not_followed(path, target), key, f"{archive.address}/{path}")
    facts.behind_links.update([key] if key else ())
    facts.unseen(f"{archive.address}/{path}")


def _behind_link(archive: Archive, facts: Facts, path: str, what: str) -> None:
    """Record that all blobs below a directory are unknown."""
    facts.behind_links.add(path.removeprefix("blobs").removeprefix("/"))
    message = f"{what} behind a symbolic link that leaves the archive"
    facts.notice("behind-link", message, "", f"{archive.address}/{path}")
