"""Another program that writes into a layout, and what must hold of a store that took that in."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from layouts import CONFIG, MANIFEST, NAME, Shelf

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.store.local import LocalStore

    Entry = dict[str, object]


class Foreign(Shelf):
    """Another program that writes into a layout: blobs, then index.json, as it likes."""

    def path(self, digest: str) -> Path:
        return self.root / "blobs" / digest.replace(":", "/")

    def image(self, text: str, *layers: bytes) -> str:
        """The digest of a manifest of a config and these layers."""
        body = {
            "schemaVersion": 2,
            "config": self.to(self.config(text), CONFIG),
            "layers": [self.to(self.blob(layer)) for layer in layers],
        }
        return self.json(body)

    def entry(self, digest: str, name: str = "", media_type: str = MANIFEST, **more: object) -> Entry:
        annotations = {"annotations": {NAME: name}} if name else {}
        return self.to(digest, media_type, **annotations, **more)

    def read(self) -> dict[str, object]:
        return json.loads((self.root / "index.json").read_bytes())

    def entries(self) -> list[Entry]:
        return self.read()["manifests"]

    def write(self, *entries: object, **top: object) -> None:
        index = {"schemaVersion": 2, "manifests": list(entries), **top}
        (self.root / "index.json").write_text(json.dumps(index, indent=1))

    def add(self, *entries: object) -> None:
        """Append, as umoci does."""
        self.write(*self.entries(), *entries)


def names(other: Foreign) -> dict[str, str]:
    """What index.json shows, by name; "" is an entry without one."""
    return {entry.get("annotations", {}).get(NAME, ""): entry["digest"] for entry in other.entries()}


def check(store: LocalStore) -> None:
    """Hold by a count of its own that every reference count is pins and links, and that content is whole."""
    facts = {digest: store.get(digest) for digest in store.list()}
    held = [target for blob in facts.values() for target in blob.links]
    for digest, blob in facts.items():
        assert blob.refcount == blob.pins + held.count(digest) > 0
        content = blob.read()
        assert hashlib.new(digest.partition(":")[0], content).hexdigest() == digest.partition(":")[2]
        assert blob.size == len(content)
