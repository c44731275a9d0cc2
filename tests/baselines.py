"""Small pictures of every plot, light and dark. After a change on purpose, look at them: python tests/baselines.py

They are compared with a tolerance (`test_baselines.py`): fonts are drawn differently by other versions of matplotlib.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import blobkit
from registries import Images, images

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from blobkit.questions.preview import Preview
    from blobkit.snapshot.snapshot import Snapshot

FOLDER = Path(__file__).parent / "views" / "baseline"
STYLES = {"light": "default", "dark": "dark_background"}
FAR, COLOURS = 8, 64
SIZE, DPI = (6.4, 2.8), 50
LOOK = {"font.family": ["DejaVu Sans"], "text.hinting": "no_hinting", "figure.dpi": DPI}


@cache
def teams() -> Snapshot:
    """Return 200 blobs of three teams."""
    return images(200, teams=3)


@cache
def layered() -> Snapshot:
    """Return images of four repositories that share layers by pairs, threes and all, and one small layer each."""
    made = Images()
    made.day = -30
    layers = [made.blob("layer", size) for size in (9e7, 6e7, 4e7, 2e7)]
    for i, name in enumerate(("base/debian", "shop/web", "shop/api", "data/etl")):
        own = made.blob("layer", 1e6 * (i + 1))
        made.tags.append((made.image([*layers[: i + 1], own]), f"{name}:1", name))
    return made.snapshot()


def dropped() -> Preview:
    """Return a preview that frees a small part of what it reaches."""
    return blobkit.simulate_deref(layered(), "shop/web:1")


PICTURES: dict[str, Callable[[Axes], Axes]] = {
    "icicle": lambda ax: blobkit.plot.icicle(teams(), ax=ax),
    "icicle-zoomed": lambda ax: blobkit.plot.icicle(layered(), ax=ax),
    "icicle-preview": lambda ax: blobkit.plot.icicle(blobkit.simulate_deref(teams(), groups="team-2/etl"), ax=ax),
    "sharing": lambda ax: blobkit.plot.sharing(layered(), ax=ax),
    "sizes": lambda ax: blobkit.plot.sizes(teams(), ax=ax),
    "growth": lambda ax: blobkit.plot.growth(teams(), ax=ax),
    "cascade-zoomed": lambda ax: dropped().plot(ax=ax),
    "reachability": lambda ax: blobkit.plot.reachability(dropped(), ax=ax),
    "usage": lambda ax: teams().usage("repo").plot(ax=ax),
    "audit": lambda ax: teams().audit().plot(ax=ax),
    "plan": lambda ax: teams().plan(free="100MiB", progress=False).plot(ax=ax),
}


def paint(name: str, style: str, path: Path) -> None:
    """Write a picture to a file."""
    with plt.style.context(STYLES[style]), mpl.rc_context(LOOK):
        figure = plt.figure(figsize=SIZE)
        PICTURES[name](figure.add_axes((0.015, 0.02, 0.97, 0.88)))
        figure.canvas.draw()
        picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
        plt.close(figure)
    picture.quantize(COLOURS).save(path, optimize=True)


def difference(one: Path, other: Path) -> float:
    """Return the root mean square difference of two pictures, 0 to 255, seen from so far that text is grey."""
    small = []
    for path in (one, other):
        picture = Image.open(path).convert("RGB")
        size = (picture.width // FAR, picture.height // FAR)
        small.append(np.asarray(picture.resize(size, Image.Resampling.BOX), float))
    return float(np.sqrt(((small[0] - small[1]) ** 2).mean()))


if __name__ == "__main__":
    mpl.use("Agg")
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    for name in PICTURES:
        for style in STYLES:
            paint(name, style, FOLDER / f"{name}-{style}.png")
