"""Record what a namespace of containerd holds, as its collector sees it. Source: containerd 1.7, `metadata/gc.go`.

A namespace claims a blob: `namespace/digest`. Labels lead from claim to claim, never across namespaces; the file goes
when no namespace claims it any more.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blobkit.digest import is_digest
from blobkit.scanners.containerds.labels import SECOND, is_expired, is_flat, is_root, references
from blobkit.scanners.facts import escape_controls

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from blobkit.scanners.containerds.database import Container, Image, Ingest, Labels, Lease, Namespace
    from blobkit.scanners.containerds.labels import Reference
    from blobkit.scanners.facts import Facts

__all__ = ["Claims", "snapshot_key"]


_STEP_UP = re.compile(r"(?<![^/])\.\.(?![^/])")


def snapshot_key(namespace: str, snapshotter: str, key: str) -> str:
    """Return the key of the node of a snapshot; a part `..` is escaped, because a key may be a path elsewhere."""
    return escape_controls(_STEP_UP.sub(r"\\x2e.", f"snapshot/{namespace}/{snapshotter}/{key}"))


class Claims:
    """Records the objects of one namespace; `version`: that of the schema; `now`: the time to judge expiry at."""

    def __init__(self, facts: Facts, namespace: Namespace, version: int, now: datetime) -> None:
        self.facts, self.namespace, self.version, self.now = facts, namespace, version, now
        self.claims: dict[str, int] = {}
        self.flat: dict[str, int] = {}
        self.trees: dict[str, int] = {}
        self.own: dict[str, int] = {}
        self.images = {image.name: image for image in namespace.images}
        self.nodes: dict[tuple[str, str], int] = {}

    def record(self) -> None:
        """Record all claims, links and pins; the snapshots are nodes already."""
        space = self.namespace
        self._nodes()
        self._objects()
        for lease in space.leases:
            self._lease(lease)
        for container in space.containers:
            self._container(container)
        for image in space.images:
            self._image(image)
        for ingest in space.ingests:
            self._ingest(ingest)
        for kind, objects in space.others.items():
            for other in objects:
                self._other(kind, other)

    def _nodes(self) -> None:
        """Find or create the nodes that labels can refer to."""
        space = self.namespace
        for content in space.contents:
            if is_digest(content.digest):
                self._claim(content.digest)
        parted = self._is_parted()
        for one in space.snapshots:
            tree = self.facts.ids[snapshot_key(space.name, one.snapshotter, one.key)]
            place = f"{one.snapshotter}/{one.key}"
            self.trees[place] = self.nodes["snapshot", place] = tree
            if parted:
                self.nodes["snapshot", place] = self._virtual("whole", place)
                self.facts.link(self.nodes["snapshot", place], tree, "gc-snapshot")
        for container in space.containers:
            self.nodes["container", container.name] = self._virtual("container", container.name)
        if self.version >= SECOND:
            self._named_behind()
        for image in space.images:
            named = self._is_expired(image) or ("image", image.name) in self.nodes
            if named or any(references(image.labels, self.version)):
                self.own[image.name] = self._virtual("image", image.name, image.updated)

    def _named_behind(self) -> None:
        """Create nodes for what back references name and is not there: whoever names it too holds what has these.

        Names of images have such a node beside their own: it stays when the name is removed.
        """
        space = self.namespace
        for objects in (space.contents, space.snapshots, space.images, space.containers):
            for one in objects:
                for kind, key, back in references(one.labels, self.version):
                    if back and (kind, key) not in self.nodes:
                        self.nodes[kind, key] = self._virtual(f"named-{kind}", key)

    def _is_parted(self) -> bool:
        """Return whether a snapshot and what it refers to may be held apart: a flat lease holds the former only.

        Then all but flat leases lead to another node, which stands before the snapshot.
        """
        space = self.namespace
        if not any(lease.snapshots and is_flat(lease.labels) for lease in space.leases):
            return False
        held = (one.back for content in space.contents for one in references(content.labels, self.version))
        return any(held) or any(any(references(one.labels, self.version)) for one in space.snapshots)

    def _claim(self, digest: str) -> None:
        node = self.claims[digest] = self.facts.virtual_node(f"{self.namespace.name}/{digest}", -1)
        self.nodes["content", digest] = node
        self.facts.link(node, self.facts.node(digest), "content")

    def _objects(self) -> None:
        """Record the links and pins of content and snapshots."""
        for content in self.namespace.contents:
            if content.digest in self.claims:
                self._labelled(self.claims[content.digest], content.labels)
        for one in self.namespace.snapshots:
            place, below = f"{one.snapshotter}/{one.key}", f"{one.snapshotter}/{one.parent}"
            self._labelled(self.nodes["snapshot", place], one.labels)
            if one.parent and below in self.trees:
                self.facts.link(self.trees[place], self.trees[below], "parent-layer")
                self.facts.link(self.nodes["snapshot", place], self.nodes["snapshot", below], "parent-layer")

    def _labelled(self, node: int, labels: Labels) -> None:
        """Record what the labels of content or a snapshot say."""
        self._refer(node, references(labels, self.version))
        if is_root(labels, self.version):
            self.facts.pin(node, None, "gc.root", self.namespace.name)

    def _refer(self, node: int, found: Iterable[Reference]) -> None:
        """Record links from a node to what it refers to, or from what refers to it."""
        for kind, key, back in found:
            other = self.nodes.get((kind, key)) if back else self._held(kind, key)
            if other is not None and back:
                self._link(other, node)
            elif other is not None:
                self._link(node, other)
            elif kind == "content" and is_digest(key) and not self.facts.is_stored(key):
                self.facts.link(node, self.facts.node(key), "label")

    def _link(self, source: int, target: int) -> None:
        is_tree = self.facts.kind[target] == "snapshot"
        self.facts.link(source, target, "gc-snapshot" if is_tree else "label")

    def _held(self, kind: str, key: str) -> int | None:
        """Return the node that a reference holds, None if there is nothing.

        A name of an image that has not expired is no such node: it holds by itself, until it is removed.
        """
        if kind == "image" and key in self.images and self._is_expired(self.images[key]):
            return self.own[key]
        return self.nodes.get((kind, key))

    def _is_expired(self, image: Image) -> bool:
        """Return whether the collector removes this name, and whatever only it holds (containerd 2)."""
        return self.version >= SECOND and is_expired(image.labels, self.now)

    def _virtual(self, kind: str, name: str, modified: int = -1) -> int:
        return self.facts.virtual_node(f"{kind}/{self.namespace.name}/{name}", modified)

    def _image(self, image: Image) -> None:
        """Record the pin of a name; one that is expired holds nothing (containerd 2).

        A name that refers to more than its content, or is referred to, has a node of its own.
        """
        name = f"{self.namespace.name}/{image.name}"
        node = self.own.get(image.name, -1)
        if node < 0:
            node = self._target(image)
        else:
            for one in (("content", image.digest), ("image", image.name)):
                if one in self.nodes:
                    self._link(node, self.nodes[one])
            if image.digest in self.claims:
                self.facts.link(node, self.facts.node(image.digest), "content")
            self._refer(node, references(image.labels, self.version))
        self.facts.pin(node, name, "image", self.namespace.name, image.updated, count=int(not self._is_expired(image)))

    def _target(self, image: Image) -> int:
        """Return the claim that an image names; if the namespace does not have it, the missing blob or nothing."""
        known = self.nodes.get(("content", image.digest))
        if image.digest in self.claims and known is not None:
            return known
        if known is None and is_digest(image.digest) and not self.facts.is_stored(image.digest):
            return self.facts.node(image.digest)
        name = f"{self.namespace.name}/{image.name}"
        message = f"the image {name} names {image.digest or 'nothing'}, which its namespace does not have"
        self.facts.notice("damaged-tag", message, name)
        return self._virtual("image", image.name, image.updated) if known is None else known

    def _lease(self, lease: Lease) -> None:
        """Record a lease and what it holds; an expired one holds nothing."""
        node = self._virtual("lease", lease.name, lease.created)
        count = int(not is_expired(lease.labels, self.now))
        self.facts.pin(node, None, "lease", self.namespace.name, lease.created, count=count)
        flat = is_flat(lease.labels)
        expected = [ingest.expected for ingest in self.namespace.ingests if ingest.reference in lease.ingests]
        held = [self.images[name].digest for name in lease.images if name in self.images] if flat else []
        for digest in (*lease.contents, *held) if flat else ():
            if digest in self.claims:
                self._link(node, self._flat(digest))
        found = [self._held("content", digest) for digest in (*expected, *(() if flat else lease.contents))]
        found += [
            self.trees.get(pair) if flat else self._held("snapshot", pair) for pair in map("/".join, lease.snapshots)
        ]
        found += [self._held("image", name) for name in lease.images if not flat]
        for other in found:
            if other is not None:
                self._link(node, other)

    def _flat(self, digest: str) -> int:
        """Return the node of a claim without what its labels refer to."""
        if digest not in self.flat:
            self.flat[digest] = self._virtual("flat", digest)
            self.facts.link(self.flat[digest], self.facts.node(digest), "content")
        return self.flat[digest]

    def _container(self, container: Container) -> None:
        node = self.nodes["container", container.name]
        self.facts.modified[node] = container.created
        self.facts.pin(node, None, "container", self.namespace.name, container.created)
        tree = self.nodes.get(("snapshot", f"{container.snapshotter}/{container.key}"))
        if tree is not None:
            self._link(node, tree)
        self._refer(node, references(container.labels, self.version))

    def use(self, name: str, digest: str, created: int) -> None:
        """Record that a container that containerd does not know uses an image."""
        known = self.nodes.get(("container", name))
        node = self._virtual("container", name, created) if known is None else known
        if known is None:
            self.facts.pin(node, None, "container", self.namespace.name, created)
        if digest in self.claims:
            self.facts.kind[self.claims[digest]] = "image"  # whatever a container uses besides is no image
            self.facts.link(node, self.claims[digest], "uses")

    def _ingest(self, ingest: Ingest) -> None:
        """Record that a write that is not expired holds the content that it expects."""
        node = self.claims.get(ingest.expected)
        if node is not None and ingest.expires >= self.now.timestamp() * 1_000_000:
            self.facts.pin(node, None, "gc.root", self.namespace.name)

    def _other(self, kind: str, one: Container) -> None:
        """Record an object of another kind, a sandbox for example: it holds what its labels refer to."""
        found = list(references(one.labels, self.version))
        if found:
            node = self._virtual(kind, one.name, one.created)
            self.facts.pin(node, None, "gc.root", self.namespace.name)
            self._refer(node, found)
