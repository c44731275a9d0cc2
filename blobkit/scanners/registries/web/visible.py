"""Collect what a registry shows: repositories with their tags and manifests, and what the manifests claim of blobs.

Blobs are recorded at once as stored, with the size that a descriptor claims; manifests with their own. So each is in
memory once, in the columns of the facts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from blobkit.digest import Digest
from blobkit.oci.documents import DOCUMENT_LIMIT, IMAGE_CONFIG_TYPES, OCI_MANIFEST, read_document
from blobkit.oci.plain import DOCKER_MANIFEST, plain_manifest
from blobkit.oci.untrusted import DocumentError
from blobkit.scanners.registries.web.asking import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.scanners.facts import Facts
    from blobkit.scanners.registries.web.asking import Failure

__all__ = ["Shown", "Visible"]

LARGER = DOCUMENT_LIMIT + 1
MOST = 1 << 62
"""Bytes that all claims may have together: a claim beyond this is taken as none."""
_PLAIN = {one: ("", one) for one in (OCI_MANIFEST, DOCKER_MANIFEST)}
"""The media types that a plain manifest is read as, by its own."""


class Child(NamedTuple):
    """The claims of a descriptor about a manifest."""

    digest: Digest
    media_type: str
    size: int


@dataclass(slots=True)
class Shown:
    """The visible part of one repository: its tags by name, its manifests, those of them that are referrers.

    `listed`: all manifests by a vendor's own list, with their times (microseconds since 1970, -1: unknown).
    """

    name: str
    tags: dict[str, Digest] = field(default_factory=dict)
    manifests: list[Digest] = field(default_factory=list)
    referrers: list[Digest] = field(default_factory=list)
    listed: dict[Digest, int] = field(default_factory=dict)


@dataclass(slots=True)
class Visible:
    """All that was seen. `failed`: the manifests that could not be had, and why.

    `unsized`: blobs of which nothing claims a size. `configs`: the configs of images, with the number of a repository
    that has them. `unknown`: parts that could not be seen.
    `unlisted`: manifests whose referrers could not be listed. `why_hidden`: why a vendor's own list was not had.
    """

    facts: Facts
    repositories: list[Shown] = field(default_factory=list)
    failed: dict[Digest, Failure] = field(default_factory=dict)
    unsized: set[Digest] = field(default_factory=set)
    configs: dict[Digest, int] = field(default_factory=dict)
    wants_configs: bool = False
    has_referrers: bool = False
    hides_untagged: bool = True
    why_hidden: str = ""
    is_part: bool = False
    unknown: list[str] = field(default_factory=list)
    unlisted: list[Digest] = field(default_factory=list)
    notices: list[tuple[str, str, str]] = field(default_factory=list)
    _claimed: int = 0
    _children: dict[tuple[Digest, str], tuple[Child, ...]] = field(default_factory=dict)
    _read_as: dict[Digest, tuple[str, ...]] = field(default_factory=dict)

    def notice(self, code: str, message: str, key: str = "") -> None:
        """Keep a notice about something odd or unreadable."""
        self.notices.append((code, message, key))

    def has(self, digest: Digest) -> bool:
        """Return whether a manifest was had."""
        return digest in self._read_as

    def was_read_as(self, digest: Digest, media_type: str) -> bool:
        """Return whether a manifest was read as this media type."""
        return media_type in self._read_as.get(digest, ())

    def children(self, digest: Digest, media_type: str) -> tuple[Child, ...]:
        """Return the descriptors of manifests in a manifest, read as this media type."""
        return self._children.get((digest, media_type), ())

    def take(self, digest: Digest, content: bytes, media_type: str, repository: int) -> None:
        """Record a manifest and what it claims, read as a media type ("": as the type that its content implies)."""
        known = self._read_as.get(digest)
        if known is None:
            self.facts.blob(digest, len(content), -1)
            self.failed.pop(digest, None)
        plain = plain_manifest(content)
        if plain is not None and media_type in ("", plain.media_type):
            self._read_as[digest] = _PLAIN[plain.media_type] if known is None else (*known, "", plain.media_type)
            self._claim(zip(plain.digests, plain.sizes, strict=True))
            self._config(Digest(plain.digests[0]), repository)
            return
        self._read_as[digest] = (*(known or ()), media_type)
        try:
            document = read_document(content, media_type)
        except DocumentError:
            return  # the scanner says so
        references = document.references
        self._claim((one.digest, one.size) for one in references if not one.followed and not one.foreign)
        for one in references:
            if one.kind == "config" and one.media_type in IMAGE_CONFIG_TYPES and one.inline is None:
                self._config(one.digest, repository)
        named = references if document.subject is None else (*references, document.subject)
        followed = tuple(Child(one.digest, one.media_type, one.size) for one in named if one.followed)
        if followed:
            self._children[digest, media_type] = followed

    def _claim(self, blobs: Iterable[tuple[str, int]]) -> None:
        """Record blobs that nothing has named before."""
        ids, facts = self.facts.ids, self.facts
        for digest, size in blobs:
            if digest not in ids:
                known = 0 <= size <= MOST - self._claimed
                facts.blob(Digest(digest), size if known else 0, -1)
                self._claimed += size if known else 0
                if not known:
                    self.unsized.add(Digest(digest))
            elif size >= 0 and digest in self.unsized:
                self._resize(Digest(digest), size)

    def _resize(self, digest: Digest, size: int) -> None:
        """Record the size of a blob that had none."""
        if size <= MOST - self._claimed:
            self._claimed += size
            self.unsized.discard(digest)
            self.facts.blob(digest, size, -1)

    def measured(self, digest: Digest, size: int) -> None:
        """Record a blob that the registry has, with the size that it says itself (-1: none)."""
        self.facts.blob(digest, 0, -1)
        self.unsized.add(digest)
        if size >= 0:
            self._resize(digest, size)

    def gone(self, digest: Digest) -> None:
        """Record that the registry says it has no such blob."""
        node = self.facts.node(digest)
        self.facts.stored[node], self.facts.size[node] = "missing", 0
        self.unsized.discard(digest)

    def fail(self, digest: Digest, failure: Failure, claimed: int) -> None:
        """Record a manifest that could not be had: what is not gone is there, with the size that is claimed."""
        self.failed[digest] = failure
        if failure.is_gone:
            self.gone(digest)
        elif not self.facts.is_stored(digest):
            self.measured(digest, max(claimed, LARGER) if failure.state is State.LARGE else claimed)

    def _config(self, digest: Digest, repository: int) -> None:
        if self.wants_configs:
            self.configs.setdefault(digest, repository)
