"""Collect the facts of a store row by row; all scanners use it.

A symbolic link that leaves the store, and a directory that cannot be listed, get a notice and are never followed.
Meanwhile a ledger counts all files (`blobkit.scanners.leftovers`).
"""

from __future__ import annotations

import os
import re
from array import array
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blobkit.access import is_denied, reason
from blobkit.digest import Digest
from blobkit.errors import SnapshotFormatError
from blobkit.render import to_utf8, truncate
from blobkit.scanners.columns import Digests, Words, extend, numbers, repeated, view
from blobkit.scanners.links import enclosing_store
from blobkit.scanners.spaces.space import MEMORY
from blobkit.snapshot.notices import not_followed
from blobkit.snapshot.references import LINK_KINDS, PIN_KINDS
from blobkit.snapshot.tables import KINDS, STORED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from blobkit.scanners.leftovers import Ledger
    from blobkit.scanners.spaces.space import Column, Space, Texts

__all__ = ["Facts", "escape_controls", "is_directory", "listing", "micros", "reason", "within"]

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

SHOWN = 200
ROWS = 256
"""The least number of rows that are added to columns at once."""


def micros(info: os.stat_result) -> int:
    """Return the time of last modification in microseconds since 1970."""
    return info.st_mtime_ns // 1000


def escape_controls(name: str) -> str:
    """Return a name as valid UTF-8 with control characters escaped, which the key of a node requires."""
    if name.isascii() and name.isprintable():
        return name
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", to_utf8(name))


def within(path: str, root: str) -> bool:
    """Return whether `path`, with all symbolic links resolved, lies below `root`."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


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


@dataclass(slots=True)
class Pins:
    """The columns of the pins."""

    node: Column
    name: Texts
    kind: Words
    group: Texts
    modified: Column
    count: Column

    @classmethod
    def new(cls, space: Space) -> Pins:
        """Return columns without rows."""
        kind = Words(PIN_KINDS, fixed=True, space=space)
        return cls(space.column("i"), space.texts(), kind, space.texts(), space.column("q"), space.column("q"))


class Facts:
    """The facts of one store during a scan. `ledger` counts the files; `space` is where the facts are kept."""

    def __init__(self, ledger: Ledger | None = None, space: Space = MEMORY) -> None:
        self.ledger, self.space = ledger, space
        self.ids = space.keys()
        self.size, self.disk, self.created, self.modified = (space.column("q") for _ in range(4))
        self.kind, self.stored = (Words(words, fixed=True, space=space) for words in (KINDS, STORED))
        self.media_type, self.platform = Words(("",), space=space), Words(("",), space=space)
        self.opaque = bytearray()
        self.links = space.column("i"), space.column("i"), Words(LINK_KINDS, fixed=True, space=space)
        self.pins = Pins.new(space)
        self.notices: list[tuple[str, str, str, str]] = []
        self.behind_links: set[str] = set()
        self.checked = Digests(self.ids)
        self._has_things = False
        self._grow()

    def node(self, key: str) -> int:
        """Return the node with this key; create it as missing if it is new."""
        node = self.ids.get(key)
        if node is None:
            node = self.ids[key] = len(self.ids)
            if node >= len(self.opaque):
                self._grow()
        return node

    def _grow(self) -> None:
        """Add rows to all columns of nodes; columns are longer than there are nodes."""
        more = max(ROWS, len(self.opaque) // 8)
        for column in (self.size, self.disk):
            column.frombytes(bytes(8 * more))
        for column in (self.created, self.modified):
            column.extend(repeated("q", -1, more))
        for words, text in (
            (self.kind, "unknown"),
            (self.stored, "missing"),
            (self.media_type, ""),
            (self.platform, ""),
        ):
            words.append(text, more)
        self.opaque += bytes(more)

    def has_disk(self) -> bool:
        """Return whether nodes have bytes on disk: the column `disk` is recorded then."""
        return self._has_things or bool(view(self.disk).any())

    def blob(self, digest: Digest, size: int, modified: int) -> None:
        """Record a stored blob."""
        node = self.node(digest)
        self.size[node], self.modified[node], self.stored[node] = size, modified, "yes"

    def blobs(self, digests: list[Digest], sizes: Sequence[int], modified: Sequence[int]) -> NDArray[np.int32]:
        """Record many stored blobs, each once; return their nodes."""
        first, last = len(self.ids), len(self.ids) + len(digests)
        if not self.ids.keys().isdisjoint(digests):
            for row in zip(digests, sizes, modified, strict=True):
                self.blob(*row)
            return np.fromiter(map(self.ids.__getitem__, digests), np.int32, len(digests))
        self.ids.update(zip(digests, range(first, last), strict=True))
        while last > len(self.opaque):
            self._grow()
        self.size[first:last], self.modified[first:last] = array("q", sizes), array("q", modified)
        self.stored.codes[first:last] = repeated("b", self.stored.code("yes"), last - first)
        return np.arange(first, last, dtype=np.int32)

    def thing(  # noqa: PLR0913 (the columns of one row)
        self, key: str, kind: str, size: int, disk: int, *, modified: int = -1, created: int = -1, stored: str = "yes"
    ) -> int:
        """Record a node that is a file or a tree of files, and return it; control characters in its key are escaped.

        `disk`: bytes that it takes on disk. Snapshots with such nodes have the column `disk`.
        """
        node = self.node(escape_controls(key))
        self._has_things = True
        try:
            self.size[node], self.disk[node], self.kind[node] = size, disk, kind
        except OverflowError:
            msg = f"the node {truncate(key, SHOWN)} has an impossible size ({size:,} bytes)"
            raise SnapshotFormatError(msg) from None
        self.modified[node], self.created[node], self.stored[node] = modified, created, stored
        return node

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

    def stored_digests(self, most: int | None = None, *without: Digests) -> list[Digest]:
        """Return the stored blobs, of at most so many bytes and not in these sets, in sorted order."""
        rows = len(self.ids)
        chosen = numbers(self.stored.codes, rows) == self.stored.code("yes")
        if most is not None:
            chosen &= numbers(self.size, rows) <= most
        for digests in without:
            chosen &= ~digests.flags(rows)
        return sorted(map(Digest, compress(self.ids, chosen.tolist())))

    def link(self, source: int, target: int, kind: str) -> None:
        """Record a link."""
        self.links[0].append(source)
        self.links[1].append(target)
        self.links[2].append(kind)

    def link_many(self, source: int, targets: array[int], kind: str) -> None:
        """Record links of one kind from a node to others."""
        self.links[0].extend(repeated("i", source, len(targets)))
        self.links[1].extend(targets)
        self.links[2].append(kind, len(targets))

    def keep_links(self, rows: NDArray[np.bool_]) -> None:
        """Keep only the links in these rows."""

        def kept(column: Column) -> Column:
            found = self.space.column(column.typecode)
            extend(found, view(column)[rows])
            return found

        source, target, kind = self.links
        kind.codes = kept(kind.codes)
        self.links = kept(source), kept(target), kind

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
        pins = self.pins
        pins.node.append(node)
        pins.name.append(name)
        pins.kind.append(kind)
        pins.group.append(group)
        pins.modified.append(modified)
        try:
            pins.count.append(count)
        except OverflowError:
            msg = f"{count:,} equal pins are more than can be counted"
            raise SnapshotFormatError(msg) from None

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
