"""Read the manifest.json of an archive of `docker save`: the images, with their names and layers.

Source: moby, `image/tarexport` (`manifestItem`). Names of fields match in any case, as in all programs in Go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from blobkit.oci.untrusted import DocumentError, parse_json
from blobkit.sources.members import plain_path

if TYPE_CHECKING:
    from blobkit.sources.archive import Archive

__all__ = ["MANIFEST", "Image", "images_in"]

MANIFEST = "manifest.json"
MANIFEST_LIMIT = 64 << 20
"""Bytes: a larger manifest.json is not read."""
_FIELDS = frozenset({"Config", "RepoTags", "Layers"})


class Image(NamedTuple):
    """An image: the paths of its config and of its layers ("" for one that is no path in the archive), its names.

    `odd`: why a part was left out, "" if none was.
    """

    config: str
    layers: tuple[str, ...]
    names: tuple[str, ...]
    odd: str = ""


def images_in(archive: Archive) -> list[Image]:
    """Return the images of an archive; DocumentError if its manifest.json cannot be read, OSError if it is absent."""
    data = archive.read(MANIFEST, MANIFEST_LIMIT + 1)
    if len(data) > MANIFEST_LIMIT:
        msg = f"larger than {MANIFEST_LIMIT >> 20} MiB"
        raise DocumentError(msg)
    if not data.lstrip(b" \t\r\n").startswith(b"["):
        msg = "not a list of images"
        raise DocumentError(msg)
    found = parse_json(b'{"images":' + data + b"}", _FIELDS)["images"]
    if not isinstance(found, list):
        msg = "not a list of images"
        raise DocumentError(msg)
    return [_image(item) for item in found]


def _image(item: object) -> Image:
    fields = item if isinstance(item, dict) else {}
    odd: list[str] = [] if isinstance(item, dict) else ["it is not an object"]
    layers = _texts(fields.get("Layers"), "Layers", odd)
    names = _texts(fields.get("RepoTags"), "RepoTags", odd)
    config = fields.get("Config")
    if not isinstance(config, str):
        odd.append("Config is not a path")
    return Image(_path(config), tuple(map(_path, layers)), tuple(filter(None, names)), ", ".join(odd))


def _texts(value: object, field: str, odd: list[str]) -> list[str]:
    """Return the texts in a list; None means an empty one."""
    items = value if isinstance(value, list) else []
    found = [item for item in items if isinstance(item, str)]
    if len(found) < len(items) or not (isinstance(value, list) or value is None):
        odd.append(f"{field} is not a list of texts")
    return found


def _path(value: object) -> str:
    return (plain_path(value) if isinstance(value, str) else None) or ""
