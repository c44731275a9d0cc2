"""The nodes of a Hugging Face cache: one for each file, and one without bytes for each link that is a blob.

The key of a node is its path below the cache. The name of a blob is no digest for blobkit: it is sha1 for small files,
and the same content in two repositories is two files.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blobkit.scanners.facts import escape_controls
from blobkit.snapshot.notices import upload
from blobkit.sources.source import Is

if TYPE_CHECKING:
    from blobkit.scanners.caches.look import Look
    from blobkit.sources.source import Info

__all__ = ["PARTIAL", "Hub"]

PARTIAL = ".incomplete"
"""The end of the name of a partial download."""
_BLOB = re.compile(r"[^/]+/blobs/[^/]+|blobs/[0-9a-f]{2}/[0-9a-f]{64}")


class Hub:
    """The nodes by path, while the cache is read.

    `aims`: where each blob that is a link leads. `unseen`: directories of repositories that were not read.
    """

    def __init__(self, look: Look) -> None:
        self.look, self.facts = look, look.facts
        self.nodes: dict[str, int] = {}
        self.aims: dict[str, str] = {}
        self.modified: dict[int, int] = {}
        self.unseen: set[str] = set()

    def at(self, path: str) -> int | None:
        """Return the node of the file or link at a path; None if there is none."""
        node = self.nodes.get(path)
        if node is None:
            info = self.look.info(path)
            if info is None or info.kind is Is.DIRECTORY:
                return None
            if info.kind is Is.OTHER:
                self.facts.notice("junk", f"{escape_controls(path)} is not a regular file", "", self.whole(path))
                return None
            node = self._file(path, info) if info.kind is Is.FILE else self._link(path, info)
            self.nodes[path], self.modified[node] = node, info.modified
        return node

    def absent(self, path: str) -> int:
        """Return the node of a file that a link leads to, and that is not there."""
        key = escape_controls(path)
        return self.facts.node(key) if _BLOB.fullmatch(path) else self.facts.virtual_node(key, -1)

    def outside(self, path: str) -> int:
        """Return the node of a link that leads out of the cache, or that nobody can follow."""
        return self.facts.virtual_node(self._key(path), -1)

    def unknown(self, path: str, *, named: bool = True) -> None:
        """Record that what is at a path may need any file: revisions, or a ref (not `named`: only that)."""
        self.facts.mark_unknown(escape_controls(path), ("detached", "ref") if named else ("ref",))

    def whole(self, path: str) -> str:
        """Return an absolute path."""
        return f"{self.look.source.address}/{path}"

    def _file(self, path: str, info: Info) -> int:
        facts, key = self.facts, self._key(path)
        node = facts.thing(key, "file", info.size, info.disk, modified=info.modified)
        if path.endswith(PARTIAL):
            message = upload(f"{key} is a partial download: it", info.size, info.modified)
            facts.notice("upload", message, key, self.whole(path))
        if info.links > 1:
            message = f"{key} has {info.links:,} names (hard links): its bytes are freed with the last one"
            facts.notice("hard-link", message, key, self.whole(path))
        return node

    def _link(self, path: str, info: Info) -> int:
        node = self.facts.virtual_node(self._key(path), info.modified)
        target = self.look.target(path)
        if target is not None:
            self.aims[path] = target
        return node

    def _key(self, path: str) -> str:
        """Return the key for a path; paths that differ only in bytes that cannot be shown get different keys."""
        key = escape_controls(path)
        if key != path:
            while key in self.facts.ids:
                key += "~"
        return key
