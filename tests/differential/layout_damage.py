"""Damage to OCI layouts, sort by sort, as reports from the field tell of it: each sort has a name and a place.

A place is the kind of a document (`manifest`, `index`, `config`), the position of a descriptor (`entry`, `child`,
`config`, `layer`, `subject`), or `top` for index.json.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from layouts import CONFIG, DOCKER_MANIFEST, INDEX, LAYER, MANIFEST, nowhere

if TYPE_CHECKING:
    from collections.abc import Callable

Json: TypeAlias = dict[str, object]
Table: TypeAlias = "dict[str, tuple[tuple[str, ...], Callable[[Json], object]]]"

OCI = ("manifest", "index")
ANY = ("entry", "child", "config", "layer", "subject")
LONG_AGO = "2020-02-29T03:04:05.123456789Z"


def _with(**fields: object) -> Callable[[Json], object]:
    return lambda body: {**body, **fields}


def _without(field: str) -> Callable[[Json], object]:
    return lambda body: {name: value for name, value in body.items() if name != field}


def _each(change: Callable[[str], str]) -> Callable[[Json], object]:
    return lambda body: {change(name): value for name, value in body.items()}


def _size(change: Callable[[int], object]) -> Callable[[Json], object]:
    def changed(descriptor: Json) -> Json:
        size = descriptor.get("size")
        return {**descriptor, "size": change(size)} if isinstance(size, int) else descriptor

    return changed


BODIES: Table = {
    "layers-null": (("manifest",), _with(layers=None)),
    "layers-object": (("manifest",), _with(layers={})),
    "layers-hold-null": (("manifest",), _with(layers=[None])),
    "layers-hold-text": (("manifest",), _with(layers=["sha256"])),
    "manifests-object": (("index",), _with(manifests={})),
    "manifests-null": (("index",), _with(manifests=None)),
    "config-absent": (("manifest",), _without("config")),
    "config-empty": (("manifest",), _with(config={})),
    "subject-empty": (("manifest",), _with(subject={})),
    "subject-null": (("manifest",), _with(subject=None)),
    "index-subject-text": (("index",), _with(subject="no descriptor")),
    "schema-version-text": (OCI, _with(schemaVersion="2")),
    "schema-version-fraction": (OCI, _with(schemaVersion=2.0)),
    "schema-version-other": (OCI, _with(schemaVersion=3)),
    "annotation-number": (OCI, _with(annotations={"a": 1})),
    "annotation-null": (OCI, _with(annotations={"a": None})),
    "artifact-type-number": (OCI, _with(artifactType=1)),
    "own-type-other": (OCI, _with(mediaType=DOCKER_MANIFEST)),
    "own-type-number": (OCI, _with(mediaType=1)),
    "fields-in-capitals": (OCI, _each(str.upper)),
    "fields-folded": (OCI, _each(lambda name: name.replace("s", "\u017f"))),
    "config-field-number": (("config",), _with(os=5)),
    "config-user-number": (("config",), _with(config={"User": 0})),
    "config-env-text": (("config",), _with(config={"Env": "A=B"})),
    "config-ports-list": (("config",), _with(config={"ExposedPorts": ["80/tcp"]})),
    "config-labels-number": (("config",), _with(config={"Labels": {"a": 1}})),
    "config-created-bad": (("config",), _with(created="2020-02-30T03:04:05Z")),
    "config-created-empty": (("config",), _with(created="")),
    "config-created-odd": (("config",), _with(created="2020-01-02T3:04:05,5+99:-1")),
    "config-history-text": (("config",), _with(history=[{"created": LONG_AGO, "empty_layer": "true"}])),
    "config-diff-ids-null": (("config",), _with(rootfs={"type": "layers", "diff_ids": [None]})),
    "config-healthcheck-text": (("config",), _with(config={"Healthcheck": "none", "ArgsEscaped": True})),
    "config-escaped-text": (("config",), _with(config={"ArgsEscaped": "true"})),
}
"""What a document says, changed before it is stored."""

DESCRIPTORS: Table = {
    "size-absent": (ANY, _without("size")),
    "size-null": (ANY, _with(size=None)),
    "size-larger": (ANY, _size(lambda size: size + 1)),
    "size-smaller": (ANY, _size(lambda size: size - 1)),
    "size-negative": (ANY, _with(size=-1)),
    "size-text": (ANY, _size(str)),
    "size-fraction": (ANY, _size(float)),
    "size-huge": (ANY, _with(size=1 << 63)),
    "digest-absent": (ANY, _without("digest")),
    "digest-short": (ANY, _with(digest="sha256:abc")),
    "digest-md5": (ANY, _with(digest="md5:" + "0" * 32)),
    "digest-in-capitals": (ANY, lambda body: {**body, "digest": str(body.get("digest")).upper()}),
    "digest-number": (ANY, _with(digest=7)),
    "digest-nowhere": (ANY, _with(digest=nowhere(7))),
    "data-invalid": (ANY, _with(data="no base64")),
    "data-other": (ANY, _with(data="b3RoZXI=")),
    "data-numbers": (ANY, _with(data=[1, 2, 255])),
    "urls-text": (ANY, _with(urls="http://example.org")),
    "platform-text": (ANY, _with(platform="linux/amd64")),
    "platform-number": (ANY, _with(platform={"os": "linux", "architecture": 386})),
    "descriptor-annotation-number": (ANY, _with(annotations={"a": 1})),
    "descriptor-artifact-type-number": (ANY, _with(artifactType=1)),
    "media-type-absent": (("entry", "child"), _without("mediaType")),
    "media-type-number": (ANY, _with(mediaType=1)),
    "media-type-in-capitals": (ANY, lambda body: {**body, "mediaType": str(body.get("mediaType")).upper()}),
    "media-type-with-parameter": (ANY, lambda body: {**body, "mediaType": f"{body.get('mediaType')}; charset=utf-8"}),
    "called-index": (ANY, _with(mediaType=INDEX)),
    "called-manifest": (ANY, _with(mediaType=MANIFEST)),
    "called-config": (ANY, _with(mediaType=CONFIG)),
    "called-layer": (ANY, _with(mediaType=LAYER)),
    "descriptor-in-capitals": (ANY, _each(str.upper)),
}
"""What a descriptor says of its blob, changed."""

TOPS: Table = {
    "entry-null": (("top",), lambda body: {**body, "manifests": [*_list(body), None]}),
    "entry-empty": (("top",), lambda body: {**body, "manifests": [{}, *_list(body)]}),
    "entry-text": (("top",), lambda body: {**body, "manifests": [*_list(body), "x"]}),
    "top-in-capitals": (("top",), _each(str.upper)),
    "top-null": (("top",), lambda _: None),
    "top-list": (("top",), lambda body: [body]),
    "top-empty": (("top",), lambda _: {}),
    "top-annotation-number": (("top",), _with(annotations={"a": 1})),
    "top-schema-version-text": (("top",), _with(schemaVersion="2")),
    "top-subject-text": (("top",), _with(subject="no descriptor", artifactType=5)),
}
"""What index.json says, changed."""


def _list(body: Json) -> list[object]:
    value = body.get("manifests")
    return value if isinstance(value, list) else []


def _latin1(data: bytes) -> bytes:
    """Add a field whose name and value are no UTF-8."""
    return b'{"caf\xe9": "\xe9\xff", ' + data.lstrip()[1:]


def _twice(data: bytes) -> bytes:
    """Give every field twice, so that the last one holds: first the other way round, then as it is."""
    body = json.loads(data)
    fields = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in body.items()]
    return ("{" + ", ".join([*reversed(fields), *fields]) + "}").encode()


def _emptied(data: bytes) -> bytes:
    """Give lists a second time, as empty ones, so that what they held is gone."""
    body = json.loads(data)
    again = [f', "{name}": []' for name, value in body.items() if isinstance(value, list)]
    return data.rstrip()[:-1] + "".join(again).encode() + b"}"


def _nested(depth: int) -> Callable[[bytes], bytes]:
    return lambda data: data.rstrip()[:-1] + b', "x": ' + b"[" * depth + b"]" * depth + b"}"


TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "latin1": _latin1,
    "byte-order-mark": lambda data: b"\xef\xbb\xbf" + data,
    "utf16": lambda data: data.decode().encode("utf-16"),
    "not-a-number": lambda data: data.rstrip()[:-1] + b', "x": NaN}',
    "trailing-bytes": lambda data: data + b" trailing",
    "trailing-newlines": lambda data: b"\r\n\t" + data + b"\r\n\n",
    "control-character": lambda data: data.rstrip()[:-1] + b', "x": "\x01"}',
    "cut": lambda data: data[: len(data) // 2],
    "no-bytes": lambda _: b"",
    "no-json": lambda _: b"no JSON",
    "nested-9999": _nested(9_999),
    "nested-10000": _nested(10_000),
    "fields-twice": _twice,
    "lists-emptied": _emptied,
    "long-number": lambda data: data.rstrip()[:-1] + b', "x": ' + b"9" * 5_000 + b"}",
    "lone-surrogate": lambda data: data.rstrip()[:-1] + b', "x": "\\ud800"}',
}
"""The bytes of a document or of index.json, changed."""

LABELS = {"sha512-layer": "layer", "sha512-config": "config", "sha512-manifest": "manifest", "sha512-index": "index"}
"""Blobs that are stored, and named, under sha512."""

LAYOUT_FILES: dict[str, bytes | None] = {
    "layout-file-absent": None,
    "layout-file-empty": b"",
    "layout-file-later": b'{"imageLayoutVersion":"1.1.0"}',
    "layout-file-number": b'{"imageLayoutVersion":1}',
    "layout-file-trailing": b'{"imageLayoutVersion":"1.0.0"} x',
    "layout-file-byte-order-mark": b'\xef\xbb\xbf{"imageLayoutVersion":"1.0.0"}',
    "layout-file-odd": b'{"x":[], "IMAGElayoutVERSION":"0", "imagelayoutversion":"1.0.0",\n "imageLayoutVersion":null}',
    "layout-file-null": b"null",
}
"""What is in oci-layout instead; nothing where there is no such file."""
