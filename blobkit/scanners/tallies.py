"""Records of a ledger: files with several names, and groups of files that are not part of a store."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["RANKS", "Group", "Inode"]

RANKS = ("leftover", "metadata", "upload", "blob")
"""Roles of a file, the weakest first."""


@dataclass(slots=True)
class Inode:
    """A file that has, or may have, several hard links: the best role of those seen, and their number (`names`)."""

    size: int
    modified: int
    links: int
    role: str
    path: str
    names: int = 0
    digests: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Group:
    """A file or directory that is not part of the store: bytes, newest time, files, and why it could not be read."""

    size: int = 0
    modified: int = -1
    files: int = 0
    unread: str = ""
