"""Find the image that each image was built on, as podman does, by comparing configs: no record names it.

A parent has the first diff IDs of its child and exactly one line less of the same history, and its top layer is the
child's own or the one below. The first such image wins, in the order of the list, those on the child's own layer first.
Source: containers/common 0.62, `libimage/layer_tree.go`, `libimage/image_config.go`.
"""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from blobkit.digest import is_digest
from blobkit.oci.documents import DOCUMENT_LIMIT, INDEX_TYPES, OCI_INDEX
from blobkit.oci.untrusted import DocumentError, Json, parse_json, parse_time, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from blobkit.scanners.containers.records import Image, Layer
    from blobkit.sources.directory import Directory

__all__ = ["Config", "Parent", "file_of", "parents", "read_config"]

FIELDS = frozenset(
    {
        "architecture",
        "author",
        "comment",
        "config",
        "created",
        "created_by",
        "diff_ids",
        "digest",
        "empty_layer",
        "history",
        "manifests",
        "mediaType",
        "os",
        "rootfs",
        "variant",
    }
)
_PLAIN = re.compile(r"[a-z0-9.]+", re.ASCII)
_LINE = ("created_by", "author", "comment")


class Config(NamedTuple):
    """The claims of an image: media type of its manifest, platform, and marks of its history and diff IDs.

    `whole` is a mark of all lines of history, `without_last` of all but the last one, "" if there is none.
    `below[i]` is a mark of the first i diff IDs. `listed`: the digests of the manifests in a list.
    """

    media_type: str = ""
    platform: str = ""
    whole: bytes = b""
    without_last: bytes = b""
    below: tuple[bytes, ...] = ()
    listed: tuple[str, ...] = ()

    @property
    def is_list(self) -> bool:
        """Whether it is a list of images for several platforms."""
        return self.media_type in INDEX_TYPES


class Parent(NamedTuple):
    """The parent of an image, and whether another image would do as well."""

    id: str
    is_tie: bool


def file_of(key: str) -> str:
    """Return the name of the file that holds an item of big data of an image."""
    return key if _PLAIN.fullmatch(key) else "=" + base64.b64encode(key.encode()).decode()


def read_config(source: Directory, folder: str, image: str) -> Config:
    """Return the claims of the image in a directory of big data; DocumentError or OSError if they cannot be read."""
    try:
        manifest = _document(source, f"{folder}/{file_of('manifest')}")
    except FileNotFoundError:
        manifest = {}
    config, media_type = manifest.get("config"), text_of(manifest, "mediaType")
    if "manifests" in manifest and not isinstance(config, dict):
        inside = manifest.get("manifests")
        digests = [
            text_of(one, "digest") for one in (inside if isinstance(inside, list) else ()) if isinstance(one, dict)
        ]
        return Config(media_type or OCI_INDEX, listed=tuple(filter(is_digest, digests)))
    digest = text_of(config, "digest") if isinstance(config, dict) else ""
    body = _document(source, f"{folder}/{file_of(digest or f'sha256:{image}')}")
    rootfs, lines = body.get("rootfs"), body.get("history")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    history = _marks([_line(line) for line in lines] if isinstance(lines, list) else [])
    below = _marks([str(one) for one in diff_ids] if isinstance(diff_ids, list) else [])
    before = history[-2] if len(history) > 1 else b""
    return Config(media_type, _platform(body), history[-1], before, below)


def parents(
    images: Mapping[str, Image], layers: Mapping[str, Layer], configs: Mapping[str, Config]
) -> dict[str, Parent]:
    """Return the parent of each image that has one. Cost: a look-up for each image and number of diff IDs there."""
    order = {one: at for at, one in enumerate(images)}
    known: dict[tuple[str, bytes], dict[tuple[int, bytes], list[str]]] = defaultdict(lambda: defaultdict(list))
    for one, config in configs.items():
        if config.below and not config.is_list:
            same = len(config.below) - 1, config.below[-1]
            known[images[one].top, config.whole][same].append(one)
    found: dict[str, Parent] = {}
    for child, config in configs.items():
        if config.without_last:
            fit = [sorted(some, key=order.__getitem__) for some in _fitting(images[child], layers, config, known)]
            every = [one for some in fit for one in some]
            if every:
                found[child] = Parent(every[0], len(every) > 1)
    return found


def _fitting(
    child: Image,
    layers: Mapping[str, Layer],
    config: Config,
    known: Mapping[tuple[str, bytes], Mapping[tuple[int, bytes], list[str]]],
) -> Iterator[list[str]]:
    """Yield the images that may be the parent: those on the child's layer, then those on the layer below."""
    below = layers[child.top].parent if child.top in layers else ""
    for layer in [child.top, *([below] if below else [])]:
        there = known.get((layer, config.without_last), {})
        yield [
            one
            for (number, mark), some in there.items()
            if number < len(config.below) and config.below[number] == mark
            for one in some[:2]
        ]


def _document(source: Directory, path: str) -> Json:
    data = source.read(path, DOCUMENT_LIMIT + 1)
    if len(data) > DOCUMENT_LIMIT:
        msg = f"it is larger than {DOCUMENT_LIMIT >> 20} MiB"
        raise DocumentError(msg)
    return parse_json(data, FIELDS)


def _marks(texts: list[str]) -> tuple[bytes, ...]:
    """Return a mark of the first i texts, for each i from 0."""
    mark = blake2b(digest_size=16)
    found = [mark.digest()]
    for text in texts:
        mark.update(f"{len(text)} {text}\n".encode("utf-8", "backslashreplace"))
        found.append(mark.digest())
    return tuple(found)


def _line(line: object) -> str:
    """Return a line of history as a text that is equal for equal lines."""
    if not isinstance(line, dict):
        return json.dumps(line, sort_keys=True)
    created = line.get("created")
    return json.dumps(
        [str(parse_time(created) or created), *(line.get(name) or "" for name in _LINE), bool(line.get("empty_layer"))],
        sort_keys=True,
    )


def _platform(body: Json) -> str:
    parts = (text_of(body, name) for name in ("os", "architecture", "variant"))
    return "/".join(filter(None, parts))
