"""Names that the manifest.json in an OCI layout gives to images, and documents of older formats beside it.

`docker save` >= 25 and BuildKit write both index.json and manifest.json. The former tells more, the latter has names
that some versions do not write into index.json.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from blobkit.oci.documents import annotations_of, entry_of, is_document, is_index, read_document
from blobkit.oci.names import IMAGE_NAME, familiar, names_of
from blobkit.oci.untrusted import DocumentError, parse_json
from blobkit.render import join_some
from blobkit.scanners.archives.manifest import MANIFEST, images_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blobkit.digest import Digest
    from blobkit.oci.documents import Reference
    from blobkit.oci.untrusted import Json
    from blobkit.scanners.archives.content import Members
    from blobkit.scanners.layouts.entries import Top

__all__ = ["LEGACY", "link_legacy", "with_names"]

LEGACY = "legacy documents"
"""The virtual node that stands for the documents of older formats."""
DOCUMENT = 1 << 20
"""Bytes: a longer blob is no document of an older format."""


def with_names(top: Top, files: Members) -> Top:
    """Return the entries of index.json with the names that manifest.json gives to their images."""
    facts, archive = files.facts, files.archive
    if MANIFEST not in archive.index.rows:
        return top
    other = f"docker-archive:{archive.address}"
    also = f"{archive.address} is also a docker-archive, whose names are taken: give {other} to read it as that"
    facts.notice("also-kind", also, "", other)
    try:
        images = images_in(archive)
    except (DocumentError, OSError) as error:
        facts.notice("odd", f"manifest.json cannot be read ({error})", "", MANIFEST)
        return top
    wanted = {name: _digest(image.config) for image in images for name in image.names}
    return replace(top, entries=tuple(_named(top.entries, wanted, files)))


def _named(entries: tuple[Json, ...], wanted: dict[str, str], files: Members) -> Iterator[Json]:
    """Yield the entries; one whose name is not that of manifest.json is yielded once for each name there."""
    known = {familiar(name) for name in map(_name, entries)}
    left: defaultdict[str, list[str]] = defaultdict(list)
    for name, config in wanted.items():
        if familiar(name) not in known:
            left[config].append(name)
    configs = cache(lambda target: _configs(target, files))
    for entry in entries:
        target = entry_of(entry, []) if left else None
        names = [name for config in configs(target) for name in left.get(config, ())] if target else []
        mine = [name for name in names if _is_bare(entry, name)]
        yield from ({**entry, "annotations": {**annotations_of(entry), IMAGE_NAME: name}} for name in mine)
        if not mine:
            yield entry
        for name in mine:
            left[wanted[name]].remove(name)
    others = sorted(name for names in left.values() for name in names)
    if others:
        which = f"{join_some(others, 3)} in manifest.json: no entry of index.json has that image"
        files.facts.notice("odd", which, "", MANIFEST)


def _name(entry: Json) -> str:
    return names_of(annotations_of(entry)).name


def _is_bare(entry: Json, name: str) -> bool:
    """Return whether an entry has no name, or only the tag of this one."""
    return _name(entry) in ("", name.rpartition(":")[2])


def _digest(path: str) -> str:
    """Return the digest of a member of blobs/."""
    return path.removeprefix("blobs/").replace("/", ":")


def _configs(target: Reference, files: Members) -> tuple[str, ...]:
    """Return the digests of the configs of an entry's image, or of its images."""
    found: dict[str, None] = {}
    todo = [target]
    while todo:
        reference = todo.pop()
        data = files.whole(reference.digest) if is_document(reference.media_type) else None
        with suppress(DocumentError):
            document = read_document(data or b"", reference.media_type)
            found.update((one.digest, None) for one in document.references if one.kind == "config")
            if is_index(reference.media_type):
                todo += [one for one in document.references if not is_index(one.media_type)]
    return tuple(found)


def link_legacy(files: Members, images: Iterable[Digest], digests: Iterable[Digest], *, every: bool = False) -> None:
    """Record that these blobs stay as long as one of these images does: those that are JSON of docker's old format.

    `every`: all of them do.
    """
    facts = files.facts
    found = [digest for digest in digests if every or _is_legacy(files, digest)]
    if not found:
        return
    legacy = facts.virtual_node(LEGACY, -1)
    for digest in found:
        facts.link(legacy, facts.describe(digest, "blob", ""), "legacy")
    for image in dict.fromkeys(images):
        facts.link(facts.node(image), legacy, "legacy")


def _is_legacy(files: Members, digest: Digest) -> bool:
    """Return whether a blob is the document of a layer as in image format 1 of docker."""
    if files.facts.size[files.facts.ids[digest]] > DOCUMENT:
        return False
    try:
        body = parse_json(files.read(digest, DOCUMENT))
    except (DocumentError, OSError):
        return False
    return isinstance(body.get("id"), str) and "created" in body and "schemaVersion" not in body
