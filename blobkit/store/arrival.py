"""What comes in: where bytes are read from, what they link to, and how a blob is recorded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from blobkit.digest import parse
from blobkit.errors import MediaTypeConflictError
from blobkit.media import DOCUMENT_LIMIT, is_document, read_document
from blobkit.model import Arrival, Descriptor, Link
from blobkit.render import printable
from blobkit.store import rules
from blobkit.store.names import check_name
from blobkit.strangers import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blobkit.digest import Digest
    from blobkit.media import Reference
    from blobkit.protocols import Content, Reading, Writing

__all__ = ["Data", "Wish", "described", "is_whole", "record", "wish_of"]

Bytes = bytes | bytearray | memoryview
Data = Bytes | str | os.PathLike[str] | BinaryIO
"""What `put` takes: bytes, the path of a file, an open binary file."""

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of a blob beside its bytes: links to `targets`, those that its content names, a tag."""

    targets: tuple[Digest, ...] = ()
    derived: tuple[Reference, ...] = ()
    tag: str | None = None
    move: bool = False


def wish_of(
    data: Data, *, media_type: str, links: Iterable[str], tag: str | None, move: bool
) -> tuple[Wish, Iterable[Bytes]]:
    """Return what is wanted, checked, and the bytes. Only manifests and indexes are read whole, up to their limit."""
    if tag is not None:
        check_name(tag)
    targets = tuple(map(parse, links))
    parts = _parts(data)
    if targets or not is_document(media_type):
        return Wish(targets, tag=tag, move=move), parts
    body = _whole(parts)
    try:
        document = read_document(body, media_type)
    except DocumentError as error:
        msg = f"the content is no {media_type} ({printable(str(error))}): put it without a media type, or give links="
        raise MediaTypeConflictError(msg) from error
    return Wish(derived=document.references, tag=tag, move=move), [body]


def record(rows: Writing, digest: Digest, size: int, media_type: str, wish: Wish) -> bool:
    """Record a blob that was committed: a new one with one pin, one pin more on a known one; then what is wanted.

    Returns whether anything changed that tags show. MediaTypeConflictError, TagExistsError, LinkCycleError.
    """
    known = rows.records([digest]).get(digest)
    if known is None:
        rows.add([Arrival(digest, size, media_type, datetime.now(UTC))])
        waiting = rows.expecting([digest])
        if waiting:
            rows.apply(rules.arrived(rows, digest))
            rows.unexpect(waiting)
    else:
        rows.apply(rules.pin(rows, digest))
        if media_type and media_type != known.media_type:
            _retype(rows, digest, known.media_type, media_type)
    _link(rows, digest, wish)
    if wish.tag is not None:
        change = rules.tag(rows, wish.tag, digest, move=wish.move, transfer=True)
        rows.apply(change)
        return bool(change.named)
    return known is not None and known.tags > 0 and bool(media_type) and media_type != known.media_type


def _retype(rows: Writing, digest: Digest, known: str, media_type: str) -> None:
    if known:
        msg = (
            f"{digest} is here as {printable(known)!r}, not as {printable(media_type)!r}: give that media_type, or none"
        )
        raise MediaTypeConflictError(msg, digest=digest)
    rows.retype({digest: media_type})


def _link(rows: Writing, digest: Digest, wish: Wish) -> None:
    """Link a blob to what is wanted; what its content names and is not here is recorded as expected."""
    rules.held(rows, wish.targets)
    links = {target: Link(digest, target) for target in wish.targets}
    for named in wish.derived:
        links.setdefault(named.digest, Link(digest, named.digest, named.kind))
    if not links:
        return
    here = rows.records(list(links))
    rows.apply(rules.links_of_put(rows, digest, [link for target, link in links.items() if target in here]))
    types = {named.digest: named.media_type for named in wish.derived}
    rows.expect({link: types[target] for target, link in links.items() if target not in here})


def is_whole(rows: Reading, content: Content, digest: Digest) -> bool:
    """Return whether the blob is recorded and its content there, of the right length."""
    known = rows.sizes([digest]).get(digest)
    return known is not None and content.sizes([digest]).get(digest) == known


def described(rows: Reading, digest: Digest) -> Descriptor:
    """Return what is known of one blob; BlobNotFoundError. Cost: its links and tags."""
    known = rules.held(rows, [digest])[digest]
    return Descriptor(
        digest=digest,
        size=known.size,
        refcount=known.refcount,
        pins=known.pins,
        links=tuple(rows.targets([digest]).get(digest, ())),
        media_type=known.media_type,
        created=known.created,
        tags=tuple(rows.names([digest]).get(digest, ())) if known.tags else (),
    )


def _parts(data: Data) -> Iterator[Bytes]:
    """Yield the bytes, a file in pieces. A path is opened at the first piece."""
    if isinstance(data, Bytes):
        yield data
    elif isinstance(data, str | os.PathLike):
        with Path(data).open("rb", buffering=0) as file:
            yield from iter(lambda: file.read(CHUNK), b"")
    else:
        yield from iter(lambda: data.read(CHUNK), b"")


def _whole(parts: Iterator[Bytes]) -> bytes:
    """Return all bytes, or so many that it is plain that they are too many for a document."""
    body = bytearray()
    for part in parts:
        body += part
        if len(body) > DOCUMENT_LIMIT:
            break
    return bytes(body)
