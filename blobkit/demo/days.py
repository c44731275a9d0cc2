"""The registry of the shop as saved snapshots: on Tuesday, on three days, and damaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.demo.places import directory_for
from blobkit.demo.shop import MONDAY, TUESDAY, WEDNESDAY, shop_on

if TYPE_CHECKING:
    import os
    from pathlib import Path

__all__ = ["ThreeDays", "shop", "three_days"]


@dataclass(frozen=True)
class ThreeDays:
    """The saved snapshots of a registry on three days: `monday`, `tuesday`, `wednesday`."""

    monday: Path
    tuesday: Path
    wednesday: Path


def shop(directory: str | os.PathLike[str] | None = None, *, damaged: bool = False) -> Path:
    """Return the saved snapshot of the registry of a shop: 38 tags in 14 repositories, 4.9 GiB, half a year.

    It is the same every time, its times too, and of the size of real stores; it holds no content. Some manifests have
    no tag, one image has two platforms, one lacks a layer, an upload was aborted. `damaged`: the manifest of
    `data/etl:3` cannot be read.

    >>> snapshot = blobkit.scan(demo.shop())
    >>> print(snapshot)
    registry:/var/lib/registry at 2026-06-30 09:00:00 UTC, policy tags
    131 blobs, 4.9 GiB
    """
    path = directory_for(directory) / "shop.blobkit"
    path.parent.mkdir(parents=True, exist_ok=True)
    shop_on(TUESDAY, damaged=damaged).save(path)
    return path


def three_days(directory: str | os.PathLike[str] | None = None) -> ThreeDays:
    """Return saved snapshots of the same registry on three days, Tuesday as in `shop`.

    Until Tuesday new versions were pushed, two tags moved on, an old one was dropped. In the night to Wednesday the
    collector ran.

    >>> days = demo.three_days()
    >>> blobkit.diff(days.tuesday, days.wednesday).title()
    '12 blobs changed, -305.2 MiB stored; 0 names changed'
    """
    place = directory_for(directory)
    place.mkdir(parents=True, exist_ok=True)
    days = ThreeDays(*(place / f"{name}.blobkit" for name in ("monday", "tuesday", "wednesday")))
    shop_on(MONDAY).save(days.monday)
    shop_on(TUESDAY).save(days.tuesday)
    shop_on(WEDNESDAY).save(days.wednesday)
    return days
