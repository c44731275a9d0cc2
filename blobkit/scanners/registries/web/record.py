"""Make facts of what a registry shows, as the scan of its storage directory does."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from blobkit.oci.documents import Reference
from blobkit.scanners.registries.contents import Manifests
from blobkit.scanners.registries.links import LinkFile, Repository
from blobkit.scanners.registries.manifests import UnreadError
from blobkit.scanners.registries.pins import pin_repository
from blobkit.scanners.registries.web.files import FetchedFiles
from blobkit.snapshot.estimates import ESTIMATED
from blobkit.snapshot.notices import not_visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.digest import Digest
    from blobkit.scanners.facts import Facts
    from blobkit.scanners.registries.web.visible import Shown, Visible
    from blobkit.sources.kept import Kept

__all__ = ["record"]

BY_REVISION, BY_TAG = ("revision",), ("tag", "tagged-revision", "revision")
"""The kinds of pins of manifests that are not seen: without a tag, and in a repository that is not looked at."""
UNTAGGED, ELSEWHERE, DEPENDENT = "manifests without a tag", "other repositories", "referrers without a tag"
"""What is not seen, as nodes that may link to any blob."""


def record(visible: Visible, kept: Kept) -> None:
    """Record all facts: documents, repositories, what was odd, and what is not seen."""
    facts = visible.facts
    manifests = Manifests(facts, FetchedFiles(facts, kept))
    for shown in visible.repositories:
        shown.manifests = list(dict.fromkeys(shown.manifests))
        manifests.wanted.update(shown.manifests)
    _failures(visible)
    documents = manifests.documents
    documents.follow(Reference(digest, "tag") for shown in visible.repositories for digest in shown.tags.values())
    documents.follow(Reference(one, "revision") for shown in visible.repositories for one in _others(shown))
    documents.finish()
    for shown in visible.repositories:
        pin_repository(facts, _repository(shown), _marks(facts, manifests, shown))
    for code, message, key in visible.notices:
        facts.notice(code, message, key)
    for digest in sorted(visible.unsized):
        facts.notice(ESTIMATED, f"{digest} has a size that no descriptor tells", digest)
    _unknown(visible)


def _others(shown: Shown) -> Iterator[Digest]:
    named = set(shown.tags.values())
    return (one for one in shown.manifests if one not in named)


def _failures(visible: Visible) -> None:
    """Record why manifests could not be had; the scanner of documents says itself which are missing."""
    for digest, failure in visible.failed.items():
        if not failure.is_gone:
            visible.notice(failure.state.value, f"the manifest {digest} cannot be read: {failure.why}", digest)


def _repository(shown: Shown) -> Repository:
    """Return a repository as its directory would show it: each manifest has a link there, without a time."""
    found = Repository(shown.name, None, seen=True)
    found.links = [LinkFile(one, shown.untagged.get(one, -1), one) for one in shown.manifests]
    found.tags = [(f"{shown.name}:{tag}", LinkFile(one, -1)) for tag, one in sorted(shown.tags.items())]
    return found


def _marks(facts: Facts, manifests: Manifests, shown: Shown) -> dict[Digest, array[int]]:
    """Return what the collector marks for each manifest of a repository; nothing is certain where it may stop."""
    found: dict[Digest, array[int]] = {}
    named = set(shown.tags.values())
    for digest in shown.manifests:
        try:
            found[digest] = manifests.marks(digest)
        except UnreadError as error:
            found[digest] = array("i")
            key = f"{shown.name}@{digest}"
            if manifests.is_read(digest):
                facts.notice(f"gc-manifest-{error.code}", f"the manifest {key} {error.reason}", key)
            else:  # the collector may read what this user may not
                facts.mark_unknown(f"what {key} lists", ("revision", *(("tagged-revision",) * (digest in named))))
    return found


def _unknown(visible: Visible) -> None:
    """Record what a registry does not show."""
    facts = visible.facts
    for what, kinds in visible.unknown.items():
        facts.mark_unknown(what, kinds)
    facts.notice(*_said("uploads", "unfinished uploads are not listed by a registry: what is stored is at least this"))
    if visible.is_part:
        message = "only some repositories are read: the others may hold the same blobs, so at most these bytes are freed"
        _hide(facts, ELSEWHERE, BY_TAG, message)
    if visible.hides_untagged:
        message = "manifests without a tag are not listed by a registry: blobs that only they hold are not seen"
        _hide(facts, UNTAGGED, BY_REVISION, message)
    if visible.hides_untagged and not visible.has_referrers:
        _hide(facts, DEPENDENT, (), "the registry lists no referrers: those without a tag are not seen")
        _refer(facts, [one for shown in visible.repositories for one in shown.tags.values()])
    elif visible.unlisted:
        facts.mark_unknown(DEPENDENT, ())
        _refer(facts, visible.unlisted)
