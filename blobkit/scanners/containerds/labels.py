"""The labels that containerd's collector reads. Source: containerd 1.7 and 2.1, `metadata/gc.go`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from blobkit.scanners.containerds.database import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from blobkit.scanners.containerds.database import Labels

__all__ = ["SECOND", "Reference", "is_expired", "is_flat", "is_root", "references"]

SECOND = 4
"""The version of the schema with containerd 2.0, which reads more labels than 1.x."""
ROOT, EXPIRE, FLAT = (f"containerd.io/gc.{name}" for name in ("root", "expire", "flat"))
FORWARD, BACK, CONDITION = (f"containerd.io/gc.{name}." for name in ("ref", "bref", "cond"))
SEPARATORS = ("", ".", "/")


class Reference(NamedTuple):
    """The target of a label: a `kind` of object (content, image, container, snapshot) and its key.

    `back`: the object with the label is held by that object, not the other way round. The key of a snapshot has its
    snapshotter before it, as in `overlayfs/sha256:ab`.
    """

    kind: str
    key: str
    back: bool = False


def is_root(labels: Labels, version: int) -> bool:
    """Return whether the object is held by a label of its own."""
    return any(name == ROOT or (version >= SECOND and name.startswith(ROOT)) for name, _ in labels)


def is_flat(labels: Labels) -> bool:
    """Return whether a lease holds what it names only, and not what that refers to."""
    return any(name == FLAT for name, _ in labels)


def is_expired(labels: Labels, now: datetime) -> bool:
    """Return whether a label gives a time that is over; a text that is no time never is."""
    times = [rfc3339(value) for name, value in labels if name == EXPIRE]
    return any(time is not None and now > time for time in times)


def references(labels: Labels, version: int) -> Iterator[Reference]:
    """Yield what the labels of an object refer to; whether a condition of a label is met is not known, so it is."""
    for name, value in labels:
        if name.startswith(FORWARD):
            yield from _reference(name[len(FORWARD) :], value, back=False)
        elif version >= SECOND and name.startswith(BACK):
            yield from _reference(name[len(BACK) :], value, back=True)
        elif version >= SECOND and name.startswith(CONDITION):
            _, separator, key = value.partition("|")
            yield from _reference(name[len(CONDITION) :], key, back=False) if separator else ()


def _reference(what: str, key: str, *, back: bool) -> Iterator[Reference]:
    """Yield the reference of a label with this name (after its prefix) and value, if it is one to an object here."""
    if what.startswith("snapshot."):
        snapshotter = what.removeprefix("snapshot.").partition("/")[0]
        yield Reference("snapshot", f"{snapshotter}/{key}", back)
        return
    for kind in ("content", "image", "container"):
        if what.startswith(kind) and what[len(kind) : len(kind) + 1] in SEPARATORS:
            yield Reference(kind, key, back)
