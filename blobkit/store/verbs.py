"""The verbs, over any content and any index: each computes its plan by the rules, then makes it true."""

from __future__ import annotations

import io
import os
import warnings
from abc import ABC, abstractmethod
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from blobkit.digest import algorithm as algorithm_of
from blobkit.digest import is_digest, parse
from blobkit.digest import of as digest_of
from blobkit.errors import ContentMissingError, LayoutTypeWarning
from blobkit.oci.index import hidden_images
from blobkit.store import rules
from blobkit.store.arrival import (
    NOTHING,
    Arrived,
    check_text,
    described_all,
    described_as,
    pinned,
    record,
    small_bytes,
    whole,
    wish_of,
)
from blobkit.store.blob import Blob
from blobkit.store.journal import LIMIT, content_of
from blobkit.store.layout.guard import to_caller
from blobkit.store.layout.projection import is_shown
from blobkit.store.writer import SMALL, BlobWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from blobkit.digest import Digest
    from blobkit.model import Change, Descriptor, Freed
    from blobkit.protocols import Content, Staged
    from blobkit.store.arrival import Data, Wish
    from blobkit.transactions import Index, Reading, Writing

__all__ = ["Verbs"]

PAGE = 10_000


class Verbs(ABC):
    """The verbs on blobs, over transactions that a store or a batch gives.

    `shows_tags` says that other programs see the tags, in index.json.
    """

    shows_tags = False

    def __init__(self, content: Content, index: Index, address: str) -> None:
        self._content = content
        self._index = index
        self._address = address

    def new_writer(self, algorithm: str = "sha256", *, media_type: str = "") -> BlobWriter[Descriptor]:
        """Return a writer for new content, hashed with `algorithm`; HashNotSupportedError. It derives no links."""
        return self._writer(algorithm, media_type, NOTHING)

    def get(self, digest: str) -> Blob:
        """Return what is known of a blob, with `.open()` and `.read()`."""
        key = parse(digest)
        found = self._index.glance(key)
        if found is not None:
            size, refcount, pins, media_type, created = found
            return Blob(key, size, refcount, pins, (), media_type, created, (), self._opened, self._content_of)
        make = partial(Blob, _open=self._opened, _read=self._content_of)
        return self._index.read(lambda rows: described_as(make, rows, [key]))[0]

    def list(self) -> list[str]:
        """Return the digests of all blobs, of every algorithm, sorted."""
        return list(self._index.read(lambda rows: rows.digests()))

    def ref(self, digest: str) -> Descriptor:
        """Add one anonymous pin; return what is then known of the blob."""
        key = parse(digest)
        with self._changing() as rows:
            return pinned(rows, [key])[0]

    def deref(self, digest: str) -> Freed:
        """Drop one anonymous pin; return what went because nothing holds it any more, links followed.

        NotPinnedError where there is no anonymous pin. Cost: what goes.
        """
        return self._change(partial(rules.deref, digests=[parse(digest)]))

    def simulate_deref(self, digest: str) -> Freed:
        """Return or raise exactly what `deref` would, and write nothing."""
        return self._change(partial(rules.deref, digests=[parse(digest)]), dry_run=True)

    def link(self, to: str, from_: str, *, transfer: bool = True) -> None:
        """Make `from_` link to `to`: it holds `to` from then on. The caller's anonymous pin on `to` goes to the link.

        Where the link exists already, that pin is surplus and is dropped. NotPinnedError where there is none;
        `transfer=False` needs none: the link takes a reference of its own. LinkCycleError.
        """
        target, source = parse(to), parse(from_)
        with self._changing() as rows:
            rows.apply(rules.link(rows, target, source, transfer=transfer))

    def unlink(self, to: str, from_: str, *, dry_run: bool = False) -> Freed:
        """Drop the link from `from_` to `to`, if there is one; return what went because nothing holds it any more."""
        return self._change(partial(rules.unlink, to=parse(to), from_=parse(from_)), dry_run=dry_run)

    def put(  # noqa: PLR0913 (each of them a property of one new blob)
        self,
        data: Data,
        *,
        algorithm: str = "sha256",
        media_type: str = "",
        links: Iterable[str] = (),
        tag: str | None = None,
        move: bool = False,
    ) -> Descriptor:
        """Store bytes, a file by its path, or what an open binary file still has; return the blob's descriptor.

        Afterwards the blob has one anonymous pin more or, with `tag`, that name (TagExistsError where it names another
        blob, unless `move`). It links to `links` or, where none are given, to what a manifest or index names; each
        target gives up one anonymous pin if it has one. Targets that a manifest names and that are not here are linked
        when they arrive. MediaTypeConflictError, LinkCycleError; LayoutTypeWarning for a `tag` that skopeo cannot read.
        """
        source, wish = data, NOTHING
        is_plain = type(data) is bytes and type(links) is tuple and not links and tag is None  # as nearly all are
        if media_type != "" or not is_plain:
            wish, source = wish_of(data, media_type=media_type, links=links, tag=tag, move=move)
            self._warn_of(tag, media_type)
            source = small_bytes(source, LIMIT)
        if isinstance(source, bytes) and len(source) <= SMALL:
            return self._put_small(source, algorithm, media_type, wish)
        with self._writer(algorithm, media_type, wish) as writer:
            writer.draw(source)
            return writer.commit()

    def tag(
        self, name: str, digest: str, *, move: bool = False, transfer: bool = False, dry_run: bool = False
    ) -> Freed:
        """Make `name` name the blob: a pin of its own or, with `transfer`, the caller's anonymous one.

        TagExistsError where it names another blob, unless `move`; what nothing holds then is returned. InvalidTagError.
        LayoutTypeWarning where skopeo cannot read what it names. Cost: what goes and, where index.json shows the tags,
        all of them; a batch of changes writes it once.
        """
        key = parse(digest)

        def plan(rows: Reading) -> Change:
            change = rules.tag(rows, name, key, move=move, transfer=transfer)
            if change.named and not dry_run:
                self._warn_of(name, rows.records([key])[key].media_type)
            return change

        return self._change(plan, dry_run=dry_run)

    def untag(self, name: str, *, dry_run: bool = False) -> Freed:
        """Drop a name and its pin; return what went because nothing holds it any more. TagNotFoundError."""
        return self._change(partial(rules.untag, name=name), dry_run=dry_run)

    def tags(self) -> dict[str, str]:
        """Return every name with the digest that it names, by name."""
        return dict(self._index.read(lambda rows: rows.tags()))

    def __iter__(self) -> Iterator[str]:
        """Yield the digests of all blobs, sorted; blobs that come or go meanwhile may be in it or not."""
        after = None
        while page := self._index.read(partial(_page, after=after)):
            yield from page
            after = page[-1]

    def __len__(self) -> int:
        """Return the number of blobs."""
        return self._index.read(lambda rows: rows.total())

    def __bool__(self) -> bool:
        """Return True: a store without blobs is a store."""
        return True

    def __contains__(self, digest: object) -> bool:
        """Return whether the blob is here; False for what is no digest."""
        if not is_digest(digest):
            return False
        key = parse(digest)
        return bool(self._index.read(lambda rows: rows.counts([key])))

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied: a store is open in one process."""
        msg = f"{self!r} cannot be sent to another process or copied: pass its path, and open it there"
        raise TypeError(msg)

    def __repr__(self) -> str:
        """Return the class and the place."""
        return f"{type(self).__name__}({self._address!r})"

    def _change(self, plan: Callable[[Reading], Change], *, dry_run: bool = False) -> Freed:
        """Compute a plan that may remove something or change tags and, unless it is a dry run, make it true.

        The commit is always durable: files are unlinked after it, and index.json shows what it says.
        """
        if dry_run:
            return self._index.read(plan).freed
        with self._changing(durable=True) as rows:
            change = plan(rows)
            shown = is_shown(rows, change)
            rows.apply(change)
            if shown:
                self._retagged(rows, durable=True)
        return change.freed

    def _warn_of(self, name: str | None, media_type: str) -> None:
        """Warn of a name that other programs will not find in index.json; as an error it leaves nothing done."""
        text = hidden_images([(name, media_type)]) if name is not None and self.shows_tags else ""
        if text:
            warnings.warn(text, LayoutTypeWarning, stacklevel=to_caller())

    def _writer(self, algorithm: str, media_type: str, wish: Wish) -> BlobWriter[Descriptor]:
        check_text(media_type)
        return BlobWriter(algorithm_of(algorithm), media_type, self._stage, partial(self._commit, wish))

    def _put_small(self, content: bytes, algorithm: str, media_type: str, wish: Wish) -> Descriptor:
        """Store bytes that cannot change and take no thread: a writer would cost as much as the writing."""
        check_text(media_type)
        digest = digest_of(content, algorithm)
        staged = self._stage()
        try:
            staged.write(memoryview(content))
            return self._take_in(Arrived(digest, len(content), media_type, wish, staged.token), staged)
        finally:
            staged.discard()

    def _stage(self) -> Staged:
        """Return a place for new bytes."""
        self._refuse_closed()
        return self._content.stage()

    def _refuse_closed(self) -> None:
        """Check that the store is open, before anything is staged in it; StoreClosedError."""
        if self._index.closed:
            self._index.read(lambda _: None)

    def _commit(self, wish: Wish, staged: Staged, digest: Digest, size: int, media_type: str) -> Descriptor:
        return self._take_in(Arrived(digest, size, media_type, wish, staged.token), staged)

    def _take_in(self, came: Arrived, staged: Staged) -> Descriptor:
        """Make staged bytes a blob, or one reference more on the blob that is here."""
        if not whole(self._content, {came.digest: came.size}):
            staged.seal()  # outside the lock: this is the slow part
        with self._changing(durable=came.wish.tag is not None) as rows:
            return self._record(rows, [came], partial(self._publish, staged.seal))[0]

    def _publish(self, seal: Callable[[], None], fresh: Mapping[Digest, str]) -> None:
        """Publish staged content, which `seal` makes durable if that was not done."""
        seal()
        self._content.publish(fresh)

    def _record(
        self, rows: Writing, came: Sequence[Arrived], publish: Callable[[Mapping[Digest, str]], None]
    ) -> Sequence[Descriptor]:
        """Record what came, and publish what is not whole here; return what is known of each afterwards."""
        known = rows.records({new.digest for new in came})
        here = whole(self._content, {digest: blob.size for digest, blob in known.items()}) if known else ()
        shown, plain = record(rows, came, known)
        if shown:
            self._retagged(rows, durable=any(new.wish.tag is not None for new in came))
        fresh = {new.digest: new.token for new in came if new.digest not in here}
        if fresh:
            publish(fresh)
        if plain:
            return plain
        return described_all(rows, [new.digest for new in came])

    def _check_place(self) -> None:  # noqa: B027 (a store in memory has no place)
        """Check that what was opened is still in its place."""

    @abstractmethod
    def _changing(self, *, durable: bool = False) -> AbstractContextManager[Writing]:
        """Return a transaction that may write; `durable` whatever the store promises otherwise."""

    @abstractmethod
    def _retagged(self, rows: Writing, *, durable: bool) -> None:
        """Take note, inside its transaction, that a tag or what it shows changed."""

    def _content_of(self, digest: Digest, size: int) -> bytes:
        """Return the content of a blob of this size."""
        content = None if digest in self._odd() else self._content.read(digest, size)
        if content is not None:
            return content
        with self._opened(digest, size) as file:
            return file.read()

    def _odd(self) -> Collection[Digest]:
        """Return the blobs whose files are not to be believed, while the journal has their content."""
        return ()

    def _opened(self, digest: Digest, size: int | None = None) -> BinaryIO:
        """Return the content as a file to read; where its size is known, the index is asked only if it is not there.

        Else it tries twice, because the blob may have gone and come back, or found its place, meanwhile.
        """
        if size is not None and digest not in self._odd():
            with suppress(FileNotFoundError):
                file = self._content.open(digest)
                if _length(file) == size:
                    return file
                file.close()
        for _ in range(2):
            found = self._found(digest) or self._journalled(digest)
            if found is not None:
                return found
        msg = f"the content of {digest} is gone or truncated in {self._address}: put it again to heal it"
        raise ContentMissingError(msg, digest=digest)

    def _found(self, digest: Digest) -> BinaryIO | None:
        """Return the file in its place, if it is whole; BlobNotFoundError."""
        size = self._index.read(lambda rows: rules.held(rows, [digest])[digest].size)
        kept = self._journalled(digest) if digest in self._odd() else None
        with suppress(FileNotFoundError):
            if kept is None and self._content.sizes([digest]).get(digest) == size:
                return self._content.open(digest)
        return kept

    def _journalled(self, digest: Digest) -> BinaryIO | None:
        """Return the content that the journal has of a blob."""
        self._check_place()
        content = self._index.read(lambda rows: content_of(rows, digest))
        return None if content is None else io.BytesIO(content)


def _length(file: BinaryIO) -> int:
    """Return how many bytes a file holds that was just opened; one system call where it has a descriptor."""
    try:
        return os.fstat(file.fileno()).st_size
    except OSError:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        return length


def _page(rows: Reading, *, after: Digest | None) -> Sequence[Digest]:
    return rows.digests(after, PAGE)
