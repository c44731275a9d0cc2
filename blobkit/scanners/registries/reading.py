"""Read many small blobs at once: check their hashes, and turn manifests and image configs into columns.

It works in this process or, for a large store, in others (`blobkit.scanners.registries.helpers`); so it imports the
standard library and `blobkit.oci` only. Whatever is not as expected here is left out: the scanner then reads that blob
by itself, and tells why.
"""

from __future__ import annotations

import os
from array import array
from functools import partial
from typing import TYPE_CHECKING

from blobkit.digest import algorithm, are_sha256
from blobkit.filehandle import Held, close
from blobkit.oci.documents import Config, read_config
from blobkit.oci.plain import micros, plain_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blobkit.oci.plain import PlainManifest

__all__ = ["NO_DOCUMENT", "SMALL", "VERIFIED", "Contents", "read_blobs"]

VERIFIED, NO_DOCUMENT = 1, 2
"""Flags of a blob: its hash was checked; it is no manifest or index."""
SMALL = 64 << 10
"""Bytes: blobs up to this size are always verified; larger ones on request only."""
TOGETHER = 64
"""Files that are open at once."""
ODD = 1 << 20
"""Bytes of documents of unusual form in one `Contents`."""
NOTHING = Config("", None, ())
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
COLUMNS = {
    "read_row": "i",
    "read_flags": "B",
    **dict.fromkeys(("doc_row", "doc_type", "doc_count"), "i"),
    "doc_created": "q",
    "ref": "B",
    "ref_size": "q",
    "ref_type": "i",
    **dict.fromkeys(("config_row", "config_platform", "config_count"), "i"),
    "config_created": "q",
    "diff": "B",
    "odd_row": "i",
    "odd_size": "i",
    "odd": "B",
}
"""The columns of `Contents`; `_row` are numbers of blobs, `ref` and `diff` have 32 bytes for each digest."""


class Contents:
    """Columns of what some blobs contain, and the vocabularies of `_type` and `_platform`.

    `read`: blobs with the hash that their digest says. `doc`, `ref`: manifests of the usual form, and their
    descriptors. `config`: image configs whose diffIDs are sha256. `odd`: other documents, as they are.
    """

    def __init__(self) -> None:
        self.columns = {name: array(code) for name, code in COLUMNS.items()}
        self._codes: dict[str, dict[str, int]] = {"types": {}, "platforms": {}}

    @property
    def texts(self) -> dict[str, list[str]]:
        """The vocabularies: of media types, and of platforms."""
        return {name: list(codes) for name, codes in self._codes.items()}

    def add(self, row: int, data: bytes) -> None:
        """Add a blob whose hash is right."""
        flags = VERIFIED
        if data[:1] not in b"{ \t\r\n":
            flags |= NO_DOCUMENT
        elif data:
            self._parse(row, data)
        self.columns["read_row"].append(row)
        self.columns["read_flags"].append(flags)

    def _parse(self, row: int, data: bytes) -> None:
        if b'"digest"' not in data:
            self._add_config(row, data)
        elif (manifest := plain_manifest(data)) is not None:
            self._add_manifest(row, manifest)
        elif len(self.columns["odd"]) + len(data) <= ODD:
            self._append("odd", row=row, size=len(data))
            self.columns["odd"].frombytes(data)

    def _add_manifest(self, row: int, found: PlainManifest) -> None:
        count, code = len(found.digests), self._code
        self._append("doc", row=row, type=code("types", found.media_type), count=count, created=found.created)
        self.columns["ref"].frombytes(_packed(found.digests))
        self.columns["ref_size"].extend(found.sizes)
        self.columns["ref_type"].extend([code("types", one) for one in found.types])

    def _add_config(self, row: int, data: bytes) -> None:
        found = read_config(data)
        if found == NOTHING or (found.diff_ids and not are_sha256(found.diff_ids)):
            return
        platform, created = self._code("platforms", found.platform), micros(found.created)
        self._append("config", row=row, platform=platform, count=len(found.diff_ids), created=created)
        self.columns["diff"].frombytes(_packed(found.diff_ids))

    def _append(self, part: str, **values: int) -> None:
        for name, value in values.items():
            self.columns[f"{part}_{name}"].append(value)

    def _code(self, vocabulary: str, text: str) -> int:
        """Return the number of a text in a vocabulary."""
        codes = self._codes[vocabulary]
        return codes.setdefault(text, len(codes))


def read_blobs(above: int, label: str, names: Sequence[str], sizes: Sequence[int], rows: Sequence[int]) -> Contents:
    """Return what these rows of blobs contain; `above`: the descriptor of the directory with these names.

    Cost: opening, reading and closing each, below one directory: a path from the root costs twice as much.
    """
    found, new = Contents(), algorithm(label).new
    for at in range(0, len(rows), TOGETHER):
        group = rows[at : at + TOGETHER]
        for row, data in zip(group, _read_group(above, [(names[row], sizes[row]) for row in group]), strict=True):
            if data is not None and new(data).hexdigest() == names[row]:
                found.add(row, data)
    return found


def _read_group(above: int, files: list[tuple[str, int]]) -> list[bytes | None]:
    """Return the content of the data of each blob; None for each if one of several cannot be read."""
    held = Held()
    try:
        held.extend(map(partial(os.open, flags=_FLAGS, dir_fd=above), [f"{name}/data" for name, _ in files]))
        return [os.read(fd, size + 1) for fd, (_, size) in zip(held, files, strict=True)]
    except OSError:
        return [None] * len(files)
    finally:
        while held:
            close(held)


def _packed(digests: Sequence[str]) -> bytes:
    """Return sha256 digests as 32 bytes each."""
    return bytes.fromhex("".join([digest[7:] for digest in digests]))
