"""Record the layers, images, containers and volumes of a containers-storage root as facts."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.oci.documents import repository
from blobkit.oci.untrusted import DocumentError
from blobkit.progress import watched
from blobkit.scanners.containers.elsewhere import kept_elsewhere
from blobkit.scanners.containers.family import Config, parents, read_config
from blobkit.scanners.containers.records import UNKNOWN, lists_of
from blobkit.sources.source import Is, LeavesError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.scanners.containers.records import Layer, Records
    from blobkit.scanners.containers.scales import Scales
    from blobkit.scanners.facts import Facts
    from blobkit.sources.directory import Directory
    from blobkit.sources.source import Entry

__all__ = ["Root"]

_ID = re.compile(r"[0-9a-f]{64}")
_FOLDERS = {"overlay": "overlay", "vfs": "vfs/dir", "btrfs": "btrfs/subvolumes", "zfs": "zfs/graph"}
"""The directory of the layers of each driver."""
CONTAINERS, VOLUMES = "(containers)", "(volumes)"
"""Groups of pins that are no repositories; no repository can have such a name."""
_SHARING = frozenset({"btrfs", "zfs"})
"""Drivers whose layers share blocks, so that no file tells their bytes."""


@dataclass(slots=True)
class Root:
    """One root: adds what is in it to `facts`, in the order of the methods."""

    source: Directory
    driver: str
    facts: Facts
    scales: Scales
    records: Records
    unseen: bool = False
    """Whether the directory of layers cannot be listed."""
    configs: dict[str, Config] = field(default_factory=dict)

    @property
    def parts(self) -> set[str]:
        """The directories of the store itself, in which things and files that describe it lie."""
        folder = _FOLDERS[self.driver]
        lists = {f"{self.driver}-{what}" for what in ("layers", "images", "containers")}
        above = {folder.partition("/")[0], folder, f"{folder}/staging", f"{folder}/tempdirs"}
        return {"", "volumes", *above, *lists}

    def add_layers(self, *, show: bool) -> None:
        """Add the layers that have a record or a directory, with their bytes."""
        folder, known = _FOLDERS[self.driver], self.records.layers
        there = {entry.name: entry.kind for entry in self._list(folder, "layer") if self._is_layer(entry)}
        beside: dict[str, list[str]] = {}
        for entry in self._list(f"{self.driver}-layers"):
            beside.setdefault(entry.name.partition(".")[0], []).append(f"{self.driver}-layers/{entry.name}")
        every = sorted({*there, *known})
        for one in watched(every, "weighing", show=show, unit=" layers"):
            paths = [f"{folder}/{one}", *beside.get(one, ())]
            self._add_layer(one, known.get(one), there.get(one), paths)
        self._pin_left(there)

    def _add_layer(self, one: str, record: Layer | None, kind: Is | None, paths: list[str]) -> None:
        key, size, created = f"layer/{one}", record.size if record else -1, record.created if record else -1
        if kind == Is.DIRECTORY and self.driver not in _SHARING:
            node = self.scales.thing(key, "layer", paths, least=size, created=created)
        elif kind is not None or self.unseen:
            self.scales.taken.update(paths)
            node = self.facts.thing(key, "layer", max(size, 0), max(size, 0), created=created)
            self._say_why(key, paths[0], kind)
        else:
            node = self._target("layer", one)
            self.facts.notice("odd", f"{key} has a record and no directory: it was removed in part", key, paths[0])
        if record is not None:
            self._refer(node, "layer", record.parent, "parent-layer")
            if record.is_incomplete:
                self.facts.modified[node] = time.time_ns() // 1000
                why = "a pull or commit is writing it, or was killed: then podman removes it when it starts next"
                self.facts.notice("incomplete", f"{key} is not complete: {why}", key)

    def _say_why(self, key: str, path: str, kind: Is | None) -> None:
        """Record why the files of a layer are not looked at."""
        if kind is None:
            self.scales.estimate(key, "it is the length of its tar, because the directory of layers cannot be listed")
        elif kind == Is.DIRECTORY:
            why = f"it is the length of its tar, because the driver {self.driver} shares blocks between layers"
            self.scales.estimate(key, why)
        else:
            self.facts.not_followed(f"the directory of {key}", self.source.path(path), key)
            self.scales.estimate(key, "it is the length of its tar, because its directory is a symbolic link")

    def _is_layer(self, entry: Entry) -> bool:
        if entry.name in self.records.layers:
            return True
        return entry.kind == Is.DIRECTORY and _ID.fullmatch(entry.name) is not None

    def _pin_left(self, there: Iterable[str]) -> None:
        """Pin what nothing names, for the policies of tools that leave it where it is."""
        records = self.records
        used = {layer for image in records.images.values() for layer in image.layers}
        used |= {container.layer for container in records.containers.values()}
        used |= {layer.parent for layer in records.layers.values()}
        for one in sorted(records.layers.keys() - used):
            self.facts.pin(self._target("layer", one), None, "left")
        for one in sorted(set(there) - records.layers.keys()):
            self.facts.pin(self._target("layer", one), None, "unrecorded")

    def add_images(self) -> None:
        """Add the images, their names, and what they were built on."""
        records = self.records
        self._add_unrecorded("image", records.images)
        named = Counter(name for image in records.images.values() for name in image.names)
        for one, image in records.images.items():
            node = self.scales.thing(f"image/{one}", "image", [f"{self.driver}-images/{one}"], created=image.created)
            self._describe(node, one)
            for layer in image.layers:
                self._refer(node, "layer", layer, "top")
            for name in image.names:
                self.facts.pin(node, name, "tag", _repository(name))
        for name in sorted(name for name, number in named.items() if number > 1):
            self.facts.notice("duplicate-name", f"the name {name} is given to {named[name]} images", name)
        self._add_lists()
        self._add_families()

    def _add_lists(self) -> None:
        """Record which images the lists name: nothing holds these, but a list without them is damaged."""
        by_digest = {digest: one for one, image in self.records.images.items() for digest in image.digests}
        for one, config in self.configs.items():
            for digest in dict.fromkeys(config.listed):
                if by_digest.get(digest, one) != one:
                    self.facts.link(self._target("image", one), self._target("image", by_digest[digest]), "child")

    def _describe(self, node: int, one: str) -> None:
        """Record the media type and platform of an image, and remember its config."""
        try:
            config = self.configs[one] = read_config(self.source, f"{self.driver}-images/{one}", one)
        except DocumentError as error:
            self._say_odd(one, str(error))
        except OSError as error:
            self._say_odd(one, str(error.strerror))
        else:
            self.facts.media_type[node], self.facts.platform[node] = config.media_type, config.platform

    def _say_odd(self, one: str, why: str) -> None:
        message = f"the config of image/{one} cannot be read ({why}): its platform and its parent are unknown"
        self.facts.notice("odd", message, f"image/{one}")

    def _add_families(self) -> None:
        """Record links to parents without a name, and pins for images without a name that are no parent."""
        images = self.records.images
        found = parents(images, self.records.layers, self.configs)
        for child, parent in found.items():
            if not images[parent.id].names:
                self.facts.link(self._target("image", child), self._target("image", parent.id), "parent-image")
            if parent.is_tie:
                message = f"image/{child} may have been built on {parent.id} or on another image: podman takes one"
                self.facts.notice("tie", message, f"image/{child}")
        with_child = {parent.id for parent in found.values()}
        for one, image in images.items():
            if not image.names and one not in with_child:
                self.facts.pin(self._target("image", one), None, "unnamed")

    def add_containers(self) -> None:
        """Add the containers, those of buildah too."""
        self._add_unrecorded("container", self.records.containers)
        for one, record in self.records.containers.items():
            paths = [f"{self.driver}-containers/{one}"]
            node = self.scales.thing(f"container/{one}", "container", paths, created=record.created)
            self._refer(node, "layer", record.layer, "uses")
            self._refer(node, "image", record.image, "uses")
            self.facts.pin(node, record.name, "container", CONTAINERS)

    def add_volumes(self) -> None:
        """Add the volumes; one with the name of a container is a target by its key alone."""
        names = {record.name for record in self.records.containers.values()}
        for entry in self._list("volumes"):
            if entry.kind == Is.DIRECTORY:
                node = self.scales.thing(f"volume/{entry.name}", "volume", [f"volumes/{entry.name}"])
                self.facts.pin(node, None if entry.name in names else entry.name, "volume", VOLUMES)

    def finish(self) -> None:
        """Record what is kept elsewhere or cannot be known."""
        for path, why in self.records.odd:
            self.facts.notice("odd", f"{path}: {why}", "", path)
        for path in sorted({path for path, _ in self.records.odd}):
            self.facts.mark_unknown(path, ("container",))
        for what, paths in lists_of(self.driver).items():
            if paths[0] in self.records.absent and self._has_some(what[:-1]):
                message = f"{paths[0]} is absent, though there are {what}: nothing tells which of them are needed"
                self.facts.notice("missing", message, "", paths[0])
                self.facts.mark_unknown(paths[0], ("container",))
        self._find_elsewhere()

    def _has_some(self, kind: str) -> bool:
        return any(key.startswith(f"{kind}/") for key in self.facts.ids)

    def _find_elsewhere(self) -> None:
        """Record what other stores hold of what is missing here."""
        missing = [key for key, node in self.facts.ids.items() if self.facts.stored[node] == "missing"]
        elsewhere = kept_elsewhere(self.driver) if missing else {}
        for key in missing:
            if key in elsewhere:
                self.facts.stored[self.facts.ids[key]] = "foreign"
                self.facts.notice("foreign", f"{key} is in the read-only store {elsewhere[key]}", key)

    def _add_unrecorded(self, kind: str, records: Iterable[str]) -> None:
        """Add the directories of images or containers that no record names."""
        folder, known = f"{self.driver}-{kind}s", set(records)
        for entry in self._list(folder):
            if entry.kind == Is.DIRECTORY and entry.name not in known and _ID.fullmatch(entry.name):
                node = self.scales.thing(f"{kind}/{entry.name}", kind, [f"{folder}/{entry.name}"])
                self.facts.pin(node, None, "unrecorded")

    def _refer(self, node: int, kind: str, one: str, link: str) -> None:
        """Record a link to a thing by its ID, if there is one; a node with an unknown link may link to anything."""
        if one == UNKNOWN:
            self.facts.opaque[node] = True
            self.facts.notice("opaque", "a reference in its record is no ID: what it needs is unknown")
        elif one:
            self.facts.link(node, self._target(kind, one), link)

    def _target(self, kind: str, one: str) -> int:
        """Return the node of a thing, which may be missing."""
        node = self.facts.node(f"{kind}/{one}")
        if self.facts.kind[node] == "unknown":
            self.facts.kind[node] = kind
        return node

    def _list(self, path: str, kind: str = "") -> list[Entry]:
        """Return the entries of a directory, none if it cannot be listed; `kind`: the things in it are then unseen."""
        try:
            return self.source.list(path)
        except FileNotFoundError:
            return []
        except OSError as error:
            if isinstance(error, LeavesError):
                self.facts.not_followed(path, self.source.path(path))
            else:
                self.facts.unreadable(f"{path}/ cannot be listed", error, self.source.path(path))
            self.unseen |= kind == "layer"
            return []


def _repository(name: str) -> str | None:
    """Return the repository of the name of an image."""
    front, at, _ = name.partition("@")
    return front if at else repository(name)
