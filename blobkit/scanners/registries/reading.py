"""Read many small blobs at once: check their hashes, and turn manifests and image configs into columns.

It works in this process or, for a large store, in others (`blobkit.scanners.registries.ahead`); so it imports the
standard library and `blobkit.oci` only. Whatever is not as expected here is left out: the scanner then reads that blob
by itself, and tells why.
"""

from __future__ import annotations

import os
from array import array
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING

from blobkit.digest import algorithm, are_sha256
from blobkit.filehandle import Held, close
from blobkit.oci.documents import Config, read_config
from blobkit.oci.plain import micros, plain_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blobkit.oci.plain import PlainManifest

__all__ = ["NO_DOCUMENT", "SMALL", "VERIFIED", "Contents", "read_blobs"]

VERIFIED, NO_DOCUMENT = 1, 2
"""Flags of a blob: its hash was checked; it is no manifest or index."""
SMALL = 64 << 10
"""Bytes: blobs up to this size are always verified; larger ones on request only."""
JSON = b"{ \t\r\n"
"""The first byte of a document."""
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
NO_TEXTS: dict[str, list[str]] = {"types": [], "platforms": []}


class Contents:
    """Columns of what some blobs contain, and the vocabularies of `_type` and `_platform`.

    `read`: blobs with the hash that their digest says. `doc`, `ref`: manifests of the usual form, and their
    descriptors. `config`: image configs whose diffIDs are sha256. `odd`: other documents, as they are.
    """

    def __init__(self, texts: Mapping[str, list[str]] = NO_TEXTS) -> None:
        self.columns = {name: array(code) for name, code in COLUMNS.items()}
        self._codes = {name: {text: code for code, text in enumerate(given)} for name, given in texts.items()}

    @property
    def texts(self) -> dict[str, list[str]]:
        """The vocabularies: of media types, and of platforms."""
        return {name: list(codes) for name, codes in self._codes.items()}

    def add(self, rows: list[int], contents: list[bytes]) -> None:
        """Add blobs whose hashes are right."""
        is_json = [data[:1] in JSON for data in contents]
        self.columns["read_row"].extend(rows)
        self.columns["read_flags"].extend([VERIFIED if is_one else VERIFIED | NO_DOCUMENT for is_one in is_json])
        for row, data in compress(zip(rows, contents, strict=True), is_json):
            self._parse(row, data)

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
        codes = self._codes["types"]
        self.columns["ref_type"].extend([codes.setdefault(one, len(codes)) for one in found.types])

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
        contents = _read_group(above, [(names[row], sizes[row]) for row in group])
        sound = [new(data).hexdigest() == names[row] for row, data in zip(group, contents, strict=False)]
        found.add(list(compress(group, sound)), list(compress(contents, sound)))
    return found


def _read_group(above: int, files: list[tuple[str, int]]) -> list[bytes]:
    """Return the content of the data of each blob; an empty list if one of them cannot be read."""
    held = Held()
    try:
        held.extend(map(partial(os.open, flags=_FLAGS, dir_fd=above), [f"{name}/data" for name, _ in files]))
        return [os.read(fd, size + 1) for fd, (_, size) in zip(held, files, strict=True)]
    except OSError:
        return []
    finally:
        while held:
            close(held)


def _packed(digests: Sequence[str]) -> bytes:
    """Return sha256 digests as 32 bytes each."""
    return bytes.fromhex("".join([digest[7:] for digest in digests]))
