"""Scan a container registry over its HTTP API, read-only: what its tags reach, and what it lists besides.

Under the policies `tags`, `gc-m` and `dependent` answers are exact for what is visible. A registry does not list
manifests without a tag, so under `revisions` and `gc` no answer is exact, unless a vendor's own API lists them: those
of GitHub (ghcr.io) and of Harbor are asked. Nor is one under any policy if only some of the repositories are read: the
others may hold the same blobs. Sizes of layers and configs are those that manifests claim, unless `verify` asks for
each blob. There are no times but in the lists of vendors: a plan by age needs those that images claim
(`age_by="created"`).

The first scan asks for each manifest once, and keeps it in `~/.cache/blobkit/manifests.sqlite`; later ones ask for the
lists and the tags only. A scan that was interrupted goes on where it was.

Sources: OCI distribution-spec 1.1, docker's Registry HTTP API V2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.log import log
from blobkit.scanners.facts import Facts
from blobkit.scanners.pausing import paused_collector
from blobkit.scanners.registries.web.adapters.table import adapter_for, listed
from blobkit.scanners.registries.web.asking import Registry
from blobkit.scanners.registries.web.being import of_a_registry
from blobkit.scanners.registries.web.fetch import Fetch
from blobkit.scanners.registries.web.options import read_options
from blobkit.scanners.registries.web.record import record
from blobkit.scanners.registries.web.visible import Visible
from blobkit.scanners.scanned import completed
from blobkit.scanners.spaces.space import MEMORY
from blobkit.sources.kept import kept_in
from blobkit.sources.web import credentials
from blobkit.sources.web.client import Client
from blobkit.sources.web.transport import aiohttp_transport
from blobkit.sources.web.waiting import run

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from blobkit.remotes import Remote
    from blobkit.scanners.registries.web.adapters.table import Listed
    from blobkit.scanners.registries.web.options import Options
    from blobkit.scanners.scanned import Scanned
    from blobkit.scanners.spaces.space import Space
    from blobkit.sources.kept import Kept

__all__ = ["scan"]


def scan(  # noqa: PLR0913 (each is an independent choice, keyword-only)
    there: Remote,
    *,
    policy: str | None = None,
    progress: bool = True,
    verify: bool = False,
    every_file: bool = True,  # noqa: ARG001 (all scanners take it: a registry lists no files)
    cache: bool | str | os.PathLike[str] | None = None,
    options: Mapping[str, object] | None = None,
    space: Space = MEMORY,
) -> Scanned:
    """Return the facts of what a registry shows of the repositories `there.prefix` and `there.prefix/*` ("": all).

    `verify` asks for each blob: whether it is there, and its size. `cache`: False for none, a path for another file or
    directory. `options`: `repositories` (a list of names, for registries without a catalog), `configs` (read the
    configs of images for `platform`, `created` and twins; by default yes, but not without a cache or from Docker Hub),
    `at_once` (the most requests at once, 16), `untagged` (the vendor's API that lists all manifests: ghcr, harbor,
    none, or auto, which knows them by host and login).

    The default policy is `tags`; `dependent` if the registry has the referrers API, because referrers have no tag
    there. Errors: CredentialsError, NotListableError (no catalog: name repositories), RateLimitedError (what was
    fetched is kept), UnreadableStoreError, AddressError, MissingExtraError. What cannot be read of single tags and
    manifests is a notice, and unknown. Cost: a request for each page of a list, repository, tag and new manifest, one
    for each new config; with the referrers API one for each manifest.
    """
    asked = read_options(options or {}, there, has_cache=cache is not False)
    kept = kept_in(cache)
    visible = Visible(Facts(space=space), wants_configs=asked.configs)
    try:
        run(lambda: _fetch(there, kept, visible, asked, (progress, verify)))
        kept.commit()
        with paused_collector():
            record(visible, kept)
    finally:
        kept.close()
    if policy is None and visible.has_referrers:
        policy = "dependent"
    return completed(visible.facts, "registry", there.address, policy)


async def _fetch(there: Remote, kept: Kept, visible: Visible, asked: Options, flags: tuple[bool, bool]) -> None:
    """Fetch all that is visible; what was fetched is kept, also after an error or an interrupt."""
    show, verify = flags
    transport = aiohttp_transport(asked.at_once)
    client = Client(there.base, transport, credentials=credentials.Kept(there.place), at_once=asked.at_once)

    async def lists(names: Sequence[str]) -> Listed | None:
        adapter = adapter_for(there, client.service, asked.untagged)
        return None if adapter is None else await listed(adapter, there, names, transport, at_once=asked.at_once)

    try:
        async with of_a_registry(client, visible):
            await Fetch(Registry(client), kept, visible, asked, lists, show=show).run(there.prefix, verify=verify)
    finally:
        log.info("requests: %s", ", ".join(f"{number:,} {what}" for what, number in client.counts.items()) or "none")
        kept.commit()
        await transport.close()
