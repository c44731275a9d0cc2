"""A snapshot of a registry of realistic shape, made from a seed: 1M blobs and 7M links by default.

A third of the blobs are manifests with a config each and 5 to 40 layers, drawn by a power law, so that base layers are
shared by very many images; 60 % of the manifests are tagged, the others hang on tagged indexes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.snapshot.snapshot import build

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

MANIFEST, CONFIG, INDEX, LAYER = 1, 2, 0, 3


def image_store(manifests: int = 330_000, indexes: int = 10_000, layers: int = 330_000, seed: int = 0) -> Snapshot:
    rng = np.random.default_rng(seed)
    n = 2 * manifests + indexes + layers
    kind = np.repeat(np.array([MANIFEST, CONFIG, INDEX, LAYER], np.int8), [manifests, manifests, indexes, layers])
    tagged = rng.random(manifests) < 0.6
    source, target = _links(rng, manifests, indexes, layers, np.flatnonzero(~tagged))
    shuffled = rng.permutation(n)
    key = _digests(rng, n)
    roots = np.concatenate((np.flatnonzero(tagged), 2 * manifests + np.arange(indexes)))
    repositories = max(1, manifests // 300)
    names = [(f"team-{i % 17}/app-{i % repositories}", f"v{i}") for i in range(len(roots))]
    order = np.empty(n, np.int64)
    order[shuffled] = np.arange(n)
    return build(
        "registry",
        "synthetic",
        nodes={
            "key": key,
            "size": _sizes(rng, kind)[order],
            "kind": kind[order],
            "media_type": (kind[order].astype(np.int32), [f"application/vnd.example.{k}" for k in range(LAYER + 1)]),
            "modified": rng.integers(1_600_000_000, 1_750_000_000, n) * 1_000_000,
        },
        links={
            "source": shuffled[source],
            "target": shuffled[target],
            "kind": np.where(kind[target] == LAYER, 1, np.where(kind[target] == CONFIG, 0, 2)).astype(np.int8),
        },
        pins={
            "node": shuffled[roots],
            "name": [f"{repository}:{tag}" for repository, tag in names],
            "kind": "tag",
            "group": [repository for repository, _ in names],
        },
    )


def _digests(rng: np.random.Generator, n: int) -> NDArray[np.bytes_]:
    """Return so many digests, sorted."""
    text = np.empty((n, 71), np.uint8)
    text[:, :7] = np.frombuffer(b"sha256:", np.uint8)
    text[:, 7:] = np.frombuffer(rng.bytes(32 * n).hex().encode(), np.uint8).reshape(n, 64)
    return np.sort(text.reshape(-1).view("S71"))


def _links(
    rng: np.random.Generator, manifests: int, indexes: int, layers: int, untagged: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first_index, first_layer = 2 * manifests, 2 * manifests + indexes
    number = rng.integers(5, 41, manifests)
    every = np.arange(manifests)
    own = rng.integers(0, manifests, layers)
    children = np.concatenate((untagged, rng.integers(0, manifests, 3 * indexes)))
    source = (np.repeat(every, number), own, every, first_index + rng.integers(0, indexes, len(children)))
    target = (
        first_layer + _popular(rng, int(number.sum()), layers),
        first_layer + np.arange(layers),
        manifests + every,
    )
    return np.concatenate(source), np.concatenate((*target, children))


def _popular(rng: np.random.Generator, draws: int, n: int, power: float = 1.1) -> NDArray[np.int64]:
    ranks = (1 + rng.random(draws) * (n ** (1 - power) - 1)) ** (1 / (1 - power)) - 1
    return np.minimum(ranks.astype(np.int64), n - 1)


def _sizes(rng: np.random.Generator, kind: NDArray[np.int8]) -> NDArray[np.int64]:
    small = rng.integers(300, 20_000, len(kind))
    layer = np.minimum(np.exp(rng.normal(14, 2.5, len(kind))), 8e9).astype(np.int64) + 1
    return np.where(kind == LAYER, layer, small)
