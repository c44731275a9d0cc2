"""Tools for all scanners: collect facts row by row, and read untrusted blobs.

A blob is read whole only up to `DOCUMENT_LIMIT`, and then its hash is always checked. Paths are built from checked
digests only. A symbolic link that leaves the store, a file that is not regular, and an unreadable file get a notice
and are never followed. Meanwhile a ledger counts all files (`blobkit.scanners.leftovers`).
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.access import is_denied, reason
from blobkit.digest import of, split
from blobkit.filehandle import Held, close, open_into
from blobkit.log import log
from blobkit.oci.documents import DOCUMENT_LIMIT, Document, read_document
from blobkit.oci.untrusted import DocumentError
from blobkit.render import to_utf8
from blobkit.scanners.links import enclosing_store
from blobkit.snapshot.notices import not_followed
from blobkit.snapshot.snapshot import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from blobkit.digest import Digest
    from blobkit.scanners.leftovers import Ledger
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Facts", "Files", "escape_controls", "is_directory", "listing", "micros", "read", "reason", "within"]

SMALL = 64 << 10
"""Bytes: blobs up to this size are always verified; larger ones on request only."""
PEEK = 16 << 10
"""Bytes read first of a blob that may be a document; most documents are shorter."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

PIN_COLUMNS = ("node", "name", "kind", "group", "modified", "count")


def micros(info: os.stat_result) -> int:
    """Return the time of last modification in microseconds since 1970."""
    return info.st_mtime_ns // 1000


def escape_controls(name: str) -> str:
    """Return a name as valid UTF-8 with control characters escaped, which the key of a node requires."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", to_utf8(name))


def within(path: str, root: str) -> bool:
    """Return whether `path`, with all symbolic links resolved, lies below `root`."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def read(path: str, limit: int, *, follow: bool = True) -> bytes:
    """Return up to `limit` bytes of a file. For a pipe, return nothing instead of waiting for a writer.

    Paths are text and files are bare descriptors here: for small files `pathlib` costs more than reading them.
    Without `follow`, a symbolic link is an error.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK
    held = Held()
    try:
        open_into(held, path, flags if follow else flags | os.O_NOFOLLOW)
        return os.read(held[0], limit)
    finally:
        close(held)


def listing(path: str, facts: Facts) -> list[os.DirEntry[str]]:
    """Return the sorted entries of a directory; an empty list if it is absent or, with a notice, cannot be listed."""
    try:
        with os.scandir(path) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        facts.unreadable(f"{os.path.basename(path)}/ cannot be listed", error, path)
        facts.unseen(path)
        return []
    if facts.ledger:
        facts.ledger.listed(path, found)
    return found


def is_directory(entry: os.DirEntry[str]) -> bool:
    """Return whether this is a directory or a link to one; True if permission is missing: `listing` then records it."""
    try:
        return entry.is_dir()
    except OSError as error:
        return is_denied(error)


class Facts:
    """The facts of one store during a scan; `snapshot` makes a Snapshot of them. `ledger` counts the files."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger = ledger
        self.ids: dict[str, int] = {}
        self.size: list[int] = []
        self.kind: list[str] = []
        self.media_type: list[str] = []
        self.platform: list[str] = []
        self.created: list[int] = []
        self.modified: list[int] = []
        self.stored: list[str] = []
        self.opaque: list[bool] = []
        self.links: tuple[list[int], list[int], list[str]] = ([], [], [])
        self.pins: list[tuple[int, str | None, str, str | None, int, int]] = []
        self.notices: list[tuple[str, str, str, str]] = []
        self.behind_links: set[str] = set()
        self.checked: set[str] = set()

    def node(self, key: str) -> int:
        """Return the node with this key; create it as missing if it is new."""
        node = self.ids.get(key)
        if node is None:
            node = self.ids[key] = len(self.size)
            self.size.append(0)
            self.kind.append("unknown")
            self.media_type.append("")
            self.platform.append("")
            self.created.append(-1)
            self.modified.append(-1)
            self.stored.append("missing")
            self.opaque.append(False)
        return node

    def blob(self, digest: Digest, size: int, modified: int) -> None:
        """Record a stored blob."""
        node = self.node(digest)
        self.size[node], self.modified[node], self.stored[node] = size, modified, "yes"

    def virtual_node(self, key: str, modified: int) -> int:
        """Record a node that is not a blob, and return it; control characters in its key are escaped."""
        node = self.node(escape_controls(key))
        self.modified[node], self.stored[node] = modified, "virtual"
        return node

    def is_behind_link(self, digest: str) -> bool:
        """Return whether a blob, its algorithm's directory, or blobs/ is a symbolic link that leaves the store."""
        return not self.behind_links.isdisjoint((digest, digest.partition(":")[0], ""))

    def is_stored(self, digest: str) -> bool:
        """Return whether this blob is stored here."""
        node = self.ids.get(digest)
        return node is not None and self.stored[node] == "yes"

    def link(self, source: int, target: int, kind: str) -> None:
        """Record a link."""
        self.links[0].append(source)
        self.links[1].append(target)
        self.links[2].append(kind)

    def pin(  # noqa: PLR0913 (the columns of one row)
        self,
        node: int,
        name: str | None,
        kind: str,
        group: str | None = None,
        modified: int = -1,
        *,
        count: int = 1,
    ) -> None:
        """Record a pin, or `count` equal ones."""
        self.pins.append((node, name, kind, group, modified, count))

    def mark_unknown(self, what: str, kinds: Iterable[str]) -> None:
        """Record an unreadable part as an opaque virtual node with pins of these kinds: it may reference any blob."""
        node = self.virtual_node(what, -1)
        self.opaque[node] = True
        for kind in kinds:
            self.pin(node, None, kind)

    def notice(self, code: str, message: str, key: str = "", path: str = "") -> None:
        """Record a notice about an unreadable, unknown or odd part; `message` is one line that names it."""
        self.notices.append((code, key, to_utf8(path), to_utf8(message)))

    def unreadable(self, what: str, error: OSError, path: str, key: str = "") -> None:
        """Record that a part could not be read, and who may read it; `what` ends in "cannot be ..."."""
        self.notice("unreadable", f"{what} ({reason(error, path)})", key, path)

    def not_followed(self, what: str, path: str, key: str = "") -> None:
        """Record a symbolic link that is not followed, and its target; the content there is unknown."""
        target = os.path.realpath(path)
        self.notice("symlink", not_followed(what, target, enclosing_store(os.path.dirname(target))), key, path)
        self.behind_links.update([key] if key else ())
        self.unseen(path)

    def unseen(self, path: str) -> None:
        """Record that blobs may be at or below an unreadable path, so that they do not count as missing."""
        if self.ledger:
            self.ledger.unseen(path)

    def describe(self, digest: Digest, kind: str, media_type: str, platform: str = "") -> int:
        """Record the claims of a descriptor about a blob; earlier claims stay."""
        node = self.node(digest)
        if self.kind[node] == "unknown":
            self.kind[node], self.media_type[node] = kind, media_type
        self.platform[node] = self.platform[node] or platform
        return node

    def snapshot(self, kind: str, address: str, policy: str | None) -> Snapshot:
        """Return a Snapshot of all facts recorded."""
        disk = self.ledger.close(self) if self.ledger else None
        read_by_kind = Counter(self.kind[self.ids[digest]] for digest in self.checked if digest in self.ids)
        log.info("blobs read and hashed: %s", ", ".join(f"{n} {kind}" for kind, n in read_by_kind.items()) or "none")
        pins = list(zip(*self.pins, strict=True)) or [()] * len(PIN_COLUMNS)
        source, target, link_kind = self.links
        return build(
            kind,
            to_utf8(address),
            nodes={
                "key": list(self.ids),
                "size": self.size,
                "kind": self.kind,
                "media_type": self.media_type,
                "platform": self.platform,
                "created": self.created,
                "modified": self.modified,
                "stored": self.stored,
                "opaque": self.opaque,
            },
            links={"source": source, "target": target, "kind": link_kind},
            pins=dict(zip(PIN_COLUMNS, map(list, pins), strict=True)),
            notices=self.notices,
            policy=policy,
            disk=disk,
        )


class Files:
    """The untrusted blob files of a store below `root`; `path` returns the path of a digest's file."""

    def __init__(self, facts: Facts, root: str, path: Callable[[Digest], str]) -> None:
        self.facts, self.root, self.path = facts, root, path
        self.checked = facts.checked

    def add(self, digest: Digest, entry: os.DirEntry[str]) -> None:
        """Record the stored blob at a directory entry, or a notice why it is not a blob."""
        try:
            info = entry.stat(follow_symlinks=False)
            linked = stat.S_ISLNK(info.st_mode)
            if linked:
                info = self._linked(digest, entry)
        except OSError as error:
            self.facts.unreadable(f"{digest} cannot be looked at", error, entry.path, digest)
            if is_denied(error):
                self.facts.unseen(entry.path)
            return
        if stat.S_ISLNK(info.st_mode):
            return  # it leads out of the store
        if not stat.S_ISREG(info.st_mode):
            self.facts.notice("junk", f"{digest} is not a regular file", digest, entry.path)
            return
        self.facts.blob(digest, info.st_size, micros(info))
        if self.facts.ledger:
            self.facts.ledger.blob(digest, entry.path, info, linked=linked)

    def _linked(self, digest: Digest, entry: os.DirEntry[str]) -> os.stat_result:
        """Return the status of a symbolic link's target; of the link itself if it leaves the store."""
        if not within(self.path(digest), self.root):
            self.facts.not_followed(str(digest), entry.path, digest)
            return entry.stat(follow_symlinks=False)
        self.facts.notice("symlink", f"{digest} is a symbolic link: removing it frees no content", digest, entry.path)
        return entry.stat()

    def whole(self, digest: Digest) -> bytes | None:
        """Return the content of a stored blob of at most `DOCUMENT_LIMIT` bytes, checked; else None, with a notice."""
        facts = self.facts
        if not facts.is_stored(digest):
            return None
        if facts.size[facts.ids[digest]] > DOCUMENT_LIMIT:
            facts.notice("too-large", f"{digest} is larger than {DOCUMENT_LIMIT >> 20} MiB: not read", digest)
            return None
        try:
            data = read(self.path(digest), facts.size[facts.ids[digest]] + 1)
        except OSError as error:
            facts.unreadable(f"{digest} cannot be read", error, self.path(digest), digest)
            return None
        self._check(digest, of(data, split(digest)[0]))
        return data

    def peek(self, digest: Digest) -> Document | None:
        """Return the document in a blob that no descriptor names; None, without a notice, if it is not a document."""
        if not 0 < self.facts.size[self.facts.ids[digest]] < DOCUMENT_LIMIT:
            return None
        try:
            data = read(self.path(digest), PEEK)
            if data[:1] not in b"{ \t\r\n":
                return None
            data = data if len(data) < PEEK else read(self.path(digest), DOCUMENT_LIMIT + 1)
            document = read_document(data)
        except (DocumentError, OSError):
            return None
        self._check(digest, of(data, split(digest)[0]))
        return document

    def verify(self, digests: Iterator[Digest]) -> None:
        """Check the hashes of those blobs that were not read yet, in constant memory."""
        for digest in digests:
            if digest in self.checked:
                continue
            try:
                with Path(self.path(digest)).open("rb") as file:
                    label = split(digest)[0]
                    self._check(digest, f"{label}:{hashlib.file_digest(file, label).hexdigest()}")
            except OSError as error:
                self.facts.unreadable(f"{digest} cannot be read", error, self.path(digest), digest)

    def small(self) -> Iterator[Digest]:
        """Yield the stored blobs that are always verified: those of at most `SMALL` bytes."""
        return (d for d in self.stored() if self.facts.size[self.facts.ids[d]] <= SMALL)

    def stored(self) -> Iterator[Digest]:
        """Yield the stored blobs in sorted order."""
        found = (key for key, node in self.facts.ids.items() if self.facts.stored[node] == "yes")
        return iter(sorted(found))  # type: ignore[arg-type]

    def _check(self, digest: Digest, found: str) -> None:
        self.checked.add(digest)
        if found != digest:
            self.facts.notice("digest-mismatch", f"{digest} has content that does not match its digest", digest)
