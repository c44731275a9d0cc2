"""What podman does when it removes names and containers, step by step: an oracle for previews.

Sources: containers/common 0.62, `libimage/image.go: removeRecursive`; containers/storage 1.57, `store.go: DeleteImage`.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Image:
    """An image: its names, top layer, lines of history and diff IDs."""

    names: list[str]
    top: str
    lines: list[str]
    diffs: list[str]


@dataclass
class Model:
    """Layers (with the one below), images, and containers (their layer and image), in the order of the lists."""

    layers: dict[str, str] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    containers: dict[str, tuple[str, str]] = field(default_factory=dict)

    def keys(self) -> set[str]:
        """The keys of all that is there."""
        kinds = {"layer": self.layers, "image": self.images, "container": self.containers}
        return {f"{kind}/{one}" for kind, some in kinds.items() for one in some}

    def remove(self, name: str) -> bool:
        """Remove a name of an image; False if podman refuses."""
        one = next((one for one, image in self.images.items() if name in image.names), "")
        if len(self.images[one].names) > 1:
            self.images[one].names.remove(name)
            return True
        return self._remove(one)

    def remove_container(self, one: str) -> None:
        """Remove a container and its layer."""
        layer, _ = self.containers.pop(one)
        del self.layers[layer]

    def _remove(self, one: str) -> bool:
        """Remove an image, and its parents without a name and another child, up to the first in use."""
        first = one
        while True:
            if any(image == one for _, image in self.containers.values()):
                return one != first
            parent = self.parent(one)
            self._delete(one)
            if not parent or self.images[parent].names or any(self.parent(child) == parent for child in self.images):
                return True
            one = parent

    def parent(self, child: str) -> str:
        """The image that another one was built on."""
        image = self.images[child]
        places = [image.top, *([self.layers[image.top]] if self.layers.get(image.top) else [])]
        for place in places:
            for one, other in self.images.items():
                if one != child and other.top == place and is_parent(other, image):
                    return one
        return ""

    def ties(self) -> bool:
        """Whether an image has several possible parents."""
        for child, image in self.images.items():
            places = [image.top, self.layers.get(image.top) or "-"]
            fit = [one for one, other in self.images.items() if one != child and other.top in places]
            if sum(is_parent(self.images[one], image) for one in fit) > 1:
                return True
        return False

    def _delete(self, one: str) -> None:
        """Delete an image, and its layers from the top down to the first that something else needs."""
        layer, last = self.images.pop(one).top, ""
        while layer:
            used = {image.top for image in self.images.values()} | {below for below, _ in self.containers.values()}
            children = [above for above, below in self.layers.items() if below == layer and above != last]
            if layer in used or children:
                return
            last, layer = layer, self.layers.pop(layer)


def is_parent(parent: Image, child: Image) -> bool:
    """Whether one image may have been built on another one."""
    return parent.diffs == child.diffs[: len(parent.diffs)] and parent.lines == child.lines[:-1] and bool(child.lines)
