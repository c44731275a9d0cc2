"""Write the storage directory of a registry: blobs, the links of repositories to them, tags, each at a given time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.digest import split

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.digest import Digest

__all__ = ["Storage"]


@dataclass(frozen=True)
class Storage:
    """A registry's storage below `root`; times are seconds since 1970."""

    root: Path

    def blob(self, digest: Digest, content: bytes | int, time: float) -> None:
        """Store content under a digest, if nothing is there; for a number, a hole of so many bytes."""
        path = self._data(digest)
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(content) if isinstance(content, bytes) else file.truncate(content)
        os.utime(path, (time, time))

    def overwrite(self, digest: Digest, content: bytes) -> None:
        """Put other content where a blob is, as a disk that fails."""
        self._data(digest).write_bytes(content)

    def size(self, digest: Digest) -> int:
        """Return the size of a stored blob."""
        return self._data(digest).stat().st_size

    def layer(self, repository: str, digest: Digest, time: float) -> None:
        """Link a repository to a layer or config."""
        self._link(digest, time, repository, "_layers", *split(digest))

    def revision(self, repository: str, digest: Digest, time: float) -> None:
        """Link a repository to a manifest."""
        self._link(digest, time, repository, "_manifests/revisions", *split(digest))

    def tag(self, repository: str, tag: str, digest: Digest, time: float) -> None:
        """Name a manifest of a repository."""
        folder = f"_manifests/tags/{tag}"
        self._link(digest, time, repository, folder, "current")
        self._link(digest, time, repository, folder, "index", *split(digest))

    def upload(self, repository: str, name: str, size: int, time: float) -> None:
        """Leave an upload of so many bytes that has not ended."""
        path = self._below("repositories", repository, "_uploads", name, "data")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.truncate(path, size)
        os.utime(path, (time, time))
        os.utime(path.parent, (time, time))

    def _link(self, digest: Digest, time: float, repository: str, *parts: str) -> None:
        path = self._below("repositories", repository, *parts, "link")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(digest)
        os.utime(path, (time, time))

    def _data(self, digest: Digest) -> Path:
        algorithm, hexa = split(digest)
        return self._below("blobs", algorithm, hexa[:2], hexa, "data")

    def _below(self, *parts: str) -> Path:
        return self.root.joinpath("docker/registry/v2", *parts)
