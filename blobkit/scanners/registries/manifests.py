"""Manifests as the collector of docker-registry 2.8.2 reads them: which blobs it marks, and where it stops.

It reads a manifest as what that calls itself, into the types of its own structures, and checks no digest
(`registry/storage/manifeststore.go`, `manifest/*`). An index marks its children and nothing of theirs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from blobkit.oci.documents import DOCUMENT_LIMIT, OCI_INDEX, OCI_MANIFEST
from blobkit.oci.typed import Members, Struct, array, integer, mapping, parse, pointer, text
from blobkit.oci.untrusted import DocumentError, check_elements

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blobkit.oci.typed import Decoder

__all__ = ["UnreadError", "marked"]

DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = (OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")

_INT64 = integer(-(1 << 63), (1 << 63) - 1)
_TEXTS, _ANNOTATIONS = array(text), mapping(text)
_PLATFORM: dict[str, Decoder] = {
    "architecture": text,
    "os": text,
    "os.version": text,
    "os.features": _TEXTS,
    "variant": text,
}
_DESCRIPTOR: dict[str, Decoder] = {
    "mediaType": text,
    "size": _INT64,
    "digest": text,
    "urls": _TEXTS,
    "annotations": _ANNOTATIONS,
    "platform": pointer(Struct(_PLATFORM)),
}
_CHILD: dict[str, Decoder] = {**_DESCRIPTOR, "platform": Struct({**_PLATFORM, "features": _TEXTS})}
_VERSION: dict[str, Decoder] = {"schemaVersion": _INT64, "mediaType": text}
_BODY: dict[str, Decoder] = {**_VERSION, "config": Struct(_DESCRIPTOR), "layers": array(Struct(_DESCRIPTOR))}
VERSIONED = Struct(_VERSION)
DOCKER = Struct(_BODY)
OCI = Struct({**_BODY, "annotations": _ANNOTATIONS})
INDEX = Struct({**_VERSION, "manifests": array(Struct(_CHILD))})
SCHEMA1 = Struct(
    {
        **_VERSION,
        **dict.fromkeys(("name", "tag", "architecture"), text),
        "fsLayers": array(Struct({"blobSum": text})),
        "history": array(Struct({"v1Compatibility": text})),
    }
)


class UnreadError(Exception):
    """The collector stops at this manifest: by the rule `code`, because of `reason`."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def marked(data: bytes) -> list[str]:
    """Return the digests, as they are written, that the collector marks for a manifest; UnreadError where it stops."""
    if len(data) > DOCUMENT_LIMIT:
        code, reason = "size", f"is larger than {DOCUMENT_LIMIT >> 20} MiB"
        raise UnreadError(code, reason)
    try:
        check_elements(data)
    except DocumentError as error:
        code = "many"
        raise UnreadError(code, f"has {error}") from None
    try:
        body = parse(data, whole=True)
    except DocumentError as error:
        code = "json"
        raise UnreadError(code, f"is {error}") from None
    try:
        return _marked(body, data)
    except DocumentError as error:
        code = "field"
        raise UnreadError(code, f"has {error}") from None


def _marked(body: object, data: bytes) -> list[str]:
    """Return what a parsed manifest marks, read as what it calls itself."""
    said = _read(VERSIONED, body)
    version, media_type = said.get("schemaVersion") or 0, said.get("mediaType") or ""
    if version == 1:
        return _schema1(body, data)
    if version != 2:  # noqa: PLR2004 (the second schema)
        code, reason = "version", f"has schemaVersion {version}"
        raise UnreadError(code, reason)
    if media_type == DOCKER_IMAGE:
        return _image(_read(DOCKER, body))
    if media_type in INDEXES:
        return _digests(_read(INDEX, body).get("manifests"), "digest")
    if media_type == OCI_MANIFEST:
        return _image(_read(OCI, body))
    if media_type:
        code, reason = "type", f"calls itself {media_type}"
        raise UnreadError(code, reason)
    return _untyped(body)


def _untyped(body: object) -> list[str]:
    """Return what a manifest without a media type marks: it is tried as an index first, and must not fail there."""
    try:
        manifests = _read(INDEX, body).get("manifests")
    except DocumentError as error:
        code = "crash"
        raise UnreadError(code, f"calls itself nothing, and has {error}") from None
    return _image(_read(OCI, body)) if manifests is None else _digests(manifests, "digest")


def _schema1(body: object, data: bytes) -> list[str]:
    """Return the layers of a manifest of the first schema, which is signed anew before it is read."""
    if any(map(math.isinf, _floats(body))):
        msg = "a number that is too large"
        raise DocumentError(msg)
    if data[:1] != b"{":
        code, reason = "json", "is of the first schema and begins with a blank"
        raise UnreadError(code, reason)
    return _digests(_read(SCHEMA1, body).get("fsLayers"), "blobSum")


def _image(found: dict[str, object]) -> list[str]:
    return [*_digests((found.get("config"),), "digest"), *_digests(found.get("layers"), "digest")]


def _digests(descriptors: object, field: str) -> list[str]:
    held = cast("Iterable[dict[str, object] | None]", descriptors or ())
    return [str(one[field]) for one in held if one and one.get(field)]


def _read(struct: Struct, body: object) -> dict[str, object]:
    return cast("dict[str, object]", struct(body, {}))


def _floats(value: object) -> Iterator[float]:
    """Yield the numbers in a parsed value that are no integers of 64 bits."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, float):
            yield one
        elif isinstance(one, Members):
            todo += [inner for _, inner in one]
        elif isinstance(one, list):
            todo += one
