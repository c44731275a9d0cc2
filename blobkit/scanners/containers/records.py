"""Read the lists of records of a containers-storage root: layers, images and containers.

Source: containers/storage 1.57, `layers.go`, `images.go`, `containers.go`. podman replaces these files as a whole, so
each is read in one state; an absent file is an empty list there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from blobkit.access import is_denied, why_unreadable
from blobkit.digest import is_digest
from blobkit.errors import UnreadableStoreError
from blobkit.oci.untrusted import DocumentError, Json, parse_any, parse_time, text_of
from blobkit.render import printable
from blobkit.scanners.links import link_out_message
from blobkit.sources.source import LeavesError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.sources.directory import Directory

__all__ = ["DRIVERS", "UNKNOWN", "Container", "Image", "Layer", "Records", "lists_of", "read_records"]

DRIVERS = ("overlay", "btrfs", "zfs", "vfs")
"""The drivers in the order in which containers/storage looks for an earlier one."""
LIST_LIMIT = 128 << 20
"""Bytes of a list that is read."""
FIELDS = frozenset(
    {
        "big-data-digests",
        "created",
        "diff-size",
        "digest",
        "flags",
        "id",
        "image",
        "layer",
        "mapped-layers",
        "names",
        "parent",
    }
)
UNKNOWN = "?"
"""Stands for a reference that is no ID: what it means is unknown."""
MOST = 1 << 62
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
_ADVICE = "podman cannot read it either: restore this file, or scan a copy of the store that is whole"


class Layer(NamedTuple):
    """A layer: `size` is the length of its tar (-1: not recorded); `is_incomplete`: something still writes it."""

    id: str
    parent: str
    created: int
    size: int
    is_incomplete: bool


class Image(NamedTuple):
    """An image; `layers` are its top layer, and copies of that for other user numbers. `top` is "" if it has none.

    `digests`: those of its manifests.
    """

    id: str
    names: tuple[str, ...]
    top: str
    layers: tuple[str, ...]
    created: int
    digests: tuple[str, ...]


class Container(NamedTuple):
    """A container, also a working one of buildah; `image` is "" if it was made from scratch."""

    id: str
    name: str
    layer: str
    image: str
    created: int


R = TypeVar("R", Layer, Image, Container)


@dataclass(slots=True)
class Records:
    """The records of one root by ID, in the order of the files; `odd`: what could not be understood, by file.

    `absent`: the lists that are not there.
    """

    layers: dict[str, Layer] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    odd: list[tuple[str, str]] = field(default_factory=list)
    absent: set[str] = field(default_factory=set)


def lists_of(driver: str) -> dict[str, tuple[str, ...]]:
    """Return the paths of the lists of a driver; what refers to others comes after these."""
    return {
        "layers": (f"{driver}-layers/layers.json", f"{driver}-layers/volatile-layers.json"),
        "images": (f"{driver}-images/images.json",),
        "containers": (f"{driver}-containers/containers.json", f"{driver}-containers/volatile-containers.json"),
    }


def read_records(source: Directory, driver: str) -> Records:
    """Return the records of a root; UnreadableStoreError if a list cannot be read."""
    found, paths = Records(), lists_of(driver)
    for path in paths["layers"]:
        for row, one in _rows(source, path, found):
            _put(found, path, found.layers, _layer(row, one))
    for path in paths["images"]:
        for row, one in _rows(source, path, found):
            _put(found, path, found.images, _image(row, one))
    for path in paths["containers"]:
        for row, one in _rows(source, path, found):
            _put(found, path, found.containers, _container(row, one))
    return found


def _put(found: Records, path: str, records: dict[str, R], record: R) -> None:
    if record.id in records:
        found.odd.append((path, f"{record.id} is listed twice: the first record is taken"))
    records.setdefault(record.id, record)


def _rows(source: Directory, path: str, found: Records) -> Iterator[tuple[Json, str]]:
    """Yield the records of a list that have a valid ID, with that; the others are told in `found`."""
    for row in _list(source, path, found):
        one = text_of(row, "id") if isinstance(row, dict) else ""
        if isinstance(row, dict) and _ID.fullmatch(one):
            yield row, one
        else:
            found.odd.append((path, f"a record without a valid ID ({str(one or row)[:80]!r})"))


def _list(source: Directory, path: str, found: Records) -> list[object]:
    """Return the elements of a list, none if the file is absent; UnreadableStoreError if it cannot be read."""
    try:
        data = source.read(path, LIST_LIMIT + 1)
        rows = parse_any(data, FIELDS) if len(data) <= LIST_LIMIT else None
    except FileNotFoundError:
        found.absent.add(path)
        return []
    except OSError as error:
        raise _unreadable(source, path, error) from error
    except DocumentError as error:
        raise _refused(source, path, str(error)) from error
    if len(data) > LIST_LIMIT:
        raise _refused(source, path, f"it is larger than {LIST_LIMIT >> 20} MiB")
    if rows is not None and not isinstance(rows, list):
        raise _refused(source, path, "it is not a list: a newer format than blobkit knows?")
    return rows or []


def _unreadable(source: Directory, path: str, error: OSError) -> UnreadableStoreError:
    whole = source.path(path)
    if isinstance(error, LeavesError):
        return UnreadableStoreError(link_out_message(Path(whole), Path(source.address), "containers-storage"))
    why = why_unreadable(Path(whole)) if is_denied(error) else ""
    return UnreadableStoreError(printable(why)) if why else _refused(source, path, str(error.strerror))


def _refused(source: Directory, path: str, why: str) -> UnreadableStoreError:
    return UnreadableStoreError(printable(f"{source.path(path)} cannot be read ({why}): {_ADVICE}"))


def _layer(row: Json, one: str) -> Layer:
    flags, size = row.get("flags"), row.get("diff-size")
    return Layer(
        one,
        _reference(row.get("parent")),
        _micros(row),
        size if type(size) is int and 0 <= size < MOST else -1,
        isinstance(flags, dict) and bool(flags.get("incomplete")),
    )


def _image(row: Json, one: str) -> Image:
    mapped, top = row.get("mapped-layers"), _reference(row.get("layer"))
    layers = [top, *map(_reference, mapped if isinstance(mapped, list) else ())]
    below = tuple(dict.fromkeys(filter(None, layers)))
    return Image(one, _names(row), top, below, _micros(row), tuple(_digests(row)))


def _digests(row: Json) -> Iterator[str]:
    """Yield the digests of the manifests of an image."""
    yield from [text_of(row, "digest")] if is_digest(row.get("digest")) else []
    items = row.get("big-data-digests")
    for key, digest in items.items() if isinstance(items, dict) else ():
        if key.startswith("manifest") and is_digest(digest):
            yield str(digest)


def _container(row: Json, one: str) -> Container:
    return Container(
        one, next(iter(_names(row)), one), _reference(row.get("layer")), _reference(row.get("image")), _micros(row)
    )


def _names(row: Json) -> tuple[str, ...]:
    names = row.get("names")
    found = (text_of({"": name}, "") for name in (names if isinstance(names, list) else ()))
    return tuple(dict.fromkeys(filter(None, found)))


def _reference(value: object) -> str:
    """Return the ID of another record, "" for none, UNKNOWN for anything else."""
    if value is None or value == "":
        return ""
    return value if isinstance(value, str) and _ID.fullmatch(value) else UNKNOWN


def _micros(row: Json) -> int:
    moment = parse_time(row.get("created"))
    return -1 if moment is None else int(moment.timestamp() * 1_000_000)
