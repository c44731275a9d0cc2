"""Looks at parts of a registry's storage: what the collector would stop at there, and what stays unknown.

A stop is a notice whose code is a rule of the collector (`snapshot/kinds.py` has them all); rules about what only `-m`
looks at have codes of their own.
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
"""Rules about what the collector looks at always, with -m only, never."""
KIND = ("tag", "unseen-revision")
"""The kinds of pins that hold under the policies that no tool is named after."""
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
    """Looks at places below `root`.

    `family`: of the rules by which the collector stops there, "" for none. `kinds`: of the pins that what cannot be
    looked at may have made. `later`: where stops are kept that may not count, and (without a code) what is hidden then.
    """

    tree: Tree
    facts: Facts
    root: str
    family: str = ALWAYS
    kinds: tuple[str, ...] = ANY
    later: list[tuple[str, str]] | None = None

    def by(self, family: str, kinds: tuple[str, ...] = ANY) -> Look:
        """Return the same with other rules and kinds of pins."""
        return replace(self, family=family, kinds=kinds)

    def where(self, *, seen: bool) -> Look:
        """Return the same for a place where the collector comes, or where it does not."""
        return self.by(ALWAYS, ANY) if seen else self.by(NEVER, KIND)

    def named(self, path: str) -> str:
        """Return a path as messages name it."""
        return os.path.relpath(path, self.root)

    def stop(self, rule: str, message: str) -> None:
        """Record that the collector stops by this rule, if it looks here."""
        if self.family and self.later is not None:
            self.later.append((f"{self.family}-{rule}", message))
        elif self.family:
            self.facts.notice(f"{self.family}-{rule}", message)

    def failed(self, path: str, error: OSError) -> None:
        """Record that something cannot be listed or read: the stop, and whatever it holds is hidden."""
        why = error.strerror or str(error)
        self.facts.unreadable(f"{self.named(path)} cannot be read", error, path)
        self.facts.unseen(path)
        self.stop(_REASONS.get(error.errno or 0, "unreadable"), f"{self.named(path)}: {why}")
        self.hide(path)

    def off(self, place: Place) -> None:
        """Record that a place cannot be gone into: the stop, and whatever it holds is hidden."""
        if place.kind is Is.AWAY:
            self.away(self.named(place.path), place.path)
        elif place.is_link:
            self.facts.notice("symlink", f"{self.named(place.path)} is {place.kind.value}", "", place.path)
        if place.kind in _KINDS:
            self.stop(_KINDS[place.kind], f"{self.named(place.path)} is {place.kind.value}")
        self.hide(place.path)

    def away(self, what: str, path: str) -> None:
        """Record a link that is not followed here: the collector follows it, so that what it does is not known."""
        self.facts.not_followed(what, path)
        self.stop("behind-link", f"{what} lies behind a symbolic link that is not followed")

    def hide(self, what: str) -> None:
        """Hide what may be there: nothing that it may hold is known to be garbage."""
        if self.kinds:
            self.facts.hide(what, self.kinds)
        if self.later is not None:
            self.later.append(("", what))

    def entries(self, place: Place) -> list[Place]:
        """Return what is in a directory, without links that lead nowhere; nothing where it cannot be listed."""
        return [one for one in self.names(place) if one.kind is not Is.NOTHING]

    def names(self, place: Place) -> list[Place]:
        """Return what is in a directory; nothing where it cannot be listed."""
        if place.kind is Is.NOTHING:
            return []
        if not place.is_directory:
            self.off(place)
            return []
        try:
            return self.tree.entries(place)
        except OSError as error:
            self.failed(place.path, error)
            return []

    def part(self, place: Place, name: str) -> Place | None:
        """Return a part of a directory that need not be listed; None where it is not there."""
        try:
            found = self.tree.inside(place, name)
        except OSError as error:
            self.failed(f"{place.path}/{name}", error)
            return None
        return None if found.kind is Is.NOTHING else found
