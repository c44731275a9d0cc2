"""Random caches of the Hugging Face hub, with all that goes wrong in real ones."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from caches import HubCache, commit_of

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

__all__ = ["random_hub"]

NAMES = ("model/acme/one", "model/acme/two", "dataset/acme/one", "space/solo", "kernel/acme/k")
POOL = [(b"%d " % number) * (30 + 7 * number) for number in range(7)] + [b"small", b"{}"]
REFS = ("main", "v1.0", "refs/pr/1")


def random_hub(root: Path, random: Random) -> HubCache:
    """Return a random cache below `root`."""
    cache = HubCache(root)
    names = random.sample(NAMES, random.randint(1, 4))
    for name in names:
        _repository(cache, name, random)
    if random.random() < 0.6:
        _share(cache, names, random)
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        random.choice(TWISTS)(cache, random.choice(names), random)
    return cache


def _repository(cache: HubCache, name: str, random: Random) -> None:
    commits = [f"{name} {number}" for number in range(random.randint(1, 3))]
    if random.random() < 0.1:
        commits.append("the same in several repositories")
    for commit in commits:
        files = {
            f"{random.choice(('', 'sub/', 'sub/deep/'))}{i}.bin": random.choice(POOL)
            for i in range(random.randint(0, 4))
        }
        cache.revision(name, commit, files, links=random.random() < 0.85)
    for ref in random.sample(REFS, random.randint(0, 3)):
        cache.ref(name, ref, commit_of(random.choice(commits)))


def _share(cache: HubCache, names: list[str], random: Random) -> None:
    """Put a content into the shared store, with a list that is complete or not."""
    for data in random.sample(POOL[:7], 2):
        having = [name for name in names if _path(cache, name, data).is_file()]
        listed = [name for name in having if random.random() < 0.6]
        listed += random.sample(NAMES, 1) * (random.random() < 0.2)
        place = cache.share(data, *having, listed=listed)
        if random.random() < 0.15:
            place.with_name(f"{place.name}.refs").unlink()
        place.with_name(f"{place.name}.lock").touch()
    if random.random() < 0.1:
        (cache.root / "blobs" / ".huggingface-shared-blobs").write_text("2\n")


def _path(cache: HubCache, name: str, data: bytes) -> Path:
    blobs = cache.folder(name) / "blobs"
    return next(
        (path for path in sorted(blobs.glob("*")) if path.is_file() and path.read_bytes() == data), blobs / "no"
    )


def _orphan(cache: HubCache, name: str, random: Random) -> None:
    cache.blob(name, b"orphan %d" % random.randrange(9))


def _partial(cache: HubCache, name: str, random: Random) -> None:
    cache.partial(name, b"part " * random.randint(1, 90))


def _broken_ref(cache: HubCache, name: str, random: Random) -> None:
    cache.ref(name, "old", random.choice((commit_of("gone"), "", "no commit\n")))


def _broken_link(cache: HubCache, name: str, random: Random) -> None:
    blobs = sorted((cache.folder(name) / "blobs").glob("*"))
    if blobs:
        random.choice(blobs).unlink()


def _stray_file(cache: HubCache, name: str, random: Random) -> None:
    (cache.folder(name) / "snapshots" / random.choice(("README", ".DS_Store"))).write_text("stray")


def _no_revision(cache: HubCache, name: str, _: Random) -> None:
    snapshots = cache.folder(name) / "snapshots"
    snapshots.rename(cache.root / "aside")
    for path in sorted((cache.root / "aside").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    (cache.root / "aside").rmdir()


def _empty_snapshots(cache: HubCache, name: str, random: Random) -> None:
    _no_revision(cache, name, random)
    (cache.folder(name) / "snapshots").mkdir()


def _absolute_links(cache: HubCache, name: str, _: Random) -> None:
    for link in sorted((cache.folder(name) / "snapshots").rglob("*")):
        if link.is_symlink():
            target = os.path.normpath(link.parent / link.readlink())
            link.unlink()
            link.symlink_to(target)


def _odd_commit(cache: HubCache, name: str, _: Random) -> None:
    (cache.folder(name) / "snapshots" / "nightly").mkdir(exist_ok=True)


def _built_inside(cache: HubCache, name: str, random: Random) -> None:
    for top in sorted((cache.folder(name) / "snapshots").glob("*")):
        if top.is_dir():
            (top / "build.log").write_bytes(b"x" * random.randint(1, 50))


TWISTS = (
    _orphan,
    _orphan,
    _partial,
    _partial,
    _broken_ref,
    _broken_link,
    _stray_file,
    _no_revision,
    _empty_snapshots,
    _absolute_links,
    _odd_commit,
    _built_inside,
)
