"""An OCI image layout as a snapshot (OCI image-spec 1.1, `image-layout.md`), read-only.

index.json is the only set of roots. Cost: one directory entry a blob, one read a document; small blobs are
verified in passing, all others on request.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from blobkit.digest import Digest, is_digest
from blobkit.errors import UnreadableStoreError
from blobkit.oci.documents import Reference, repository
from blobkit.oci.index import ADVICE, load_index
from blobkit.progress import watched
from blobkit.scanners.documents import Documents
from blobkit.scanners.facts import Facts, Files, is_directory, listing, within
from blobkit.scanners.leftovers import Ledger
from blobkit.scanners.places import LAYOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["is_layout", "path_of", "scan"]


def is_layout(root: Path) -> bool:
    """Return whether a directory looks like an OCI image layout: it has index.json or oci-layout, and blobs."""
    return (root / "oci-layout").is_file() or ((root / "index.json").is_file() and (root / "blobs").is_dir())


def path_of(root: Path) -> Callable[[Digest], str]:
    """Return the function that tells where the content of a digest is."""
    blobs = os.fspath(root / "blobs")
    return lambda digest: f"{blobs}/{digest.replace(':', '/')}"


def scan(root: Path, *, policy: str | None = None, progress: bool = True, verify: bool = False) -> Snapshot:
    """Return the snapshot of the layout at `root`; UnreadableStoreError where its index.json cannot be read.

    Nothing is written, no symbolic link that leaves `root` is followed. `verify` hashes every blob.
    """
    facts = Facts(Ledger(os.fspath(root), LAYOUT))
    files = Files(facts, os.fspath(root), path_of(root))
    roots = _read_index(root, facts)
    for digest, entry in watched(_blob_entries(root, facts), "listing", show=progress):
        files.add(digest, entry)
    documents = Documents(facts, files)
    documents.follow(reference for reference, _ in watched(roots, "manifests", show=progress, unit=" entries"))
    documents.look_into(watched(list(files.stored()), "looking", show=progress))
    _pin(facts, roots, documents)
    documents.finish()
    files.verify(iter(watched(list(files.stored() if verify else files.small()), "verifying", show=progress)))
    return facts.snapshot("oci", os.fspath(root), policy)


def _read_index(root: Path, facts: Facts) -> list[tuple[Reference, str]]:
    """Return the entries of index.json with their names."""
    path = root / "index.json"
    if os.path.lexists(path) and not within(os.fspath(path), os.fspath(root)):
        msg = f"{path} cannot be read as an image index (it is no file in the store): {ADVICE}"
        raise UnreadableStoreError(msg)
    index = load_index(path)
    for message in index.odd:
        facts.notice("odd", f"index.json: {message}", "", "index.json")
    if index.odd:
        facts.hide("index.json", ("entry",))
    return [(entry.target, entry.name) for entry in index.entries if entry.target]


def _blob_entries(root: Path, facts: Facts) -> Iterator[tuple[Digest, os.DirEntry[str]]]:
    """Yield the entries below blobs/ that are named like a digest; a notice says what else is there."""
    for folder in _folders(root, facts):
        for entry in listing(folder.path, facts):
            digest = f"{folder.name}:{entry.name}"
            if is_digest(digest):
                yield Digest(digest), entry
            else:
                facts.notice("junk", f"{digest} below blobs/ is not named like a blob", digest, entry.path)


def _folders(root: Path, facts: Facts) -> Iterator[os.DirEntry[str]]:
    """Yield the directories of algorithms; one that leads out of the store is not followed."""
    blobs = os.fspath(root / "blobs")
    if not within(blobs, os.fspath(root)):
        facts.not_followed("blobs", blobs)
        return
    for folder in listing(blobs, facts):
        if not is_directory(folder):
            facts.notice("junk", f"{folder.name} in blobs/ is no directory", "", folder.path)
        elif folder.is_symlink() and not within(folder.path, os.fspath(root)):
            facts.not_followed(f"blobs/{folder.name}", folder.path)
        else:
            yield folder


def _pin(facts: Facts, roots: list[tuple[Reference, str]], documents: Documents) -> None:
    """Record a pin for each entry; an unnamed one of a referrer whose subject is stored is marked as such."""
    names: dict[str, Digest] = {}
    for reference, name in roots:
        subject = documents.subjects.get(reference.digest)
        dependent = not name and subject is not None and facts.is_stored(subject)
        kind = "referrer-entry" if dependent else "entry"
        facts.pin(facts.node(reference.digest), name or None, kind, repository(name))
        if name and names.setdefault(name, reference.digest) != reference.digest:
            message = f"the name {name} is given to {names[name]} and to {reference.digest}"
            facts.notice("duplicate-name", message, name, "index.json")
        if not reference.digest.startswith("sha256:"):
            facts.notice("algorithm", f"{reference.digest} in index.json: many tools know sha256 only", name)
