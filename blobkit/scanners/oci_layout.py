"""An OCI image layout as a snapshot (OCI image-spec 1.1, `image-layout.md`), read-only.

index.json is the only set of roots. Cost: one directory entry a blob, one read a document; small blobs are
verified in passing, all others on request.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from blobkit.digest import Digest, is_digest
from blobkit.errors import UnreadableStoreError
from blobkit.oci.documents import Reference, annotations_of, entries, repository
from blobkit.oci.names import Named, names_of
from blobkit.oci.spec import decode_index
from blobkit.oci.untrusted import DocumentError, Json, objects, parse_json
from blobkit.progress import watched
from blobkit.scanners.documents import Documents
from blobkit.scanners.facts import Facts, Files, listing, within
from blobkit.scanners.layout_collector import Marking
from blobkit.scanners.layout_sweep import check_layout, check_path, is_swept, keep_unswept, swept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["is_layout", "path_of", "scan"]

INDEX_LIMIT = 256 << 20
RETRIES = 5
PAUSE = 0.2
KEPT = 32 << 20
"""Bytes of documents that are kept while umoci's way through them is followed."""


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
    files = _Files(facts, os.fspath(root), path_of(root))
    top = _read_index(root)
    for digest, entry in watched(_blob_entries(root, facts), "listing", show=progress):
        files.add(digest, entry)
    roots = _roots(top, facts)
    documents = Documents(facts, files)
    documents.follow(one.reference for one in watched(roots, "manifests", show=progress, unit=" entries"))
    documents.look_into(watched(list(files.stored()), "looking", show=progress))
    _pin(facts, roots, documents)
    documents.finish()
    files.verify(iter(watched(list(files.stored() if verify else files.small()), "verifying", show=progress)))
    _collected(root, facts, files, top)
    return facts.snapshot("oci", os.fspath(root), policy)


class _Root(NamedTuple):
    """An entry of index.json that names a blob: what it says of it, and its names."""

    reference: Reference
    named: Named


@dataclass(frozen=True, slots=True)
class _Top:
    """The entries of index.json, and why a program in Go cannot decode them ("" where it can)."""

    entries: list[Json]
    odd: tuple[str, ...]
    undecoded: str = ""


class _Files(Files):
    """Blobs whose documents are asked for again, soon after they were read."""

    def __init__(self, facts: Facts, root: str, path: Callable[[Digest], str]) -> None:
        super().__init__(facts, root, path)
        self.kept: dict[Digest, bytes | None] = {}
        self.room = KEPT

    def whole(self, digest: Digest) -> bytes | None:
        """Return the content of a document as before; what was read lately is not read again."""
        if digest in self.kept:
            return self.kept[digest]
        data = super().whole(digest)
        if len(data or b"") <= self.room:
            self.kept[digest] = data
            self.room -= len(data or b"")
        return data


def _collected(root: Path, facts: Facts, files: _Files, top: _Top) -> None:
    """Record what umoci does with this layout."""
    check_layout(root, facts)
    check_path(os.path.abspath(root), facts)
    if top.undecoded:
        facts.notice("index-undecoded", f"index.json cannot be decoded: {top.undecoded}", "", "index.json")
    else:
        entries_named = [(entry, names_of(annotations_of(entry)).name) for entry in top.entries]
        Marking(facts, files, is_swept=is_swept(root)).record(entries_named)
    keep_unswept(root, facts)


def _read_index(root: Path) -> _Top:
    """Return the entries of index.json, which other programs rewrite in place: half a file is tried again."""
    path = root / "index.json"
    for attempt in range(RETRIES):
        try:
            return _entries(_load(root, path))
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


def _load(root: Path, path: Path) -> bytes:
    if not within(os.fspath(path), os.fspath(root)) or not stat.S_ISREG(path.stat().st_mode):
        msg = "no regular file in the store"
        raise DocumentError(msg)
    with path.open("rb") as file:
        data = file.read(INDEX_LIMIT + 1)
    if len(data) > INDEX_LIMIT:
        msg = f"larger than {INDEX_LIMIT >> 20} MiB"
        raise DocumentError(msg)
    return data


def _entries(data: bytes) -> _Top:
    """Return the entries as programs in Go decode them; as they can be made out where these cannot."""
    try:
        return _Top(decode_index(data), ())
    except DocumentError as error:
        odd: list[str] = []
        found = list(objects(parse_json(data).get("manifests"), "manifests", odd))
        return _Top(found, tuple(odd), str(error))


def _roots(top: _Top, facts: Facts) -> list[_Root]:
    """Return the entries that name a blob; what else is there may hold anything."""
    odd = list(top.odd)
    found = [_Root(one, names_of(annotations_of(entry))) for entry in top.entries for one, _ in _reference(entry, odd)]
    for message in odd:
        facts.notice("odd", f"index.json: {message}", "", "index.json")
    if odd:
        facts.hide("index.json", ("entry",))
    return found


def _reference(entry: Json, odd: list[str]) -> Iterator[tuple[Reference, str]]:
    return entries({"manifests": [entry]}, odd)


def _blob_entries(root: Path, facts: Facts) -> Iterator[tuple[Digest, os.DirEntry[str]]]:
    """Yield the entries below blobs/ that are named like a digest; a notice says what else is there."""
    for folder in _folders(root, facts):
        names = listing(folder.path, facts)
        if folder.name == "sha256":
            swept(names, facts)
        for entry in names:
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
        facts.behind_links.add("")
        facts.notice("behind-link", "all blobs lie behind a symbolic link that leaves the store", "", blobs)
        return
    for folder in listing(blobs, facts):
        if not os.path.isdir(folder.path):
            facts.notice("junk", f"{folder.name} in blobs/ is no directory", "", folder.path)
        elif folder.is_symlink() and not within(folder.path, os.fspath(root)):
            facts.notice("symlink", f"blobs/{folder.name} is a symbolic link that leaves the store: not followed")
            facts.behind_links.add(folder.name)
        else:
            yield folder


def _pin(facts: Facts, roots: list[_Root], documents: Documents) -> None:
    """Record a pin for each entry; an unnamed one of a referrer whose subject is stored is marked as such."""
    names: dict[str, Digest] = {}
    for (digest, *_), (name, ref) in roots:
        subject = documents.subjects.get(digest)
        dependent = not name and subject is not None and facts.is_stored(subject)
        first = names.setdefault(name, digest) if name else digest
        kind = "referrer-entry" if dependent else "entry" if first == digest else "later-entry"
        facts.pin(facts.node(digest), name or None, kind, repository(name))
        if ref not in (name, ""):
            facts.pin(facts.virtual_node(f"{name}@{digest}", -1), ref, "ref-name")
        if first != digest:
            message = f"the name {name} is given to {first} and to {digest}"
            facts.notice("duplicate-name", message, name, "index.json")
        if not digest.startswith("sha256:"):
            facts.notice("algorithm", f"{digest} in index.json: many tools know sha256 only", name)
