"""Inspect parts of a registry's storage: record where the collector would stop, and which parts stay unknown.

A stop is a notice; its code is a rule of the collector (`snapshot/stores/registry.py` lists them). Rules about files
that only `-m` reads have codes of their own.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from blobkit.scanners.registries.tree import Is

if TYPE_CHECKING:
    from blobkit.scanners.facts import Facts
    from blobkit.scanners.registries.tree import Place, Tree

__all__ = ["ALWAYS", "ANY", "KIND", "NEVER", "UNTAGGED", "Look"]

ALWAYS, UNTAGGED, NEVER = "gc", "gc-m", ""
"""Families of rules: for parts that the collector reads always, with -m only, never."""
KIND = ("tag", "unseen-revision")
"""The kinds of pins that hold only under the policies without a collector."""
ANY = (*KIND, "revision", "tagged-revision")

_REASONS = {
    errno.ENOTDIR: "file",
    errno.EISDIR: "file",
    errno.ELOOP: "loop",
    errno.ENAMETOOLONG: "loop",
}
_KINDS = {Is.CIRCLE: "loop", Is.LOOP: "loop", Is.DENIED: "unreadable", Is.FILE: "file"}


@dataclass(frozen=True)
class Look:
    """Inspects places below `root`.

    `family`: the rules by which the collector stops there, "" for none. `kinds`: the kinds of pins that an unreadable
    part may have. `later`: a list for stops that may turn out not to count, and for unknown parts (code ""); or None.
    """

    tree: Tree
    facts: Facts
    root: str
    family: str = ALWAYS
    kinds: tuple[str, ...] = ANY
    later: list[tuple[str, str]] | None = None

    def with_rules(self, family: str, kinds: tuple[str, ...] = ANY) -> Look:
        """Return the same with other rules and kinds of pins."""
        return replace(self, family=family, kinds=kinds)

    def for_repository(self, *, seen: bool) -> Look:
        """Return the same for a repository that the collector sees, or does not see."""
        return self.with_rules(ALWAYS, ANY) if seen else self.with_rules(NEVER, KIND)

    def relative(self, path: str) -> str:
        """Return a path relative to the root, for messages."""
        return os.path.relpath(path, self.root)

    def stop(self, rule: str, message: str) -> None:
        """Record that the collector stops by this rule, if it reads this part."""
        if self.family and self.later is not None:
            self.later.append((f"{self.family}-{rule}", message))
        elif self.family:
            self.facts.notice(f"{self.family}-{rule}", message)

    def failed(self, path: str, error: OSError) -> None:
        """Record that a path cannot be listed or read: the stop, and that its content is unknown."""
        why = error.strerror or str(error)
        self.facts.unreadable(f"{self.relative(path)} cannot be read", error, path)
        self.facts.unseen(path)
        self.stop(_REASONS.get(error.errno or 0, "unreadable"), f"{self.relative(path)}: {why}")
        self.mark_unknown(path)

    def blocked(self, place: Place) -> None:
        """Record that a place cannot be entered: the stop, and that its content is unknown."""
        if place.kind is Is.FILE and not self.tree.blocks:
            return
        if place.kind is Is.AWAY:
            self.not_followed(self.relative(place.path), place.path)
        elif place.is_link:
            self.facts.notice("symlink", f"{self.relative(place.path)} is {place.kind.value}", "", place.path)
        if place.kind in _KINDS:
            self.stop(_KINDS[place.kind], f"{self.relative(place.path)} is {place.kind.value}")
        self.mark_unknown(place.path)

    def not_followed(self, what: str, path: str) -> None:
        """Record a link that blobkit does not follow; the collector follows it, so what it does is unknown."""
        self.facts.not_followed(what, path)
        self.stop("behind-link", f"{what} lies behind a symbolic link that is not followed")

    def mark_unknown(self, what: str) -> None:
        """Record that the content of a part is unknown, so that no blob that it may hold counts as garbage."""
        if self.kinds:
            self.facts.mark_unknown(what, self.kinds)
        if self.later is not None:
            self.later.append(("", what))

    def entries(self, place: Place) -> list[Place]:
        """Return the entries of a directory without dangling links; an empty list if it cannot be listed."""
        return [one for one in self.names(place) if one.kind is not Is.NOTHING]

    def names(self, place: Place) -> list[Place]:
        """Return all entries of a directory; an empty list if it cannot be listed."""
        if place.kind is Is.NOTHING:
            return []
        if not place.is_directory:
            self.blocked(place)
            return []
        try:
            return self.tree.entries(place)
        except OSError as error:
            self.failed(place.path, error)
            return []

    def part(self, place: Place, name: str) -> Place | None:
        """Return an entry of a directory without listing it; None if it is absent."""
        try:
            found = self.tree.inside(place, name)
        except OSError as error:
            self.failed(f"{place.path}/{name}", error)
            return None
        return None if found.kind is Is.NOTHING else found
