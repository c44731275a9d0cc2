"""List the storage of a registry in a bucket: blobs by hash prefix, many at once, then repositories folder by folder.

Blobs are listed before repositories. So what a push adds meanwhile is named by a link and counts as missing, which
keeps everything (unknown is not free); in the other order its blobs would be garbage.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from blobkit.digest import ALGORITHMS
from blobkit.log import log
from blobkit.progress import show_line
from blobkit.scanners.registries.linkfiles import LINK_BYTES
from blobkit.sources.buckets.keys import PAGE, Folder, Folders, Key, files_below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from blobkit.sources.buckets.keys import Row
    from blobkit.sources.buckets.objects import Objects

__all__ = ["Answer", "Stored"]

FEW = 16
"""Pages: so many blobs are listed one page after the other, which takes fewer requests than by prefix."""
_PREFIXES = frozenset(f"{number:02x}" for number in range(256))


class Answer(NamedTuple):
    """The answer to a listing of a folder: its keys, the folders in it that are to be listed, or why it cannot be."""

    path: str
    rows: list[Row]
    folders: list[str]
    error: OSError | None = None


class Stored:
    """The keys of a registry's storage below `base`, a prefix with `/` at its end, or "".

    `folders` has all keys but those that `take` took; `errors`: folders that cannot be listed; `texts`: the content
    of link files. `layers`: list the links of all layers.
    """

    def __init__(self, objects: Objects, base: str, *, layers: bool) -> None:
        self.objects, self.base, self.layers = objects, base, layers
        self.folders = Folders(base)
        self.errors: dict[str, OSError] = {}
        self.texts: dict[str, bytes | OSError] = {}
        self._ahead: Iterator[Answer] = iter(())

    def list_blobs(self) -> None:
        """List the blobs if they are few; otherwise their prefixes, which are then listed ahead of `take`."""
        pages = self.objects.all(f"{self.base}blobs/")
        try:
            rows = next(pages, [])
            few = len(rows) < PAGE or estimate(rows, self.base) <= FEW * PAGE
            if few:
                self.folders.add(rows)
                for page in pages:
                    self.folders.add(page)
            else:
                self._list_prefixes()
        except OSError as error:
            self.errors["blobs"] = error
            self.folders.folder("blobs")

    def _list_prefixes(self) -> None:
        labels = self._list("blobs")
        found = {label: self._list(f"blobs/{label}") for label in labels}
        order = [(label, name) for label in sorted(labels, reverse=True) for name in sorted(found[label], reverse=True)]
        usual = [f"blobs/{label}/{name}" for label, name in order if label in ALGORITHMS and name in _PREFIXES]
        self._ahead = self.objects.each(self._prefix_rows, usual)

    def _list(self, path: str) -> list[str]:
        """List one folder; return the names of the folders in it, which are not listed."""
        names, rows = self.objects.folder(f"{self.base}{path}/")
        self.folders.add(rows)
        inside = self.folders.folder(path)
        for name in names:
            if not inside.get(name):
                inside[name] = None
        return names

    def _prefix_rows(self, path: str) -> Answer:
        try:
            return Answer(path, [row for page in self.objects.all(f"{self.base}{path}/") for row in page], [])
        except OSError as error:
            return Answer(path, [], [], error)

    def take(self, path: str, is_usual: Callable[[str, Key], bool]) -> dict[str, Key]:
        """Return the blobs of a prefix that have nothing beside their data, and leave all other keys in `folders`.

        OSError if it cannot be listed.
        """
        found = self.folders.at(path)
        if found is None:
            return self._take_rows(path, is_usual)
        if not isinstance(found, dict):
            return {}
        alone = ((name, _data(one)) for name, one in found.items())
        usual = {name: key for name, key in alone if key and is_usual(name, key)}
        for name in usual:
            del found[name]
        return usual

    def _take_rows(self, path: str, is_usual: Callable[[str, Key], bool]) -> dict[str, Key]:
        """Do the same for a prefix that was not listed."""
        cut = len(self.base) + len(path) + 1
        usual: dict[str, Key] = {}
        others: list[Row] = []
        for row in self._rows(path):
            name, _, below = row[0][cut:].partition("/")
            if below == "data" and is_usual(name, row[1]):
                usual[name] = row[1]
            else:
                others.append(row)
        for key, _ in others:
            name = key[cut:].partition("/")[0]
            if name in usual:
                others.append((f"{self.base}{path}/{name}/data", usual.pop(name)))
        self.folders.folder(path)
        self.folders.add(others)
        return usual

    def _rows(self, path: str) -> list[Row]:
        """Return the keys of a prefix that was not listed; OSError if it cannot be."""
        found = next(self._ahead, None)
        if found is None or found.path != path:
            found = self._prefix_rows(path)
        if found.error:
            self.errors[path] = found.error
            raise found.error
        return found.rows

    def text(self, path: str, key: Key) -> bytes:
        """Return the content of a link file; OSError if it cannot be read."""
        found = self.texts.get(path)
        if found is None:
            found = self.objects.get(f"{self.base}{path}", LINK_BYTES) if key.size else b""
        if isinstance(found, OSError):
            raise found
        return found

    def list_repositories(self) -> None:
        """List `repositories`: a folder of at most a page at once, larger ones folder by folder, many at once."""
        todo = ["repositories"]
        while todo:
            level, todo = todo, []
            for found in self.objects.each(self._listed, level):
                self.folders.add(found.rows)
                inside = self.folders.folder(found.path) if found.rows or found.folders or found.error else {}
                todo += [f"{found.path}/{name}" for name in found.folders if self._is_wanted(found.path, name)]
                inside.update({name: None for name in found.folders if not self._is_wanted(found.path, name)})
                if found.error:
                    self.errors[found.path] = found.error
        self._read_links()

    def _is_wanted(self, path: str, name: str) -> bool:
        """Return whether a folder is to be listed: without `layers`, not the links of layers of sha256."""
        return self.layers or not (path.endswith("/_layers") and name == "sha256")

    def _listed(self, path: str) -> Answer:
        """List a folder of repositories, or a part of a repository."""
        try:
            if path.endswith("/_layers") and not self.layers:
                folders, rows = self.objects.folder(f"{self.base}{path}/")
                return Answer(path, rows, folders)
            pages = self.objects.all(f"{self.base}{path}/")
            rows = next(pages, [])
            if len(rows) >= PAGE and "/_" not in path:
                folders, rows = self.objects.folder(f"{self.base}{path}/")
                return Answer(path, rows, folders)
            return Answer(path, rows + [row for page in pages for row in page], [])
        except OSError as error:
            return Answer(path, [], [], error)

    def _read_links(self) -> None:
        """Read the link files that the registry's rules read: without a request if the ETag tells the content.

        The ETag of a small object is the MD5 of its content, unless it is encrypted with a key of the user's. The
        content is one of the digests that name folders here.
        """
        found = self.folders.top.get("repositories")
        links = dict(_links(found)) if isinstance(found, dict) else {}
        texts = (text for path in links if (text := _named(path)))
        by_etag = {hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(): text for text in texts}
        asked: dict[str, str] = {}
        for path, key in links.items():
            if not _is_read(path):
                continue
            text = by_etag.get(key.etag, "") if key.size < LINK_BYTES else ""
            if len(text) == key.size:
                self.texts[path] = text.encode()
            else:
                asked[f"{self.base}{path}"] = path
        log.info("%d links: %d are read, the others are told by their ETag", len(links), len(asked))
        for key_, data in self.objects.many((key, LINK_BYTES) for key in asked):
            self.texts[asked[key_]] = data

    def list_here(self, path: str) -> None:
        """List a folder that nothing listed yet; OSError if it cannot be."""
        self._list(path)

    def files(self) -> Iterator[tuple[str, Key]]:
        """Yield all files that are in folders, with their paths."""
        return files_below(self.folders.top, "")


def _data(folder: Folder | Key | None) -> Key | None:
    """Return the data in the folder of a blob, if it is alone there."""
    found = folder.get("data") if isinstance(folder, dict) and len(folder) == 1 else None
    return found if isinstance(found, Key) else None


def estimate(rows: list[Row], base: str) -> int:
    """Return about how many blobs there are, from the first keys: digests are spread evenly."""
    top = f"{base}blobs/sha256/"
    last = next((key for key, _ in reversed(rows) if key.startswith(top)), "")
    try:
        part = int(last[len(top) + 3 :][:8], 16) / (1 << 32)
    except ValueError:
        return FEW * PAGE + 1
    found = round(len(rows) / max(part, 1e-9))
    line = f"about {found:,} blobs: {max(256, found // PAGE):,} requests to list them"
    log.info(line)
    show_line(line)
    return found


def _links(repositories: Folder) -> Iterable[tuple[str, Key]]:
    """Yield the files called `link` in manifests and layers."""
    return ((path, key) for path, key in files_below(repositories, "repositories") if path.endswith("/link"))


def _named(path: str) -> str:
    """Return the digest that names the folder of a link file, "" if it is none of a manifest's."""
    above = path.split("/")[-5:-1]
    is_manifest = len(above) == 4 and above[1] in ("revisions", "index")  # noqa: PLR2004 (two folders and a digest)
    return f"{above[2]}:{above[3]}" if is_manifest and above[2] in ALGORITHMS else ""


def _is_read(path: str) -> bool:
    """Return whether the rules of a registry read a link file: those of revisions, tags, and layers of other labels."""
    if "/_manifests/revisions/" in path or path.endswith("/current/link"):
        return True
    return "/_layers/" in path and "/_layers/sha256/" not in path
