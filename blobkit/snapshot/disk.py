"""Totals of all regular files of a store: blobs, and files that its tables do not list."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from blobkit.errors import SnapshotFormatError
from blobkit.render import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Disk"]

MOST = 1 << 63
NAMES = 10
NUMBERS = ("files", "bytes", "described", "metadata")


@dataclass(frozen=True, slots=True)
class Disk:
    """Totals of the regular files below a store's root: `files`, and their `bytes` (st_size, each inode once).

    `described` of these files, with `metadata` bytes, describe the store: link files, index.json, databases; `names`
    are some of them. The content of a directory that could not be read is not counted.
    """

    files: int
    bytes: int
    described: int = 0
    metadata: int = 0
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Reject a sum of 2**63 bytes or more: sparse files may claim any size."""
        if self.bytes >= MOST:
            msg = f"the files of the store have {self.bytes:,} bytes, more than can be counted: look for sparse files"
            raise SnapshotFormatError(msg)

    def to_meta(self) -> dict[str, object]:
        """Return the totals as plain values for JSON."""
        return {**asdict(self), "names": list(self.names)}

    @classmethod
    def from_meta(cls, meta: object) -> Disk | None:
        """Return the totals that `to_meta` wrote; None for None, SnapshotFormatError for anything else."""
        if meta is None:
            return None
        if not isinstance(meta, dict):
            msg = "snapshot.json: disk is not an object"
            raise SnapshotFormatError(msg)
        names = meta.get("names", [])
        if not isinstance(names, list) or len(names) > NAMES or not all(isinstance(name, str) for name in names):
            msg = "snapshot.json: disk.names is not a short list of texts"
            raise SnapshotFormatError(msg)
        files, size, described, metadata = (_number(meta, field) for field in NUMBERS)
        return cls(files, size, described, metadata, tuple(map(clean, names)))


def _number(meta: Mapping[str, object], field: str) -> int:
    value = meta.get(field)
    if type(value) is not int or not 0 <= value < MOST:
        msg = f"snapshot.json: disk.{field} is not a number of files or bytes"
        raise SnapshotFormatError(msg)
    return value
