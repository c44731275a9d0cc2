"""The blobs of containerd's content store, and its unfinished writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.digest import Digest, is_digest
from blobkit.render import printable
from blobkit.scanners.containerds.places import BLOBS, INGEST
from blobkit.scanners.facts import is_directory, listing, within
from blobkit.scanners.files import Files
from blobkit.snapshot.notices import upload

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from blobkit.scanners.facts import Facts
    from blobkit.sources.directory import Directory

__all__ = ["Blobs", "blob_entries", "names", "record_ingests"]

_REFERENCE = 1024
"""Bytes of the name of an unfinished write that are read."""


class Blobs(Files):
    """The blob files of a content store, with the bytes that they take on disk."""

    def add(self, digest: Digest, entry: os.DirEntry[str]) -> None:
        """Record the stored blob at a directory entry, or a notice why it is not a blob."""
        super().add(digest, entry)
        if self.facts.is_stored(digest):
            self.facts.disk[self.facts.ids[digest]] = entry.stat().st_blocks * 512

    def stored(self) -> Iterator[Digest]:
        """Yield the stored blobs in sorted order; other nodes are no blobs."""
        return (key for key in super().stored() if is_digest(key))


def names(source: Directory) -> set[str]:
    """Return the digests of the files in a content store; an empty set if it cannot be listed."""
    found: set[str] = set()
    try:
        labels = [entry.name for entry in source.list(BLOBS)]
        for label in labels:
            found.update(f"{label}:{entry.name}" for entry in source.list(f"{BLOBS}/{label}"))
    except OSError:
        return found
    return found


def blob_entries(root: str, facts: Facts) -> Iterator[tuple[Digest, os.DirEntry[str]]]:
    """Yield the entries below blobs/ that are named like a digest; each other entry gets a notice."""
    top = f"{root}/{BLOBS}"
    if not within(top, root):
        _not_followed(facts, "", top)
        return
    for folder in listing(top, facts):
        if folder.is_symlink() and not within(folder.path, root):
            _not_followed(facts, folder.name, folder.path)
        elif not is_directory(folder):
            facts.notice("junk", f"{folder.name} in blobs/ is not a directory", "", folder.path)
        else:
            for entry in listing(folder.path, facts):
                digest = f"{folder.name}:{entry.name}"
                if is_digest(digest):
                    yield Digest(digest), entry
                else:
                    facts.notice("junk", f"{digest} below blobs/ is not named like a blob", digest, entry.path)


def _not_followed(facts: Facts, label: str, path: str) -> None:
    """Record that the blobs with a label ("": all) lie behind a symbolic link out of the store."""
    facts.not_followed(f"{BLOBS}/{label}".rstrip("/"), path)
    facts.behind_links.add(label)


def record_ingests(source: Directory, facts: Facts) -> None:
    """Record a notice about each unfinished write."""
    try:
        found = source.list(INGEST)
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            facts.unreadable(f"{INGEST} cannot be listed", error, f"{source.address}/{INGEST}")
        return
    for entry in found:
        path = f"{INGEST}/{entry.name}/data"
        try:
            info = source.stat(path)
            name = source.read(f"{INGEST}/{entry.name}/ref", _REFERENCE)
        except OSError:
            continue
        what = f"the unfinished write {printable(name.decode(errors='replace'))}"
        facts.notice("upload", upload(what, info.size, info.modified), "", source.path(path))
