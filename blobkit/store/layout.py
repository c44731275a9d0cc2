"""index.json: the tags of a store as other programs see them. A projection of the index, never a source.

A tag change sets `layout_dirty` in its own transaction, with the hash that index.json will have. After that commit the
file is rewritten under the write lock, then the flag is cleared; who finds the flag set does it again. So at any
moment, a crash included, index.json is what `layout_hash` or `layout_pending` says, or another program wrote it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import warnings
from typing import TYPE_CHECKING

from blobkit.content.syncing import sync_directory
from blobkit.errors import LayoutChangedWarning

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.protocols import Reading, Writing

__all__ = ["REF_NAME", "Layout"]

REF_NAME = "org.opencontainers.image.ref.name"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
ANNOUNCED = "2"
"""`layout_dirty` after a durable announcement; before one it is 1."""
UNKNOWN_TYPE = "application/octet-stream"
"""What index.json says where the index knows no media type: a descriptor must have one."""


class Layout:
    """The files `oci-layout` and `index.json` of one root."""

    def __init__(self, root: Path, *, sync: bool) -> None:
        self._root = root
        self._path = root / "index.json"
        self._sync = sync
        self._text = b""
        self._said = ""

    def lay_out(self) -> None:
        """Write `oci-layout` if it is absent."""
        path = self._root / "oci-layout"
        if not path.exists():
            self._write(path, b'{"imageLayoutVersion":"1.0.0"}')

    def announce(self, rows: Writing, *, durable: bool) -> None:
        """Record, in the transaction that changed tags, that index.json is to be rewritten and how it will read.

        `durable` says whether that transaction is: the file must never be ahead of the index after a loss of power.
        """
        if rows.meta("layout_dirty") and self._now() == rows.meta("layout_pending"):
            # a writer died between its rename and its commit: what it left is ours
            rows.set_meta("layout_hash", rows.meta("layout_pending"))
        self._text = _rendered(rows)
        rows.set_meta("layout_pending", _hash(self._text))
        rows.set_meta("layout_dirty", ANNOUNCED if durable else "1")

    def is_due(self, rows: Reading) -> bool:
        """Return whether index.json does not show the tags: it is to be rewritten, or it was removed."""
        return rows.meta("layout_dirty") is not None or self.is_absent()

    def is_absent(self) -> bool:
        """Return whether there is no index.json: another program wrote none, and it may be written again."""
        return not self._path.exists()

    def is_ours(self, rows: Reading) -> bool:
        """Return whether index.json is as blobkit wrote it. Cost: reads and hashes it."""
        return not self.is_absent() and self._now() in {rows.meta("layout_hash"), rows.meta("layout_pending")}

    def rewrite(self, rows: Writing) -> bool:
        """Make index.json show the tags, in a transaction of its own, unless another program wrote it.

        Returns False, having done nothing, where what is to be written was not announced by a durable commit: a
        writer that died after its rename would leave a file that nobody knows.
        """
        if not self.is_due(rows):
            return True
        if not self.is_absent() and not self.is_ours(rows):
            self.say()
            return True
        pending = rows.meta("layout_pending")
        text = self._text if _hash(self._text) == pending else _rendered(rows)
        if _hash(text) != pending or rows.meta("layout_dirty") != ANNOUNCED:
            return False
        self._write(self._path, text)
        rows.set_meta("layout_hash", _hash(text))
        rows.set_meta("layout_pending", None)
        rows.set_meta("layout_dirty", None)
        return True

    def say(self) -> None:
        """Warn, once for each state of the file, that another program wrote index.json."""
        now = self._now()
        if now != self._said:
            self._said = now
            warnings.warn(self.notice(), LayoutChangedWarning, stacklevel=2)

    def notice(self) -> str:
        """Return what is the matter where index.json is not ours, and what to do."""
        return (
            f"{self._path} was changed by another program: it is left as it is, and no file of a blob is removed; "
            f"look with blobkit.scan({f'oci:{self._root}'!r}), then restore it, or delete it and open the store again"
        )

    def _now(self) -> str:
        """Return the hash of index.json as it is, "" where it is absent."""
        try:
            with self._path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return ""

    def _write(self, path: Path, text: bytes) -> None:
        """Put a file in place, whole and durable."""
        temporary = self._root / ".blobkit" / f"{path.name}.{secrets.token_hex(8)}"
        try:
            with temporary.open("xb") as file:
                file.write(text)
                if self._sync:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
        if self._sync:
            sync_directory(self._root)


def _rendered(rows: Reading) -> bytes:
    """Return index.json for the tags: an entry a tag, by name. Cost: all tags."""
    tags = rows.tags()
    records = rows.records(set(tags.values()))
    entries = [
        {
            "mediaType": records[blob].media_type or UNKNOWN_TYPE,
            "digest": blob,
            "size": records[blob].size,
            "annotations": {REF_NAME: name},
        }
        for name, blob in tags.items()
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}).encode()


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
