"""Record the tags of a repository, and its revision links as virtual nodes `repository@digest`."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Protocol

from blobkit.digest import is_digest
from blobkit.scanners.facts import escape_controls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blobkit.digest import Digest
    from blobkit.scanners.facts import Facts
    from blobkit.scanners.registries.links import LinkFile

__all__ = ["pin_repository"]

NOTHING = array("i")


class Linked(Protocol):
    """A repository: its links of manifests, and its tags by full name."""

    name: str
    links: list[LinkFile]
    tags: list[tuple[str, LinkFile]]


def pin_repository(facts: Facts, repository: Linked, ingested: Mapping[Digest, array[int]]) -> None:
    """Record the tags of a repository, and its revision links as virtual nodes; `ingested`: nodes that each marks."""
    revisions = {link.digest: link.modified for link in repository.links}
    for digest, modified in revisions.items():
        key = f"{repository.name}@{digest}"
        virtual_node, target = facts.virtual_node(key, modified), facts.node(digest)
        facts.link(virtual_node, target, "revision")
        facts.link_many(virtual_node, ingested.get(digest, NOTHING), "mark")
        kind = "revision" if digest in ingested else "unseen-revision"
        facts.pin(virtual_node, key, kind, repository.name, modified)
        if facts.opaque[target]:
            facts.notice("opaque-revision", f"the manifest of {key} cannot be read", key)
    for link in repository.links:
        if link.named != link.digest and is_digest(link.named):
            facts.link(facts.node(link.named), facts.node(link.digest), "stored-as")
    named = {*revisions, *(link.named for link in repository.links)}
    for name, tag in repository.tags:
        facts.pin(facts.node(tag.digest), name, "tag", repository.name, tag.modified)
        if tag.digest in revisions:
            kind = "tagged-revision" if tag.digest in ingested else "unseen-tagged-revision"
            virtual_node = facts.node(escape_controls(f"{repository.name}@{tag.digest}"))
            facts.pin(virtual_node, name, kind, repository.name, tag.modified)
        elif tag.digest not in named:
            message = f"the tag {name} names {tag.digest}, which has no revision link: it cannot be pulled"
            facts.notice("tag-without-revision", message, name)
