"""What removal costs, at several shapes and two sizes each: linear means that the rate stays."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from floors import against, seconds, table

import blobkit

if TYPE_CHECKING:
    from pathlib import Path

Links = list[tuple[int, int]]


def cascades(root: Path, *, quick: bool) -> None:
    """Print links made and blobs removed a second, files included: with one root, whose removal frees all."""
    wide, deep, images = (2_000, 2_000, 2_000) if quick else (20_000, 100_000, 40_000)
    shapes = (("wide", _wide, wide), ("chain", _chain, deep), ("image-like", _images, images))
    rows = [
        _measured(root / f"{name}-{blobs}", name, blobs, shape(blobs))
        for name, shape, size in shapes
        for blobs in (size // 4, size)
    ]
    table(
        "cascades, tmpfs, durability off", ["shape", "blobs", "links", "links/s", "plan/s", "removed/s", "plan"], rows
    )


def _measured(root: Path, name: str, blobs: int, links: Links) -> list[str]:
    with blobkit.LocalStore(root, durability="off") as store:
        keys = [blob.digest for blob in store.put_many(b"%d" % number for number in range(blobs))]
        pairs = [(keys[to], keys[source]) for source, to in links]
        linked = seconds(lambda: store.link_many(pairs, transfer=False))
        store.deref_many(keys[1:])
        planned = seconds(lambda: store.simulate_deref(keys[0]))
        freed = seconds(lambda: store.deref(keys[0]))
        if len(store):
            msg = f"{name}: {len(store)} blobs are left"
            raise AssertionError(msg)
    rates = [len(links) / linked, blobs / planned, blobs / freed]
    return [name, f"{blobs:,}", f"{len(links):,}", *(f"{rate:,.0f}" for rate in rates), against(rates[1], 100_000)]


def _wide(blobs: int) -> Links:
    return [(0, child) for child in range(1, blobs)]


def _chain(blobs: int) -> Links:
    return [(number, number + 1) for number in range(blobs - 1)]


def _images(blobs: int) -> Links:
    """Return the links of an index over manifests, a tenth of the blobs, with eight shared layers each and one own."""
    draw = random.Random(0)  # noqa: S311 (a picture, not a secret)
    manifests = blobs // 10
    links = {(0, number) for number in range(1, manifests)}
    links |= {(1 + layer % (manifests - 1), layer) for layer in range(manifests, blobs)}
    links |= {(m, draw.randrange(manifests, blobs)) for m in range(1, manifests) for _ in range(8)}
    return sorted(links)
