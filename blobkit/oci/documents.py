"""Parse the documents of image stores (manifests, indexes, configs) into descriptors and links.

Formats: OCI image-spec 1.1 (`manifest.md`, `image-index.md`, `config.md`, `descriptor.md`), the artifact
manifest of its release candidates, and docker's image manifest version 2, schemas 1 and 2, with manifest lists.
The bytes are untrusted: any part may have the wrong type. Parts that are not understood are left out, listed in
`Document.odd`, and never followed.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from blobkit.digest import Digest, are_digests, is_digest, matches
from blobkit.oci.untrusted import DocumentError, Json, Odd, objects, parse_json, parse_time, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

__all__ = [
    "DOCUMENT_LIMIT",
    "Config",
    "Document",
    "Reference",
    "annotations_of",
    "entry_of",
    "is_document",
    "is_index",
    "is_manifest",
    "kind_of",
    "read_config",
    "read_document",
    "repository",
]

DOCUMENT_LIMIT = 4 << 20
"""Bytes: the size of manifest that the OCI distribution spec asks each registry to accept."""

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
INDEX_TYPES = frozenset({OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"})
ARTIFACT_TYPE = "application/vnd.oci.artifact.manifest.v1+json"
SCHEMA1_TYPES = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MANIFEST_TYPES = (
    frozenset({OCI_MANIFEST, "application/vnd.docker.distribution.manifest.v2+json", ARTIFACT_TYPE}) | SCHEMA1_TYPES
)
IMAGE_CONFIG_TYPES = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    }
)


class Reference(NamedTuple):
    """A descriptor inside a document. `size` is the size that it claims (-1: none); `kind` is its position.

    `inline` is the content in the descriptor itself (OCI `data`); None if it has none that matches its digest.
    """

    digest: Digest
    kind: str
    media_type: str = ""
    size: int = -1
    platform: str = ""
    inline: bytes | None = None
    foreign: bool = False

    @property
    def followed(self) -> bool:
        """Whether the media type says that the blob is a manifest or an index, and so has links."""
        return is_document(self.media_type)


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest or index: its kind, media type, references, subject, and the time of creation that it claims.

    `odd` has a message for each part that is left out. `own_type` is the media type that the document's content
    implies, without any descriptor; "" if it implies none.
    """

    kind: str
    media_type: str
    references: tuple[Reference, ...]
    subject: Reference | None
    created: datetime | None
    odd: tuple[str, ...]
    own_type: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """The claims of an image config: platform ("" if unknown), time of creation, diffIDs in the order of layers."""

    platform: str
    created: datetime | None
    diff_ids: tuple[Digest, ...]


def is_index(media_type: str) -> bool:
    """Return whether this media type names an image index or manifest list."""
    return media_type in INDEX_TYPES


def is_manifest(media_type: str) -> bool:
    """Return whether this media type names an image or artifact manifest."""
    return media_type in MANIFEST_TYPES


def is_document(media_type: str) -> bool:
    """Return whether this media type names a manifest or an index, so that its links are followed."""
    return media_type in INDEX_TYPES or media_type in MANIFEST_TYPES


def kind_of(media_type: str, position: str = "") -> str:
    """Return the kind of a blob: by the media type in its descriptor, else by the descriptor's position."""
    if media_type in INDEX_TYPES:
        return "index"
    if media_type == ARTIFACT_TYPE:
        return "artifact"
    if media_type in MANIFEST_TYPES:
        return "manifest"
    return position if position in ("config", "layer") else "blob"


def read_document(data: bytes, media_type: str = "") -> Document:
    """Return the manifest or index in `data`, read as `media_type` ("": as the type that its content implies).

    DocumentError if the bytes are not a JSON object, or not a document of that type.
    """
    if len(data) > DOCUMENT_LIMIT:
        msg = f"larger than {DOCUMENT_LIMIT >> 20} MiB"
        raise DocumentError(msg)
    body = parse_json(data)
    own_type = guess_type(body)
    media_type = media_type or own_type
    if not is_document(media_type):
        msg = "neither a manifest nor an index"
        raise DocumentError(msg)
    if not any(field in body for field in _fields(media_type)):
        msg = f"without {' or '.join(_fields(media_type))}"
        raise DocumentError(msg)
    odd = Odd()
    references = tuple(_references(body, media_type, odd))
    subject = None if media_type in SCHEMA1_TYPES else _reference(body.get("subject"), "subject", "subject", odd)
    created = parse_time(annotations_of(body).get("org.opencontainers.image.created"))
    kind = _document_kind(body, media_type)
    return Document(kind, media_type, references, subject, created, odd.messages(), own_type)


def guess_type(body: Json) -> str:
    """Return the media type that a document claims, else the one that its fields imply; "" if there is neither."""
    claimed = body.get("mediaType")
    if isinstance(claimed, str) and is_document(claimed):
        return claimed
    if isinstance(body.get("manifests"), list):
        return OCI_INDEX
    if isinstance(body.get("config"), dict) and isinstance(body.get("layers"), list):
        return OCI_MANIFEST
    if isinstance(body.get("fsLayers"), list):
        return "application/vnd.docker.distribution.manifest.v1+json"
    names_subject = body.get("schemaVersion") == 2 and isinstance(body.get("subject"), dict)  # noqa: PLR2004 (OCI)
    return OCI_MANIFEST if names_subject else ""


def entry_of(item: Json, odd: list[str]) -> Reference | None:
    """Return the descriptor in an entry of index.json; None, with a message in `odd`, if its digest is not valid."""
    return _reference(item, "entry", "manifests", odd)


def annotations_of(body: Json) -> Json:
    """Return the annotations of a document or descriptor."""
    value = body.get("annotations")
    return value if isinstance(value, dict) else {}


def read_config(data: bytes) -> Config:
    """Return the claims of an image config; empty claims if the bytes are not a config.

    The case of their names matters, unlike that of names in a manifest.
    """
    try:
        body = parse_json(data, frozenset())
    except DocumentError:
        return Config("", None, ())
    rootfs = body.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    layers = diff_ids if isinstance(diff_ids, list) and are_digests(diff_ids) else ()
    return Config(_platform(body), parse_time(body.get("created")), tuple(layers))


def repository(name: str) -> str | None:
    """Return the repository of an image name (`host/team/core` for `host/team/core:9.0`); None for a plain tag.

    >>> repository("team/core:9.0"), repository("9.0"), repository("host:5000/core")
    ('team/core', None, None)
    """
    front, colon, tag = name.rpartition(":")
    return front if colon and front and "/" not in tag else None


def _fields(media_type: str) -> tuple[str, ...]:
    """Return the fields that identify this media type: a document must have at least one of them."""
    if media_type in INDEX_TYPES:
        return ("manifests",)
    if media_type in SCHEMA1_TYPES:
        return ("fsLayers",)
    return ("blobs", "subject") if media_type == ARTIFACT_TYPE else ("layers", "config", "subject")


def _references(body: Json, media_type: str, odd: list[str]) -> Iterator[Reference]:
    """Yield the references of a document of this media type, in its own order."""
    if media_type in INDEX_TYPES:
        fields = (("manifests", "child"),)
    elif media_type == ARTIFACT_TYPE:
        fields = (("blobs", "layer"),)
    elif media_type in SCHEMA1_TYPES:
        yield from _schema1(body, odd)
        return
    else:
        fields = (("layers", "layer"),)
        config = _reference(body.get("config"), "config", "config", odd)
        if config:
            yield config
    for field, kind in fields:
        for item in objects(body.get(field), field, odd):
            found = _reference(item, kind, field, odd)
            if found:
                yield found


def _schema1(body: Json, odd: list[str]) -> Iterator[Reference]:
    for item in objects(body.get("fsLayers"), "fsLayers", odd):
        found = _reference({"digest": item.get("blobSum")}, "layer", "fsLayers", odd)
        if found:
            yield found


def _reference(item: object, kind: str, field: str, odd: list[str]) -> Reference | None:
    """Return a descriptor as a Reference; None, with a message in `odd`, if its digest is not valid."""
    if item is None:
        return None
    item = item if isinstance(item, dict) else {}
    digest = item.get("digest")
    if not is_digest(digest):
        claimed = digest[:80] if isinstance(digest, str) else type(digest).__name__
        odd.append(f"{field}: a descriptor without a valid digest ({claimed!r})")
        return None
    media_type = text_of(item, "mediaType")
    size = item.get("size")
    platform = item.get("platform")
    return Reference(
        digest=Digest(str(digest)),
        kind=kind,
        media_type=media_type,
        size=size if isinstance(size, int) and 0 <= size < 1 << 63 else -1,
        platform=_platform(platform) if isinstance(platform, dict) else "",
        inline=_inline(item.get("data"), Digest(str(digest))),
        foreign=bool(item.get("urls")) or ".foreign." in media_type or ".nondistributable." in media_type,
    )


def _inline(data: object, digest: Digest) -> bytes | None:
    """Return the embedded content of a descriptor (OCI `data`: base64); None if it does not match the digest."""
    if not isinstance(data, str):
        return None
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError:
        return None
    return content if matches(content, digest) else None


def _document_kind(body: Json, media_type: str) -> str:
    """Return index, manifest or artifact: a manifest with another config than an image config is an artifact."""
    kind = kind_of(media_type)
    config = body.get("config")
    if kind != "manifest" or not isinstance(config, dict):
        return kind
    config_type = text_of(config, "mediaType")
    is_image = config_type in IMAGE_CONFIG_TYPES and not text_of(body, "artifactType")
    return kind if is_image or not config_type else "artifact"


def _platform(body: Json) -> str:
    """Return `os/architecture[/variant]`; "" if neither is given."""
    parts = [text_of(body, field) for field in ("os", "architecture", "variant")]
    return "/".join(part for part in parts if part) if parts[0] or parts[1] else ""
