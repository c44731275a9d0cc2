"""Scan an OCI image layout (OCI image-spec 1.1, `image-layout.md`), read-only.

index.json is the only set of roots. Cost: one directory entry for each blob, one read of each document; small blobs
are always verified, others on request.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from blobkit.digest import Digest, is_digest
from blobkit.errors import UnreadableStoreError
from blobkit.oci.documents import Reference, annotations_of, entry_of, repository
from blobkit.oci.index import ADVICE, load_index
from blobkit.oci.names import Named, names_of
from blobkit.oci.spec import decode_index
from blobkit.oci.untrusted import DocumentError, Json, Odd, TooManyElementsError
from blobkit.progress import watched
from blobkit.render import to_utf8
from blobkit.scanners.documents import Documents
from blobkit.scanners.facts import Facts, is_directory, listing, within
from blobkit.scanners.files import Files
from blobkit.scanners.layouts.collector import Marking
from blobkit.scanners.layouts.sweep import check_layout, check_path, is_swept, record_sweep_stop, record_unswept
from blobkit.scanners.leftovers import Ledger
from blobkit.scanners.places import LAYOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["is_layout", "path_of", "scan"]

KEPT = 32 << 20
"""Bytes of documents that are kept in memory while the scan follows umoci through them."""


def is_layout(root: Path) -> bool:
    """Return whether a directory looks like an OCI image layout: it has index.json or oci-layout, and blobs."""
    return (root / "oci-layout").is_file() or ((root / "index.json").is_file() and (root / "blobs").is_dir())


def path_of(root: Path) -> Callable[[Digest], str]:
    """Return a function from a digest to the path of its content."""
    blobs = os.fspath(root / "blobs")
    return lambda digest: f"{blobs}/{digest.replace(':', '/')}"


def scan(root: Path, *, policy: str | None = None, progress: bool = True, verify: bool = False) -> Snapshot:
    """Return the snapshot of the layout at `root`; UnreadableStoreError if its index.json cannot be read.

    The scan writes nothing, and follows no symbolic link that leaves `root`. `verify` hashes every blob.
    """
    facts = Facts(Ledger(os.fspath(root), LAYOUT))
    files = _Files(facts, os.fspath(root), path_of(root))
    top = _read_index(root)
    for digest, entry in watched(_blob_entries(root, facts), "listing", show=progress):
        files.add(digest, entry)
    roots = _roots(top, facts)
    documents = Documents(facts, files)
    documents.follow(one.reference for one in watched(roots, "manifests", show=progress, unit=" entries"))
    documents.parse_unnamed(watched(list(files.stored()), "looking", show=progress))
    _pin(facts, roots, documents)
    documents.finish()
    files.verify(iter(watched(list(files.stored() if verify else files.small()), "verifying", show=progress)))
    _record_collector(root, facts, files, top)
    return facts.snapshot("oci", os.fspath(root), policy)


class _Root(NamedTuple):
    """An entry of index.json that names a blob: its descriptor and its names."""

    reference: Reference
    named: Named


@dataclass(frozen=True, slots=True)
class _Top:
    """The entries of index.json. `undecoded`: why Go cannot decode it ("" if it can); `is_known`: this is certain."""

    entries: tuple[Json, ...]
    odd: tuple[str, ...] = ()
    undecoded: str = ""
    is_known: bool = True


class _Files(Files):
    """Blob files that keep documents in memory, because these are needed again soon."""

    def __init__(self, facts: Facts, root: str, path: Callable[[Digest], str]) -> None:
        super().__init__(facts, root, path)
        self.kept: dict[Digest, bytes | None] = {}
        self.room = KEPT

    def whole(self, digest: Digest) -> bytes | None:
        """Return the content of a document, from memory if it was read before."""
        if digest in self.kept:
            return self.kept[digest]
        data = super().whole(digest)
        if len(data or b"") <= self.room:
            self.kept[digest] = data
            self.room -= len(data or b"")
        return data


def _read_index(root: Path) -> _Top:
    """Return the entries of index.json as programs in Go decode them; if they cannot, as a lenient parser does."""
    path = root / "index.json"
    if os.path.lexists(path) and not within(os.fspath(path), os.fspath(root)):
        msg = f"{path} cannot be read as an image index (it is not a file in the store): {ADVICE}"
        raise UnreadableStoreError(msg)
    index = load_index(path)
    try:
        return _Top(tuple(decode_index(index.data)))
    except DocumentError as error:
        found = tuple(entry.raw for entry in index.entries if isinstance(entry.raw, dict))
        is_known = not isinstance(error, TooManyElementsError)
        return _Top(found, index.odd[: len(index.entries) - len(found)], str(error), is_known)


def _roots(top: _Top, facts: Facts) -> list[_Root]:
    """Return the entries that name a blob; a node for the other ones counts as a root that may reference any blob."""
    odd = Odd()
    found = [(entry_of(entry, odd), names_of(annotations_of(entry))) for entry in top.entries]
    messages = (*top.odd, *odd.messages())
    for message in messages:
        facts.notice("odd", f"index.json: {message}", "", "index.json")
    if messages:
        facts.mark_unknown("index.json", ("entry",))
    return [_Root(target, Named(*map(to_utf8, named))) for target, named in found if target]


def _record_collector(root: Path, facts: Facts, files: Files, top: _Top) -> None:
    """Record how `umoci gc` works on this layout."""
    check_layout(root, facts)
    check_path(os.path.abspath(root), facts)
    if top.undecoded:
        code = "index-undecoded" if top.is_known else "too-large"
        facts.notice(code, f"index.json cannot be decoded: {top.undecoded}", "", "index.json")
    else:
        entries = [(entry, to_utf8(names_of(annotations_of(entry)).name)) for entry in top.entries]
        Marking(facts, files, is_swept=is_swept(root)).record(entries)
    record_unswept(root, facts)


def _blob_entries(root: Path, facts: Facts) -> Iterator[tuple[Digest, os.DirEntry[str]]]:
    """Yield the entries below blobs/ that are named like a digest; each other entry gets a notice."""
    for folder in _folders(root, facts):
        names = listing(folder.path, facts)
        if folder.name == "sha256":
            record_sweep_stop(names, facts)
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


def _pin(facts: Facts, roots: list[_Root], documents: Documents) -> None:
    """Record a pin for each entry; one without a name gets another kind if it is a referrer of a stored blob."""
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
            facts.notice("algorithm", f"{digest} in index.json: many tools support sha256 only", name)
