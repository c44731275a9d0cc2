"""Damage of every sort that storage of a registry was seen with: repositories, tags, names, the place of blobs.

Each function breaks one thing and returns False where the storage has nothing of that sort to break.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from random_registries import REPOSITORIES, data_of, revision_of, sha, stored_documents, tag_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from random_registries import Entry, Storage

    Damage = Callable[[Random, Storage], bool]
    Change = Callable[[Random, Storage, str], object]

BAD_NAMES = ("team/App", "@eaDir", "a b", "a___b", "a..b", ".snapshot", "team/app-", "ä", "A", "x/" + "y" * 254)
GOOD_NAMES = ("Foo.bar/x", "A/b", "x" * 255, "a--b", "Z-9.q/r_s", "x/" + "y" * 253)
DAMAGES: dict[str, Damage] = {}


def damage(function: Damage) -> Damage:
    """Make a function known under its name."""
    DAMAGES[function.__name__.replace("_", "-")] = function
    return function


def an_image(rng: Random, storage: Storage) -> tuple[str, str]:
    """A repository and a manifest of it that is stored; ("", "") where there is none."""
    known = [(repository, digest) for repository, digest, _ in stored_documents(storage)]
    return rng.choice(known) if known else ("", "")


def a_tag(rng: Random, storage: Storage) -> str:
    """The directory of a tag; "" where there is none."""
    known = [tag_of(name, tag) for name in storage.repositories() for tag in storage.tags(name)]
    return rng.choice(known) if known else ""


def a_repository(rng: Random, storage: Storage) -> str:
    """The directory of a repository; "" where there is none."""
    known = storage.repositories()
    return f"{REPOSITORIES}/{rng.choice(known)}" if known else ""


def of(choose: Callable[[Random, Storage], str], change: Change) -> Damage:
    """The damage that a change does to what `choose` finds."""

    def damaged(rng: Random, storage: Storage) -> bool:
        path = choose(rng, storage)
        if path:
            change(rng, storage, path)
        return bool(path)

    return damaged


def _in_place_of(path: str) -> Damage:
    """A file in the place of a directory of a repository."""

    def change(_: Random, storage: Storage, repository: str) -> None:
        storage.remove(f"{repository}{path}")
        storage.put(f"{repository}{path}", "in the place of a directory")

    return of(a_repository, change)


def _without(path: str) -> Damage:
    return of(a_repository, lambda _, storage, repository: storage.remove(f"{repository}{path}"))


def _with(path: str, entry: Entry) -> Damage:
    """Something in a repository that no registry puts there."""
    return of(a_repository, lambda _, storage, repository: storage.entries.setdefault(f"{repository}{path}", entry))


def _renamed(names: tuple[str, ...]) -> Damage:
    """A repository under another name."""

    def change(rng: Random, storage: Storage, repository: str) -> None:
        name = f"{REPOSITORIES}/{rng.choice(names)}"
        if not storage.below(name):
            for part in ("_layers", "_manifests", "_uploads"):
                storage.move(f"{repository}/{part}", f"{name}/{part}")

    return of(a_repository, change)


def _top(path: str, entry: Entry) -> Damage:
    """Something beside the repositories."""

    def damaged(_: Random, storage: Storage) -> bool:
        storage.entries[f"{REPOSITORIES}/{path}"] = entry
        return True

    return damaged


DAMAGES |= {
    "no-layers": _without("/_layers"),
    "layers-is-a-file": _in_place_of("/_layers"),
    "no-manifests": _without("/_manifests"),
    "manifests-is-a-file": _in_place_of("/_manifests"),
    "no-revisions": _without("/_manifests/revisions"),
    "revisions-is-a-file": _in_place_of("/_manifests/revisions"),
    "no-tags": _without("/_manifests/tags"),
    "tags-is-a-file": _in_place_of("/_manifests/tags"),
    "hidden-by-a-file": _with("/_0", b"this ends the listing"),
    "nested-hidden-by-a-file": _with("/_z", b"this ends the listing"),
    "all-hidden-by-a-file": _top("_0", b"this ends the listing"),
    "file-in-repository": _with("/README", b"hello"),
    "layers-at-the-top": _top("_layers", None),
    "file-beside-repositories": _top("README", b"hello"),
    "odd-directory": _top("lost+found", None),
    "uploads-only": _top("ghost/_uploads/12/data", b"x" * 50),
    "uploads-of-an-odd-name": _top("a b/_uploads/12/data", b"x" * 50),
    "odd-name": _renamed(BAD_NAMES),
    "name-with-domain": _renamed(GOOD_NAMES),
    "name-with-port": _renamed(("localhost:5000/x", "reg.example.org:80/a/b")),
    "file-in-tags": _with("/_manifests/tags/README", b"hello"),
    "odd-directory-in-tags": _with("/_manifests/tags/@eaDir", None),
    "blank-in-tags": _with("/_manifests/tags/a b/current", None),
    "empty-directory-in-tags": _with("/_manifests/tags/half", None),
    "hidden-directory-in-tags": _with("/_manifests/tags/.hidden/x", b"x"),
    "file-in-revisions": _with("/_manifests/revisions/sha256/README", b"hello"),
    "index-is-a-file": _with("/_manifests/tags/odd/index", b"in the place of a directory"),
    "index-label-is-a-file": _with("/_manifests/tags/odd/index/sha256", b"in the place of a directory"),
    "lost-layer-link": of(a_repository, lambda rng, storage, path: storage.remove(_a_layer_link(rng, storage, path))),
}


def _a_layer_link(rng: Random, storage: Storage, repository: str) -> str:
    storage.entries.setdefault(f"{repository}/_layers", None)
    found = [path for path in storage.below(f"{repository}/_layers") if path.endswith("/link")]
    return rng.choice(found) if found else f"{repository}/_layers/none"


@damage
def empty_tags(rng: Random, storage: Storage) -> bool:
    path = a_repository(rng, storage)
    if path:
        storage.remove(f"{path}/_manifests/tags")
        storage.entries[f"{path}/_manifests/tags"] = None
    return bool(path)


@damage
def deleted_repository(rng: Random, storage: Storage) -> bool:
    """All manifests of a repository deleted, and its tags by hand."""
    path = a_repository(rng, storage)
    if path:
        storage.remove(f"{path}/_manifests/tags")
        for one in storage.below(f"{path}/_manifests/revisions"):
            if one.endswith("/link"):
                del storage.entries[one]
                storage.entries[one.removesuffix("/link")] = None
    return bool(path)


@damage
def no_repositories(rng: Random, storage: Storage) -> bool:
    storage.remove(REPOSITORIES)
    if rng.random() < 0.5:
        storage.put(REPOSITORIES, "in the place of a directory")
    return True


@damage
def no_blobs(_: Random, storage: Storage) -> bool:
    storage.remove("blobs")
    return True


@damage
def blobs_is_a_file(_: Random, storage: Storage) -> bool:
    storage.remove("blobs")
    storage.put("blobs", "in the place of a directory")
    return True


@damage
def empty_repositories(_: Random, storage: Storage) -> bool:
    storage.remove(REPOSITORIES)
    storage.entries[REPOSITORIES] = None
    return True


def a_revision(rng: Random, storage: Storage) -> str:
    """The directory of a revision; "" where there is none."""
    repository, digest = an_image(rng, storage)
    return revision_of(repository, digest) if digest else ""


def a_manifest(rng: Random, storage: Storage) -> str:
    """The data file of a manifest; "" where there is none."""
    digest = an_image(rng, storage)[1]
    return data_of(digest) if digest else ""


def a_blob(rng: Random, storage: Storage) -> str:
    """The data file of a blob; "" where there is none."""
    known = storage.blobs()
    return data_of(rng.choice(known)) if known else ""


def a_leaf(rng: Random, storage: Storage) -> str:
    """The data file of a layer or config, or of garbage; "" where there is none."""
    manifests = {digest for _, digest, _ in stored_documents(storage)}
    known = sorted(set(storage.blobs()) - manifests)
    return data_of(rng.choice(known)) if known else ""


def _replaced(content: bytes | None) -> Change:
    def change(_: Random, storage: Storage, path: str) -> None:
        storage.remove(path)
        if content is None:
            storage.put(f"{path}/x", "in a directory")
        else:
            storage.put(path, content)

    return change


def _dir_is_a_file(_: Random, storage: Storage, path: str) -> None:
    storage.remove(path)
    storage.put(path.removesuffix("/data"), "in the place of a directory")


def _beside(name: str) -> Damage:
    """A file beside the data of a blob, as a file system or a copying program leaves it."""
    return of(a_blob, lambda _, storage, path: storage.put(path.removesuffix("data") + name, "x" * 70))


DAMAGES |= {
    "lost-manifest": of(a_manifest, lambda _, storage, path: storage.remove(path)),
    "manifest-is-a-directory": of(a_manifest, _replaced(None)),
    "directory-of-manifest-is-a-file": of(a_manifest, _dir_is_a_file),
    "lost-layer": of(a_leaf, lambda _, storage, path: storage.remove(path)),
    "empty-layer": of(a_leaf, _replaced(b"")),
    "layer-is-a-directory": of(a_leaf, _replaced(None)),
    "nfs-file": _beside(".nfs000000000a7c"),
    "rsync-file": _beside(".data.Xy12ab"),
}


@damage
def untagged_config_elsewhere(rng: Random, storage: Storage) -> bool:
    """The config of an untagged image at a place where no blob can be: -m comes to remove it, and does not find it."""
    current = {storage.entries[f"{tag_of(name, tag)}/current/link"] for name, tag in _all_tags(storage)}
    known = [content for _, digest, content in stored_documents(storage) if digest.encode() not in current]
    config = _config(rng.choice(known)) if known else ""
    if isinstance(storage.entries.get(data_of(config)), bytes):
        storage.move(data_of(config), f"blobs/old/{data_of(config).removeprefix('blobs/')}")
        return True
    return False


def _all_tags(storage: Storage) -> list[tuple[str, str]]:
    return [(name, tag) for name in storage.repositories() for tag in storage.tags(name)]


def _config(content: bytes) -> str:
    """The digest of the config of an image; one of nothing where it has none."""
    try:
        return str(json.loads(content)["config"]["digest"])
    except (ValueError, KeyError, TypeError):
        return sha(b"nothing")


def _put(*places: str, content: str = "no blob") -> Damage:
    """A file below blobs/, at one of these places; {h} is the name of a blob that is not there, {p} its start."""

    def damaged(rng: Random, storage: Storage) -> bool:
        hexa = sha(f"elsewhere {rng.random()}".encode())[7:]
        storage.put("blobs/" + rng.choice(places).format(h=hexa, p=hexa[:2], H=hexa.upper()), content)
        return True

    return damaged


def _copied(place: str, choose: Callable[[Random, Storage], str]) -> Damage:
    """A copy of a blob that `choose` finds, at another place below blobs/."""

    def change(_: Random, storage: Storage, path: str) -> None:
        hexa = path.split("/")[-2]
        if path.startswith("blobs/sha256/"):
            storage.entries["blobs/" + place.format(h=hexa, p=hexa[:2])] = storage.entries[path]

    return of(choose, change)


DAMAGES |= {
    "file-in-blobs": _put("README", "sha256/README", "sha256/ab/README", "tmp/x"),
    "lost-and-found": _put("lost+found/#12", ".Trash-0/x"),
    "data-beside-blobs": _put("data", "sha256/data", "tmp/data", "sha256/ab/data"),
    "data-of-a-short-name": _put("t/data", "sha256/ab/x/data"),
    "backup-of-blobs": _put("sha256.bak/{p}/{h}/data", "old/{p}/{h}/data", "sha256-1/{p}/{h}/data"),
    "wrong-prefix": _put("sha256/zz/{h}/data", "sha256/{p}0/{h}/data"),
    "odd-digest": _put("sha256/ab/abc/data", "sha256/ab/{H}/data", "sha512/{p}/{h}/data", "sha256/zz/zz/data"),
    "md5-blob": _put("md5/aa/" + "a" * 32 + "/data", "sha1/aa/" + "a" * 40 + "/data"),
    "data-in-data": _put("sha256/{p}/{h}/data/data"),
    "empty-blob-directory": _put("sha256/{p}/{h}/x", "sha256/{p}/{h}/data/x"),
    "only-rsync-file": _put("sha256/{p}/{h}/.data.Xy12ab"),
    "blob-elsewhere": _put("backup/sha256/{p}/{h}/data", "sha256/{h}/data", "sha256/sha256/{h}/data"),
    "copy-of-a-manifest": _copied("backup/sha256/{p}/{h}/data", a_manifest),
    "copy-of-a-blob": _copied("old/sha256/{p}/{h}/data", a_blob),
    "blob-without-prefix": _copied("sha256/{h}/data", a_blob),
    "sha384-blob": lambda rng, storage: bool(storage.blob(f"garbage {rng.random()}", "sha384")),
}
