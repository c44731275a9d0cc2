"""Scan a models directory of Ollama, read-only.

Layout: ollama, `manifest/paths.go`, `types/model/name.go`. `manifests/<host>/<namespace>/<model>/<tag>` is a manifest;
`blobs/sha256-<hex>` are its config and layers. Newer versions write manifests as blobs, and links to them in
`manifests-v2`; a name there hides the same name in `manifests`. Cost: one `lstat` for each file, one read of each
manifest.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from blobkit.progress import watched
from blobkit.scanners.caches.look import Look
from blobkit.scanners.caches.models import Models
from blobkit.scanners.facts import Facts
from blobkit.scanners.leftovers import Ledger
from blobkit.scanners.places import Place
from blobkit.scanners.scanned import completed
from blobkit.sources.directory import Directory
from blobkit.sources.source import Is

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from blobkit.digest import Digest
    from blobkit.scanners.scanned import Scanned

__all__ = ["path_of", "scan"]

PLACE = Place(
    re.compile(r"(?P<blob>blobs/[^/]+)|(?P<metadata>manifests(?:-v2)?/(?:[^/]+/){3}[^/]+)|(?P<upload>(?!))", re.DOTALL),
    re.compile(r"|blobs|manifests(?:-v2)?(?:/[^/]+){0,3}", re.DOTALL),
    re.compile(r"blobs(?:/(?P<label>sha256)[-:](?P<hex>[0-9a-f]+))?"),
)
"""The paths of a models directory."""
MANIFESTS = ("manifests-v2", "manifests")
LEVELS = 3


def path_of(root: Path) -> Callable[[Digest], str]:
    """Return a function from a digest to the path of its content."""
    blobs = os.fspath(root / "blobs")
    return lambda digest: f"{blobs}/{digest.replace(':', '-')}"


def scan(root: Path, *, policy: str | None = None, progress: bool = True, verify: bool = False) -> Scanned:
    """Return the facts of the models at `root`; it writes nothing, and follows no symbolic link out of `root`.

    `verify` hashes every blob.
    """
    facts = Facts(Ledger(os.fspath(root), PLACE, blobs=True))
    look = Look(Directory(root), facts)
    models = Models(look)
    models.read_blobs()
    for path, parts in watched(list(_manifests(look)), "manifests", show=progress, unit=" manifests"):
        models.read_manifest(path, parts)
    if verify:
        models.verify(watched(sorted(models.paths), "verifying", show=progress))
    return completed(facts, "ollama", os.fspath(root), policy)


def _manifests(look: Look) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the path of each manifest, exactly four levels down, and the parts of its name."""
    for top in MANIFESTS:
        found: list[tuple[str, ...]] = [()]
        for _ in range(LEVELS):
            found = [(*above, name) for above in found for name in _inside(look, top, above, files=False)]
        for above in found:
            for name in _inside(look, top, above, files=True):
                yield "/".join((top, *above, name)), (*above, name)


def _inside(look: Look, top: str, above: tuple[str, ...], *, files: bool) -> list[str]:
    """Return the names in a directory: of files, or of directories; a link counts as what it leads to.

    A directory that cannot be read may have names that need any blob.
    """
    path = "/".join((top, *above))
    entries = look.entries(path)
    if entries is None:
        look.facts.mark_unknown(path, ("tag",))
    return [
        entry.name
        for entry in entries or ()
        if files == _is_file(look, f"{path}/{entry.name}", entry.kind) and entry.kind is not Is.OTHER
    ]


def _is_file(look: Look, path: str, kind: Is) -> bool:
    """Return whether a path is a file; a link that leads out of the store counts as both."""
    if kind is not Is.LINK:
        return kind is Is.FILE
    target = look.source.path(path)
    return not os.path.isdir(target)
