"""Small archives of images, written by code: of `docker save` in its forms, and OCI layouts in a tar."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MOMENT = 1_700_000_000


class Link(NamedTuple):
    """A symbolic link, or a hard one."""

    target: str
    hard: bool = False


Members = list[tuple[str, bytes | Link | None]]
"""Names with their content, a link, or None for a directory; in the order of the archive."""


class Picture(NamedTuple):
    """An image: its names (None: `RepoTags` is null), its layers, and more fields of its config."""

    names: list[str] | None
    layers: list[bytes]
    more: dict[str, object]

    @property
    def config(self) -> bytes:
        rootfs = {"type": "layers", "diff_ids": [sha(layer) for layer in self.layers]}
        body = {"architecture": "amd64", "os": "linux", "created": "2024-05-06T07:08:09Z", "rootfs": rootfs}
        return json.dumps(body | self.more).encode()


def picture(names: list[str] | None, *layers: bytes, **more: object) -> Picture:
    return Picture(names, list(layers), more)


def sha(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def hexed(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def layer(text: str, size: int = 10_240) -> bytes:
    """A layer: a tar with one file."""
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            _add(tar, f"etc/{text}", text.encode() * (size // 4096 + 1))
        return file.getvalue()


def write(path: Path, members: Members, *, mode: str = "w", tar_format: int = tarfile.GNU_FORMAT) -> Path:
    """Write a tar archive."""
    with tarfile.open(path, mode, format=tar_format) as tar:  # type: ignore[call-overload]
        for name, content in members:
            _add(tar, name, content)
    return path


def _add(tar: tarfile.TarFile, name: str, content: bytes | Link | None) -> None:
    info = tarfile.TarInfo(name)
    info.mtime = MOMENT
    if content is None:
        info.type = tarfile.DIRTYPE
    elif isinstance(content, Link):
        info.type, info.linkname = tarfile.LNKTYPE if content.hard else tarfile.SYMTYPE, content.target
    else:
        info.size = len(content)
    tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)


def classic(*pictures: Picture) -> Members:
    """As docker before 25 saves: `ID/layer.tar`, a link where an earlier image has the layer; manifest.json last."""
    members: Members = []
    items: list[object] = []
    seen: dict[bytes, str] = {}
    for one in pictures:
        paths = []
        for number, content in enumerate(one.layers):
            v1 = hexed(one.config + bytes([number]))
            path = f"{v1}/layer.tar"
            members += [(f"{v1}/", None), (f"{v1}/VERSION", b"1.0"), (f"{v1}/json", json.dumps({"id": v1}).encode())]
            members.append((path, Link(f"../{seen[content]}") if content in seen else content))
            seen.setdefault(content, path)
            paths.append(path)
        config = f"{hexed(one.config)}.json"
        members.append((config, one.config))
        items.append({"Config": config, "RepoTags": one.names, "Layers": paths})
    return [*members, ("manifest.json", json.dumps(items).encode()), ("repositories", b"{}")]


def skopeo(*pictures: Picture) -> Members:
    """As skopeo and podman write it: layers named by their digests, `ID/layer.tar` a link to them."""
    members: Members = []
    items: list[object] = []
    for one in pictures:
        for content in one.layers:
            name = f"{hexed(content)}.tar"
            if name not in dict(members):
                v1 = hexed(content + b"v1")
                members += [(name, content), (f"{v1}/layer.tar", Link(f"../{name}")), (f"{v1}/VERSION", b"1.0")]
        config = f"{hexed(one.config)}.json"
        members.append((config, one.config))
        items.append(
            {"Config": config, "RepoTags": one.names, "Layers": [f"{hexed(content)}.tar" for content in one.layers]}
        )
    return [*members, ("manifest.json", json.dumps(items).encode())]


def hybrid(*pictures: Picture, named: bool = True, legacy: Iterable[bytes] = ()) -> Members:
    """As docker from 25 on saves: an OCI layout and manifest.json, with documents of the old format among the blobs.

    Without `named`, index.json has no names.
    """
    members: Members = [("blobs/", None), ("blobs/sha256/", None)]
    items: list[object] = []
    entries: list[object] = []
    for one in pictures:
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": _to(one.config, "application/vnd.oci.image.config.v1+json"),
                "layers": [_to(content, "application/vnd.oci.image.layer.v1.tar") for content in one.layers],
            }
        ).encode()
        members += [(_blob(content), content) for content in (*one.layers, one.config, manifest)]
        paths = [_blob(content) for content in one.layers]
        items.append({"Config": _blob(one.config), "RepoTags": one.names, "Layers": paths})
        for name in (one.names if named else None) or [""]:
            annotations = {
                "io.containerd.image.name": f"docker.io/{name}",
                "org.opencontainers.image.ref.name": name.rpartition(":")[2],
            }
            entry = _to(manifest, "application/vnd.oci.image.manifest.v1+json")
            entries.append({**entry, **({"annotations": annotations} if name else {})})
    members += [(_blob(content), content) for content in legacy]
    index = {"schemaVersion": 2, "manifests": entries}
    return [
        *dict(members).items(),
        ("index.json", json.dumps(index).encode()),
        ("manifest.json", json.dumps(items).encode()),
        ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
    ]


def _blob(content: bytes) -> str:
    return f"blobs/sha256/{hexed(content)}"


def _to(content: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": sha(content), "size": len(content)}


def squeezed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def packed(root: Path, path: Path, *, mode: str = "w", before: str = "") -> Path:
    """Write a directory into an archive, each name with `before` in front, and times in whole seconds."""

    def whole_seconds(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.mtime = int(info.mtime)
        return info

    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for below in sorted(root.iterdir()):
            tar.add(below, f"{before}{below.name}", filter=whole_seconds)
    return path
