"""index.json as another program wrote it: read whole, once it can be read, and never believed."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.errors import InvalidTagError, UnreadableStoreError
from blobkit.oci.documents import Reference, entries
from blobkit.oci.untrusted import DocumentError, Json, parse_json
from blobkit.render import printable
from blobkit.store.layout.names import check_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["OWN_FIELDS", "REF_NAME", "Entry", "IndexFile", "load", "parses"]

REF_NAME = "org.opencontainers.image.ref.name"
OWN_FIELDS = frozenset({"schemaVersion", "mediaType", "manifests"})
"""Fields of index.json that blobkit writes itself; all others are kept as they are."""
LIMIT = 256 << 20
PATIENCE = 1.0
"""Seconds: some programs rewrite index.json in place, so that half of it may be there for a moment."""
PAUSE = 0.05
ADVICE = "restore it, nothing else names the images"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: as it is shown again (`raw`), what it names (None where that is no blob), and its name.

    `name` is "" where there is none; `is_legal` says whether it can be a tag here.
    """

    raw: object
    target: Reference | None
    name: str = ""
    is_legal: bool = False


@dataclass(frozen=True, slots=True)
class IndexFile:
    """What index.json held at one moment: the hash of its bytes, its entries, all other fields."""

    hash: str
    entries: tuple[Entry, ...]
    rest: Json


def load(path: Path, *, patience: float = PATIENCE, advice: str = ADVICE) -> IndexFile:
    """Return what index.json holds; it is tried again for a second where it cannot be read as an image index.

    UnreadableStoreError: an index.json that cannot be read never means that there are no images.
    """
    until = time.monotonic() + patience
    while True:
        try:
            return _read(path)
        except OSError as error:
            msg = f"{path} cannot be read ({error.strerror}): {advice}"
            raise UnreadableStoreError(msg) from error
        except DocumentError as error:
            if time.monotonic() >= until:
                why = printable(str(error))[:200]
                msg = f"{path} cannot be read as an image index ({why}): {advice}"
                raise UnreadableStoreError(msg) from error
            time.sleep(PAUSE)


def parses(path: Path) -> bool:
    """Return whether index.json can be read as an image index, waiting for it for a second."""
    try:
        load(path)
    except UnreadableStoreError:
        return False
    return True


def _read(path: Path) -> IndexFile:
    with path.open("rb") as file:
        data = file.read(LIMIT + 1)
    if len(data) > LIMIT:
        msg = f"larger than {LIMIT >> 20} MiB"
        raise DocumentError(msg)
    body = parse_json(data)
    if not isinstance(body.get("manifests", 0), list | None):
        msg = "it has no list of manifests"
        raise DocumentError(msg)
    _check_writable(body)
    rest = {field: value for field, value in body.items() if field not in OWN_FIELDS}
    return IndexFile(hashlib.sha256(data).hexdigest(), tuple(_entries(body)), rest)


def _check_writable(body: Json) -> None:
    """Hold that what was read can be written again: Python reads NaN, which is no JSON."""
    try:
        json.dumps(body, allow_nan=False)
    except (ValueError, RecursionError) as error:
        msg = f"not JSON ({error})"
        raise DocumentError(msg) from None


def _entries(body: Json) -> Iterator[Entry]:
    items = body.get("manifests")
    for item in items if isinstance(items, list) else ():
        try:
            found = next(entries({"manifests": [item]}, []), None)
        except DocumentError:
            found = None
        if found is None:
            yield Entry(item, None)
        else:
            target, name = found
            yield Entry(item, target, name, _is_legal(name))


def _is_legal(name: str) -> bool:
    try:
        check_name(name)
    except InvalidTagError:
        return False
    return True
