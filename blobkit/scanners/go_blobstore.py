"""Scan a store of the original Go package `blobstore`, read-only.

On disk: `blobs/<digest>/blob` and `blobs/<digest>/info.json`. Go's encoding/json writes and reads the latter: field
names match in any case, and the first version wrote no `linksTo`. A commit writes info.json (truncated in place)
before it moves `temp-blob-*` from the root to `blob`, so a crash leaves an empty info.json, or one without a blob.

Cost: one listing of each directory, one read of each info.json; small blobs are always verified, others on request.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from blobkit.access import is_denied, reason
from blobkit.digest import Digest, is_digest
from blobkit.errors import UnreadableStoreError
from blobkit.oci.documents import DOCUMENT_LIMIT, kind_of
from blobkit.oci.untrusted import DocumentError, Json, Odd, parse_json, text_of
from blobkit.progress import watched
from blobkit.render import count, printable
from blobkit.scanners.facts import Facts, listing, micros, within
from blobkit.scanners.files import Files, read
from blobkit.scanners.leftovers import Ledger
from blobkit.scanners.links import link_out_message
from blobkit.scanners.places import GO_BLOBSTORE
from blobkit.scanners.scanned import completed
from blobkit.snapshot.notices import upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from blobkit.scanners.scanned import Scanned

__all__ = ["path_of", "scan"]

T = TypeVar("T")

FIELDS = frozenset({"digest", "mediaType", "size", "refCount", "linksTo"})
MOST = 1 << 30
"""Highest valid refCount: a count of more than a billion has wrapped around, or is forged."""


@dataclass(frozen=True, slots=True)
class Info:
    """The content of one info.json; `size` is -1 if it has none."""

    refcount: int
    links: tuple[Digest, ...]
    media_type: str
    size: int
    odd: tuple[str, ...]


def path_of(root: Path) -> Callable[[Digest], str]:
    """Return a function from a digest to the path of its content."""
    blobs = os.fspath(root / "blobs")
    return lambda digest: f"{blobs}/{digest}/blob"


def scan(root: Path, *, policy: str | None = None, progress: bool = True, verify: bool = False) -> Scanned:
    """Return the facts of the store at `root`; UnreadableStoreError if it is not a store.

    Links are `linksTo`; `refCount` minus the links to a blob is its number of anonymous pins. A blob with a damaged
    info.json is kept and opaque: its references and links are unknown. The scan writes nothing, and follows no
    symbolic link that leaves `root`. `verify` hashes every blob.
    """
    blobs = os.fspath(root / "blobs")
    if not within(blobs, os.fspath(root)):
        raise UnreadableStoreError(link_out_message(root / "blobs", root, "go-blobstore"))
    if not os.path.isdir(blobs):
        msg = f"{printable(os.fspath(root))} is not a store of the Go package: it has no directory blobs"
        raise UnreadableStoreError(msg)
    facts = Facts(Ledger(os.fspath(root), GO_BLOBSTORE))
    files = Files(facts, os.fspath(root), path_of(root))
    infos: dict[Digest, Info] = {}
    for digest, entry in watched(_directories(blobs, facts), "listing", show=progress):
        info = _read_blob(digest, entry, files)
        if info is not None:
            infos[digest] = info
    _link(facts, infos)
    _temporary_files(root, facts)
    files.verify(iter(watched(list(files.stored() if verify else files.small()), "verifying", show=progress)))
    return completed(facts, "go-blobstore", os.fspath(root), policy)


def _directories(blobs: str, facts: Facts) -> Iterator[tuple[Digest, os.DirEntry[str]]]:
    """Yield the entries of blobs/ that are named like a digest; each other entry gets a notice."""
    before = len(facts.notices)
    entries = listing(blobs, facts)
    if len(facts.notices) > before:
        facts.mark_unknown("blobs", ("pin",))
    for entry in entries:
        if is_digest(entry.name):
            yield Digest(entry.name), entry
        else:
            facts.notice("junk", f"{entry.name} in blobs/ is not named like a blob", "", entry.path)


def _read_blob(digest: Digest, entry: os.DirEntry[str], files: Files) -> Info | None:
    """Record one blob and return its info.json; if that is damaged, keep the blob as opaque and return None."""
    facts = files.facts
    if not entry.is_dir(follow_symlinks=False):
        _damaged(facts, digest, "its directory is a symbolic link or a file instead", entry.path)
        return None
    before = len(facts.notices)
    inside = {file.name: file for file in listing(entry.path, facts)}
    if not inside and len(facts.notices) == before:
        facts.notice("junk", f"the directory of {digest} is empty: the blob does not exist", digest, entry.path)
        return None
    if "blob" in inside:
        files.add(digest, inside["blob"])
    for name in inside.keys() - {"blob", "info.json"}:
        facts.notice("junk", f"{name} is not part of {digest}", digest, inside[name].path)
    try:
        info = parse(read(f"{entry.path}/info.json", DOCUMENT_LIMIT + 1, follow=False), digest)
    except DocumentError as error:
        _damaged(facts, digest, str(error), f"{entry.path}/info.json")
        return None
    except OSError as error:
        if is_denied(error):
            _keep(facts, digest)
            why = reason(error, f"{entry.path}/info.json")
            facts.notice("damaged", f"the info.json of {digest} cannot be read ({why})", digest, entry.path)
        else:
            _damaged(facts, digest, f"it cannot be read ({error.strerror})", f"{entry.path}/info.json")
        return None
    _describe(facts, digest, info, entry.path)
    return info


def parse(data: bytes, digest: Digest) -> Info:
    """Return the info.json of this blob; DocumentError if Go could not read it, or if it is of another blob.

    `mediaType`, `size` and `linksTo` may be absent or null, because older versions omit them; `refCount` may not.
    """
    if not data:
        msg = "it is empty"
        raise DocumentError(msg)
    if len(data) > DOCUMENT_LIMIT:
        msg = f"it is larger than {DOCUMENT_LIMIT >> 20} MiB"
        raise DocumentError(msg)
    body = parse_json(data, FIELDS)
    if _typed(body, "digest", str, "") not in ("", digest):
        msg = f"it is of another blob ({body['digest']!r:.100})"
        raise DocumentError(msg)
    refcount, size = _typed(body, "refCount", int, -1), _typed(body, "size", int, -1)
    if not 0 <= refcount <= MOST:
        msg = f"a refCount of {refcount}" if body.get("refCount") is not None else "no refCount"
        raise DocumentError(msg)
    _typed(body, "mediaType", str, "")
    links, odd = _links(_typed(body, "linksTo", list, []))
    return Info(refcount, links, text_of(body, "mediaType"), size, odd)


def _typed(body: Json, field: str, kind: type[T], absent: T) -> T:
    """Return a field of this type, `absent` if it is absent or null; DocumentError for another type."""
    value = body.get(field)
    if value is None:
        return absent
    if type(value) is not kind:  # not isinstance: in Python, True is an int
        msg = f"{field} is a {type(value).__name__}"
        raise DocumentError(msg)
    return value


def _links(names: list[object]) -> tuple[tuple[Digest, ...], tuple[str, ...]]:
    """Return the linked digests, each once, and messages about invalid links; DocumentError if one is not a text."""
    if not all(isinstance(name, str) for name in names):
        msg = "linksTo has an element that is not a text"
        raise DocumentError(msg)
    often = Counter(Digest(str(name)) for name in names if is_digest(name))
    odd = Odd()
    for name in names:
        if name not in often:
            odd.append(f"links to {str(name)[:80]!r}, which is not a digest")
    for digest, number in often.items():
        if number > 1:
            odd.append(f"links to {digest} {number} times: counted once")
    return tuple(often), odd.messages()


def _damaged(facts: Facts, digest: Digest, why: str, path: str) -> None:
    """Keep a blob with a damaged info.json, and record why."""
    _keep(facts, digest)
    message = f"the info.json of {digest} is damaged ({why}): the blob is kept, and its links are unknown"
    facts.notice("damaged", message, digest, path)


def _keep(facts: Facts, digest: Digest) -> None:
    """Keep a blob with unknown count and links.

    A virtual node with a link to itself holds the blob, so dropping pins can never free it.
    """
    node = facts.node(digest)
    facts.opaque[node] = True
    holder = facts.virtual_node(f"info.json@{digest}", -1)
    facts.pin(holder, None, "pin")
    facts.link(holder, holder, "link")
    facts.link(holder, node, "link")


def _describe(facts: Facts, digest: Digest, info: Info, path: str) -> None:
    """Record the facts of an info.json; a notice tells if they contradict the stored blob."""
    node = facts.describe(digest, kind_of(info.media_type), info.media_type)
    if not facts.is_stored(digest):
        facts.notice("missing", f"{digest} is missing: it has an info.json and no content", digest, path)
    elif info.size not in (-1, facts.size[node]):
        message = f"{digest} has {facts.size[node]:,} bytes where its info.json says {info.size:,}"
        facts.notice("size-mismatch", message, digest, path)
    for odd in info.odd:
        facts.notice("odd", f"{digest} {odd}", digest, path)


def _link(facts: Facts, infos: dict[Digest, Info]) -> None:
    """Record the links, and as pins the references that are not links."""
    known = set(facts.ids)
    held = Counter(target for info in infos.values() for target in info.links)
    for digest, info in infos.items():
        for target in info.links:
            facts.link(facts.node(digest), facts.node(target), "link")
            if target not in known:
                facts.notice("dangling", f"{digest} links to {target}, which is not stored", digest)
        pins = info.refcount - held[digest]
        if pins > 0:
            facts.pin(facts.node(digest), None, "pin", count=pins)
        elif pins < 0:
            message = f"{digest} has {pins} pins: a refCount of {info.refcount} and {count(held[digest], 'link')} to it"
            facts.notice("negative-pins", message, digest)


def _temporary_files(root: Path, facts: Facts) -> None:
    """Record the files that were written but not committed: they take space, and no program removes them."""
    for entry in listing(os.fspath(root), facts):
        if entry.name.startswith("temp-blob-") and entry.is_file(follow_symlinks=False):
            with suppress(FileNotFoundError):  # it may have been committed by now
                info = entry.stat(follow_symlinks=False)
                message = upload(f"the temporary file {entry.name}", info.st_size, micros(info))
                facts.notice("upload", message, "", entry.path)
