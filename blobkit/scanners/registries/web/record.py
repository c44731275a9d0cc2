"""Make facts of what a registry shows, as the scan of its storage directory does."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.oci.documents import Reference
from blobkit.render import printable
from blobkit.scanners.registries.contents import Manifests
from blobkit.scanners.registries.links import LinkFile
from blobkit.scanners.registries.manifests import UnreadError
from blobkit.scanners.registries.pins import pin_repository
from blobkit.scanners.registries.web.files import FetchedFiles
from blobkit.snapshot.estimates import ESTIMATED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.digest import Digest
    from blobkit.scanners.facts import Facts
    from blobkit.scanners.registries.web.visible import Shown, Visible
    from blobkit.sources.kept import Kept

__all__ = ["record"]

BY_REVISION, BY_TAG = ("revision",), ("tag", "tagged-revision", "revision")
"""The kinds of pins of manifests that are not seen: without a tag, and in a repository that is not looked at."""
UNTAGGED, ELSEWHERE = "manifests without a tag", "other repositories"
REFERRERS, UPLOADS = "referrers without a tag", "unfinished uploads"
"""What is not seen."""
UNREAD, UNSURE = "unread", frozenset({"unread", "many"})
"""Why a manifest is not read here; the collector may read it."""


@dataclass(slots=True)
class Served:
    """A repository as the registry shows it: links of manifests, and tags by full name."""

    name: str
    links: list[LinkFile]
    tags: list[tuple[str, LinkFile]]


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


def _repository(shown: Shown) -> Served:
    """Return a repository as its directory would show it: each manifest has a link there, without a time."""
    links = [LinkFile(one, shown.listed.get(one, -1), one) for one in shown.manifests]
    tags = [(f"{shown.name}:{tag}", LinkFile(one, -1)) for tag, one in sorted(shown.tags.items())]
    return Served(shown.name, links, tags)


def _marks(facts: Facts, manifests: Manifests, shown: Shown) -> dict[Digest, array[int]]:
    """Return what the collector marks for each manifest of a repository; nothing is certain where it may stop."""
    found: dict[Digest, array[int]] = {}
    named = set(shown.tags.values())
    for digest in shown.manifests:
        try:
            found[digest] = manifests.marks(digest)
        except UnreadError as error:
            found[digest] = array("i")
            key, is_tagged = f"{shown.name}@{digest}", digest in named
            if error.code != UNREAD:
                facts.notice(f"gc-manifest-{error.code}", f"the manifest {key} {error.reason}", key)
            if error.code in UNSURE:
                facts.mark_unknown(f"what {key} lists", BY_TAG[1:] if is_tagged else BY_REVISION)
    return found


def _unknown(visible: Visible) -> None:
    """Record what a registry does not show."""
    facts, tagged = visible.facts, [one for shown in visible.repositories for one in shown.tags.values()]
    for what in dict.fromkeys(visible.unknown):
        facts.mark_unknown(what, BY_TAG)
    if visible.is_part:
        message = f"{ELSEWHERE} may hold the same blobs: at most the bytes that are told are freed"
        _hide(facts, "repositories-unseen", ELSEWHERE, message, BY_TAG)
    if visible.hides_untagged:
        why = printable(visible.why_hidden) or "this registry does not list them"
        message = f"{UNTAGGED}: {why}; blobs that only they hold are not seen"
        _hide(facts, "untagged-unseen", UNTAGGED, message, BY_REVISION)
    unlisted = tagged if visible.hides_untagged and not visible.has_referrers else visible.unlisted
    if unlisted:
        message = f"{REFERRERS} are not listed by this registry: blobs that only they hold are not seen"
        node = _hide(facts, "referrers-unseen", REFERRERS, message, ())
        for digest in dict.fromkeys(unlisted):
            facts.link(facts.node(digest), node, "referrer")
    facts.notice("uploads-unseen", "unfinished uploads: a registry does not list them", UPLOADS, UPLOADS)


def _hide(facts: Facts, code: str, what: str, message: str, kinds: tuple[str, ...]) -> int:
    """Record a part that is not seen, and return its node: it may link to any blob, and is no fault."""
    facts.mark_unknown(what, kinds)
    facts.notice(code, message, what, what)
    return facts.ids[what]
