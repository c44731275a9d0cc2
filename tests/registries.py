"""Registries built in code: families of images with shared layers and garbage, or whatever a test writes down."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from blobkit.snapshot.snapshot import build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blobkit.snapshot.snapshot import Snapshot

TIME = datetime(2026, 1, 2, tzinfo=UTC)
NAMES = ("web", "api", "db", "cache", "ml", "etl", "auth", "cron", "edge", "ui")


def digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


class Images:
    """A registry in the making: blobs by name, links, tags."""

    def __init__(self) -> None:
        self.nodes: dict[str, tuple[int, str]] = {}
        self.links: list[tuple[str, str, str]] = []
        self.tags: list[tuple[str, str, str | None]] = []
        self.days: list[int | None] = []
        self.day: int | None = None

    def blob(self, kind: str, size: float) -> str:
        name = f"{kind}-{len(self.nodes)}"
        self.nodes[name] = (int(size), kind)
        self.days.append(self.day)
        return name

    def image(self, layers: Sequence[str]) -> str:
        manifest, config = self.blob("manifest", 1500), self.blob("config", 4000)
        self.links += [(manifest, config, "config"), *((manifest, layer, "layer") for layer in layers)]
        return manifest

    def index(self, manifests: Sequence[str]) -> str:
        index = self.blob("index", 600)
        self.links += [(index, manifest, "child") for manifest in manifests]
        return index

    def snapshot(self) -> Snapshot:
        place = {name: i for i, name in enumerate(self.nodes)}
        return build(
            "registry",
            "demo",
            nodes={
                "key": [digest(name) for name in place],
                "size": [size for size, _ in self.nodes.values()],
                "kind": [kind for _, kind in self.nodes.values()],
                "modified": [
                    None if day is None else int((TIME + timedelta(days=day)).timestamp()) * 10**6 for day in self.days
                ],
            },
            links={
                "source": [place[source] for source, _, _ in self.links],
                "target": [place[target] for _, target, _ in self.links],
                "kind": [kind for _, _, kind in self.links],
            },
            pins={
                "node": [place[node] for node, _, _ in self.tags],
                "name": [name for _, name, _ in self.tags],
                "group": [group for _, _, group in self.tags],
                "kind": ["tag"] * len(self.tags),
            },
            time=TIME,
        )


def images(blobs: int, seed: int = 7, teams: int = 0) -> Snapshot:
    """Return a registry of about so many blobs: bases shared by repositories, versions that share runtimes, garbage.

    With `teams`, repositories are in so many namespaces, and blobs came in the two years before the snapshot.
    """
    rng = random.Random(seed)  # noqa: S311 (no secret)
    made = Images()
    clock = random.Random(seed)  # noqa: S311 (no secret)

    def layer(scale: float) -> str:
        return made.blob("layer", min(rng.lognormvariate(scale, 1.1), 3e9))

    repositories = max(2, min(40, blobs // 25))
    bases = [layer(17.3) for _ in range(max(1, repositories // 4))] if blobs > 2 else []
    runtime = [[rng.choice(bases), layer(16.5), layer(15)] for _ in range(repositories)] if blobs > 2 else []
    version = [0] * repositories
    if blobs == 1:
        made.tags.append((made.blob("layer", 5e6), "only:1", "only"))
    while len(made.nodes) < blobs:
        made.day = clock.randint(-730, 0) if teams else None
        one = rng.randrange(repositories) if rng.random() < 0.5 else rng.randrange(max(1, repositories // 5))
        version[one] += 1
        if rng.random() < 0.12:
            runtime[one] = [rng.choice(bases), layer(16.5), layer(15)]
        several = rng.random() < 0.15
        manifests = [
            made.image([*runtime[one], *(layer(13.5) for _ in range(rng.randint(1, 3)))]) for _ in range(1 + several)
        ]
        top = made.index(manifests) if several else manifests[0]
        if rng.random() < 0.93:
            repository = NAMES[one % 10] + (str(one // 10) if one > 9 else "")
            repository = f"team-{one % teams}/{repository}" if teams else repository
            made.tags.append((top, f"{repository}:{version[one]}", repository))
    return made.snapshot()
