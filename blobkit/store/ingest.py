"""Take in blobs: read their bytes from any source, find their links, and record them."""

from __future__ import annotations

import os
import stat
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, TypeVar

from blobkit.digest import parse_all
from blobkit.errors import MediaTypeConflictError
from blobkit.model import Descriptor, Link, NewBlob
from blobkit.oci.documents import DOCUMENT_LIMIT, is_document, read_document
from blobkit.oci.untrusted import DocumentError
from blobkit.render import printable, to_utf8
from blobkit.store import rules
from blobkit.store.layout.names import check_name
from blobkit.store.writer import bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from typing_extensions import Buffer

    from blobkit.digest import Digest
    from blobkit.model import Record
    from blobkit.oci.documents import Reference
    from blobkit.transactions import Reading, Writing

__all__ = [
    "NO_OPTIONS",
    "Data",
    "HasSizes",
    "PutOptions",
    "StagedBlob",
    "check_text",
    "check_type",
    "described",
    "described_all",
    "described_as",
    "pinned",
    "put_options",
    "record",
    "small_bytes",
    "whole",
]

D = TypeVar("D", bound=Descriptor)


class Readable(Protocol):
    """An open binary file, as far as it is needed: what `gzip`, `tarfile` and pipes give is one too."""

    def read(self, size: int = ..., /) -> bytes:
        """Return up to so many bytes, none at the end."""
        ...


Data: TypeAlias = "Buffer | str | os.PathLike[str] | Readable"
"""What `put` takes: any bytes-like object, the path of a file, an open binary file."""

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class PutOptions:
    """Options of a put: links to `targets`, links that the content names, a tag."""

    targets: tuple[Digest, ...] = ()
    derived: tuple[Reference, ...] = ()
    tag: str | None = None
    move: bool = False


NO_OPTIONS = PutOptions()


class StagedBlob(NamedTuple):
    """Content to be recorded as a blob, and published: staged under `token`, or small and in `data`."""

    digest: Digest
    size: int
    media_type: str
    options: PutOptions = NO_OPTIONS
    token: str = ""
    data: bytes | None = None


def put_options(
    data: Data, *, media_type: str, links: Iterable[str], tag: str | None, move: bool
) -> tuple[PutOptions, Data]:
    """Return what is wanted, checked, and the data. Only manifests and indexes are read, whole, up to their limit."""
    if tag is not None:
        check_name(tag)
    if links is None:
        msg = "links are given as None: give a list of digests, or leave links out"
        raise TypeError(msg)
    targets = tuple(parse_all(links))
    if targets or not is_document(media_type):
        return PutOptions(targets, tag=tag, move=move) if targets or tag is not None else NO_OPTIONS, data
    body = _whole(_parts(data))
    try:
        document = read_document(body, media_type)
    except DocumentError as error:
        msg = f"the content is no {media_type} ({printable(str(error))}): put it without a media type, or give links="
        raise MediaTypeConflictError(msg) from error
    return PutOptions(derived=document.references, tag=tag, move=move), body


def small_bytes(data: Data, limit: int) -> Data:
    """Return bytes in memory, or those of a small file at a path, as bytes that cannot change; all else as it is."""
    if isinstance(data, bytearray | memoryview):
        view = bytes_of(data)
        return bytes(view) if len(view) <= limit else data
    if isinstance(data, str | os.PathLike):
        with suppress(OSError, ValueError):  # whoever reads it says what is wrong
            found = os.stat(data)  # noqa: PTH116 (bytes are a path, too)
            if stat.S_ISREG(found.st_mode) and found.st_size <= limit:
                with open(data, "rb") as file:  # noqa: PTH123 (the same)
                    content = file.read(limit + 1)
                return content if len(content) <= limit else data
    return data


def record(tx: Writing, came: Sequence[StagedBlob], known: Mapping[Digest, Record]) -> tuple[bool, list[Descriptor]]:
    """Record blobs that were committed: new ones with one pin, one pin more on `known` ones; then what is wanted.

    Returns whether anything changed that tags show, and the descriptors where all of them are plain: new, and nothing
    is wanted of them. MediaTypeConflictError, TagExistsError, LinkCycleError.
    """
    first = {new.digest: new for new in reversed(came) if new.digest not in known}
    wanting = [new for new in came if new.options is not NO_OPTIONS]
    moment = datetime.now(UTC)
    waited = _add(tx, list(first.values()), moment) if first else False
    if len(first) == len(came) and not waited and not wanting:
        return False, [Descriptor(new.digest, new.size, 1, 1, (), new.media_type, moment, ()) for new in came]
    again = [new for new in came if first.get(new.digest) is not new]
    shown = _pin_again(tx, again, known, first) if again else False
    for new in wanting:
        shown |= _fulfil(tx, new)
    return shown, []


def _add(tx: Writing, new: Sequence[StagedBlob], moment: datetime) -> bool:
    """Record new blobs, and the links that waited for them; return whether there were any."""
    tx.add([NewBlob(blob.digest, blob.size, blob.media_type, moment) for blob in new])
    unresolved = tx.expecting([blob.digest for blob in new])
    if unresolved:
        tx.apply(rules.arrived(tx, unresolved))
        tx.unexpect(unresolved)
    return bool(unresolved)


def _pin_again(
    tx: Writing, again: Sequence[StagedBlob], known: Mapping[Digest, Record], first: Mapping[Digest, StagedBlob]
) -> bool:
    """Add a pin for each of these, which are here; fill in media types. Return whether anything shown changed."""
    tx.pin(Counter(blob.digest for blob in again))
    types = {digest: record.media_type for digest, record in known.items()}
    types |= {digest: blob.media_type for digest, blob in first.items()}
    learned = {}
    for blob in again:
        if check_type(blob.digest, types[blob.digest], blob.media_type) != types[blob.digest]:
            learned[blob.digest] = types[blob.digest] = blob.media_type
    tx.retype(learned)
    return any(digest in known and known[digest].tags for digest in learned)


def check_text(media_type: object) -> None:
    """Check that a media type is text that can be shown and stored; TypeError."""
    if not isinstance(media_type, str) or to_utf8(media_type) != media_type:
        msg = f"media_type {media_type!r:.100} is no text: give the type of the content, or nothing"
        raise TypeError(msg)


def check_type(digest: Digest, known: str, given: str) -> str:
    """Return the media type of a blob that is here and is given again; MediaTypeConflictError where they differ."""
    if given and known and given != known:
        msg = f"{digest} is here as {printable(known)!r}, not as {printable(given)!r}: give that media_type, or none"
        raise MediaTypeConflictError(msg, digest=digest)
    return known or given


def _fulfil(tx: Writing, new: StagedBlob) -> bool:
    """Link and tag a blob as is wanted; return whether a tag changed."""
    _link(tx, new.digest, new.options)
    if new.options.tag is None:
        return False
    change = rules.tag(tx, new.options.tag, new.digest, move=new.options.move, transfer=True)
    tx.apply(change)
    return bool(change.named)


def _link(tx: Writing, digest: Digest, options: PutOptions) -> None:
    """Link a blob to what is wanted; what its content names and is not here is recorded as expected."""
    rules.held(tx, options.targets)
    links = {target: Link(digest, target) for target in options.targets}
    for named in options.derived:
        links.setdefault(named.digest, Link(digest, named.digest, named.kind))
    if not links:
        return
    here = tx.records(list(links))
    tx.apply(rules.links_of_put(tx, digest, [link for target, link in links.items() if target in here]))
    types = {named.digest: named.media_type for named in options.derived}
    tx.expect({link: types[target] for target, link in links.items() if target not in here})


class HasSizes(Protocol):
    """The part of a content that tells sizes."""

    def sizes(self, digests: Collection[Digest], /) -> Mapping[Digest, int]:
        """Return the sizes of the stored ones among these."""
        ...


def whole(content: HasSizes, recorded: Mapping[Digest, int]) -> Collection[Digest]:
    """Return those of the recorded blobs, given with their sizes, that have their content, of the right length."""
    stored = content.sizes(recorded) if recorded else {}
    return {digest for digest, size in recorded.items() if stored.get(digest) == size}


def described(tx: Reading, digest: Digest) -> Descriptor:
    """Return what is known of one blob; BlobNotFoundError. Cost: its links and tags."""
    return described_all(tx, [digest])[0]


def described_all(tx: Reading, digests: Sequence[Digest]) -> list[Descriptor]:
    """Return what is known of each blob; BlobNotFoundError. Cost: a few questions, their links and tags."""
    return described_as(Descriptor, tx, digests)


def described_as(make: Callable[..., D], tx: Reading, digests: Sequence[Digest]) -> list[D]:
    """Return the same as `make`, which takes what a Descriptor takes, makes it."""
    return _described(make, tx, digests, rules.held(tx, digests))


def pinned(tx: Writing, digests: Sequence[Digest]) -> list[Descriptor]:
    """Add one anonymous pin for each, two for one that is given twice; return what is then known of each blob.

    BlobNotFoundError. Cost: one statement a blob, as there is nothing to plan; their links and tags.
    """
    held = tx.pin(Counter(digests))
    rules.check_held(held, digests)
    return _described(Descriptor, tx, digests, held)


def _described(
    make: Callable[..., D], tx: Reading, digests: Sequence[Digest], held: Mapping[Digest, Record]
) -> list[D]:
    links = tx.targets(held)
    tagged = [digest for digest, known in held.items() if known.tags]
    tags = tx.names(tagged) if tagged else {}
    return [
        make(
            digest,
            known.size,
            known.refcount,
            known.pins,
            tuple(links.get(digest, ())),
            known.media_type,
            known.created,
            tuple(tags.get(digest, ())),
        )
        for digest, known in ((digest, held[digest]) for digest in digests)
    ]


def _parts(data: Data) -> Iterator[Buffer]:
    """Yield the bytes, a file in pieces. A path is opened at the first piece."""
    if isinstance(data, str | os.PathLike):
        with Path(data).open("rb", buffering=0) as file:
            yield from iter(lambda: file.read(CHUNK), b"")
    elif hasattr(data, "read"):
        yield from iter(lambda: data.read(CHUNK), b"")
    else:
        yield bytes_of(data)


def _whole(parts: Iterator[Buffer]) -> bytes:
    """Return all bytes, or so many that it is plain that they are too many for a document."""
    body = bytearray()
    for part in parts:
        body += part
        if len(body) > DOCUMENT_LIMIT:
            break
    return bytes(body)
