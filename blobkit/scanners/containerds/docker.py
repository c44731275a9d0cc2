"""Read the containers of docker beside a containerd that keeps its images: containerd itself does not know them.

docker has the root directory `<data-root>/containerd/daemon`, and its containers in `<data-root>/containers`. It
refuses to remove the last name of an image that one of them uses.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from blobkit.digest import is_digest
from blobkit.oci.untrusted import DocumentError, parse_json, parse_time, text_of
from blobkit.sources.directory import Directory
from blobkit.sources.source import Is

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.scanners.facts import Facts

__all__ = ["NAMESPACE", "Used", "docker_containers"]

NAMESPACE = "moby"
_BELOW = ("containerd", "daemon")
_CONTAINERS, _CONFIG = "containers", "config.v2.json"
_FIELDS = frozenset({"Image", "Created"})
_LARGEST = 16 << 20


class Used(NamedTuple):
    """A container of docker, and the digest of its image; `created` in microseconds since 1970, -1 unknown."""

    name: str
    image: str
    created: int


def docker_containers(root: str, facts: Facts) -> Iterator[Used]:
    """Yield the containers beside a root directory of containerd, none if it is not docker's."""
    data, here = os.path.split(os.path.dirname(root))
    if (here, os.path.basename(root)) != _BELOW:
        return
    source = Directory(data)
    try:
        entries = source.list(_CONTAINERS)
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            _unread(facts, f"{data}/{_CONTAINERS}", error)
        return
    for entry in entries:
        if entry.kind is Is.DIRECTORY:
            path = f"{_CONTAINERS}/{entry.name}/{_CONFIG}"
            try:
                body = parse_json(source.read(path, _LARGEST), _FIELDS)
            except (OSError, DocumentError) as error:
                _unread(facts, f"{data}/{path}", error)
                continue
            image, created = text_of(body, "Image"), parse_time(body.get("Created"))
            if is_digest(image):
                yield Used(entry.name, image, -1 if created is None else int(created.timestamp() * 1_000_000))


def _unread(facts: Facts, path: str, error: OSError | DocumentError) -> None:
    """Record that docker's containers, or one of them, cannot be read."""
    what = f"{path} cannot be read, and docker may refuse to remove an image because of it"
    if isinstance(error, OSError):
        facts.unreadable(what, error, path)
    else:
        facts.notice("unreadable", f"{what}: {error}", "", path)
