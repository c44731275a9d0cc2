"""Scan a containers-storage root, the store of podman, CRI-O and buildah, read-only.

A node is the trees of files of one layer, image, container or volume: `layer/ID`, `image/ID`, `container/ID`,
`volume/NAME`. Names hold images, and images their top layers; a container holds its image and its own layer. An image
without a name that another one was built on is held by that one. Source: containers/storage 1.57, containers/common
0.62.

Cost: one `lstat` for each file in a layer; the lists of records, and two documents for each image.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.access import is_denied, why_unreadable
from blobkit.errors import SourceError, UnreadableStoreError
from blobkit.render import printable
from blobkit.scanners.containers.records import DRIVERS, lists_of, read_records
from blobkit.scanners.containers.root import Root
from blobkit.scanners.containers.scales import Scales
from blobkit.scanners.facts import Facts
from blobkit.scanners.scanned import completed
from blobkit.sources.directory import Directory
from blobkit.sources.source import Is

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.digest import Digest
    from blobkit.scanners.containers.records import Records
    from blobkit.scanners.scanned import Scanned

__all__ = ["path_of", "scan"]

TRIES = 3
"""How often the lists are read again if they change meanwhile."""


def path_of(root: Path) -> Callable[[Digest], str]:
    """Raise SourceError: the layers are unpacked here, so no content has a digest."""
    msg = f"containers-storage:{printable(os.fspath(root))} holds unpacked layers, no blobs"
    raise SourceError(msg, hint="write an image as a layout (podman push IMAGE oci:DIR:TAG), and give DIR")


def scan(
    root: Path,
    *,
    policy: str | None = None,
    progress: bool = True,
    verify: bool = False,  # noqa: ARG001 (nothing here has a digest)
) -> Scanned:
    """Return the facts of the containers-storage root at `root`; it writes nothing, and follows no link out of it.

    UnreadableStoreError if a list of records cannot be read. Sizes of layers whose files this user may not look at are
    estimates. `verify` changes nothing: no content here is named by its hash.
    """
    source, facts = Directory(root), Facts()
    driver, *others = _drivers(source)
    for other in others:
        facts.notice("unread", f"there are layers of the driver {other}, too: they are not read", "", f"{other}-layers")
    records, stamps = _read(source, driver, facts)
    scales = Scales(source, facts)
    here = Root(source, driver, facts, scales, records)
    here.add_layers(show=progress)
    here.add_images()
    here.add_containers()
    here.add_volumes()
    here.finish()
    disk = scales.rest(here.parts)
    if _stamps(source, driver) != stamps:
        message = "the lists of records changed during the scan: it may lack what was added or removed meanwhile"
        facts.notice("changed", message, "", lists_of(driver)["layers"][0])
    return completed(facts, "containers-storage", os.fspath(root), policy, disk=disk)


def _drivers(source: Directory) -> list[str]:
    """Return the drivers of a root, the one that is read first; UnreadableStoreError if it has none."""
    try:
        names = {entry.name for entry in source.list("") if entry.kind in (Is.DIRECTORY, Is.LINK)}
    except OSError as error:
        why = why_unreadable(Path(source.path(""))) if is_denied(error) else ""
        msg = printable(why or f"{source.address} cannot be listed ({error.strerror})")
        raise UnreadableStoreError(msg) from error
    found = [driver for driver in DRIVERS if {f"{driver}-layers", f"{driver}-images"} & names]
    if not found:
        wanted = f"{printable(source.address)} has no directory overlay-layers, overlay-images, or of another driver"
        msg = f"{wanted}: give what `podman info --format '{{{{.Store.GraphRoot}}}}'` prints"
        raise UnreadableStoreError(msg)
    return found


def _read(source: Directory, driver: str, facts: Facts) -> tuple[Records, list[object]]:
    """Return the records of a root in one state, and the stamps of their files."""
    for _ in range(TRIES):
        stamps = _stamps(source, driver)
        records = read_records(source, driver)
        if _stamps(source, driver) == stamps:
            break
    else:
        facts.notice("changed", f"the lists of records changed each of {TRIES} times that they were read")
    return records, stamps


def _stamps(source: Directory, driver: str) -> list[object]:
    """Return what changes with the lists of records."""
    found: list[object] = []
    for path in (path for paths in lists_of(driver).values() for path in paths):
        try:
            info = source.stat(path)
        except OSError:
            found.append(None)
        else:
            found.append((info.inode, info.size, info.modified))
    return found
