"""Tell by its path whether a file of a store is a blob, metadata or an unfinished upload: one record for each kind.

Paths are relative to the root of the store, with `/`. Sources: OCI image-spec 1.1 (`image-layout.md`), distribution
2.8.2 (`registry/storage/paths.go`), the Go package `blobstore`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

__all__ = ["DOCKER_ARCHIVE", "GO_BLOBSTORE", "LAYOUT", "LAYOUT_ARCHIVE", "Place", "named", "registry"]

_HEX = "[0-9a-f]"
_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_LABEL = f"(?:{'|'.join(_DIGITS)})"
_DATABASE = r"(?:\.blobkit/)?[^/]+\.(?:db|sqlite3?)(?:-wal|-shm|-journal)?"
"""A database in the root of a store: zot's `cache.db`, the index of blobkit."""
_REPOSITORY = "repositories/(?:[^/]+/)*"


def named(separator: str) -> str:
    """Return a regular expression for a digest in a path, with `separator` between its label and its digits."""
    return f"(?:{'|'.join(f'{label}{separator}{_HEX}{{{digits}}}' for label, digits in _DIGITS.items())})"


def _fanned() -> str:
    """Return a regular expression for a digest in a path, below a directory named by its first two digits."""
    return "|".join(
        f"{label}/(?P<two_{label}>{_HEX}{{2}})/(?P=two_{label}){_HEX}{{{digits - 2}}}"
        for label, digits in _DIGITS.items()
    )


@dataclass(frozen=True, slots=True)
class Place:
    """The paths of one kind of store.

    `files` matches a file; its group `blob`, `metadata` or `upload` is the role. `directories` matches the
    directories of the format. `area` matches the paths of blobs and above; its groups `label` and `hex` are the start
    of their digests. `holders`: the kinds of pins that unseen blobs may have. All expressions match paths relative to
    `prefix`; a path outside of it gets a leading `/`.
    """

    files: re.Pattern[str]
    directories: re.Pattern[str]
    area: re.Pattern[str]
    holders: tuple[str, ...] = ()
    prefix: str = ""

    def role(self, path: str) -> str:
        """Return the role of a file: blob, metadata, upload or leftover."""
        found = self.files.fullmatch(self._below(path))
        return "leftover" if found is None else next(k for k in ("blob", "metadata", "upload") if found[k] is not None)

    def is_part(self, path: str) -> bool:
        """Return whether a directory is part of the format."""
        return self.directories.fullmatch(self._below(path)) is not None

    def behind(self, path: str) -> str | None:
        """Return the start of the digests of all blobs at or below a path; None if there are no blobs."""
        found = self.area.fullmatch(self._below(path))
        if found is None:
            return None
        return f"{found['label']}:{found['hex'] or ''}" if found["label"] else ""

    def _below(self, path: str) -> str:
        if not self.prefix:
            return path
        return path[len(self.prefix) :] if path.startswith(self.prefix) else f"/{path}"


LAYOUT = Place(
    re.compile(f"(?P<blob>blobs/{named('/')})|(?P<metadata>index\\.json|oci-layout|{_DATABASE})|(?P<upload>(?!))"),
    re.compile(rf"|blobs|blobs/{_LABEL}|\.blobkit"),
    re.compile(rf"blobs(?:/(?P<label>{_LABEL})(?:/(?P<hex>{_HEX}+))?)?"),
    holders=("entry",),
)
"""The paths of an OCI image layout, and of a blobkit store."""

_MEMBERS = rf"index\.json|oci-layout|manifest\.json|repositories|{_DATABASE}"
LAYOUT_ARCHIVE = replace(
    LAYOUT, files=re.compile(f"(?P<blob>blobs/{named('/')})|(?P<metadata>{_MEMBERS})|(?P<upload>(?!))")
)
"""The members of an OCI image layout in a tar; docker and BuildKit add two documents of their own."""

DOCKER_ARCHIVE = Place(
    re.compile(
        r"(?P<blob>(?!))|(?P<metadata>manifest\.json|repositories|index\.json|oci-layout"
        rf"|{_HEX}{{64}}/(?:json|VERSION))|(?P<upload>(?!))"
    ),
    re.compile(rf"|blobs|blobs/{_LABEL}|{_HEX}{{64}}"),
    re.compile(r"(?!)(?P<label>)(?P<hex>)"),
)
"""The members of an archive of `docker save`; its manifest.json names its blobs, wherever they are."""

_REGISTRY = Place(
    re.compile(
        f"(?P<blob>blobs/(?:{_fanned()})/data)"
        rf"|(?P<metadata>{_REPOSITORY}_(?:manifests|layers)/(?:[^/]+/)*link"
        rf"|{_REPOSITORY}_uploads/[^/]+/(?:startedat|hashstates/.+)|/?scheduler-state\.json|/?{_DATABASE})"
        rf"|(?P<upload>{_REPOSITORY}_uploads/[^/]+/data)"
    ),
    re.compile(
        rf"|/|/docker|/docker/registry|/docker/registry/v2|blobs(?:/{_LABEL}(?:/{_HEX}{{2}}(?:/{_HEX}+)?)?)?"
        r"|repositories(?:/(?!_)[^/]+)*(?:/_(?:manifests|layers|uploads)(?:/.*)?)?"
    ),
    re.compile(rf"blobs(?:/(?P<label>{_LABEL})(?:(?:/{_HEX}{{2}})?/(?P<hex>{_HEX}+)(?:/data)?)?)?"),
)

GO_BLOBSTORE = Place(
    re.compile(
        f"(?P<blob>blobs/{named(':')}/blob)"
        f"|(?P<metadata>blobs/{named(':')}/info\\.json|{_DATABASE})|(?P<upload>temp-blob-[^/]*)"
    ),
    re.compile(f"|blobs|blobs/{named(':')}"),
    re.compile(rf"blobs(?:/(?P<label>{_LABEL}):(?P<hex>{_HEX}+)(?:/.*)?)?"),
)
"""The paths of a store of the Go package."""


def registry(below: str) -> Place:
    """Return the paths of a registry with `blobs` and `repositories` in the directory `below`, "" for the root."""
    return replace(_REGISTRY, prefix=f"{below}/" if below else "")
