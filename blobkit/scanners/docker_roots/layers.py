"""Read the records of layers: `layerdb/sha256/<chain ID>/{cache-id,parent,size}`. Source: moby, `layer/filestore.go`.

A layer's record names the directory of its files (`cache-id`) and the layer below it. dockerd renames the record of a
layer that it removes to `<chain ID>-<random>-removing`, and finishes the removal when it starts again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.sources.source import Is

if TYPE_CHECKING:
    from blobkit.scanners.docker_roots.reading import Reader

__all__ = ["Layer", "read_layers"]

_REMOVING = re.compile(r"[0-9a-f]{64}-[0-9a-zA-Z]+-removing")
_SIZE = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Layer:
    """The record at `path`: directory of its files and layer below ("" none, None unknown), bytes it claims (-1 none).

    `going`: dockerd removes it.
    """

    path: str
    cache_id: str | None
    parent: str | None
    size: int
    going: bool = False


def read_layers(reader: Reader, database: str) -> dict[str, Layer]:
    """Return the layers by chain ID; those that dockerd removes by the name of their record."""
    base, found = f"{database}/layerdb/sha256", {}
    for name in reader.names(base):
        found[f"sha256:{name}"] = _layer(reader, f"{base}/{name}", f"layer/sha256:{name}")
    for entry in reader.entries(base):
        if entry.kind is Is.DIRECTORY and _REMOVING.fullmatch(entry.name):
            cache_id = reader.word(f"{base}/{entry.name}/cache-id", "")
            found[entry.name] = Layer(f"{base}/{entry.name}", cache_id, "", -1, going=True)
    return found


def _layer(reader: Reader, path: str, key: str) -> Layer:
    cache_id, parent = reader.word(f"{path}/cache-id", key), reader.digest(f"{path}/parent", key)
    if cache_id == "":
        reader.notice("unreadable", f"{path} has no cache-id: the directory of its files is unknown", key, path)
    size = reader.word(f"{path}/size", key) or ""
    return Layer(path, cache_id or None, parent, int(size) if _SIZE.fullmatch(size) else -1)
