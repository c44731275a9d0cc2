"""Make the storage directory of a registry (distribution, filesystem driver): sound, the same each time.

    python benchmarks/synthetic_registry.py OUT MANIFESTS BLOBS

BLOBS is about the number of all blobs: manifests, configs and layers. A fifth of the layers is small and named by its
content; the others are sparse files with random names, which nothing hashes unless asked to. Nine manifests of ten
have a tag, each lists its own layers and up to four popular ones. About a tenth of the layers is garbage.
"""

# ruff: noqa: PTH103, PTH110, PTH120, PTH123  # paths of millions of small files are text
from __future__ import annotations

import hashlib
import json
import os
import random
import sys
from pathlib import Path

PER_REPOSITORY = 200
IMAGE = "application/vnd.oci.image."


class Registry:
    """Writes blobs and links below `root`; `layers` are the digests and sizes of all layers."""

    def __init__(self, root: Path, manifests: int, blobs: int) -> None:
        self.base = os.fspath(root / "docker" / "registry" / "v2")
        self.manifests, self.random = manifests, random.Random(7)  # noqa: S311 (no secret)
        self.layers = [self.layer(number) for number in range(max(1, blobs - 2 * manifests))]

    def fill(self) -> None:
        """Write the manifests, repository by repository."""
        for first in range(0, self.manifests, PER_REPOSITORY):
            number = first // PER_REPOSITORY
            repository = f"{self.base}/repositories/team-{number % 17}/app-{number}"
            held: set[str] = set()
            for image in range(first, min(self.manifests, first + PER_REPOSITORY)):
                held |= self.image(repository, image)
            for digest in held:
                self.link(f"{repository}/_layers/{digest.replace(':', '/')}", digest)

    def image(self, repository: str, number: int) -> set[str]:
        """Write one image; return the digests that the repository needs a layer link of."""
        used = self.used(number)
        config = self.blob(dumped(self.config(number, used)))
        document = {
            "schemaVersion": 2,
            "mediaType": f"{IMAGE}manifest.v1+json",
            "config": descriptor("config.v1+json", *config),
            "layers": [descriptor("layer.v1.tar+gzip", *layer) for layer in used],
        }
        digest, _ = self.blob(dumped(document))
        below = digest.replace(":", "/")
        self.link(f"{repository}/_manifests/revisions/{below}", digest)
        if number % 10:
            self.link(f"{repository}/_manifests/tags/v{number}/current", digest)
            self.link(f"{repository}/_manifests/tags/v{number}/index/{below}", digest)
        return {config[0], *(layer for layer, _ in used)}

    def used(self, number: int) -> list[tuple[str, int]]:
        """Return the layers of an image: its own, and popular ones."""
        each = max(1, int(0.9 * len(self.layers)) // self.manifests)
        shared = [self.layers[int(len(self.layers) * self.random.random() ** 4)] for _ in range(4)]
        return list(dict([*shared, *self.layers[number * each : (number + 1) * each]]).items())

    def config(self, number: int, used: list[tuple[str, int]]) -> object:
        diff_ids = ["sha256:" + hashlib.sha256(digest.encode()).hexdigest() for digest, _ in used]
        return {
            "architecture": self.random.choice(["amd64", "arm64"]),
            "os": "linux",
            "created": f"2025-0{1 + number % 9}-11T10:00:00Z",
            "config": {"Env": ["PATH=/usr/bin"], "Labels": {"n": str(number)}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created_by": f"RUN step {step}"} for step in range(len(used))],
        }

    def layer(self, number: int) -> tuple[str, int]:
        if number % 5 == 0:
            return self.blob(self.random.randbytes(self.random.randint(200, 4000)))
        digest = "sha256:" + self.random.randbytes(32).hex()
        size = 70_000 + int(self.random.paretovariate(0.8) * 20_000) % (1 << 30)
        os.makedirs(os.path.dirname(self.path(digest)))
        with open(self.path(digest), "wb") as file:
            file.truncate(size)
        return digest, size

    def path(self, digest: str) -> str:
        return f"{self.base}/blobs/sha256/{digest[7:9]}/{digest[7:]}/data"

    def blob(self, content: bytes) -> tuple[str, int]:
        """Write a blob; return its digest and size."""
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        if not os.path.exists(self.path(digest)):
            os.makedirs(os.path.dirname(self.path(digest)))
            with open(self.path(digest), "wb") as file:
                file.write(content)
        return digest, len(content)

    def link(self, folder: str, digest: str) -> None:
        os.makedirs(folder)
        with open(f"{folder}/link", "w") as file:
            file.write(digest)


def descriptor(kind: str, digest: str, size: int) -> object:
    return {"mediaType": f"{IMAGE}{kind}", "digest": digest, "size": size}


def dumped(document: object) -> bytes:
    return json.dumps(document).encode()


def registry(root: Path, manifests: int, blobs: int) -> None:
    """Write a registry with this many manifests and, about, blobs."""
    Registry(root, manifests, blobs).fill()


if __name__ == "__main__":
    registry(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
