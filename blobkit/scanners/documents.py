"""From descriptors to links: which blobs the manifests and indexes of a store name, and what they say of them.

Links follow the media type of the *descriptor*, never the content (OCI image-spec, `descriptor.md`), except for
blobs that no descriptor names: those are looked into, because a referrer may be listed nowhere.
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
    read_document,
)
from blobkit.oci.untrusted import DocumentError
from blobkit.snapshot.notices import recompressed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from blobkit.digest import Digest
    from blobkit.scanners.facts import Facts, Files

__all__ = ["Documents"]


class Documents:
    """Follows descriptors into documents and records what they say; each is read once as each type it is called.

    `subjects` maps each referrer to the blob it refers to; `always` follows every descriptor in these positions,
    whatever media type it has (a registry link has none).
    """

    def __init__(self, facts: Facts, files: Files, *, always: Iterable[str] = ()) -> None:
        self.facts, self.files, self.always = facts, files, frozenset(always)
        self.subjects: dict[Digest, Digest] = {}
        self.named: set[Digest] = set()
        self._taken: set[tuple[Digest, str]] = set()
        self._failed: set[tuple[Digest, str]] = set()
        self._said: set[tuple[Digest, str]] = set()
        self._configs: dict[Digest, Config] = {}
        self._same: dict[Digest, set[Digest]] = defaultdict(set)

    def follow(self, references: Iterable[Reference], *, quiet: bool = False) -> None:
        """Record what these descriptors name, and all that follows from it.

        `quiet`: they come from garbage, so that nothing is said of what is absent, and nothing is opaque.
        """
        todo = list(references)
        while todo:
            reference = todo.pop()
            self._name(reference, quiet=quiet)
            if (reference.digest, reference.media_type) in self._taken or not self._is_followed(reference):
                continue
            document = self._read(reference)
            if document is not None:
                todo += self._take(reference.digest, document)
            elif not quiet and not self._is_dangling_subject(reference):
                self._opaque(reference.digest)

    def look_into(self, digests: Iterable[Digest], *, referrers: bool = True) -> None:
        """Look into stored blobs that no descriptor names: `referrers` count as named, other documents as garbage."""
        documents = {digest: self.files.glance(digest) for digest in digests if digest not in self.named}
        found = {digest: document for digest, document in documents.items() if document is not None}
        for garbage in (False, True):
            for digest, document in found.items():
                if garbage != (referrers and document.subject is not None) and (digest, "") not in self._taken:
                    self.follow(self._take(digest, document), quiet=garbage)

    def finish(self) -> None:
        """Say which layers are the same content compressed differently (one diffID, several digests)."""
        for diff_id, layers in sorted(self._same.items()):
            stored = sorted(layer for layer in layers if self.facts.is_stored(layer))
            if len(stored) > 1:
                self.facts.notice("recompressed", recompressed(diff_id, stored), diff_id)

    def _is_followed(self, reference: Reference) -> bool:
        return reference.followed or reference.kind in self.always

    def _is_dangling_subject(self, reference: Reference) -> bool:
        return reference.kind == "subject" and not self.facts.is_stored(reference.digest)

    def _read(self, reference: Reference) -> Document | None:
        """Return the document behind a descriptor, from the store or from the descriptor itself; what fails, once."""
        read_as = (reference.digest, reference.media_type)
        if reference.inline is None or self.facts.is_stored(reference.digest):
            document = None if read_as in self._failed else self.files.document(*read_as)
            if document is None:
                self._failed.add(read_as)
            return document
        try:
            return read_document(reference.inline, reference.media_type)
        except DocumentError:
            return None

    def _name(self, reference: Reference, *, quiet: bool) -> None:
        """Record the blob that a descriptor names, and say where it contradicts what is stored."""
        facts, digest = self.facts, reference.digest
        kind = kind_of(reference.media_type, reference.kind)
        node = facts.describe(digest, kind, reference.media_type, reference.platform)
        self.named.add(digest)
        if not facts.is_stored(digest):
            self._absent(reference, node, quiet=quiet)
        elif reference.size not in (-1, facts.size[node]) and not quiet:
            message = f"{digest} has {facts.size[node]:,} bytes where a descriptor says {reference.size:,}"
            self._say("size-mismatch", digest, message)

    def _absent(self, reference: Reference, node: int, *, quiet: bool) -> None:
        """Record why a named blob is not stored: it need not be (inline, foreign, a subject), or it is missing."""
        if reference.inline is not None:
            code, state, why = "inline", "inline", "is carried by its descriptor, not stored"
        elif reference.foreign and not self._is_followed(reference):
            code, state, why = "foreign", "foreign", "is a foreign layer, stored elsewhere by design"
        elif reference.kind == "subject":
            code, state, why = "dangling-subject", "missing", "is the subject of a referrer, and not stored (legal)"
        else:
            code, state, why = "missing", "missing", f"is missing: a descriptor names it as {reference.kind}"
        is_new = self.facts.stored[node] == "missing" and (reference.digest, "missing") not in self._said
        if is_new or (state == "missing" and not quiet):
            self.facts.stored[node] = state
        if not quiet:
            self._say(code, reference.digest, f"{reference.digest} {why}")

    def _opaque(self, digest: Digest) -> None:
        self.facts.opaque[self.facts.node(digest)] = True
        self._say("opaque", digest, f"{digest} is called a manifest or index, and what it links to is unknown")

    def _say(self, code: str, digest: Digest, message: str) -> None:
        if (digest, code) not in self._said:
            self._said.add((digest, code))
            self.facts.notice(code, message, digest)

    def _take(self, digest: Digest, document: Document) -> list[Reference]:
        """Record what a document says, read as one media type, and return the descriptors in it."""
        facts = self.facts
        self._taken.add((digest, document.media_type))
        if document.media_type == document.own_type:
            self._taken.add((digest, ""))
        node = facts.describe(digest, document.kind, document.media_type)
        facts.kind[node], facts.media_type[node] = document.kind, document.media_type
        facts.created[node] = _micros(document.created)
        for reference in document.references:
            facts.link(node, facts.node(reference.digest), reference.kind)
        for odd in document.odd:
            facts.notice("odd", f"{digest}: {odd}", digest)
        if document.odd and document.kind == "index":
            self._opaque(digest)  # a child that is not understood may hold anything; a layer or a config holds nothing
        if document.subject is not None:
            self.subjects[digest] = document.subject.digest
            subject = facts.node(document.subject.digest)
            facts.link(node, subject, "subject")
            facts.link(subject, node, "referrer")
        self._image(node, document)
        return [*document.references, *([document.subject] if document.subject else ())]

    def _image(self, node: int, document: Document) -> None:
        """Record what the config of an image claims: platform, creation, and which layers have which content."""
        layers = [r.digest for r in document.references if r.kind == "layer"]
        for reference in document.references:
            if reference.kind == "config" and reference.media_type in IMAGE_CONFIG_TYPES:
                config = self._config(reference)
                self._claims(node, config)
                self._claims(self.facts.node(reference.digest), config)
                if len(config.diff_ids) == len(layers):
                    for diff_id, layer in zip(config.diff_ids, layers, strict=True):
                        self._same[diff_id].add(layer)

    def _config(self, reference: Reference) -> Config:
        """Return what a config claims; each is read once."""
        config = self._configs.get(reference.digest)
        if config is None:
            data = reference.inline if reference.inline is not None else self.files.whole(reference.digest)
            config = self._configs[reference.digest] = read_config(data or b"")
        return config

    def _claims(self, node: int, config: Config) -> None:
        facts = self.facts
        facts.platform[node] = config.platform or facts.platform[node]
        if facts.created[node] < 0:
            facts.created[node] = _micros(config.created)


def _micros(moment: datetime | None) -> int:
    return -1 if moment is None else int(moment.timestamp() * 1_000_000)
