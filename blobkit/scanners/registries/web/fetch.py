"""Fetch what a registry shows: repositories, tags, manifests level by level, configs; all repositories at once.

Only the lists, the tags and the referrers are asked for again in a later scan: all else has a digest, and is in the
cache from then on, also if this scan is interrupted.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from blobkit.errors import CredentialsError, Hint, NotListableError, UnreadableStoreError
from blobkit.log import log
from blobkit.oci.documents import DOCUMENT_LIMIT
from blobkit.progress import counted, show_line
from blobkit.render import count, join_some, printable
from blobkit.scanners.registries.web.adapters.table import AUTO
from blobkit.scanners.registries.web.asking import Failure, State
from blobkit.scanners.registries.web.blobs import Blobs
from blobkit.scanners.registries.web.levels import Levels, Named
from blobkit.scanners.registries.web.names import REPOSITORY, Names, names_in
from blobkit.scanners.registries.web.pool import each
from blobkit.scanners.registries.web.visible import Shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from blobkit.digest import Digest
    from blobkit.scanners.registries.web.adapters.table import Listed
    from blobkit.scanners.registries.web.asking import Registry
    from blobkit.scanners.registries.web.options import Options
    from blobkit.scanners.registries.web.visible import Visible
    from blobkit.sources.kept import Kept

    Lists = Callable[[Sequence[str]], Awaitable[Listed | None]]
    """A function that returns the manifests of repositories by a vendor's own list, None if there is no such list."""

__all__ = ["Fetch"]

SHOWN = 3
"""Names of repositories in a message."""
PROBED = 5
"""Repositories that are asked whether there is a referrers API, until one answers."""


class Fetch:
    """One fetch of what is visible; `run` is called once."""

    def __init__(  # noqa: PLR0913 (what to ask, where to keep it, and how)
        self, registry: Registry, kept: Kept, visible: Visible, options: Options, lists: Lists, *, show: bool
    ) -> None:
        self.registry, self.kept, self.visible, self.options, self.show = registry, kept, visible, options, show
        self.lists = lists
        self.levels = Levels(registry, kept, visible, options.at_once)
        self.blobs = Blobs(registry, kept, visible, options.at_once)
        self._left = ""
        self._absent: list[str] = []

    async def run(self, prefix: str, *, verify: bool) -> None:
        """Fetch the repositories below a prefix ("": all), or those of the options; `verify`: ask for each blob."""
        names = await self._repositories(prefix)
        self.visible.repositories = [Shown(name) for name in names]
        tags = await self._tags()
        self.visible.has_referrers = await self._has_referrers(tags)
        await self._heads(tags)
        await self._listed(names)
        await self._manifests()
        if self.visible.wants_configs:
            await self._configs()
        if verify:
            await self.blobs.check(show=self.show)

    async def _repositories(self, prefix: str) -> list[str]:
        if self.options.repositories is not None:
            names = list(self.options.repositories)
            self.visible.is_part = True
            self._say(f"{count(len(names), 'repository')}: one request for each, and one for each tag")
            return names
        self.visible.is_part = bool(prefix)
        try:
            found = await names_in(self.registry.catalog(), "repositories", REPOSITORY)
        except (CredentialsError, NotListableError) as error:
            is_login = isinstance(error, CredentialsError) and error.is_login
            if prefix and REPOSITORY.fullmatch(prefix) and not is_login:
                log.info("this registry does not list its repositories: %s is taken as the name of one", prefix)
                return [prefix]
            raise
        self._cut(found, "repositories", "")
        names = [one for one in found.names if not prefix or one == prefix or one.startswith(f"{prefix}/")]
        if prefix and not names:
            msg = f"the registry lists no repository {printable(prefix)} or {printable(prefix)}/*"
            hint = Hint(
                'name it if it is hidden: storage_options={"repositories": [...]}', "name it: --repositories FILE"
            )
            raise UnreadableStoreError(msg, hint=hint)
        return names

    def _cut(self, found: Names, what: str, of: str) -> None:
        """Record which names of a list are not used: what they hold is unknown."""
        name = f"{what} of {of}" if of else what
        if found.odd:
            message = f"{found.odd:,} of the {name} have names that no registry accepts, such as {found.first_odd}"
            self.visible.notice("odd-name", message, of)
        if found.is_cut:
            self.visible.notice(
                "endless-list", f"the list of {name} has no end: only {len(found.names):,} are read", of
            )
        if found.odd or found.is_cut:
            self.visible.unknown.append(f"other {name}")

    async def _has_referrers(self, tags: list[tuple[int, str]]) -> bool:
        """Return whether there is a referrers API: of repositories with tags, because others may answer 404 anyway."""
        for number in islice(dict.fromkeys(number for number, _ in tags), PROBED):
            try:
                return await self.registry.lists_referrers(self.visible.repositories[number].name)
            except CredentialsError as error:
                if error.is_login:
                    raise
        return False

    async def _tags(self) -> list[tuple[int, str]]:
        """Return the tags of all repositories, with the numbers of these."""
        shown = self.visible.repositories
        tags: dict[int, list[str]] = {}
        refused: list[CredentialsError] = []
        with counted(len(shown), "repositories", show=self.show, unit=" repositories") as step:

            async def ask(number: int) -> None:
                found = await self.registry.tags(shown[number].name)
                if isinstance(found, Failure):
                    self._without_tags(shown[number].name, found)
                    refused.extend([found.error] if found.error else ())
                else:
                    tags[number] = found.names
                    self._cut(found, "tags", shown[number].name)
                step(1)

            await each(range(len(shown)), ask, self.options.at_once)
        if shown and len(refused) == len(shown):
            raise refused[0]
        if self._absent and len(self._absent) == len(shown):
            msg = f"the registry has no repository {printable(join_some(sorted(self._absent), SHOWN))} with tags"
            raise UnreadableStoreError(msg, hint="check the names: they look like team/app, without host and tag")
        return [(number, tag) for number in range(len(shown)) for tag in tags.get(number, ())]

    def _without_tags(self, name: str, failure: Failure) -> None:
        """Record a repository whose tags cannot be listed; in the catalog may be one that has none."""
        if not failure.is_gone:
            self.visible.notice(failure.state.value, f"the tags of {name} cannot be listed ({failure.why})", name)
            self.visible.unknown.append(f"the tags of {name}")
        elif self.options.repositories is not None:
            self._absent.append(name)
            message = f"the registry has no repository {name} with tags, or does not show it to this user"
            self.visible.notice(State.DENIED.value, message)

    async def _heads(self, tags: list[tuple[int, str]]) -> None:
        """Ask which digest each tag names."""
        where = count(len(self.visible.repositories), "repository")
        self._say(f"{count(len(tags), 'tag')} in {where}: one request for each tag")
        gone: dict[int, list[str]] = {}
        with counted(len(tags), "tags", show=self.show, unit=" tags") as step:

            async def ask(one: tuple[int, str]) -> None:
                number, tag = one
                shown = self.visible.repositories[number]
                found = await self.registry.tag(shown.name, tag)
                self._left = found.left or self._left
                if found.digest is not None:
                    shown.tags[tag] = found.digest
                    if found.content is not None:
                        self.kept.put(found.digest, found.content)
                elif found.failure is not None and found.failure.is_gone:
                    gone.setdefault(number, []).append(tag)
                elif found.failure is not None:
                    self._unread_tag(f"{shown.name}:{tag}", found.failure)
                step(1)

            await each(tags, ask, self.options.at_once)
        for number, names in gone.items():
            await self._gone(self.visible.repositories[number].name, names)

    def _unread_tag(self, name: str, failure: Failure) -> None:
        self.visible.notice(failure.state.value, f"the tag {name} cannot be read: {failure.why}", name)
        self.visible.unknown.append(f"the tag {name}")

    async def _gone(self, name: str, gone: list[str]) -> None:
        """Record tags that were listed and are not found: deleted meanwhile, or broken if they are listed still."""
        again = await self.registry.tags(name)
        listed = set(again.names) if isinstance(again, Names) else set()
        for tag in gone:
            if tag in listed:
                message = f"the tag {name}:{tag} is listed, and answers 404: it cannot be pulled"
                self.visible.notice("tag-without-revision", message, f"{name}:{tag}")
            else:
                message = f"the tag {name}:{tag} was deleted while the registry was read"
                self.visible.notice("tag-gone", message, f"{name}:{tag}")

    async def _listed(self, names: list[str]) -> None:
        """Ask a vendor's API for all manifests, if there is one; without all lists it is as without any.

        CredentialsError or UnreadableStoreError if the option names the API, and it does not give the lists.
        """
        found = await self.lists(names)
        if found is None:
            return
        self.visible.why_hidden, self.visible.hides_untagged = found.why, bool(found.why)
        if found.why:
            log.info("manifests without a tag are not seen: %s", printable(found.why))
            if self.options.untagged != AUTO:
                raise _unlisted(self.options.untagged, found)
        for shown in self.visible.repositories:
            shown.listed = dict(found.manifests.get(shown.name, ()))

    async def _manifests(self) -> None:
        """Bring the manifests that tags name, and all below them."""
        roots = [
            Named(number, digest)
            for number, shown in enumerate(self.visible.repositories)
            for digest in dict.fromkeys((*shown.tags.values(), *shown.listed))
        ]
        is_first = True

        def lacking(number: int) -> None:
            nonlocal is_first
            if is_first:
                self._estimate(number, len({one.digest for one in roots}))
            is_first = False

        with counted(None, "manifests", show=self.show, unit=" manifests") as step:
            await self.levels.bring(roots, lacking, step)

    def _estimate(self, number: int, of: int) -> None:
        """Tell how many manifests of tags and lists the cache lacks, and how many requests the registry still allows.

        Those below them are not known yet, even if all of these are in the cache.
        """
        allowed = f"; the registry allows {printable(self._left)} more for now" if self._left else ""
        below = "platforms and configs" if self.visible.wants_configs else "platforms"
        how = "listed" if any(shown.listed for shown in self.visible.repositories) else "tagged"
        more = f", and what the cache lacks of their {below}"
        if self.visible.has_referrers:
            more += "; one request for the referrers of each manifest"
        self._say(f"{number:,} of {count(of, f'{how} manifest')} to fetch{more}{allowed}")

    async def _configs(self) -> None:
        """Bring the configs of images that the cache lacks."""
        wanted = self.visible.configs
        for digest in [one for one in wanted if self._size(one) > DOCUMENT_LIMIT]:
            del wanted[digest]
        lacking = dict(wanted)
        for digest, _ in self.kept.read(wanted):
            lacking.pop(digest, None)
        gone: dict[Digest, set[int]] = {}
        with counted(len(lacking), "configs", show=self.show, unit=" configs") as step:

            async def ask(digest: Digest) -> None:
                found = await self.registry.blob(self.visible.repositories[wanted[digest]].name, digest)
                if not isinstance(found, Failure):
                    self.kept.put(digest, found)
                elif found.is_gone:
                    gone[digest] = {wanted[digest]}
                else:
                    self.visible.notice(found.state.value, f"the config {digest} cannot be read: {found.why}", digest)
                step(1)

            await each(lacking, ask, self.options.at_once)
        await self.blobs.look_elsewhere(gone)

    def _size(self, digest: Digest) -> int:
        return self.visible.facts.size[self.visible.facts.ids[digest]]

    def _say(self, line: str) -> None:
        """Tell what comes next, beside the bar and in the log."""
        log.info("%s", line)
        if self.show:
            show_line(line)


def _unlisted(option: str, found: Listed) -> CredentialsError | UnreadableStoreError:
    """Return the error for a vendor's list that was asked for by name, and was not had."""
    msg = f"the list of all manifests ({option}) is not to be had ({printable(found.why)})"
    hint = Hint(
        'leave out "untagged" to read what tags reach', f"leave out -O untagged={option} to read what tags reach"
    )
    return (CredentialsError if found.is_denied else UnreadableStoreError)(msg, hint=hint)
