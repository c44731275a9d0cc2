"""An OCI image layout as a snapshot (OCI image-spec 1.1, `image-layout.md`), read-only.

index.json is the only set of roots. Cost: one directory entry a blob, one read a document; small blobs are
verified in passing, all others on request.
"""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

from blobkit.digest import Digest, is_digest
from blobkit.errors import UnreadableStoreError
from blobkit.oci.documents import Reference, entries, repository
from blobkit.oci.untrusted import DocumentError, Json, Odd, parse_json
from blobkit.progress import watched
from blobkit.scanners.documents import Documents
from blobkit.scanners.facts import Facts, Files, listing, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["is_layout", "path_of", "scan"]

INDEX_LIMIT = 256 << 20
RETRIES = 5
PAUSE = 0.2


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
    facts = Facts()
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
    """Return the entries of index.json, which other programs rewrite in place: half a file is tried again."""
    path = root / "index.json"
    for attempt in range(RETRIES):
        try:
            return _entries(_load(root, path), facts)
        except FileNotFoundError:
            msg = f"{path} is missing: an OCI image layout has one; nothing is known of what it holds"
            raise UnreadableStoreError(msg) from None
        except OSError as error:
            msg = f"{path} cannot be read ({error.strerror}): scan as a user who may read it"
            raise UnreadableStoreError(msg) from error
        except DocumentError as error:
            if attempt == RETRIES - 1:
                msg = f"{path} cannot be read as an image index ({error}): restore it, nothing else names the images"
                raise UnreadableStoreError(msg) from error
            time.sleep(PAUSE)
    raise AssertionError  # pragma: no cover (the loop returns or raises)


def _load(root: Path, path: Path) -> Json:
    if not within(os.fspath(path), os.fspath(root)) or not stat.S_ISREG(path.stat().st_mode):
        msg = "no regular file in the store"
        raise DocumentError(msg)
    with path.open("rb") as file:
        data = file.read(INDEX_LIMIT + 1)
    if len(data) > INDEX_LIMIT:
        msg = f"larger than {INDEX_LIMIT >> 20} MiB"
        raise DocumentError(msg)
    return parse_json(data)


def _entries(body: Json, facts: Facts) -> list[tuple[Reference, str]]:
    odd = Odd()
    found = list(entries(body, odd))
    for message in odd.told():
        facts.notice("odd", f"index.json: {message}", "", "index.json")
    if odd:
        facts.hide("index.json", ("entry",))
    return found


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
        facts.notice("symlink", "blobs is a symbolic link that leaves the store: not followed", "", blobs)
        return
    for folder in listing(blobs, facts):
        if not os.path.isdir(folder.path):
            facts.notice("junk", f"{folder.name} in blobs/ is no directory", "", folder.path)
        elif folder.is_symlink() and not within(folder.path, os.fspath(root)):
            facts.notice("symlink", f"blobs/{folder.name} is a symbolic link that leaves the store: not followed")
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
