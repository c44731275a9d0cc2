"""Turn descriptors into links: the blobs that the manifests and indexes of a store name, and their claims about these.

The media type in the *descriptor* decides whether a blob's links are followed, never its content (OCI image-spec,
`descriptor.md`). Blobs that no descriptor names are parsed anyway, because a referrer may be listed nowhere.

Each document is read once. Manifests of the usual form (`blobkit.oci.plain`) are recorded in columns; all others go
through `blobkit.oci.walk`.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import Digest
from blobkit.oci.documents import IMAGE_CONFIG_TYPES, Document, Reference, kind_of
from blobkit.oci.plain import PlainManifest, micros, plain_manifest
from blobkit.oci.walk import UNPARSEABLE, Walk
from blobkit.scanners.columns import Digests
from blobkit.scanners.configs import Configs
from blobkit.scanners.pending import Pending, Span
from blobkit.scanners.plains import Plains, Recalled
from blobkit.scanners.spaces.space import sequence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from blobkit.oci.walk import Step
    from blobkit.scanners.facts import Facts
    from blobkit.scanners.files import Files
    from blobkit.scanners.recall import Recall

    Item = Reference | Span

__all__ = ["Documents"]

LEAVES = frozenset({"config", "layer"})
"""The positions of descriptors that are kept in columns."""
PIECE = 512
"""Descriptors that are followed at once: so many documents are in memory together."""


class Documents:
    """Follows descriptors into documents and records these; each is read once for each media type it is given.

    `subjects` maps each referrer to its subject. Descriptors in the positions of `always` are followed with any media
    type (a registry link has none). `unusual` is called with the content of each document that is not plain, None if it
    cannot be read.
    """

    def __init__(
        self,
        facts: Facts,
        files: Files,
        *,
        always: Iterable[str] = (),
        unusual: Callable[[Digest, bytes | None], object] = lambda *_: None,
        recall: Recall | None = None,
    ) -> None:
        self.facts, self.files, self.always, self.unusual = facts, files, frozenset(always), unusual
        self.recall = recall
        self.subjects: dict[Digest, Digest] = {}
        self.named = Digests(facts.ids)
        self._contents: dict[Digest, bytes | None] = {}
        self._pending = Pending(facts)
        self._walk = Walk(self._given, self._read_as, subjects=True)
        self._noticed: set[tuple[Digest, str]] = set()
        self._configs = Configs(facts, files, recall)
        self._plains = Plains(facts, self._pending, self._configs, recall)

    def follow_named(
        self, digests: list[Digest], kind: str, watch: Callable[[Iterable[Digest]], Iterable[Digest]] = iter
    ) -> None:
        """Record the documents with these digests, in a position of `always`, and all that those reach."""
        after: list[Item] = []
        places, items = self._plains.places(digests), iter(watch(digests))
        step = PIECE if (places < 0).any() else max(1, len(places))
        for at in range(0, len(digests), step):
            piece, rows = list(islice(items, step)), places[at : at + step]
            if rows.min() >= 0:
                self._record_named_plains(piece, rows, after)
            else:
                self._follow([Reference(digest, kind) for digest in piece], after, quiet=False)
        self.follow(after)

    def _record_named_plains(self, digests: Sequence[Digest], places: NDArray[np.int64], after: list[Item]) -> None:
        """Record plain manifests in columns."""
        for digest in digests:
            self.named.add(digest)
        _extend(after, self._plains.record_rows(places))

    def follow(self, references: Iterable[Item], *, quiet: bool = False) -> None:
        """Record the blobs that these descriptors name, and all that those reach, level by level.

        `quiet`: the descriptors come from garbage, so absent blobs get no notice, and no blob becomes opaque.
        """
        level = references
        while level:
            after: list[Item] = []
            items = iter(level)
            while piece := list(islice(items, PIECE)):
                self._follow(piece, after, quiet=quiet)
            level = after

    def _follow(self, piece: list[Item], after: list[Item], *, quiet: bool) -> None:
        """Record some descriptors of a level; append the descriptors in their documents to `after`."""
        plain = self._read([item for item in piece if isinstance(item, Reference)])
        is_plain = [isinstance(item, Reference) and self._is_plain(item, plain) for item in piece]
        others = (item for item, is_one in zip(piece, is_plain, strict=True) if not is_one)
        steps = iter(self._walk.steps([item for item in others if isinstance(item, Reference)]))
        rows: list[int] = []
        for item, is_one in zip(piece, is_plain, strict=True):
            if isinstance(item, Reference) and is_one:
                self._record_named(item, quiet=quiet)
                self._record_plain(item.digest, plain.pop(item.digest, None), rows, after)
                continue
            self._record_rows(rows, after)
            if isinstance(item, Span):
                self._record_span(item, quiet=quiet)
            else:
                step = next(steps)
                self._record(step, quiet=quiet)
                self._queue(self._walk.named(step.document) if step.document else (), after)
        self._record_rows(rows, after)
        self._contents.clear()

    def _record_plain(
        self, digest: Digest, manifest: PlainManifest | Recalled | None, rows: list[int], after: list[Item]
    ) -> None:
        """Record a plain manifest that was not recorded yet; those in columns later, many at once: append to `rows`."""
        if isinstance(manifest, Recalled):
            rows.append(manifest.row)
        elif manifest is not None:
            self._record_rows(rows, after)
            _extend(after, self._plains.record(digest, manifest))

    def _record_rows(self, rows: list[int], after: list[Item]) -> None:
        if rows:
            _extend(after, self._plains.record_rows(np.array(rows)))
            rows.clear()

    def parse_unnamed(self, digests: Iterable[Digest], *, referrers: bool = True) -> None:
        """Parse stored blobs that no descriptor names: `referrers` count as named, other documents as garbage."""
        documents = {digest: self.files.peek(digest) for digest in digests if digest not in self.named}
        found = {digest: document for digest, document in documents.items() if document is not None}
        for garbage in (False, True):
            named: list[Reference] = []
            for digest, document in found.items():
                if garbage != (referrers and document.subject is not None) and not self._has_tried(digest, ""):
                    named += self._walk.mark_read(digest, document)
                    self._record_document(digest, document)
            self.follow(named, quiet=garbage)

    def finish(self) -> None:
        """Record layers with the same content, compressed differently."""
        self._configs.record_twins()

    def contained(self, digest: Digest) -> array[int] | None:
        """Return the config and the layers in a manifest of the usual form, as nodes; None for other documents."""
        return self._plains.contained(digest)

    def _read(self, references: list[Reference]) -> dict[Digest, PlainManifest | Recalled]:
        """Read the documents of descriptors that were not read yet; return those that are plain manifests."""
        types = [(one.digest, one_type) for one in references if (one_type := self._read_as(one)) is not None]
        fresh: dict[Digest, set[str]] = defaultdict(set)
        for digest, media_type in types:
            if not self._has_tried(digest, media_type) and self.facts.is_stored(digest):
                fresh[digest].add(media_type)
        found = self._recalled(fresh)
        self._contents = dict.fromkeys(digest for digest in fresh if digest not in found)
        self.files.bring(self._contents)
        for digest in self._contents:
            content = self._contents[digest] = self.files.whole(digest)
            manifest = plain_manifest(content) if content is not None else None
            if manifest and not fresh[digest].isdisjoint(("", manifest.media_type)):
                found[digest] = manifest
            else:
                self.unusual(digest, content)
        return found

    def _recalled(self, fresh: Mapping[Digest, set[str]]) -> dict[Digest, PlainManifest | Recalled]:
        """Return the plain manifests of an earlier scan; only as its own type a manifest is plain."""
        known = ((digest, self._plains.recalled(digest)) for digest in fresh)
        return {digest: one for digest, one in known if one is not None and fresh[digest] <= {"", one.media_type}}

    def _has_tried(self, digest: Digest, media_type: str) -> bool:
        """Return whether a document was read as this type, or could not be."""
        known = self._plains.type_of(digest)
        return (known is not None and media_type in ("", known)) or self._walk.has_seen(digest, media_type)

    def _is_plain(self, reference: Reference, fresh: dict[Digest, PlainManifest | Recalled]) -> bool:
        """Return whether a descriptor leads to a plain manifest: one that was recorded, or one of these."""
        media_type = self._read_as(reference)
        found = fresh.get(reference.digest)
        known = self._plains.type_of(reference.digest) if found is None else found.media_type
        return media_type is not None and known is not None and media_type in ("", known)

    def _queue(self, references: Iterable[Reference], after: list[Item]) -> None:
        """Append descriptors to those of the next level; those of usual blobs in columns."""
        for one in references:
            if one.kind in LEAVES and not (one.followed or one.foreign or one.platform or one.inline is not None):
                _extend(after, self._pending.add(array("i", [self.facts.node(one.digest)]), [one]))
            else:
                after.append(one)

    def _read_as(self, reference: Reference) -> str | None:
        return reference.media_type if reference.followed or reference.kind in self.always else None

    def _is_dangling_subject(self, reference: Reference) -> bool:
        return reference.kind == "subject" and not self.facts.is_stored(reference.digest)

    def _given(self, digests: Iterable[Digest]) -> Iterator[tuple[Digest, bytes | str]]:
        """Yield the content of documents that were read, or why it could not be."""
        for digest in digests:
            if digest in self._contents:
                content = self._contents[digest]
                yield digest, "it cannot be read" if content is None else content

    def columns(self, row: NDArray[np.int32], is_sure: NDArray[np.bool_]) -> dict[str, NDArray[np.integer]]:
        """Return the plain manifests and the configs that are sure, for the next scan; `row`: of each node."""
        return self._plains.columns(row, is_sure) | self._configs.columns(row, is_sure)

    def _record_span(self, span: Span, *, quiet: bool) -> None:
        """Record the descriptors of blobs without links; a closer look is needed at few of them."""
        odd = self._pending.record(span, self.named)
        keys = sequence(self.facts.ids) if odd else ()
        for node, kind, media_type, size in odd:
            self._compare(Reference(Digest(keys[node]), kind, media_type, size), node, quiet=quiet)

    def _record(self, step: Step, *, quiet: bool) -> None:
        """Record a descriptor and the document behind it."""
        reference = step.reference
        self._record_named(reference, quiet=quiet)
        if step.document is not None:
            self._record_document(reference.digest, step.document)
        elif step.fault is not None:
            if step.fault.code == UNPARSEABLE and self.facts.is_stored(reference.digest):
                called = f"is called {reference.media_type or 'a manifest'}, and is unreadable"
                message = f"{reference.digest} {called}: {step.fault.why}"
                self._notice("unparseable", reference.digest, message)
            if not quiet and not self._is_dangling_subject(reference):
                self._opaque(reference.digest)
        elif not quiet and reference.kind == "entry" and not reference.media_type:
            self._opaque(reference.digest, "has no media type in index.json")

    def _record_named(self, reference: Reference, *, quiet: bool) -> None:
        """Record the blob that a descriptor names; a notice tells if it contradicts the stored blob."""
        facts, digest = self.facts, reference.digest
        kind = kind_of(reference.media_type, reference.kind)
        node = facts.describe(digest, kind, reference.media_type, reference.platform)
        self.named.add(digest)
        self._compare(reference, node, quiet=quiet)

    def _compare(self, reference: Reference, node: int, *, quiet: bool) -> None:
        """Record how a descriptor contradicts the store: there is no such blob, or one of another size."""
        facts, digest = self.facts, reference.digest
        if facts.stored[node] != "yes":
            self._record_absent(reference, node, quiet=quiet)
        elif reference.size not in (-1, facts.size[node]) and not quiet:
            message = f"{digest} has {facts.size[node]:,} bytes where a descriptor says {reference.size:,}"
            self._notice("size-mismatch", digest, message)

    def _record_absent(self, reference: Reference, node: int, *, quiet: bool) -> None:
        """Record why a named blob is not stored: it need not be stored (inline, foreign, subject), or it is missing."""
        if reference.inline is not None:
            code, state, why = "inline", "inline", "is not stored: its descriptor contains it"
        elif reference.foreign and self._read_as(reference) is None:
            code, state, why = "foreign", "foreign", "is a foreign layer, stored elsewhere by design"
        elif reference.kind == "subject":
            code, state, why = "dangling-subject", "missing", "is the subject of a referrer, and not stored (legal)"
        else:
            code, state, why = "missing", "missing", f"is missing: a descriptor names it as {reference.kind}"
        is_new = self.facts.stored[node] == "missing" and (reference.digest, "missing") not in self._noticed
        if is_new or (state == "missing" and not quiet):
            self.facts.stored[node] = state
        if not quiet:
            self._notice(code, reference.digest, f"{reference.digest} {why}")

    def _opaque(self, digest: Digest, why: str = "is called a manifest or index") -> None:
        self.facts.opaque[self.facts.node(digest)] = True
        self._notice("opaque", digest, f"{digest} {why}, and its links are unknown")

    def _notice(self, code: str, digest: Digest, message: str) -> None:
        if (digest, code) not in self._noticed:
            self._noticed.add((digest, code))
            self.facts.notice(code, message, digest)

    def _record_document(self, digest: Digest, document: Document) -> None:
        """Record the links and claims of a document, read as one media type."""
        facts = self.facts
        node = facts.describe(digest, document.kind, document.media_type)
        facts.kind[node], facts.media_type[node] = document.kind, document.media_type
        facts.created[node] = micros(document.created)
        first = len(facts.links[0])
        for reference in document.references:
            facts.link(node, facts.node(reference.digest), reference.kind)
        self._record_configs(node, document, first)
        for odd in document.odd:
            facts.notice("odd", f"{digest}: {odd}", digest)
        if document.odd and document.kind == "index":
            self._opaque(digest)  # an invalid child may reference any blob; an invalid layer or config references none
        if document.subject is not None:
            self.subjects[digest] = document.subject.digest
            subject = facts.node(document.subject.digest)
            facts.link(node, subject, "subject")
            facts.link(subject, node, "referrer")

    def _record_configs(self, node: int, document: Document, first: int) -> None:
        """Record the claims of an image's config: platform, time of creation, and the diffID of each layer."""
        end = first + len(document.references)
        layers = sum(one.kind == "layer" for one in document.references)
        for one in document.references:
            if one.kind == "config" and one.media_type in IMAGE_CONFIG_TYPES:
                self._configs.claim(node, self.facts.node(one.digest), one.digest, one.inline, (end - layers, end))


def _extend(items: list[Item], span: Span) -> None:
    """Append a span, or add it to the one before."""
    last = items[-1] if items else None
    if isinstance(last, Span) and last.end == span.first:
        items[-1] = Span(last.first, span.end)
    else:
        items.append(span)
