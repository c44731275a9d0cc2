"""The documents of the OCI image-spec as structs of image-spec 1.1.0-rc2; umoci 0.4.7 (Debian) decodes into these.

Fields that a struct does not have may have any value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.oci.documents import OCI_INDEX, OCI_MANIFEST
from blobkit.oci.typed import Struct, array, base64, boolean, integer, mapping, parse, pointer, text, time

if TYPE_CHECKING:
    from collections.abc import Callable

    Descriptor = dict[str, object]

__all__ = ["PARSED", "children_of", "decode_index", "decode_layout", "size_of", "text_field"]

_INT64 = integer(-(1 << 63), (1 << 63) - 1)
_TEXTS = array(text)
_ANNOTATIONS = mapping(text)
_SET = mapping(Struct({}))

_PLATFORM = Struct({"architecture": text, "os": text, "os.version": text, "os.features": _TEXTS, "variant": text})
_DESCRIPTOR = Struct(
    {
        "mediaType": text,
        "digest": text,
        "size": _INT64,
        "urls": _TEXTS,
        "annotations": _ANNOTATIONS,
        "data": base64,
        "platform": pointer(_PLATFORM),
        "artifactType": text,
    }
)
_DESCRIPTORS = array(_DESCRIPTOR)
_COMMON = {"schemaVersion": _INT64, "mediaType": text, "annotations": _ANNOTATIONS}
_INDEX = Struct({**_COMMON, "manifests": _DESCRIPTORS})
_MANIFEST = Struct({**_COMMON, "config": _DESCRIPTOR, "layers": _DESCRIPTORS, "subject": pointer(_DESCRIPTOR)})
_RUN = Struct(
    {
        **dict.fromkeys(("User", "WorkingDir", "StopSignal"), text),
        **dict.fromkeys(("Env", "Entrypoint", "Cmd"), _TEXTS),
        **dict.fromkeys(("ExposedPorts", "Volumes"), _SET),
        "Labels": _ANNOTATIONS,
        "ArgsEscaped": boolean,
    }
)
_STEP = Struct({"created": time, "created_by": text, "author": text, "comment": text, "empty_layer": boolean})
_IMAGE = Struct(
    {
        "created": time,
        **dict.fromkeys(("author", "architecture", "variant", "os", "os.version"), text),
        "os.features": _TEXTS,
        "config": _RUN,
        "rootfs": Struct({"type": text, "diff_ids": _TEXTS}),
        "history": array(_STEP),
    }
)
_LAYOUT = Struct({"imageLayoutVersion": text})


def decode_index(data: bytes) -> list[Descriptor]:
    """Return the entries of an index.json, each with the fields that it has; DocumentError if Go rejects it."""
    return _listed(_decoded(_INDEX, data, whole=True).get("manifests"))


def decode_layout(data: bytes) -> str:
    """Return the version in an oci-layout, "" if it has none; DocumentError if Go rejects it."""
    return text_field(_decoded(_LAYOUT, data, whole=True), "imageLayoutVersion")


def children_of(data: bytes, media_type: str) -> list[Descriptor]:
    """Return the descriptors in a document of this `media_type` (one of `PARSED`), in their order.

    For a manifest without a config, the first descriptor is empty. DocumentError if Go rejects the document.
    """
    struct, inside = PARSED[media_type]
    return inside(_decoded(struct, data, whole=False))


def text_field(descriptor: Descriptor, field: str) -> str:
    """Return a text field of a descriptor, "" if it is absent."""
    value = descriptor.get(field)
    return value if isinstance(value, str) else ""


def size_of(descriptor: Descriptor) -> int:
    """Return the size that a descriptor claims, 0 if it claims none."""
    value = descriptor.get("size")
    return value if isinstance(value, int) else 0


def _decoded(struct: Struct, data: bytes, *, whole: bool) -> Descriptor:
    value = struct(parse(data, whole=whole), None)
    return value if isinstance(value, dict) else {}


def _listed(value: object) -> list[Descriptor]:
    items = value if isinstance(value, list) else []
    return [item if isinstance(item, dict) else {} for item in items]


def _in_manifest(body: Descriptor) -> list[Descriptor]:
    subject = body.get("subject")
    return [*_listed([body.get("config")]), *_listed(body.get("layers")), *_listed([subject] * (subject is not None))]


PARSED: dict[str, tuple[Struct, Callable[[Descriptor], list[Descriptor]]]] = {
    OCI_INDEX: (_INDEX, lambda body: _listed(body.get("manifests"))),
    OCI_MANIFEST: (_MANIFEST, _in_manifest),
    "application/vnd.oci.image.config.v1+json": (_IMAGE, lambda _: []),
    "application/vnd.oci.descriptor.v1+json": (_DESCRIPTOR, lambda body: [body]),
}
"""The media types that umoci parses, and how to find their descriptors; blobs of other types are leaves for it."""
