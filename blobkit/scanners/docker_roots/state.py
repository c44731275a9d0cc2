"""Read all records of a data root as one state, while dockerd may be working.

The directories with the files of layers are listed first: dockerd makes them before the records that name them, and
removes them after these. The records are read again if some of them came or went meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from blobkit.access import is_denied, reason, why_unreadable
from blobkit.errors import UnreadableStoreError
from blobkit.render import count, in_shell, printable
from blobkit.scanners.docker_roots.cache import DATABASES, IMAGES, count_images, read_cache
from blobkit.scanners.docker_roots.containers import read_containers
from blobkit.scanners.docker_roots.images import read_images, read_names
from blobkit.scanners.docker_roots.layers import read_layers
from blobkit.scanners.docker_roots.reading import Reader
from blobkit.sources.source import Is

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.scanners.docker_roots.cache import Record
    from blobkit.scanners.docker_roots.containers import Container
    from blobkit.scanners.docker_roots.images import Image, Name
    from blobkit.scanners.docker_roots.layers import Layer
    from blobkit.sources.directory import Directory

__all__ = ["State", "driver_of", "read_state"]

TRIES = 5
TREES = {
    "overlay2": "overlay2",
    "fuse-overlayfs": "fuse-overlayfs",
    "overlay": "overlay",
    "vfs": "vfs/dir",
    "aufs": "aufs/diff",
}
"""Where each storage driver has a directory for each layer; others share blocks between layers (btrfs, zfs)."""
LINKS = "l"
"""A directory of short links beside those of layers."""


@dataclass(frozen=True, slots=True)
class State:
    """The records of a data root at one moment.

    `trees`: the directories of layers by name, None if they are unknown; they are in the directory `place`, "" if the
    driver has none. `names`, `cache`: None if they are unknown. `busy`: the records changed during each reading.
    """

    driver: str
    place: str
    trees: frozenset[str] | None
    why_not: str
    layers: dict[str, Layer]
    images: dict[str, Image]
    names: list[Name] | None
    containers: dict[str, Container]
    cache: list[Record] | None
    elsewhere: int
    notices: list[tuple[str, str, str, str]] = field(default_factory=list)
    busy: bool = False

    @property
    def database(self) -> str:
        """The directory of the records of images and layers."""
        return f"image/{self.driver}"


def driver_of(source: Directory) -> str:
    """Return the storage driver whose names were written last; "" if there is none.

    Each driver has records of its own, and dockerd works with one of them.
    """
    drivers = [entry.name for entry in Reader(source).entries("image") if entry.kind is Is.DIRECTORY]
    return max(drivers, key=lambda name: (*_stamp(source, f"image/{name}/repositories.json")[:1], name), default="")


def read_state(source: Directory, root: Path) -> State:
    """Return the records of a data root; UnreadableStoreError if this user cannot read them, or there are none."""
    try:
        driver = driver_of(source)
        state = _settled(source, driver) if driver else None
    except OSError as error:
        where = root / (error.filename or "")
        why = why_unreadable(where) if is_denied(error) else ""
        raise UnreadableStoreError(printable(why or f"{where}: {error.strerror}")) from error
    if state is None:
        raise UnreadableStoreError(_no_images(source))
    return state


def _settled(source: Directory, driver: str) -> State:
    """Return the records between two equal fingerprints; after some tries, records that may not fit together."""
    for _ in range(TRIES):
        before = _fingerprint(source, driver)
        state = _read(source, driver)
        if _fingerprint(source, driver) == before:
            return state
    why = f"dockerd changed its records during each of {TRIES} readings: scan again when it works less"
    return replace(state, notices=[*state.notices, ("busy", "", "", why)], busy=True)


def _no_images(source: Directory) -> str:
    """Return where the images are, if there is no directory of a storage driver."""
    images, root = count_images(Reader(source)), printable(source.address)
    where = (
        f"docker keeps {count(images, 'image')} with containerd here: scan {in_shell(f'containerd:{root}/{IMAGES}')}"
    )
    return where if images else f"{root} has no images of docker: there is no directory image/DRIVER"


def _read(source: Directory, driver: str) -> State:
    reader, database, place = Reader(source), f"image/{driver}", TREES.get(driver, "")
    trees, why_not = _trees(reader, place)
    return State(
        driver,
        place,
        trees,
        why_not,
        read_layers(reader, database),
        read_images(reader, database),
        read_names(reader, database),
        read_containers(reader, database),
        read_cache(reader),
        count_images(reader),
        reader.notices,
    )


def _trees(reader: Reader, place: str) -> tuple[frozenset[str] | None, str]:
    """Return the names of the directories with the files of layers, or None and why they are unknown."""
    if not place:
        return None, "the layers of this storage driver share space"
    try:
        found = reader.entries(place)
    except OSError as error:
        return None, f"{place} cannot be listed ({reason(error, reader.source.path(place))})"
    is_tree = (entry.name for entry in found if entry.kind is Is.DIRECTORY)
    return frozenset(name for name in is_tree if name != LINKS), ""


def _fingerprint(source: Directory, driver: str) -> list[object]:
    """Return what changes when records come or go: names in their directories, the time of their files."""
    reader, database = Reader(source), f"image/{driver}"
    places = ("layerdb/sha256", "layerdb/mounts", "imagedb/content/sha256")
    listed = [reader.entries(f"{database}/{place}") for place in places]
    files = (f"{database}/repositories.json", *DATABASES)
    return [*listed, reader.entries("containers"), *(_stamp(source, path) for path in files)]


def _stamp(source: Directory, path: str) -> tuple[int, int]:
    """Return time and size of a file, -1 if it cannot be looked at."""
    try:
        info = source.stat(path)
    except OSError:
        return -1, -1
    return info.modified, info.size
