"""index.json: the tags of a store as other programs see them. A projection of the index, never a source.

A tag change sets `layout_dirty` in its own transaction, with the hash that index.json will have. After that commit the
file is rewritten under the write lock, then the flag is cleared; who finds the flag set does it again. So at any
moment, a crash included, index.json is what `layout_hash` or `layout_pending` says, or another program wrote it.
That is then left alone until `blobkit.store.layout.adoption` has taken it in.

Each rewriting renders and writes the whole file: a tag change costs time in proportion to all tags (10,000 of them:
0.15 s). A batch announces once, at its end.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from typing import TYPE_CHECKING

from blobkit.content.syncing import sync_directory
from blobkit.content.temporary import LockedFile
from blobkit.errors import NotAdoptedError, UnreadableStoreError
from blobkit.oci.index import LAYOUT, check_writable, load_index
from blobkit.oci.untrusted import DocumentError, parse_json
from blobkit.store.layout.preserved import rendered

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.oci.index import IndexFile
    from blobkit.transactions import Reading, Writing

__all__ = ["Layout"]

ANNOUNCED = "2"
"""`layout_dirty` after a durable announcement; before one it is 1."""
ADVICE = "restore it, or delete it, and the store writes one that shows its own tags"
SETTLED = 2_000_000_000
"""Nanoseconds: longer than the ticks of a file system's clock, even where two machines' clocks differ a little."""
VERSION = {"imageLayoutVersion": "1.0.0"}


class Layout:
    """The files `oci-layout` and `index.json` of one root."""

    def __init__(self, root: Path, *, sync: bool) -> None:
        self._root = root
        self.path = root / "index.json"
        self._sync = sync
        self._text = b""
        self._text_path = str(self.path)
        self._known: tuple[tuple[int, ...] | None, str] = (None, "")

    def lay_out(self) -> None:
        """Write `oci-layout` if it is absent."""
        path = self._root / "oci-layout"
        if not path.exists():
            self._write(path, LAYOUT)

    def announce(self, tx: Writing, *, durable: bool) -> None:
        """Record, in the transaction that changed tags, that index.json is to be rewritten and how it will read.

        `durable` says whether that transaction is: the file must never be ahead of the index after a loss of power.
        One call for any number of changes, as the last thing in their transaction.
        """
        if tx.meta("layout_dirty") and self.hash() == tx.meta("layout_pending"):
            # a writer died between its rename and its commit: what it left is ours
            tx.set_meta("layout_hash", tx.meta("layout_pending"))
        self._text = rendered(tx)
        tx.set_meta("layout_pending", _hash(self._text))
        tx.set_meta("layout_dirty", ANNOUNCED if durable else "1")

    def take_over(self, tx: Writing, read: str) -> None:
        """Record, in a durable transaction, that the file with this hash was taken in: it may be rewritten."""
        tx.set_meta("layout_dirty", None)
        self.announce(tx, durable=True)
        tx.set_meta("layout_hash", read)

    def is_due(self, tx: Reading) -> bool:
        """Return whether index.json does not show the tags: it is to be rewritten, or it was removed."""
        return tx.meta("layout_dirty") is not None or self.is_absent()

    def is_absent(self) -> bool:
        """Return whether there is no index.json: another program wrote none, and it may be written again."""
        return not self.path.exists()

    def is_ours(self, tx: Reading) -> bool:
        """Return whether index.json is as blobkit wrote it. Cost: reads and hashes it."""
        now = self.hash()
        return bool(now) and (now == tx.meta("layout_hash") or now == tx.meta("layout_pending"))

    def is_foreign(self, tx: Reading) -> bool:
        """Return whether another program wrote index.json."""
        return not self.is_absent() and not self.is_ours(tx)

    def never_shown(self, tx: Reading) -> bool:
        """Return whether this store never wrote an index.json nor took one in."""
        return tx.meta("layout_hash") is None and tx.meta("layout_pending") is None

    def rewrite(self, tx: Writing) -> bool:
        """Make index.json show the tags, in a transaction of its own, unless another program wrote it.

        Returns False, having done nothing, where what is to be written was not announced by a durable commit: a
        writer that died after its rename would leave a file that nobody knows.
        """
        if not self.is_due(tx) or self.is_foreign(tx):
            return True
        pending = tx.meta("layout_pending")
        text = self._text if _hash(self._text) == pending else rendered(tx)
        if _hash(text) != pending or tx.meta("layout_dirty") != ANNOUNCED:
            return False
        self._write(self.path, text)
        tx.set_meta("layout_hash", _hash(text))
        tx.set_meta("layout_pending", None)
        tx.set_meta("layout_dirty", None)
        tx.settle_names()
        return True

    def hash(self) -> str:
        """Return the hash of index.json as it is, "" where it is absent. It is read whole, as it is written.

        One that has been as it is for a while is not read again. Within a tick of the clock of a file system, two
        writers could leave the same times.
        """
        try:
            found = os.stat(self._text_path)  # noqa: PTH116 (at each removal: a Path takes five times as long)
            mark = found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
            known_mark, known = self._known  # one object, as threads may set it meanwhile
            if mark != known_mark:
                known = _hash(self.path.read_bytes())
                is_settled = found.st_ctime_ns < time.time_ns() - SETTLED
                self._known = (mark, known) if is_settled else (None, "")
        except FileNotFoundError:
            return ""
        return known

    def load(self, **how: float) -> IndexFile | None:
        """Return what index.json holds, None where it is absent; UnreadableStoreError where it cannot be read.

        `timeout` says for how many seconds it is tried again where it is half written.
        """
        return None if self.is_absent() else load_index(self.path, advice=ADVICE, check=_check, **how)

    def parses(self) -> bool:
        """Return whether index.json can be read as an image index, waiting for it for a second."""
        try:
            load_index(self.path, check=_check)
        except UnreadableStoreError:
            return False
        return True

    def check_foreign(self) -> None:
        """Check that a layout of another program can become a store; NotAdoptedError, UnreadableStoreError."""
        path = self._root / "oci-layout"
        with contextlib.suppress(FileNotFoundError, DocumentError):
            with path.open("rb") as file:
                version = parse_json(file.read(1 << 16)).get("imageLayoutVersion")
            if version != VERSION["imageLayoutVersion"]:
                msg = f"{self._root} is an OCI image layout of version {version!r:.40}: blobkit knows 1.0.0 only"
                raise NotAdoptedError(msg)
        for path in (self._root / "blobs", *(self._root / "blobs").glob("sha*")):
            if path.is_symlink():
                msg = f"{path} is a symbolic link: a store keeps its blobs itself; put a directory there"
                raise NotAdoptedError(msg)
        load_index(self.path, check=_check)

    def _write(self, path: Path, text: bytes) -> None:
        """Put a file in place, whole and durable, with the mode of the one that it replaces."""
        tmp = self._root / ".blobkit" / "tmp"
        file = LockedFile(str(tmp))
        try:
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            file.write(memoryview(text))
            if self._sync:
                os.fsync(file.fileno())
            (tmp / file.token).replace(path)
        finally:
            file.discard()
        if self._sync:
            sync_directory(self._root)


def _check(index: IndexFile) -> None:
    """Check that index.json has a list of entries, and that it can be written again; DocumentError."""
    if not index.is_list:
        msg = "it has no list of manifests"
        raise DocumentError(msg)
    check_writable(index)


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
