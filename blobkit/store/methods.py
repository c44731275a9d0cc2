"""The verbs as methods, the same for a store and a batch: they check their arguments and run in a session."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar

from blobkit.digest import algorithm as algorithm_of
from blobkit.digest import is_digest, parse
from blobkit.digest import of as digest_of
from blobkit.errors import LayoutTypeWarning
from blobkit.oci.index import hidden_images
from blobkit.store import rules, verbs
from blobkit.store.blob import Blob
from blobkit.store.ingest import (
    NO_OPTIONS,
    StagedBlob,
    check_text,
    described_as,
    pinned,
    put_options,
    small_bytes,
)
from blobkit.store.journal import LIMIT
from blobkit.store.layout.projection import to_caller
from blobkit.store.writer import SMALL, BlobWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO
    from weakref import ref

    from blobkit.contents import Area, Staged
    from blobkit.digest import Digest
    from blobkit.model import Change, Descriptor, Freed
    from blobkit.store.ingest import Data, PutOptions
    from blobkit.store.nesting import OpensOnce
    from blobkit.store.projection import Projection
    from blobkit.store.reading import BlobReader
    from blobkit.store.verbs import Work
    from blobkit.transactions import Index, Peeked, Reading, Writing

__all__ = ["Runs", "Serving", "Shelf", "Verbs"]

T = TypeVar("T")
PAGE = 10_000


class Asked(Protocol):
    """The part of an index that answers questions."""

    def read(self, question: Callable[[Reading], T], /) -> T:
        """Return the answer to a question over one state."""
        ...

    def peek(self, blob: Digest, /) -> Peeked | None:
        """Return what is recorded of a blob without links and tags; None for others, or where `read` is as cheap."""
        ...


class Runs(Protocol):
    """A place where verbs run: a session of a store, each in a transaction of its own, or a batch, all in one.

    `shows_tags` says that other programs see the tags.
    """

    address: str
    shows_tags: bool
    reader: BlobReader

    @property
    def index(self) -> Asked:
        """Answers questions; that of a batch with what the batch did."""
        ...

    def run(self, plan: Callable[[Work], T], *, durable: bool = False) -> T:
        """Return what a plan returns, which does one verb in a transaction; it holds as a whole or not at all.

        The plan may be run again, with new work: it changes nothing else.
        """
        ...

    def stage(self) -> Staged:
        """Return a place for new bytes."""
        ...

    def put_small(self, content: bytes, digest: Digest, media_type: str, options: PutOptions) -> Descriptor:
        """Make bytes in memory a blob."""
        ...

    def put_staged(self, new: StagedBlob, staged: Staged) -> Descriptor:
        """Make staged bytes a blob."""
        ...


class Shelf(Protocol):
    """The part of a content that verbs read, and stage new content in."""

    def area(self) -> Area:
        """Return a place for many new blobs."""
        ...

    def sizes(self, digests: Collection[Digest], /) -> Mapping[Digest, int]:
        """Return the sizes of those of these that have content."""
        ...

    def open(self, digest: Digest, /) -> BinaryIO:
        """Return content as a file to read; FileNotFoundError."""
        ...

    def read(self, digest: Digest, size: int, /) -> bytes | None:
        """Return content if there are exactly `size` bytes and one step can read them; else None."""
        ...


class Serving(Runs, Protocol):
    """The session of a store, which also begins batches, works in bulk and cleans up."""

    @property
    def index(self) -> Index:
        """The index of the store."""
        ...

    @property
    def content(self) -> Shelf:
        """The content of the store."""
        ...

    @property
    def projection(self) -> Projection:
        """The view of the store that other programs have."""
        ...

    def run(
        self,
        plan: Callable[[Work], T],
        *,
        durable: bool = False,
        checked: bool = False,
        seal: Callable[[], object] = bool,
        coming: Mapping[Digest, str] | None = None,
    ) -> T:
        """Return what a plan returns, as `Runs.run`.

        `seal` makes staged content durable that is to be published; `coming` are the tokens of what the plan records.
        `checked` says that the caller has called `refuse_nesting`.
        """
        ...

    def writing(self, *, durable: bool = False) -> AbstractContextManager[Writing]:
        """Return the transaction of a batch."""
        ...

    def begin_batch(self, batch: ref[OpensOnce]) -> None:
        """Note that this thread has a batch open."""
        ...

    def refuse_nesting(self) -> None:
        """Check that this thread has no batch open; BatchError."""
        ...

    def refuse_closed(self) -> None:
        """Check that the store is open; StoreClosedError."""
        ...

    def sweep(self) -> int:
        """Delete the content that removals left behind; return how many are gone."""
        ...


class Verbs:
    """The verbs on blobs, which run in a session."""

    def __init__(self, session: Runs) -> None:
        self._session = session

    def new_writer(self, algorithm: str = "sha256", *, media_type: str = "") -> BlobWriter[Descriptor]:
        """Return a writer for new content, hashed with `algorithm`; HashNotSupportedError. It derives no links."""
        return self._writer(algorithm, media_type, NO_OPTIONS)

    def get(self, digest: str) -> Blob:
        """Return what is known of a blob, with `.open()` and `.read()`."""
        key = parse(digest)
        session = self._session
        reader, found = session.reader, session.index.peek(key)
        if found is not None:
            size, refcount, pins, media_type, created = found
            return Blob(key, size, refcount, pins, (), media_type, created, (), reader)
        make = partial(Blob, _reader=reader)
        return session.index.read(lambda tx: described_as(make, tx, [key]))[0]

    def list(self) -> list[str]:
        """Return the digests of all blobs, of every algorithm, sorted."""
        return list(self._session.index.read(lambda tx: tx.digests()))

    def ref(self, digest: str) -> Descriptor:
        """Add one anonymous pin; return what is then known of the blob."""
        key = parse(digest)
        return self._session.run(lambda work: pinned(work.tx, [key])[0])

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
        self._session.run(lambda work: verbs.link(work, [(target, source)], transfer=transfer))

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
        source, options = data, NO_OPTIONS
        is_plain = type(data) is bytes and type(links) is tuple and not links and tag is None  # as nearly all are
        if media_type != "" or not is_plain:
            options, source = put_options(data, media_type=media_type, links=links, tag=tag, move=move)
            self._warn_of(tag, media_type)
            source = small_bytes(source, LIMIT)
        if isinstance(source, bytes) and len(source) <= SMALL:
            if media_type != "":
                check_text(media_type)
            return self._session.put_small(source, digest_of(source, algorithm), media_type, options)
        with self._writer(algorithm, media_type, options) as writer:
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

        def plan(tx: Reading) -> Change:
            change = rules.tag(tx, name, key, move=move, transfer=transfer)
            if change.named and not dry_run:
                self._warn_of(name, tx.records([key])[key].media_type)
            return change

        return self._change(plan, dry_run=dry_run)

    def untag(self, name: str, *, dry_run: bool = False) -> Freed:
        """Drop a name and its pin; return what went because nothing holds it any more. TagNotFoundError."""
        return self._change(partial(rules.untag, name=name), dry_run=dry_run)

    def tags(self) -> dict[str, str]:
        """Return every name with the digest that it names, by name."""
        return dict(self._session.index.read(lambda tx: tx.tags()))

    def __iter__(self) -> Iterator[str]:
        """Yield the digests of all blobs, sorted; blobs that come or go meanwhile may be in it or not."""
        after = None
        while page := self._session.index.read(partial(_page, after=after)):
            yield from page
            after = page[-1]

    def __len__(self) -> int:
        """Return the number of blobs."""
        return self._session.index.read(lambda tx: tx.total())

    def __bool__(self) -> bool:
        """Return True: a store without blobs is a store."""
        return True

    def __contains__(self, digest: object) -> bool:
        """Return whether the blob is here; False for what is no digest."""
        if not is_digest(digest):
            return False
        key = parse(digest)
        return bool(self._session.index.read(lambda tx: tx.counts([key])))

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied: a store is open in one process."""
        msg = f"{self!r} cannot be sent to another process or copied: pass its path, and open it there"
        raise TypeError(msg)

    def __repr__(self) -> str:
        """Return the class and the place."""
        return f"{type(self).__name__}({self._session.address!r})"

    def _change(self, plan: Callable[[Reading], Change], *, dry_run: bool = False) -> Freed:
        """Compute a plan that may remove something or change tags and, unless it is a dry run, make it true.

        The commit is always durable: files are unlinked after it, and index.json shows what it says.
        """
        if dry_run:
            return self._session.index.read(plan).freed
        return self._session.run(lambda work: verbs.change(work, plan), durable=True)

    def _warn_of(self, name: str | None, media_type: str) -> None:
        """Warn of a name that other programs will not find in index.json; as an error it leaves nothing done."""
        text = hidden_images([(name, media_type)]) if name is not None and self._session.shows_tags else ""
        if text:
            warnings.warn(text, LayoutTypeWarning, stacklevel=to_caller())

    def _writer(self, algorithm: str, media_type: str, options: PutOptions) -> BlobWriter[Descriptor]:
        check_text(media_type)
        session = self._session

        def commit(staged: Staged, digest: Digest, size: int, media_type: str) -> Descriptor:
            return session.put_staged(StagedBlob(digest, size, media_type, options, staged.token), staged)

        return BlobWriter(algorithm_of(algorithm), media_type, session.stage, commit)


def _page(tx: Reading, *, after: Digest | None) -> Sequence[Digest]:
    return tx.digests(after, PAGE)
