"""Fill a registry over its API, and say what is in it then: indexes, shared bases, referrers, overwritten tags.

The same arguments give the same content. The first tag of each repository is overwritten: its old index stays, without
a name. Each second index has an SBOM that refers to it, listed by the fallback tag of the OCI specification.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from random import Random

import aiohttp

__all__ = ["Filled", "fill", "sha256"]

INDEX, IMAGE = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
CONFIG, LAYER = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY, SBOM = "application/vnd.oci.empty.v1+json", "application/spdx+json"
ARCHITECTURES = ("amd64", "arm64", "arm", "ppc64le", "s390x", "riscv64")
Descriptor = dict[str, object]


@dataclass
class Filled:
    """The content of a registry: tags by repository, digests of manifests by repository, and bytes by digest.

    `manifests` includes those that no tag reaches any more; `sizes` has blobs and manifests.
    """

    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    manifests: dict[str, set[str]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def fill(url: str, repositories: int = 4, tags: int = 3, *, architectures: int = 2, at_once: int = 16) -> Filled:
    """Push so many repositories of so many tags into the registry at `url`."""
    return asyncio.run(_fill(url, repositories, tags, ARCHITECTURES[:architectures], at_once))


async def _fill(url: str, repositories: int, tags: int, architectures: tuple[str, ...], at_once: int) -> Filled:
    bases = [Random(1000 + i).randbytes(30000 + 1000 * i) for i in range(20)]  # noqa: S311 (the same each time)
    gate = asyncio.Semaphore(at_once)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:
        pusher = Pusher(session, url)

        async def one(number: int) -> None:
            async with gate:
                await _Writer(pusher, number, architectures, bases).write(tags)

        await asyncio.gather(*map(one, range(repositories)))
        return pusher.filled


class Pusher:
    """Pushes blobs once for each repository, by mounting them from another one where it can."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url, self.filled = session, url, Filled()
        self._homes: dict[str, set[str]] = {}

    async def blob(self, repo: str, data: bytes, media_type: str) -> Descriptor:
        """Push a blob, and return its descriptor."""
        digest = sha256(data)
        homes = self._homes.setdefault(digest, set())
        if repo not in homes:
            query = f"?mount={digest}&from={min(homes)}" if homes else ""
            homes.add(repo)
            await self._upload(f"{self.url}/v2/{repo}/blobs/uploads/{query}", digest, data)
        self.filled.sizes[digest] = len(data)
        return _descriptor(data, media_type)

    async def _upload(self, url: str, digest: str, data: bytes) -> None:
        async with self.session.post(url) as answer:
            place = answer.headers["Location"]
            if answer.status == 201:
                return  # mounted
        url = f"{place}{'&' if '?' in place else '?'}digest={digest}"
        headers = {"Content-Type": "application/octet-stream"}
        async with self.session.put(url, data=data, headers=headers) as answer:
            assert answer.status == 201, await answer.text()

    async def manifest(self, repo: str, body: dict[str, object], tag: str = "") -> Descriptor:
        """Push a manifest, under a tag or by its digest, and return its descriptor."""
        data, media_type = _json(body), str(body["mediaType"])
        digest = sha256(data)
        url = f"{self.url}/v2/{repo}/manifests/{tag or digest}"
        async with self.session.put(url, data=data, headers={"Content-Type": media_type}) as answer:
            assert answer.status == 201, await answer.text()
        self.filled.sizes[digest] = len(data)
        self.filled.manifests.setdefault(repo, set()).add(digest)
        if tag:
            self.filled.tags.setdefault(repo, {})[tag] = digest
        return _descriptor(data, media_type)


class _Writer:
    """Writes one repository."""

    def __init__(self, pusher: Pusher, number: int, architectures: tuple[str, ...], bases: list[bytes]) -> None:
        self._pusher, self._number, self._architectures, self._bases = pusher, number, architectures, bases
        self._random = Random(number)  # noqa: S311 (the same each time)
        self.repo = f"team{number % 7}/app{number}" if number % 5 else f"team{number % 7}/group/app{number}"

    async def write(self, tags: int) -> None:
        for number in range(tags):
            for version in range(2 if number == 0 else 1):
                body = await self._index(f"{number}.{version}")
                index = await self._pusher.manifest(self.repo, body, f"1.{number}")
            if number == 1:
                await self._pusher.manifest(self.repo, body, "latest")
            if number % 2 == 0:
                await self._sbom(index)

    async def _index(self, version: str) -> dict[str, object]:
        shared = self._random.sample(self._bases, 2)
        images = [await self._image(one, shared, version) for one in self._architectures]
        return {"schemaVersion": 2, "mediaType": INDEX, "manifests": images}

    async def _image(self, architecture: str, shared: list[bytes], version: str) -> Descriptor:
        layers = [*shared, self._random.randbytes(self._random.choice((400, 3000, 20000)))]
        rootfs = {"type": "layers", "diff_ids": [sha256(layer + b"unpacked") for layer in layers]}
        platform = {"architecture": architecture, "os": "linux"}
        config = _json({**platform, "rootfs": rootfs, "version": f"{self._number}.{version}"})
        body = {
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": await self._pusher.blob(self.repo, config, CONFIG),
            "layers": [await self._pusher.blob(self.repo, layer, LAYER) for layer in layers],
        }
        return await self._pusher.manifest(self.repo, body) | {"platform": platform}

    async def _sbom(self, index: Descriptor) -> None:
        body = {
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "artifactType": SBOM,
            "config": await self._pusher.blob(self.repo, b"{}", EMPTY),
            "layers": [await self._pusher.blob(self.repo, self._random.randbytes(900), SBOM)],
            "subject": index,
        }
        referrer = await self._pusher.manifest(self.repo, body) | {"artifactType": SBOM}
        listing = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [referrer]}
        await self._pusher.manifest(self.repo, listing, str(index["digest"]).replace(":", "-"))


def _descriptor(data: bytes, media_type: str) -> Descriptor:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}


def _json(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":"), sort_keys=True).encode()
