"""Turn descriptors into links: the blobs that the manifests and indexes of a store name, and their claims about these.

The media type in the *descriptor* decides whether a blob's links are followed, never its content (OCI image-spec,
`descriptor.md`). Blobs that no descriptor names are parsed anyway, because a referrer may be listed nowhere.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from blobkit.oci.documents import (
    IMAGE_CONFIG_TYPES,
    Config,
    Document,
    Reference,
    kind_of,
    read_config,
)
from blobkit.oci.walk import UNPARSEABLE, Walk
from blobkit.snapshot.notices import recompressed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from blobkit.digest import Digest
    from blobkit.oci.walk import Step
    from blobkit.scanners.facts import Facts
    from blobkit.scanners.files import Files

__all__ = ["Documents"]


class Documents:
    """Follows descriptors into documents and records these; each is read once for each media type it is given.

    `subjects` maps each referrer to its subject. Descriptors in the positions of `always` are followed with any media
    type (a registry link has none).
    """

    def __init__(self, facts: Facts, files: Files, *, always: Iterable[str] = ()) -> None:
        self.facts, self.files, self.always = facts, files, frozenset(always)
        self.subjects: dict[Digest, Digest] = {}
        self.named: set[Digest] = set()
        self._walk = Walk(self._contents, self._read_as, subjects=True)
        self._noticed: set[tuple[Digest, str]] = set()
        self._configs: dict[Digest, Config] = {}
        self._same: dict[Digest, set[Digest]] = defaultdict(set)

    def follow(self, references: Iterable[Reference], *, quiet: bool = False) -> None:
        """Record the blobs that these descriptors name, and all that those reach.

        `quiet`: the descriptors come from garbage, so absent blobs get no notice, and no blob becomes opaque.
        """
        for level in self._walk.levels(references):
            for step in level:
                self._record(step, quiet=quiet)

    def parse_unnamed(self, digests: Iterable[Digest], *, referrers: bool = True) -> None:
        """Parse stored blobs that no descriptor names: `referrers` count as named, other documents as garbage."""
        documents = {digest: self.files.peek(digest) for digest in digests if digest not in self.named}
        found = {digest: document for digest, document in documents.items() if document is not None}
        for garbage in (False, True):
            named: list[Reference] = []
            for digest, document in found.items():
                if garbage != (referrers and document.subject is not None) and not self._walk.has_read(digest):
                    named += self._walk.mark_read(digest, document)
                    self._record_document(digest, document)
            self.follow(named, quiet=garbage)

    def finish(self) -> None:
        """Record layers with the same content, compressed differently (one diffID, several digests)."""
        for diff_id, layers in sorted(self._same.items()):
            stored = sorted(layer for layer in layers if self.facts.is_stored(layer))
            if len(stored) > 1:
                self.facts.notice("recompressed", recompressed(diff_id, stored), diff_id)

    def _read_as(self, reference: Reference) -> str | None:
        return reference.media_type if self._is_followed(reference) else None

    def _is_followed(self, reference: Reference) -> bool:
        return reference.followed or reference.kind in self.always

    def _is_dangling_subject(self, reference: Reference) -> bool:
        return reference.kind == "subject" and not self.facts.is_stored(reference.digest)

    def _contents(self, digests: Iterable[Digest]) -> Iterator[tuple[Digest, bytes | str]]:
        """Yield the bytes of the stored documents of one level; an unreadable one gets a notice."""
        stored = [digest for digest in digests if self.facts.is_stored(digest)]
        self.files.bring(stored)
        for digest in stored:
            content = self.files.whole(digest)
            yield digest, "it cannot be read" if content is None else content

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
        if not facts.is_stored(digest):
            self._record_absent(reference, node, quiet=quiet)
        elif reference.size not in (-1, facts.size[node]) and not quiet:
            message = f"{digest} has {facts.size[node]:,} bytes where a descriptor says {reference.size:,}"
            self._notice("size-mismatch", digest, message)

    def _record_absent(self, reference: Reference, node: int, *, quiet: bool) -> None:
        """Record why a named blob is not stored: it need not be stored (inline, foreign, subject), or it is missing."""
        if reference.inline is not None:
            code, state, why = "inline", "inline", "is not stored: its descriptor contains it"
        elif reference.foreign and not self._is_followed(reference):
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
        facts.created[node] = _micros(document.created)
        for reference in document.references:
            facts.link(node, facts.node(reference.digest), reference.kind)
        for odd in document.odd:
            facts.notice("odd", f"{digest}: {odd}", digest)
        if document.odd and document.kind == "index":
            self._opaque(digest)  # an invalid child may reference any blob; an invalid layer or config references none
        if document.subject is not None:
            self.subjects[digest] = document.subject.digest
            subject = facts.node(document.subject.digest)
            facts.link(node, subject, "subject")
            facts.link(subject, node, "referrer")
        self._record_config(node, document)

    def _record_config(self, node: int, document: Document) -> None:
        """Record the claims of an image's config: platform, time of creation, and the diffID of each layer."""
        layers = [r.digest for r in document.references if r.kind == "layer"]
        for reference in document.references:
            if reference.kind == "config" and reference.media_type in IMAGE_CONFIG_TYPES:
                config = self._config(reference)
                self._record_claims(node, config)
                self._record_claims(self.facts.node(reference.digest), config)
                if len(config.diff_ids) == len(layers):
                    for diff_id, layer in zip(config.diff_ids, layers, strict=True):
                        self._same[diff_id].add(layer)

    def _config(self, reference: Reference) -> Config:
        """Return the claims of a config; each config is read once."""
        config = self._configs.get(reference.digest)
        if config is None:
            data = reference.inline if reference.inline is not None else self.files.whole(reference.digest)
            config = self._configs[reference.digest] = read_config(data or b"")
        return config

    def _record_claims(self, node: int, config: Config) -> None:
        facts = self.facts
        facts.platform[node] = config.platform or facts.platform[node]
        if facts.created[node] < 0:
            facts.created[node] = _micros(config.created)


def _micros(moment: datetime | None) -> int:
    return -1 if moment is None else int(moment.timestamp() * 1_000_000)
