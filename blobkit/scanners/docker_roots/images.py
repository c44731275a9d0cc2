"""Read the records of images: their configs, parents and names. Source: moby, `image/fs.go`, `reference/store.go`.

`imagedb/content/sha256/<ID>` is the config, whose hash is the ID; `imagedb/metadata/sha256/<ID>/` has `parent` and
`lastUpdated`; `repositories.json` has all names, `repository@digest` beside tags.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from blobkit.digest import is_digest
from blobkit.oci.untrusted import parse_time, text_of
from blobkit.render import truncate
from blobkit.sources.source import Is

if TYPE_CHECKING:
    from datetime import datetime

    from blobkit.oci.untrusted import Json
    from blobkit.scanners.docker_roots.reading import Reader

__all__ = ["Image", "Name", "read_images", "read_names"]

CONFIG_LIMIT, NAMES_LIMIT = 16 << 20, 256 << 20
_FIELDS = frozenset({"rootfs", "diff_ids", "created", "architecture", "os", "variant"})
_SHOWN = 100


class Name(NamedTuple):
    """A name of an image in its repository; `is_digest`: it is `repository@digest`."""

    name: str
    image: str
    repository: str
    is_digest: bool


@dataclass(frozen=True, slots=True)
class Image:
    """An image: chain ID of its last layer ("" none, None unknown), parent image, times in microseconds (-1 none)."""

    path: str
    metadata: str
    top: str | None
    parent: str | None
    created: int = -1
    updated: int = -1
    platform: str = ""


def read_images(reader: Reader, database: str) -> dict[str, Image]:
    """Return the images by ID."""
    base = f"{database}/imagedb/content/sha256"
    return {f"sha256:{name}": _image(reader, database, name) for name in reader.names(base, Is.FILE)}


def _image(reader: Reader, database: str, name: str) -> Image:
    path, metadata = (f"{database}/imagedb/{part}/sha256/{name}" for part in ("content", "metadata"))
    key = f"image/sha256:{name}"
    parent = reader.digest(f"{metadata}/parent", key)
    updated = _micros(parse_time(reader.word(f"{metadata}/lastUpdated", key)))
    body = _config(reader, path, key, name)
    if body is None:
        return Image(path, metadata, None, parent, updated=updated)
    top = _top(body)
    if top is None:
        reader.notice("unparseable", f"{path} lists diff_ids that are no digests", key, path)
    platform = "/".join(filter(None, (text_of(body, part) for part in ("os", "architecture", "variant"))))
    return Image(path, metadata, top, parent, _micros(parse_time(body.get("created"))), updated, platform)


def _config(reader: Reader, path: str, key: str, name: str) -> Json | None:
    """Return the config of an image, None if it is damaged; dockerd does not load such an image either."""
    data = reader.content(path, key, CONFIG_LIMIT)
    if data is None:
        return None
    if hashlib.sha256(data).hexdigest() != name:
        reader.notice("digest-mismatch", f"the content of {path} does not match its ID", key, path)
        return None
    return reader.parsed(data, path, key, _FIELDS)


def _top(body: Json) -> str | None:
    """Return the chain ID of the last layer: of the first layer its diffID, of others the hash of two digests."""
    root = body.get("rootfs")
    diffs = (root.get("diff_ids") if isinstance(root, dict) else None) or []
    if not isinstance(diffs, list) or not all(isinstance(one, str) and is_digest(one) for one in diffs):
        return None
    chain = ""
    for diff in diffs:
        chain = f"sha256:{hashlib.sha256(f'{chain} {diff}'.encode()).hexdigest()}" if chain else diff
    return chain


def _micros(moment: datetime | None) -> int:
    return -1 if moment is None else int(moment.timestamp() * 1e6)


def read_names(reader: Reader, database: str) -> list[Name] | None:
    """Return all names of images, None if they are unknown."""
    path = f"{database}/repositories.json"
    body = reader.json(path, "", NAMES_LIMIT, frozenset({"Repositories"}))
    if body is None:
        return None
    repositories = body.get("Repositories") or {}
    if not isinstance(repositories, dict):
        reader.notice("unparseable", f"{path} has no object Repositories", "", path)
        return None
    found = []
    for names in repositories.values():
        for name, image in names.items() if isinstance(names, dict) else ():
            if isinstance(image, str) and is_digest(image) and _repository(name):
                found.append(Name(name, image, _repository(name), "@" in name))
            else:
                reader.notice("odd", f"{path}: {truncate(name, _SHOWN)} names no image", "", path)
    return found


def _repository(name: str) -> str:
    """Return the repository of a name, "" if it has none."""
    at = name.partition("@")
    return at[0] if at[1] else name.rpartition(":")[0]
