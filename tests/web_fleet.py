"""A large registry, written as a directory that a real registry serves as it is.

Indexes of three platforms, of OCI's and docker's types; bases that many repositories share; foreign layers; a first tag
that was overwritten; `latest` beside the second version; an SBOM for each second index, listed by its fallback tag.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layouts import DOCKER_LIST, DOCKER_MANIFEST, INDEX, LAYER, MANIFEST, Registry

if TYPE_CHECKING:
    from pathlib import Path

PLATFORMS = ("amd64", "arm64", "riscv64")
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
AWAY = {"mediaType": FOREIGN, "digest": f"sha256:{'ab' * 32}", "size": 1 << 20, "urls": ["https://example.com/x"]}
SBOM = "application/spdx+json"


class Fleet:
    """Writes `repositories` with `versions` each below `root`."""

    def __init__(self, root: Path, repositories: int = 60, versions: int = 5) -> None:
        self.registry = Registry(root)
        self.bases = [self.registry.blob(f"base {n} " * (200 + n)) for n in range(20)]
        for number in range(repositories):
            self._repository(number, versions)

    def _repository(self, number: int, versions: int) -> None:
        repo = f"team{number % 7}/app{number}" if number % 5 else f"team{number % 7}/group/app{number}"
        self._index(repo, number, -1)  # the first tag named it once
        for version in range(versions):
            index = self._index(repo, number, version)
            self.registry.tag(repo, f"1.{version}", index)
            if version == 1:
                self.registry.tag(repo, "latest", index)
            if version % 2 == 0:
                self._sbom(repo, index)

    def _index(self, repo: str, number: int, version: int) -> str:
        registry, is_docker = self.registry, number % 3 == 0
        shared = [self.bases[(number + version + n) % len(self.bases)] for n in range(2)]
        children = []
        for platform in PLATFORMS:
            own = registry.blob(f"{number} {version} {platform} " * (1 + number % 40))
            created = f"2024-{1 + number % 12:02}-{1 + version + 1:02}T00:00:00Z"
            config = registry.config("linux", architecture=platform, created=created, made=f"{number}.{version}")
            parts = [*shared, own, *([AWAY] if number % 10 == 0 and platform == "amd64" else [])]
            more = {"mediaType": DOCKER_MANIFEST} if is_docker else {}
            image = registry.revision(repo, registry.manifest(*map(self._part, parts), config=config, **more))
            where = {"os": "linux", "architecture": platform}
            children.append(registry.to(image, DOCKER_MANIFEST if is_docker else MANIFEST, platform=where))
        more = {"mediaType": DOCKER_LIST} if is_docker else {}
        return registry.revision(repo, registry.index(*children, **more))

    def _part(self, part: object) -> object:
        return self.registry.to(part, LAYER) if isinstance(part, str) else part

    def _sbom(self, repo: str, index: str) -> None:
        registry = self.registry
        subject = registry.to(index, INDEX)
        about = registry.to(registry.blob(f"the parts of {repo} {index}"), SBOM)
        sbom = registry.revision(repo, registry.manifest(about, config=registry.blob("{}"), subject=subject))
        listing = registry.revision(repo, registry.index(registry.to(sbom, MANIFEST)))
        registry.tag(repo, index.replace(":", "-"), listing)
