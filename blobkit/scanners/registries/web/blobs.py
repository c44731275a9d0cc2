"""Ask a registry whether it has the blobs that manifests name, and how many bytes they have: one request for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.digest import Digest
from blobkit.oci.documents import read_document
from blobkit.oci.plain import plain_manifest
from blobkit.oci.untrusted import DocumentError
from blobkit.progress import counted
from blobkit.scanners.registries.web.asking import Failure
from blobkit.scanners.registries.web.pool import each

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from blobkit.scanners.registries.web.asking import Registry
    from blobkit.scanners.registries.web.visible import Visible
    from blobkit.sources.kept import Kept

__all__ = ["Blobs"]


class Blobs:
    """Checks blobs. One that its repository does not have is looked for in the others that name it."""

    def __init__(self, registry: Registry, kept: Kept, visible: Visible, at_once: int) -> None:
        self.registry, self.kept, self.visible, self.at_once = registry, kept, visible, at_once

    async def check(self, *, show: bool) -> None:
        """Ask for every blob that a visible manifest names, and is none."""
        gone: dict[Digest, set[int]] = {}
        with counted(None, "blobs", show=show) as step:

            async def ask(one: tuple[int, Digest]) -> None:
                if not await self._has(*one):
                    gone[one[1]] = {one[0]}
                step(1)

            await each(self._first(), ask, self.at_once)
        await self.look_elsewhere({one: tried for one, tried in gone.items() if self.visible.facts.is_stored(one)})

    async def look_elsewhere(self, gone: Mapping[Digest, set[int]]) -> None:
        """Look for blobs that one repository does not have in the others that name them; record those that are gone."""
        found: set[Digest] = set()

        async def ask(one: tuple[int, Digest]) -> None:
            number, digest = one
            if await self._has(number, digest):
                found.add(digest)
                for other in gone[digest]:
                    self._unlinked(self.visible.repositories[other].name, digest)

        if gone:
            await each(self._others(gone, found), ask, 1)
        for digest in gone.keys() - found:
            self.visible.gone(digest)

    async def _has(self, number: int, digest: Digest) -> bool:
        """Return whether a repository has a blob, and record its size; True if that cannot be told."""
        size = await self.registry.size(self.visible.repositories[number].name, digest)
        if not isinstance(size, Failure):
            if size >= 0:
                self.visible.measured(digest, size)
            return True
        if not size.is_gone:
            self.visible.notice(size.state.value, f"{digest} cannot be looked at: {size.why}", digest)
        return not size.is_gone

    def _unlinked(self, name: str, digest: Digest) -> None:
        message = f"the repository {name} has no link of {digest}: a pull there answers 404"
        self.visible.notice("unlinked-layer", message, digest)

    def _first(self) -> Iterator[tuple[int, Digest]]:
        """Yield each blob, with the first repository that names it."""
        seen: set[str] = set()
        for number, digest in self._named(once=True):
            if digest not in seen and not self.visible.has(digest):
                seen.add(digest)
                yield number, digest

    def _others(self, gone: Mapping[Digest, set[int]], found: set[Digest]) -> Iterator[tuple[int, Digest]]:
        """Yield blobs with repositories that were not tried yet, until they are found."""
        for number, digest in self._named(once=False):
            if digest in gone and digest not in found and number not in gone[digest]:
                gone[digest].add(number)
                yield number, digest

    def _named(self, *, once: bool) -> Iterator[tuple[int, Digest]]:
        """Yield the blobs that the manifests of each repository name; `once`: read each manifest once only."""
        read: set[Digest] = set()
        for number, shown in enumerate(self.visible.repositories):
            manifests = [one for one in dict.fromkeys(shown.manifests) if one not in read]
            for _, content in self.kept.read(manifests):
                yield from ((number, Digest(digest)) for digest in _leaves(content))
            read.update(shown.manifests if once else ())


def _leaves(content: bytes) -> Iterable[str]:
    """Return the digests of the blobs in a manifest that are no manifests."""
    plain = plain_manifest(content)
    if plain is not None:
        return plain.digests
    try:
        return [one.digest for one in read_document(content).references if not one.followed]
    except DocumentError:
        return []
