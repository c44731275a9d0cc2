"""List the storage of a registry in a bucket: blobs by hash prefix, many at once, then repositories folder by folder.

Blobs are listed before repositories. So what a push adds meanwhile is named by a link and counts as missing, which
keeps everything (unknown is not free); in the other order its blobs would be garbage.
"""

from __future__ import annotations

import hashlib
import re
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from blobkit.buckets.keys import PAGE, Folder, Folders, Key, files_below
from blobkit.digest import ALGORITHMS
from blobkit.log import log
from blobkit.progress import show_line, watched
from blobkit.scanners.registries.linkfiles import LINK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from blobkit.buckets.keys import Row
    from blobkit.buckets.objects import Objects

__all__ = ["Answer", "Stored"]

FEW = 16
"""Pages: so many blobs are listed one page after the other, which takes fewer requests than by prefix."""
LINK_SIZE = 71
"""Bytes of a link to a blob that is named by its sha256."""
LINKED: Folder = {"link": Key(LINK_SIZE, -1)}
"""The folder of each layer with a usual link; nothing is ever put into it."""
_LAYER = re.compile(r"(.*?/_layers/sha256)/([0-9a-f]{64})/", re.DOTALL)
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
    of link files that were read. `layers`: list the links of all layers. `show`: progress.
    """

    def __init__(self, objects: Objects, base: str, *, layers: bool, show: bool = False) -> None:
        self.objects, self.base, self.layers, self.show = objects, base, layers, show
        self.folders = Folders(base)
        self.errors: dict[str, OSError] = {}
        self.texts: dict[str, bytes | OSError] = {}
        self._ahead: Iterator[Answer] = iter(())

    def list_blobs(self) -> None:
        """List the blobs if they are few; otherwise their prefixes, which are then listed ahead of `take`."""
        pages = self.objects.all(f"{self.base}blobs/")
        try:
            rows = next(pages, [])
            few = len(rows) < PAGE or self._expect(estimate(rows, self.base)) <= FEW * PAGE
            if few:
                self.folders.add(rows)
                for page in pages:
                    self.folders.add(page)
            else:
                self._list_prefixes()
        except OSError as error:
            self.errors["blobs"] = error
            self.folders.folder("blobs")

    def _expect(self, blobs: int) -> int:
        """Tell the number of blobs that are expected, and what it takes to list them; return the number."""
        line = f"about {blobs:,} blobs: {max(len(_PREFIXES), blobs // PAGE):,} requests to list them"
        log.info("%s", line)
        if self.show:
            show_line(line)
        return blobs

    def _list_prefixes(self) -> None:
        labels = self._list("blobs")
        found = {label: self._list(f"blobs/{label}") for label in labels}
        order = [(label, name) for label in sorted(labels, reverse=True) for name in sorted(found[label], reverse=True)]
        usual = [f"blobs/{label}/{name}" for label, name in order if label in ALGORITHMS and name in _PREFIXES]
        self._ahead = self.objects.each(self._prefix_rows, usual)

    def _list(self, path: str) -> list[str]:
        """List one folder; return the names of the folders in it, which are not listed.

        One with the name of a file in it is listed whole.
        """
        names, rows = self.objects.folder(f"{self.base}{path}/")
        self.folders.add(rows)
        inside = self.folders.folder(path)
        for name in names:
            if isinstance(inside.get(name), Key):
                for page in self.objects.all(f"{self.base}{path}/{name}/"):
                    self.folders.add(page)
            else:
                inside.setdefault(name)
        return [name for name in names if inside[name] is None]

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
        if not key.size:
            return b""
        found: bytes | OSError | None = self._told(path, key)
        if found is None:
            found = self.texts.get(path)
        if found is None:
            found = self.objects.get(f"{self.base}{path}", LINK_BYTES)
        if isinstance(found, OSError):
            raise found
        return found

    def list_repositories(self) -> None:
        """List `repositories`: a folder of at most a page at once, larger ones folder by folder, many at once."""
        todo = ["repositories"]
        while todo:
            level, todo = todo, []
            answers = self.objects.each(self._listed, level)
            for found in watched(answers, "listing repositories", show=self.show, unit=" folders"):
                self._add(found.rows)
                inside = self.folders.folder(found.path) if found.rows or found.folders or found.error else {}
                todo += [f"{found.path}/{name}" for name in found.folders if self._is_wanted(found.path, name)]
                inside.update({name: None for name in found.folders if not self._is_wanted(found.path, name)})
                if found.error:
                    self.errors[found.path] = found.error
        self._read_links()

    def _add(self, rows: list[Row]) -> None:
        """Put keys into folders. All usual links of layers share one folder: they are more than a half of the keys."""
        others: list[Row] = []
        for layer, group in groupby(rows, _layer_of):
            keys = list(group)
            others += keys if layer is None else self._other_than_link(layer, keys)
        self.folders.add(others)

    def _other_than_link(self, layer: tuple[str, str], keys: list[Row]) -> list[Row]:
        """Record the folder of a layer if nothing but a usual link is in it; else return its keys."""
        above, name = layer
        if len(keys) > 1 or keys[0][0] != f"{above}/{name}/link" or keys[0][1].size != LINK_SIZE:
            return keys
        self.folders.folder(above[len(self.base) :])[name] = LINKED
        return []

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
        """Read the link files that the registry's rules read, but for those whose ETag tells their content."""
        found = self.folders.top.get("repositories")
        links = _links(found) if isinstance(found, dict) else ()
        asked = {f"{self.base}{path}": path for path, key in links if key.size and self._told(path, key) is None}
        log.info("%d link files are read: the ETag does not tell their content", len(asked))
        answers = self.objects.many((key, LINK_BYTES) for key in asked)
        for name, data in watched(answers, "links", show=self.show, unit=" links"):
            self.texts[asked[name]] = data

    def _told(self, path: str, key: Key) -> bytes | None:
        """Return the content of a link file if its ETag tells it.

        The ETag of a small object is the MD5 of its content, unless it is encrypted with a key of the user's. The link
        of a revision has the digest in its path, the current link of a tag one of those in its folder `index`.
        """
        *above, label, name, _ = path.split("/")
        if above[-1:] == ["revisions"]:
            return _fitting([f"{label}:{name}"], key)
        if name != "current":
            return None
        index = self._inside(f"{'/'.join(above)}/{label}/index")
        known = ((one, self._inside(f"{'/'.join(above)}/{label}/index/{one}")) for one in index)
        return next(filter(None, (_fitting([f"{one}:{hexa}" for hexa in inside], key) for one, inside in known)), None)

    def _inside(self, path: str) -> Folder:
        """Return a folder, empty if there is none."""
        try:
            found = self.folders.at(path)
        except KeyError:
            return {}
        return found if isinstance(found, dict) else {}

    def list_here(self, path: str) -> None:
        """List a folder that nothing listed yet; OSError if it cannot be."""
        self._list(path)

    def files(self) -> Iterator[tuple[str, Key]]:
        """Yield all files that are in folders, with their paths."""
        return files_below(self.folders.top, "")


def _layer_of(row: Row) -> tuple[str, str] | None:
    """Return the folder of layers that a key is in, and the name below it; None if it is in none."""
    found = _LAYER.match(row[0])
    return None if found is None else (found[1], found[2])


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
    return round(len(rows) / max(part, 1e-9))


def _links(repositories: Folder) -> Iterator[tuple[str, Key]]:
    """Yield the link files that the rules of a registry read: of revisions, tags, and layers of other labels."""
    todo = [(repositories, "repositories")]
    while todo:
        inside, above = todo.pop()
        for name, one in inside.items():
            path = f"{above}/{name}" if name else above
            if isinstance(one, dict):
                todo += [] if above.endswith("/_layers") and name == "sha256" else [(one, path)]
            elif one is not None and (path.endswith("/current/link") or _is_other(path)):
                yield path, one


def _is_other(path: str) -> bool:
    return path.endswith("/link") and ("/_manifests/revisions/" in path or "/_layers/" in path)


def _fitting(texts: Iterable[str], key: Key) -> bytes | None:
    """Return the text that is the content of an object, as its bytes and ETag say; None if none is."""
    for text in texts:
        if len(text) == key.size:
            data = text.encode()
            if hashlib.md5(data, usedforsecurity=False).hexdigest() == key.etag:
                return data
    return None
