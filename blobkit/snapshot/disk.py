"""The bytes of all regular files of a store, beside the blobs that its tables list."""

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
    """`files` regular files below a store's root have `bytes` bytes (st_size, each inode once).

    Of these `described` files, of `metadata` bytes, describe the store: link files, index.json, databases; `names` are
    some of them. Where a directory could not be read, what is in it is not counted.
    """

    files: int
    bytes: int
    described: int = 0
    metadata: int = 0
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no sum could hold: sparse files may claim any size."""
        if self.bytes >= MOST:
            msg = f"the files of the store have {self.bytes:,} bytes, more than can be counted: look for sparse files"
            raise SnapshotFormatError(msg)

    def to_meta(self) -> dict[str, object]:
        """Return it as plain values that JSON can hold."""
        return {**asdict(self), "names": list(self.names)}

    @classmethod
    def of_meta(cls, meta: object) -> Disk | None:
        """Return what `to_meta` wrote; None where there is nothing, SnapshotFormatError where it is something else."""
        if meta is None:
            return None
        if not isinstance(meta, dict):
            msg = "snapshot.json: disk is no object"
            raise SnapshotFormatError(msg)
        names = meta.get("names", [])
        if not isinstance(names, list) or len(names) > NAMES or not all(isinstance(name, str) for name in names):
            msg = "snapshot.json: disk.names is no short list of texts"
            raise SnapshotFormatError(msg)
        files, size, described, metadata = (_number(meta, field) for field in NUMBERS)
        return cls(files, size, described, metadata, tuple(map(clean, names)))


def _number(meta: Mapping[str, object], field: str) -> int:
    value = meta.get(field)
    if type(value) is not int or not 0 <= value < MOST:
        msg = f"snapshot.json: disk.{field} is no number of files or bytes"
        raise SnapshotFormatError(msg)
    return value
