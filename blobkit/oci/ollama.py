"""The manifests of Ollama: docker manifests with types of their own, and lists of these.

Source: ollama, `manifest/manifest.go` (August 2026 and later). It reads the first JSON value of a file, as Go does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from blobkit.oci.typed import Struct, array, integer, parse, text
from blobkit.oci.untrusted import DocumentError
from blobkit.render import to_utf8

if TYPE_CHECKING:
    from blobkit.oci.typed import Decoder

__all__ = ["Manifest", "Named", "decode", "digests_in"]

_LIST = "application/vnd.ollama.manifest.list.v2+json"
_MOST = 10_000
"""Digests that are taken from a manifest that cannot be read."""
_INT64 = integer(-(1 << 63), (1 << 63) - 1)
_LAYER = Struct({"mediaType": text, "digest": text, "size": _INT64, "from": text, "name": text})
_FIELDS: dict[str, Decoder] = {
    **dict.fromkeys(("mediaType", "runner", "format", "digest"), text),
    "schemaVersion": _INT64,
    "config": _LAYER,
    "layers": array(_LAYER),
}
_MANIFEST = Struct({**_FIELDS, "manifests": array(Struct(_FIELDS))})
_DIGEST = re.compile(rb"sha256[:-]([0-9a-f]{64})")


class Named(NamedTuple):
    """A descriptor: the digest as it is written ("" for none), its position (config, layer, child), type and size."""

    digest: str
    position: str
    media_type: str
    size: int


class Manifest(NamedTuple):
    """A manifest: its media type, and the descriptors in it and in the manifests that a list contains."""

    media_type: str
    named: tuple[Named, ...]


def decode(data: bytes) -> Manifest:
    """Return the manifest in a file; DocumentError if Ollama rejects it.

    The manifests in a list that are not written out are named in the position `child`.
    """
    body = _fields(_MANIFEST(parse(data, whole=False), None))
    media_type = _text(body, "mediaType")
    if media_type != _LIST:
        return Manifest(media_type, tuple(_inside(body)))
    found: list[Named] = []
    for child in map(_fields, _items(body.get("manifests"))):
        if _text(child, "mediaType") == _LIST:
            msg = "a list of manifests in a list"
            raise DocumentError(msg)
        inside = _inside(child)
        own = Named(_text(child, "digest"), "child", _text(child, "mediaType"), -1)
        found += inside if any(one.digest for one in inside) else [own]
    return Manifest(media_type, tuple(found))


def digests_in(data: bytes) -> list[str]:
    """Return the sha256 digests that occur anywhere in a file, each once: what a damaged manifest may need."""
    found: dict[str, None] = {}
    for match in _DIGEST.finditer(data):
        found[f"sha256:{match[1].decode()}"] = None
        if len(found) >= _MOST:
            break
    return list(found)


def _inside(body: dict[str, object]) -> list[Named]:
    layers = [("config", body.get("config")), *(("layer", layer) for layer in _items(body.get("layers")))]
    found = []
    for position, layer in layers:
        fields = _fields(layer)
        size = fields.get("size")
        named = Named(
            _text(fields, "digest"), position, _text(fields, "mediaType"), size if isinstance(size, int) else -1
        )
        found += [named] * bool(named.digest)
    return found


def _fields(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(body: dict[str, object], field: str) -> str:
    value = body.get(field)
    return to_utf8(value) if isinstance(value, str) else ""
