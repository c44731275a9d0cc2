"""The verbs in bulk: in chunks of 1,000, each one transaction and one group sync, whole or not at all."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from blobkit.digest import of, parse
from blobkit.store.ingest import NO_OPTIONS, StagedBlob, put_options
from blobkit.store.verbs import take_in
from blobkit.store.writer import SMALL, BlobWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from blobkit.contents import Area, Staged
    from blobkit.digest import Algorithm, Digest
    from blobkit.model import Descriptor
    from blobkit.store.ingest import Data, PutOptions
    from blobkit.store.methods import Serving

__all__ = ["CHUNK", "in_chunks", "pair_of", "put_chunk"]

T = TypeVar("T")
R = TypeVar("R")

CHUNK = 1_000


def in_chunks(items: Iterable[T], act: Callable[[Sequence[T]], R]) -> Iterator[R]:
    """Yield what `act` returns for each chunk. What it raises, or the iterable does, tells how many items were done."""
    if isinstance(items, str | bytes):
        msg = f"many are given as one {type(items).__name__}: give a list of them, or use the verb for one"
        raise TypeError(msg)
    done = 0
    left = iter(items)
    try:
        while chunk := list(islice(left, CHUNK)):
            result = act(chunk)
            done += len(chunk)
            yield result
    except Exception as error:
        error.done = done  # type: ignore[attr-defined]
        error.add_note(f"{done:,} items were done; of the chunk of up to {CHUNK:,} that failed, none was.")
        raise


def put_chunk(session: Serving, algorithm: Algorithm, media_type: str, items: Sequence[Data]) -> Sequence[Descriptor]:
    """Stage the items together, then make them blobs in one transaction."""
    area = session.content.area()
    try:
        came = [_staged(area, item, algorithm, media_type) for item in items]
        area.seal()
        coming = {new.digest: new.token for new in came}
        return session.run(lambda work: take_in(work, came), seal=area.seal, coming=coming)
    finally:
        area.discard()


def pair_of(pair: tuple[str, str]) -> tuple[Digest, Digest]:
    """Return a pair (to, from_) of digests; TypeError."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:  # noqa: PLR2004 (a pair)
        msg = f"{pair!r:.100} is no pair of digests: give (to, from_)"
        raise TypeError(msg)
    return parse(pair[0]), parse(pair[1])


def _staged(area: Area, data: Data, algorithm: Algorithm, media_type: str) -> StagedBlob:
    """Return the content of one item, staged."""
    options, source = NO_OPTIONS, data
    if media_type or type(data) is not bytes:
        options, source = put_options(data, media_type=media_type, links=(), tag=None, move=False)
    if isinstance(source, bytes) and len(source) <= SMALL:  # a writer would cost as much as the writing
        staged = area.stage()
        staged.write(memoryview(source))
        return _sealed(options, staged, of(source, algorithm.label), len(source), media_type)
    with BlobWriter(algorithm, media_type, area.stage, partial(_sealed, options)) as writer:
        writer.draw(source)
        return writer.commit()


def _sealed(options: PutOptions, staged: Staged, digest: Digest, size: int, media_type: str) -> StagedBlob:
    staged.seal()
    return StagedBlob(digest, size, media_type, options, staged.token)
