"""Damaged link files, symbolic links and what may not be read, in the storage of a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from random_registries import REPOSITORIES, Link, data_of, layer_of, revision_of, sha, tag_of
from registry_damage import DAMAGES, a_blob, a_leaf, a_manifest, a_repository, a_revision, a_tag, an_image, damage, of

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from random_registries import Storage
    from registry_damage import Change, Damage

NO_DIGESTS = ("junk", "sha256:", "sha256:abc", "md5:" + "a" * 32, "sha256:" + "A" * 64, " ", "sha256:" + "g" * 64)


def _holds(end: str, choice: Callable[[str], tuple[str, ...]]) -> Change:
    """Another content of a link file, made from the right one."""

    def change(rng: Random, storage: Storage, path: str) -> None:
        right = storage.entries.get(f"{path}{end}")
        storage.put(f"{path}{end}", rng.choice(choice(right.decode() if isinstance(right, bytes) else "")))

    return change


def _content(name: str, choose: Callable[[Random, Storage], str], end: str) -> dict[str, Damage]:
    return {
        f"{name}-with-newline": of(choose, _holds(end, lambda right: (right + "\n",))),
        f"{name}-empty": of(choose, _holds(end, lambda _: ("",))),
        f"{name}-no-digest": of(
            choose, _holds(end, lambda right: (*NO_DIGESTS, right.upper(), right[:-1], f" {right}"))
        ),
    }


def _into_directory(end: str) -> Change:
    def change(_: Random, storage: Storage, path: str) -> None:
        storage.remove(f"{path}{end}")
        storage.put(f"{path}{end}/x", "in a directory")

    return change


DAMAGES |= _content("revision", a_revision, "/link") | _content("tag", a_tag, "/current/link")
DAMAGES |= {
    "revision-deleted": of(a_revision, lambda _, storage, path: storage.remove(f"{path}/link")),
    "revision-is-a-directory": of(a_revision, _into_directory("/link")),
    "tag-without-link": of(a_tag, lambda _, storage, path: storage.remove(f"{path}/current/link")),
    "tag-without-current": of(a_tag, lambda _, storage, path: storage.remove(f"{path}/current")),
    "tag-is-a-directory": of(a_tag, _into_directory("/current/link")),
    "current-is-a-file": of(
        a_tag, lambda _, storage, path: (storage.remove(f"{path}/current"), storage.put(f"{path}/current", "x"))
    ),
    "tag-moved-away": of(a_tag, _holds("/current/link", lambda _: (sha(b"absent"), sha(b"absent", "sha512")))),
}


@damage
def swapped_links(rng: Random, storage: Storage) -> bool:
    """A revision link that names another manifest of the repository."""
    repository, digest = an_image(rng, storage)
    others = [one for one in storage.revisions(repository) if one != digest] if digest else []
    if others:
        storage.put(f"{revision_of(repository, digest)}/link", rng.choice(others))
    return bool(others)


def _other(rng: Random, storage: Storage) -> tuple[str, str, str]:
    """A repository, a manifest of it, and a stored blob that it has no revision link of."""
    repository, digest = an_image(rng, storage)
    links = storage.revisions(repository) if digest else []
    known = sorted({one for name in storage.repositories() for one in storage.revisions(name)} - set(links))
    made = storage.json({"schemaVersion": 2, "config": storage.to(rng.choice(storage.blobs() or [sha(b"")]), "x/y")})
    return repository, digest, rng.choice([*known, made])


@damage
def link_to_a_stranger(rng: Random, storage: Storage) -> bool:
    """A revision link that names a manifest which the repository does not have, or only as a layer."""
    repository, digest, other = _other(rng, storage)
    if digest:
        storage.put(f"{revision_of(repository, digest)}/link", other)
        kind = rng.randrange(3)
        if kind:
            storage.put(layer_of(repository, other), other if kind == 1 else "junk")
    return bool(digest)


@damage
def link_in_two_steps(rng: Random, storage: Storage) -> bool:
    """A revision link that names a manifest whose own link names a third one."""
    repository, digest, other = _other(rng, storage)
    if digest:
        storage.put(f"{revision_of(repository, digest)}/link", other)
        storage.put(
            f"{revision_of(repository, other)}/link", storage.blob(f'{{"schemaVersion": 2, "n": {rng.random()}}}')
        )
    return bool(digest)


@damage
def link_copied(rng: Random, storage: Storage) -> bool:
    """A second link file that names a revision, at another place."""
    repository, digest = an_image(rng, storage)
    if digest:
        place = rng.choice(["sha256/copy/link", "link", f"sha256/{sha(b'copy')[7:]}/link", "sha256/deep/er/link"])
        storage.put(f"{REPOSITORIES}/{repository}/_manifests/revisions/{place}", digest)
    return bool(digest)


@damage
def link_below_an_odd_name(rng: Random, storage: Storage) -> bool:
    repository, digest = an_image(rng, storage)
    if digest:
        storage.put(f"{REPOSITORIES}/{repository}/_manifests/revisions/{rng.choice(['a b', '@eaDir'])}/link", digest)
    return bool(digest)


@damage
def link_to_what_is_a_file(rng: Random, storage: Storage) -> bool:
    """A link file that names a digest whose own directory is a file."""
    repository, digest = an_image(rng, storage)
    if digest:
        other = sha(b"its directory is a file")
        storage.put(revision_of(repository, other), "in the place of a directory")
        storage.put(f"{REPOSITORIES}/{repository}/_manifests/revisions/sha256/zz/link", other)
    return bool(digest)


@damage
def long_revision(rng: Random, storage: Storage) -> bool:
    """A manifest known by its sha512 digest: stored under it, or under the sha256 one."""
    repository, digest = an_image(rng, storage)
    content = storage.entries.get(data_of(digest)) if digest else None
    if not isinstance(content, bytes):
        return False
    label = rng.choice(["sha512", "sha512", "sha384"])
    other = sha(content + b" ", label)
    kind = rng.randrange(3)
    if kind:
        storage.put(data_of(other), content + b" ")
    storage.put(f"{revision_of(repository, other)}/link", other if kind else digest)
    if rng.random() < 0.6:
        storage.tag(repository, "long", other)
    return True


def _alias(inside: str) -> Change:
    """A repository, or a part of one, moved to another directory of the storage and linked."""

    def change(_: Random, storage: Storage, path: str) -> None:
        where = f"{path}{inside}"
        if storage.below(where):
            storage.move(where, "moved")
            storage.entries[where] = Link("../" * where.count("/") + "moved")

    return change


def _out(inside: str) -> Change:
    def change(_: Random, storage: Storage, path: str) -> None:
        if storage.below(f"{path}{inside}"):
            storage.move_out(f"{path}{inside}", "elsewhere")

    return change


def _linked(inside: str, target: str) -> Change:
    def change(_: Random, storage: Storage, path: str) -> None:
        storage.remove(f"{path}{inside}")
        storage.entries[f"{path}{inside}"] = Link(target)

    return change


def _replaced_by(target: str) -> Change:
    def change(_: Random, storage: Storage, path: str) -> None:
        storage.remove(path)
        storage.entries[path] = Link(target)

    return change


def _dir(choose: Callable[[Random, Storage], str]) -> Callable[[Random, Storage], str]:
    return lambda rng, storage: choose(rng, storage).rpartition("/")[0]


def _top(name: str) -> Callable[[Random, Storage], str]:
    return lambda _, storage: name if storage.entries.get(name, b"") is None and len(storage.below(name)) > 1 else ""


DAMAGES |= {
    "repository-moved": of(a_repository, _alias("")),
    "manifests-moved": of(a_repository, _alias("/_manifests")),
    "layers-moved": of(a_repository, _alias("/_layers")),
    "tags-moved": of(a_repository, _alias("/_manifests/tags")),
    "revision-moved": of(a_revision, _alias("")),
    "tag-moved": of(a_tag, _alias("")),
    "blob-moved": of(_dir(a_blob), _alias("")),
    "manifest-moved": of(a_manifest, _alias("")),
    "data-moved": of(a_leaf, _alias("")),
    "blobs-moved": of(_top("blobs"), _alias("")),
    "repositories-moved": of(_top(REPOSITORIES), _alias("")),
    "repository-moved-out": of(a_repository, _out("")),
    "revision-moved-out": of(a_revision, _out("")),
    "tags-moved-out": of(a_repository, _out("/_manifests/tags")),
    "data-moved-out": of(a_leaf, _out("")),
    "manifest-moved-out": of(a_manifest, _out("")),
    "blobs-moved-out": of(_top("blobs"), _out("")),
    "dangling-in-repository": of(a_repository, _linked("/_0", "nowhere")),
    "dangling-layers": of(lambda rng, storage: _of(a_repository(rng, storage), "/_layers"), _replaced_by("nowhere")),
    "dangling-revision": of(a_revision, _linked("/more/link", "nowhere")),
    "dangling-data": of(a_leaf, _replaced_by("nowhere")),
    "dangling-manifest": of(a_manifest, _replaced_by("nowhere")),
    "dangling-tag": of(a_tag, _replaced_by("nowhere")),
    "link-to-itself": of(a_repository, _linked("/loop", "loop")),
    "link-to-itself-in-tags": of(a_repository, _linked("/_manifests/tags/loop", "loop")),
    "link-upwards": of(a_repository, _linked("/up", "..")),
    "link-upwards-in-revisions": of(a_repository, _linked("/_manifests/revisions/up", "..")),
    "link-upwards-where-nothing-looks": of(a_repository, _linked("/_uploads/up", "..")),
    "link-upwards-in-blobs": lambda _, storage: not storage.entries.update({"blobs/up": Link(".")}),
    "manifest-is-a-loop": of(a_manifest, _replaced_by("data")),
    "index-is-a-loop": of(a_repository, _linked("/_manifests/tags/latest/index", "index")),
}


def _of(path: str, inside: str) -> str:
    return f"{path}{inside}" if path else ""


@damage
def repository_twice(rng: Random, storage: Storage) -> bool:
    """A second name for a repository, by a link beside it."""
    path = a_repository(rng, storage)
    if path:
        storage.entries.setdefault(f"{path}-too", Link(path.rpartition("/")[2]))
    return bool(path)


@damage
def chain_of_links(rng: Random, storage: Storage) -> bool:
    """A repository behind more links, one in the other, than the system follows; or behind a few."""
    path, links = a_repository(rng, storage), rng.choice([3, 50])
    if path:
        for number in range(links):
            storage.entries[f"chain/{number}/n"] = Link(f"../{number + 1}")
        storage.entries[f"chain/{links}/_layers"] = None
        storage.entries[f"{path}/n"] = Link("../" * path.count("/") + "chain/0")
    return bool(path)


UNREADABLE = {
    "repository": a_repository,
    "layers": lambda rng, storage: _of(a_repository(rng, storage), "/_layers"),
    "manifests": lambda rng, storage: _of(a_repository(rng, storage), "/_manifests"),
    "revisions": lambda rng, storage: _of(a_repository(rng, storage), "/_manifests/revisions"),
    "revision": a_revision,
    "revision-link": lambda rng, storage: _of(a_revision(rng, storage), "/link"),
    "tags": lambda rng, storage: _of(a_repository(rng, storage), "/_manifests/tags"),
    "tag": a_tag,
    "tag-link": lambda rng, storage: _of(a_tag(rng, storage), "/current/link"),
    "tag-index": lambda rng, storage: _of(a_tag(rng, storage), "/index"),
    "manifest": a_manifest,
    "leaf": a_leaf,
    "blob-directory": _dir(a_leaf),
    "blobs": lambda *_: "blobs/sha256",
}


def _locked(choose: Callable[[Random, Storage], str]) -> Damage:
    def change(_: Random, storage: Storage, path: str) -> None:
        if storage.below(path):
            storage.modes[path] = 0

    return of(choose, change)


DAMAGES |= {f"unreadable-{name}": _locked(choose) for name, choose in UNREADABLE.items()}


@damage
def half_deleted_tag_of_another_image(rng: Random, storage: Storage) -> bool:
    """A tag whose history goes on naming what is untagged: -m removes these entries with the manifest."""
    repository, digest = an_image(rng, storage)
    if digest:
        storage.put(f"{tag_of(repository, 'was')}/index/{digest.replace(':', '/')}/link", digest)
    return bool(digest)
