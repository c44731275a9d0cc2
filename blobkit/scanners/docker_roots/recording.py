"""Turn the records of a data root into facts: nodes, links, pins, and notices about what does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.render import count, human_bytes, join_some
from blobkit.scanners.docker_roots.cache import IMAGES
from blobkit.scanners.docker_roots.figures import names_lost, reclaimable
from blobkit.scanners.docker_roots.reading import Reader
from blobkit.snapshot.notices import SAID
from blobkit.snapshot.stores.docker import BUILD_CACHE, CONTAINERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.scanners.docker_roots.cache import Record
    from blobkit.scanners.docker_roots.containers import Container
    from blobkit.scanners.docker_roots.images import Image, Name
    from blobkit.scanners.docker_roots.layers import Layer
    from blobkit.scanners.docker_roots.state import State
    from blobkit.scanners.docker_roots.weighing import Scales

__all__ = ["Recorder"]


LOWER = 1 << 16
"""Bytes of a file that lists the directories below another one."""


class Recorder:
    """Records the state of a data root. Nodes are weighed by `scales`, which has the facts."""

    def __init__(self, scales: Scales, state: State) -> None:
        self.scales, self.facts, self.state = scales, scales.facts, state
        self._owned: set[str] = set()
        self._used: set[str] = set()

    def record(self) -> None:
        """Record everything: what owns the directories of layers first, those that nothing owns last."""
        state = self.state
        for chain, layer in state.layers.items():
            self._layer(chain, layer)
        for image_id, image in state.images.items():
            self._image(image_id, image)
        for container_id, container in state.containers.items():
            self._container(container_id, container)
        self._cache(state.cache)
        self._names(state.names)
        for image_id in self._unnamed():
            self.facts.pin(self._node("image", image_id), None, "unnamed", None, self._time(image_id))
        unowned = sorted((state.trees or frozenset()) - self._owned)
        below = self._mounted_on(unowned)
        for name in unowned:
            self._unowned(name, below)
        self._unused_layers()
        self._odds()

    def _node(self, kind: str, name: str) -> int:
        return self.facts.node(f"{kind}/{name}")

    def _opaque(self, node: int, *known: object) -> None:
        """Record that links of a node are unknown, if one of these is."""
        if None in known:
            self.facts.opaque[node] = True

    def _layer(self, chain: str, layer: Layer) -> None:
        trees = [layer.cache_id] if layer.cache_id else []
        self._owned.update(trees)
        if layer.going:
            node = self.scales.node(f"dir/{chain}", "unknown", [layer.path], trees)
            self.facts.pin(node, None, "unswept")
            self.facts.notice("odd", f"dockerd removes {layer.path} when it starts again", f"dir/{chain}", layer.path)
            return
        node = self.scales.node(f"layer/{chain}", "layer", [layer.path], trees, claimed=layer.size)
        self._opaque(node, layer.cache_id, layer.parent)
        if layer.parent:
            self.facts.link(node, self._node("layer", layer.parent), "parent-layer")
        if layer.cache_id and self.state.trees is not None and layer.cache_id not in self.state.trees:
            message = f"layer/{chain} has no directory {self.state.place}/{layer.cache_id}: its files are absent"
            self.facts.notice("damaged", message, f"layer/{chain}", layer.path)

    def _image(self, image_id: str, image: Image) -> None:
        node = self.scales.node(f"image/{image_id}", "image", [image.path, image.metadata], created=image.created)
        self.facts.platform[node] = image.platform
        self._opaque(node, image.top, image.parent)
        if image.top:
            self._used.add(image.top)
            self.facts.link(node, self._node("layer", image.top), "top")
        if image.parent in self.state.images:
            self.facts.link(node, self._node("image", image.parent), "parent-image")

    def _container(self, container_id: str, container: Container) -> None:
        self._owned.update(container.trees or ())
        key = f"container/{container_id}"
        node = self.scales.node(key, "container", container.paths, container.trees or (), created=container.created)
        kind = "running" if container.runs else "container"
        self.facts.pin(node, container.name, kind, CONTAINERS, container.created)
        self._opaque(node, container.trees, container.layer, container.image)
        if container.layer:
            self._used.add(container.layer)
            self.facts.link(node, self._node("layer", container.layer), "uses")
        if container.image in self.state.images:
            self.facts.link(node, self._node("image", container.image), "uses")
        elif container.image:
            self.facts.notice("odd", f"the image of container {container.name} was removed by force", key)

    def _cache(self, records: list[Record] | None) -> None:
        """Record what BuildKit keeps: layers, and directories of its own."""
        if records is None:
            self.facts.mark_unknown("buildkit", ("cache",))
            return
        kept = {record.snapshot: self._kept(record) for record in records}
        for record in records:
            node, below = kept[record.snapshot], kept.get(record.parent, -1)
            if node >= 0:
                self.facts.pin(node, record.name, "cache", BUILD_CACHE)
                if below >= 0 and not record.layer:
                    self.facts.link(node, below, "parent-layer")

    def _kept(self, record: Record) -> int:
        """Return the node that a record keeps, -1 if there is none."""
        if record.layer:
            self._used.add(record.layer)
            if record.layer in self.state.layers:
                return self._node("layer", record.layer)
            self.facts.notice("odd", f"the build cache has a record {record.name} of a layer that is not stored")
            return -1
        trees = self.state.trees
        if record.tree in self._owned or (trees is not None and record.tree not in trees):
            return -1
        self._owned.add(record.tree)
        return self.scales.node(f"cache/{record.tree}", "cache", [], [record.tree])

    def _names(self, names: Iterable[Name] | None) -> None:
        if names is None:
            self.facts.mark_unknown("repositories.json", ("tag",))
            return
        tagged = {(name.repository, name.image) for name in names if not name.is_digest}
        for name in names:
            kind = "tag" if not name.is_digest else "digest"
            if name.is_digest and (name.repository, name.image) in tagged:
                kind = "tagged-digest"
            time = self._time(name.image)
            self.facts.pin(self._node("image", name.image), name.name, kind, name.repository, time)

    def _time(self, image_id: str) -> int:
        """Return when an image got its last name, else when it was stored."""
        image = self.state.images.get(image_id)
        stored = self.facts.modified[self._node("image", image_id)]
        return image.updated if image is not None and image.updated >= 0 else stored

    def _unnamed(self) -> list[str]:
        """Return the images without a name that no other image was built on, in use or not.

        Of images that are each other's parents, which dockerd never makes, all count.
        """
        images = self.state.images
        named = {name.image for name in self.state.names or () if name.image in images}
        parents = {image.parent for image in images.values()}
        alone = [image_id for image_id in images if image_id not in named and image_id not in parents]
        seen, todo = set(named), [*named, *alone]
        seen.update(alone)
        while todo:
            parent = images[todo.pop()].parent
            if parent in images and parent not in seen:
                seen.add(parent)
                todo.append(parent)
        return sorted({*alone, *(image_id for image_id in images if image_id not in seen)})

    def _mounted_on(self, unowned: list[str]) -> frozenset[str]:
        """Return which of these directories are below others that records name, as overlayfs mounts them.

        BuildKit mounts a new snapshot on the directory of another one, of which dockerd may then keep an older copy.
        All of them may be, if a list of directories (`lower`, paths of links `l/SHORT`) cannot be read.
        """
        read, place = Reader(self.scales.source), self.state.place
        links: set[str] = set()
        for name in sorted(self._owned & (self.state.trees or frozenset())) if unowned else ():
            lower = read.content(f"{place}/{name}/lower", "", LOWER)
            if lower is None:
                return frozenset(unowned)
            links.update(part for part in lower.decode("utf-8", "replace").strip().split(":") if part)
        return frozenset(filter(None, (self._tree_of(link) for link in links)))

    def _tree_of(self, link: str) -> str:
        """Return the name of the directory of a layer that a link in a list leads to, "" for none."""
        place = self.state.place
        try:
            target = self.scales.source.link(f"{place}/{link}")
        except OSError:
            return ""
        return target.removeprefix(f"{place}/").partition("/")[0] if target.startswith(f"{place}/") else ""

    def _unowned(self, name: str, below: frozenset[str]) -> None:
        """Record a directory that no record names, if it is still there."""
        path, key = f"{self.state.place}/{name}", f"dir/{name}"
        try:
            self.scales.source.stat(path)
        except OSError:
            return
        self.facts.pin(self.scales.node(key, "unknown", [path]), None, "lower" if name in below else "unswept")
        what = f"no record names the directory {path}{', but layers in use may be mounted on it' * (name in below)}"
        self.facts.notice("odd" if name in below else "unowned", what, key, self.scales.source.path(path))

    def _unused_layers(self) -> None:
        """Record the layers that no image, container or record of the cache uses: no command removes them.

        dockerd counts them, so the layers below them stay as well.
        """
        layers, todo = self.state.layers, [*self._used]
        while todo:
            parent = layers[chain].parent if (chain := todo.pop()) in layers else None
            if parent and parent not in self._used:
                self._used.add(parent)
                todo.append(parent)
        unused = [chain for chain, layer in layers.items() if chain not in self._used and not layer.going]
        for chain in unused:
            self.facts.pin(self._node("layer", chain), None, "unswept")
        for below in sorted({layers[chain].parent or "" for chain in unused} & self._used & set(layers)):
            self.facts.pin(self._node("layer", below), None, "lower")

    def _said(self, reclaimable: int, lost: list[str]) -> None:
        """Record what docker says, and the names that its pruning takes from images in use."""
        what = (
            f"docker system df says that {human_bytes(reclaimable)} of images are reclaimable ({reclaimable:,} bytes)"
        )
        self.facts.notice(SAID, what, "docker-prune-a")
        if lost:
            what = f"docker image prune -a takes all names but one of images in use: {join_some(lost)}"
            self.facts.notice(SAID, what, "docker-prune-a")

    def _odds(self) -> None:
        """Record what is unknown of the whole, and where else docker keeps images."""
        state = self.state
        self._said(reclaimable(state), names_lost(state))
        if state.busy:
            self.facts.mark_unknown("records that dockerd changed during the scan", ("container",))
        if state.elsewhere:
            images = count(state.elsewhere, "image")
            where = self.scales.source.path(IMAGES)
            self.facts.notice("odd", f"containerd keeps {images} for docker beside these: scan containerd:{where} too")
