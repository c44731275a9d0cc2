"""The verbs in bulk: chunk by chunk, each chunk one transaction and one group sync."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from blobkit.digest import algorithm as algorithm_of
from blobkit.digest import of, parse, parse_all
from blobkit.model import Freed
from blobkit.store import rules
from blobkit.store.arrival import Arrived, check_text, pinned, wish_of
from blobkit.store.verbs import Verbs
from blobkit.store.writer import SMALL, BlobWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from blobkit.digest import Algorithm, Digest
    from blobkit.model import Descriptor
    from blobkit.protocols import Area, Staged
    from blobkit.store.arrival import Data, Wish

__all__ = ["CHUNK", "Bulk"]

T = TypeVar("T")
R = TypeVar("R")

CHUNK = 1_000


class Bulk(Verbs):
    """Verbs for many blobs, which work in chunks of 1,000, each whole or not at all.

    The error that stops one says in `done` how many items, all of whole chunks, were done before.
    """

    def put_many(self, items: Iterable[Data], *, algorithm: str = "sha256", media_type: str = "") -> list[Descriptor]:
        """Store each item as `put` does; return the descriptors in the same order, as of the end of their chunks."""
        check_text(media_type)
        act = partial(self._put_chunk, algorithm_of(algorithm), media_type)
        return [found for chunk in _chunks(items, act) for found in chunk]

    def ref_many(self, digests: Iterable[str]) -> list[Descriptor]:
        """Add one anonymous pin for each digest, two for one that is given twice; return the descriptors."""
        return [found for chunk in _chunks(digests, self._ref_chunk) for found in chunk]

    def deref_many(self, digests: Iterable[str]) -> Freed:
        """Drop one anonymous pin for each digest; return what went because nothing holds it any more."""
        return Freed.joined(list(_chunks(digests, self._deref_chunk)))

    def link_many(self, pairs: Iterable[tuple[str, str]], *, transfer: bool = True) -> int:
        """Link each pair (to, from_) as `link` does; return how many pairs there were."""
        return sum(_chunks(pairs, partial(self._link_chunk, transfer)))

    def _put_chunk(self, algorithm: Algorithm, media_type: str, items: Sequence[Data]) -> list[Descriptor]:
        area = self._content.area()
        try:
            came = [self._staged(area, item, algorithm, media_type) for item in items]
            area.seal()
            with self._changing() as rows:
                return list(self._record(rows, came, partial(self._publish, area.seal)))
        finally:
            area.discard()

    def _staged(self, area: Area, data: Data, algorithm: Algorithm, media_type: str) -> Arrived:
        """Return the content of one item, staged."""
        wish, source = wish_of(data, media_type=media_type, links=(), tag=None, move=False)
        if isinstance(source, bytes) and len(source) <= SMALL:  # a writer would cost as much as the writing
            staged = area.stage()
            staged.write(memoryview(source))
            return _arrived(wish, staged, of(source, algorithm.label), len(source), media_type)
        with BlobWriter(algorithm, media_type, area.stage, partial(_arrived, wish)) as writer:
            writer.draw(source)
            return writer.commit()

    def _ref_chunk(self, digests: Sequence[str]) -> list[Descriptor]:
        keys = parse_all(digests)
        with self._changing() as rows:
            return pinned(rows, keys)

    def _deref_chunk(self, digests: Sequence[str]) -> Freed:
        return self._change(partial(rules.deref, digests=parse_all(digests)))

    def _link_chunk(self, transfer: bool, pairs: Sequence[tuple[str, str]]) -> int:  # noqa: FBT001 (private, bound)
        keys = [_pair(pair) for pair in pairs]
        with self._changing() as rows:
            change = rules.links(rows, keys, transfer=transfer)
            if change is not None:
                rows.apply(change)
                return len(keys)
            for to, from_ in keys:
                rows.apply(rules.link(rows, to, from_, transfer=transfer))
        return len(keys)


def _chunks(items: Iterable[T], act: Callable[[Sequence[T]], R]) -> Iterator[R]:
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
        error.add_note(f"{done:,} items were done before, those of all earlier chunks; of this one none was")
        raise


def _pair(pair: tuple[str, str]) -> tuple[Digest, Digest]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:  # noqa: PLR2004 (a pair)
        msg = f"{pair!r:.100} is no pair of digests: give (to, from_)"
        raise TypeError(msg)
    return parse(pair[0]), parse(pair[1])


def _arrived(wish: Wish, staged: Staged, digest: Digest, size: int, media_type: str) -> Arrived:
    staged.seal()
    return Arrived(digest, size, media_type, wish, staged.token)
