"""Bring the manifests that tags reach, level by level: each once for the whole registry, from the cache if it is there.

What one repository does not give is asked for in the next one that names it: permissions, and links, are those of a
repository.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from blobkit.digest import Digest, is_digest
from blobkit.errors import CredentialsError
from blobkit.scanners.registries.web.asking import Failure, State, refused
from blobkit.scanners.registries.web.pool import each
from blobkit.sources.web.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from blobkit.scanners.registries.web.asking import Registry
    from blobkit.scanners.registries.web.visible import Visible
    from blobkit.sources.kept import Kept

__all__ = ["Levels", "Named"]

MOST_REFERRERS = 100_000
"""Referrers of one manifest that are read."""


class Named(NamedTuple):
    """A manifest that a repository (its number) names, with the media type and size that are claimed ("", -1: none)."""

    repository: int
    digest: Digest
    media_type: str = ""
    size: int = -1


class Levels:
    """Brings manifests into the cache, and what they claim into `visible`."""

    def __init__(self, registry: Registry, kept: Kept, visible: Visible, at_once: int) -> None:
        self.registry, self.kept, self.visible, self.at_once = registry, kept, visible, at_once
        self._seen: set[int] = set()
        self._types: dict[str, int] = {}

    async def bring(self, start: list[Named], lacking: Callable[[int], object], step: Callable[[int], object]) -> None:
        """Bring these and all below them; `lacking` is called with how many of each level must be asked for."""
        level = self._fresh(start)
        while level:
            self._recall(level)
            homes: dict[Digest, list[Named]] = {}
            for one in level:
                if not self.visible.has(one.digest):
                    homes.setdefault(one.digest, []).append(one)
            lacking(len(homes))

            async def fetch(named: list[Named]) -> None:
                await self._fetch(named)
                step(1)

            await each(homes.values(), fetch, self.at_once)
            self._read_otherwise(level)
            self._show(level)
            level = self._fresh([*self._below(level), *await self._referrers(level)])

    def _fresh(self, named: Iterable[Named]) -> list[Named]:
        """Return those that no level has had."""
        found = []
        for one in named:
            media_type = self._types.setdefault(one.media_type, len(self._types))
            key = (media_type << 32 | one.repository) << 32 | self.visible.facts.node(one.digest)
            if key not in self._seen:
                self._seen.add(key)
                found.append(one)
        return found

    def _recall(self, level: list[Named]) -> None:
        """Take what the cache has."""
        lacking = {one.digest: one for one in level if not self.visible.has(one.digest)}
        for digest, content in self.kept.read(lacking):
            self.visible.take(digest, content, lacking[digest].media_type, lacking[digest].repository)

    async def _fetch(self, named: list[Named]) -> None:
        """Ask for a manifest in the repositories that name it, until one has it."""
        failure = None
        for one in named:
            found = await self.registry.manifest(self.visible.repositories[one.repository].name, one.digest)
            if not isinstance(found, Failure):
                self.kept.put(one.digest, found)
                self.visible.take(one.digest, found, one.media_type, one.repository)
                return
            failure = found if failure is None or failure.is_gone else failure
        if failure is not None:
            self.visible.fail(named[0].digest, failure, max(one.size for one in named))

    def _read_otherwise(self, level: list[Named]) -> None:
        """Read manifests that descriptors call by another media type once more, as that."""
        for one in level:
            if self.visible.has(one.digest) and not self.visible.was_read_as(one.digest, one.media_type):
                content = self.kept.one(one.digest)
                if content is not None:
                    self.visible.take(one.digest, content, one.media_type, one.repository)

    def _show(self, level: list[Named]) -> None:
        """Note which repository has which manifest: one that answered elsewhere is taken to be here too."""
        for one in level:
            failure = self.visible.failed.get(one.digest)
            if failure is None or not failure.is_gone:
                self.visible.repositories[one.repository].manifests.append(one.digest)

    def _below(self, level: list[Named]) -> Iterator[Named]:
        """Yield the manifests that those of a level contain."""
        for one in level:
            for child in self.visible.children(one.digest, one.media_type):
                yield Named(one.repository, child.digest, child.media_type, child.size)

    async def _referrers(self, level: list[Named]) -> list[Named]:
        """Return the referrers of the manifests of a level, if the registry lists them."""
        found: list[Named] = []
        if not self.visible.has_referrers:
            return found
        asked = dict.fromkeys((one.repository, one.digest) for one in level if self.visible.has(one.digest))

        async def ask(one: tuple[int, Digest]) -> None:
            found.extend([Named(one[0], digest) for digest in await self._referrers_of(*one)])

        await each(asked, ask, self.at_once)
        return found

    async def _referrers_of(self, repository: int, digest: Digest) -> list[Digest]:
        shown = self.visible.repositories[repository]
        found: dict[Digest, None] = {}
        try:
            async for page in self.registry.referrers(shown.name, digest):
                items = page.get("manifests")
                named = [one.get("digest") for one in items if isinstance(one, dict)] if isinstance(items, list) else []
                found.update(dict.fromkeys(Digest(str(one)) for one in named if is_digest(one)))
                if len(found) > MOST_REFERRERS:
                    self._unlisted(shown.name, digest, Failure(State.UNREAD, f"there are more than {MOST_REFERRERS:,}"))
                    break
        except (CredentialsError, RefusedError) as error:
            failure = refused(error)
            if not failure.is_gone:
                self._unlisted(shown.name, digest, failure)
        shown.referrers.extend(found)
        return list(found)

    def _unlisted(self, name: str, digest: Digest, failure: Failure) -> None:
        key = f"{name}@{digest}"
        self.visible.notice(failure.state.value, f"the referrers of {key} cannot be listed: {failure.why}", key)
        self.visible.unlisted.append(digest)
