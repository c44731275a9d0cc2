"""Read the small files of a data root: an unreadable or damaged one gets a notice, and None stands for its content."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blobkit.access import reason
from blobkit.digest import is_digest
from blobkit.oci.untrusted import DocumentError, Json, parse_json
from blobkit.sources.source import Is

if TYPE_CHECKING:
    from blobkit.sources.directory import Directory
    from blobkit.sources.source import Entry

__all__ = ["HEX", "Reader"]

HEX = re.compile(r"[0-9a-f]{64}")
"""The name of a layer, image or container."""
WORD = 4096
"""Bytes that are read of a file that holds one word."""


class Reader:
    """Reads the files of `source`; `notices` are about those that it could not read."""

    def __init__(self, source: Directory) -> None:
        self.source = source
        self.notices: list[tuple[str, str, str, str]] = []

    def entries(self, path: str) -> list[Entry]:
        """Return the entries of a directory, none if it is absent. OSError if it cannot be listed."""
        try:
            return self.source.list(path)
        except FileNotFoundError:
            return []

    def names(self, path: str, kind: Is = Is.DIRECTORY) -> list[str]:
        """Return the names in a directory that look like the ID of something, and are of this type."""
        return [entry.name for entry in self.entries(path) if entry.kind is kind and HEX.fullmatch(entry.name)]

    def content(self, path: str, key: str, limit: int) -> bytes | None:
        """Return the content of a file: empty if it is absent, None if it cannot be read or is larger than `limit`."""
        try:
            data = self.source.read(path, limit + 1)
        except FileNotFoundError:
            return b""
        except OSError as error:
            why = reason(error, self.source.path(path))
            self.notice("unreadable", f"{path} cannot be read ({why})", key, path)
            return None
        if len(data) > limit:
            self.notice("too-large", f"{path} is larger than {limit:,} bytes", key, path)
            return None
        return data

    def word(self, path: str, key: str) -> str | None:
        """Return the one word in a file: "" if it is absent, None if it cannot be read."""
        data = self.content(path, key, WORD)
        return None if data is None else data.decode("utf-8", "replace").strip()

    def digest(self, path: str, key: str) -> str | None:
        """Return the digest in a file: "" if it is absent, None if it cannot be read, or holds something else."""
        found = self.word(path, key)
        if not found or is_digest(found):
            return found
        self.notice("unreadable", f"{path} does not contain a digest", key, path)
        return None

    def json(self, path: str, key: str, limit: int, fields: frozenset[str]) -> Json | None:
        """Return the JSON object in a file: empty if it is absent, None if it is none."""
        data = self.content(path, key, limit)
        if not data:
            return None if data is None else {}
        return self.parsed(data, path, key, fields)

    def parsed(self, data: bytes, path: str, key: str, fields: frozenset[str]) -> Json | None:
        """Return the JSON object in the content of a file, None if it is none."""
        try:
            return parse_json(data, fields)
        except DocumentError as error:
            self.notice("unparseable", f"{path} is damaged: {error}", key, path)
            return None

    def notice(self, code: str, message: str, key: str = "", path: str = "") -> None:
        """Record a notice about a file."""
        self.notices.append((code, key, self.source.path(path) if path else "", message))
