"""Read and write the index.json of an OCI image layout; no other module does.

Some programs rewrite the file in place, so for a moment it may be incomplete: the reader tries again for a second.
An index.json that cannot be read is an error; it never counts as an empty one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from blobkit.access import reason
from blobkit.errors import UnreadableStoreError
from blobkit.filehandle import FileHandle
from blobkit.oci.documents import IMAGE_CONFIG_TYPES, OCI_INDEX, OCI_MANIFEST, annotations_of, entry_of, is_document
from blobkit.oci.names import IMAGE_NAME, REF_NAME, Named, names_of
from blobkit.oci.untrusted import DocumentError, Odd, objects, parse_json
from blobkit.render import join_some, printable, to_utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from blobkit.oci.documents import Reference
    from blobkit.oci.untrusted import Json

    T = TypeVar("T")
    Check = Callable[["IndexFile"], object]

__all__ = [
    "ADVICE",
    "INDEX_LIMIT",
    "LAYOUT",
    "UNKNOWN_TYPE",
    "Entry",
    "IndexFile",
    "check_writable",
    "entry_for",
    "hidden_images",
    "is_named",
    "load_index",
    "name_of",
    "parse_index",
    "read_index",
    "ref_of",
    "render_index",
    "without_name",
]

INDEX_LIMIT = 256 << 20
"""Bytes: a larger index.json is not read."""
UNKNOWN_TYPE = "application/octet-stream"
"""The media type in index.json for a blob of unknown type: a descriptor must have one."""
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
"""The content of the file `oci-layout`."""
OWN_FIELDS = frozenset({"schemaVersion", "mediaType", "manifests"})
"""Fields of index.json that the writer replaces; it keeps all others as they are."""
TIMEOUT = 1.0
INTERVAL = 0.05
"""Seconds: how long the reader retries a file that is not a valid index, and the pause between two tries."""
ADVICE = "restore it, because nothing else names the images"
NAMELESS = Named("", "")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its JSON as read (`raw`), the descriptor in it (None if its digest is not valid), and its names."""

    raw: object
    target: Reference | None
    named: Named = NAMELESS

    @property
    def name(self) -> str:
        """The name, "" if it has none."""
        return self.named.name


@dataclass(frozen=True, slots=True)
class IndexFile:
    """An index.json at one moment: its bytes, its entries, and all other fields (`rest`).

    `odd` has a message for each entry without a valid digest; `is_list` is False if the field `manifests` is absent.
    """

    data: bytes
    entries: tuple[Entry, ...] = ()
    rest: Mapping[str, object] = field(default_factory=dict)
    odd: tuple[str, ...] = ()
    is_list: bool = True

    @property
    def hash(self) -> str:
        """The sha256 of the bytes, in hex."""
        return hashlib.sha256(self.data).hexdigest()


def load_index(
    path: Path,
    *,
    timeout: float | None = None,
    advice: str = ADVICE,
    check: Check | None = None,
) -> IndexFile:
    """Return the index.json at `path`; UnreadableStoreError, with `advice`, if it cannot be read.

    `check` may reject the content by a DocumentError.
    """
    try:
        return read_index(lambda: _bytes(path), timeout=timeout, check=check)
    except FileNotFoundError:
        msg = f"{path} is missing: an OCI image layout has one, and without it the roots are unknown"
        raise UnreadableStoreError(msg) from None
    except OSError as error:
        msg = f"{path} cannot be read ({reason(error, path)}): try again as a user who may read it, or {advice}"
        raise UnreadableStoreError(msg) from error
    except DocumentError as error:
        why = printable(str(error))[:200]
        msg = f"{path} cannot be read as an image index ({why}): {advice}"
        raise UnreadableStoreError(msg) from error


def read_index(fetch: Callable[[], bytes], *, timeout: float | None = None, check: Check | None = None) -> IndexFile:
    """Return the index.json in the bytes from `fetch`; while they are not valid, try again for `timeout` (1) seconds.

    `fetch` need not return more than INDEX_LIMIT + 1 bytes. Raises DocumentError, and the errors of `fetch`.
    """
    until = time.monotonic() + (TIMEOUT if timeout is None else timeout)
    while True:
        try:
            found = parse_index(fetch())
            if check is not None:
                check(found)
        except DocumentError:
            if time.monotonic() >= until:
                raise
            time.sleep(INTERVAL)
        else:
            return found


def parse_index(data: bytes) -> IndexFile:
    """Return the index.json in these bytes, read as programs in Go read it; DocumentError if it is not valid."""
    if len(data) > INDEX_LIMIT:
        msg = f"larger than {INDEX_LIMIT >> 20} MiB"
        raise DocumentError(msg)
    body = parse_json(data)
    odd = Odd()
    entries = tuple(_entries(body, odd))
    rest = {name: value for name, value in body.items() if name not in OWN_FIELDS}
    return IndexFile(data, entries, rest, odd.messages(), "manifests" in body)


def check_writable(file: IndexFile) -> None:
    """Check that the file can be written again as JSON: Python reads 1e999 as infinite, which JSON cannot express."""
    try:
        render_index([entry.raw for entry in file.entries], file.rest)
    except (ValueError, RecursionError) as error:
        msg = f"not JSON ({error})"
        raise DocumentError(msg) from None


def render_index(entries: Iterable[object], rest: Mapping[str, object]) -> bytes:
    """Return the bytes of an index.json with these entries; `rest` are its other fields."""
    others = {name: value for name, value in rest.items() if name not in OWN_FIELDS}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries), **others}
    return json.dumps(index, allow_nan=False).encode()


def entry_for(name: str, digest: str, size: int, media_type: str, raw: Json | None = None) -> Json:
    """Return the entry that gives a blob this name ("" for none); other fields of its earlier entry `raw` stay."""
    raw = raw or {}
    annotations = annotations_of(raw)
    if name and name_of(raw) != name:
        annotations = {key: value for key, value in annotations.items() if key != IMAGE_NAME} | {REF_NAME: name}
    own: Json = {"mediaType": raw.get("mediaType") or media_type or UNKNOWN_TYPE}
    own |= {"digest": digest, "size": size} | ({"annotations": annotations} if annotations else {})
    return {**own, **{key: value for key, value in raw.items() if key not in own}}


def without_name(raw: T) -> T | Json:
    """Return an entry without its names, which are annotations."""
    if not isinstance(raw, dict) or not is_named(raw):
        return raw
    others = {key: value for key, value in annotations_of(raw).items() if key not in (REF_NAME, IMAGE_NAME)}
    rest = {key: value for key, value in raw.items() if key != "annotations"}
    return {**rest, "annotations": others} if others else rest


def hidden_images(names: Iterable[tuple[str, str]]) -> str:
    """Return which of these (name, media type) are images that skopeo cannot read in a layout; "" if there are none.

    skopeo 1.9.3 looks for entries of the two OCI types only: "no descriptor found for reference". A config is an image
    of `docker save`, which has no manifest.
    """
    images = {name: kind for name, kind in names if is_document(kind) or kind in IMAGE_CONFIG_TYPES}
    types = {name: kind for name, kind in images.items() if kind not in (OCI_MANIFEST, OCI_INDEX)}
    if not types:
        return ""
    shown = [f"{name} ({kind})" for name, kind in sorted(types.items())]
    return (
        f"skopeo cannot read {join_some(shown, 3)} in an OCI image layout, as it looks for OCI media types only: "
        f"if skopeo should read it here, first convert the image with skopeo copy --format oci"
    )


def ref_of(raw: object) -> str:
    """Return the reference name of an entry, "" if it has none."""
    return names_of(annotations_of(raw)).ref if isinstance(raw, dict) else ""


def name_of(raw: object) -> str:
    """Return the name of an entry, "" if it has none."""
    return names_of(annotations_of(raw)).name if isinstance(raw, dict) else ""


def is_named(raw: object) -> bool:
    """Return whether an entry has a name."""
    return bool(name_of(raw))


def _entries(body: Json, odd: list[str]) -> Iterator[Entry]:
    items = body.get("manifests")
    if not isinstance(items, list):
        list(objects(items, "manifests", odd))  # absent and null mean no entries; this raises for any other type
        return
    for item in items:
        raw = next(objects([item], "manifests", odd), None)
        target = None if raw is None else entry_of(raw, odd)
        names = NAMELESS if raw is None else Named(*map(to_utf8, names_of(annotations_of(raw))))
        yield Entry(item, target, names)


def _bytes(path: Path) -> bytes:
    """Return the bytes of a regular file; do not wait if it is a pipe."""
    handle = FileHandle(path, os.O_RDONLY | os.O_NONBLOCK)
    info = os.fstat(handle.fileno())
    if stat.S_ISDIR(info.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(info.st_mode):
        msg = "not a regular file"
        raise DocumentError(msg)
    if info.st_size > INDEX_LIMIT:  # a sparse file may claim this size too: do not read it
        msg = f"larger than {INDEX_LIMIT >> 20} MiB"
        raise DocumentError(msg)
    with handle.file() as file:
        return file.read(INDEX_LIMIT + 1)
