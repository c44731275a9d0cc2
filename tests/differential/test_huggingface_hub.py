"""The installed huggingface_hub deletes, on copies of random caches, exactly the files that previews name."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

import blobkit
from effort import TORTURE
from random_hubs import random_hub

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.snapshot.snapshot import Snapshot

ROUNDS = 60
REFUSED = {"left-out", "same-commit", "odd-commit", "harmful-drop"}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> object:
    """The library, without network and with a home of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", os.fspath(tmp_path_factory.mktemp("home")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        found = pytest.importorskip("huggingface_hub", "2.4")
        print(f"huggingface_hub {found.__version__}")  # noqa: T201 (a reader of the log must know)
        return found


def files(root: Path) -> set[str]:
    """Return the paths of all regular files."""
    return {os.fspath(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and not path.is_symlink()}


def copied(root: Path) -> Path:
    """Return a copy of a cache whose absolute links lead into the copy."""
    copy = root.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(root, copy, symlinks=True)
    for link in copy.rglob("*"):
        if link.is_symlink() and link.readlink().is_absolute():
            target = copy / link.readlink().relative_to(root)
            link.unlink()
            link.symlink_to(target)
    return copy


def removed(before: Snapshot, copy: Path) -> dict[str, int]:
    """Return the files of a snapshot that are gone in a copy, with their sizes."""
    size = before.to_frame()["size"].to_dict()
    return {key: size[key] for key in size.keys() - files(copy)}


def refused(snapshot: Snapshot) -> dict[str, set[str]]:
    """Return the codes of notices by key, of those that keep the script from a deletion."""
    found: dict[str, set[str]] = {}
    for code, key in zip(*(snapshot.notices[name].to_pylist() for name in ("code", "key")), strict=True):
        if code in REFUSED:
            found.setdefault(key, set()).add(code)
    return found


def revisions(snapshot: Snapshot) -> list[str]:
    """Return the names of all revisions, by their commits."""
    frame = snapshot.to_frame(virtual=True)
    return sorted(frame.index[frame["kind"] == "snapshot"])


def why_not(names: Iterable[str], snapshot: Snapshot) -> set[str]:
    """Return the codes that keep the script from deleting some of these revisions."""
    known = refused(snapshot)
    return set().union(*(known.get(key, set()) for name in names for key in (name, name.partition("@")[0])))


@pytest.mark.slow
def test_revisions_go_as_previewed(library: object, quick_path: Path) -> None:
    del library
    from huggingface_hub import scan_cache_dir  # noqa: PLC0415 (optional, and it reads the environment)

    seen: Counter[str] = Counter()
    for seed in range(ROUNDS * TORTURE):
        random = Random(seed)  # noqa: S311 (no secrets)
        root = quick_path / "hub"
        shutil.rmtree(root, ignore_errors=True)
        random_hub(root, random)
        snapshot = blobkit.scan(f"huggingface:{root}", progress=False)
        names = revisions(snapshot)
        for chosen in [random.sample(names, random.randint(1, min(3, len(names)))) for _ in range(2 if names else 0)]:
            copy = copied(root)
            strategy = scan_cache_dir(copy).delete_revisions(*(name.rpartition("@")[2] for name in chosen))
            strategy.execute()
            preview = snapshot.simulate_deref(*chosen)
            gone, reasons = removed(snapshot, copy), why_not(chosen, snapshot)
            seen.update(reasons or {"as previewed" if gone else "nothing freed"})
            if not reasons - {"odd-commit"}:  # the function takes any name, the command only commits
                assert preview.freed["size"].to_dict() == gone, (seed, chosen)
                if is_marked(root):
                    assert strategy.expected_freed_size == said(snapshot, preview), (seed, chosen)
            elif reasons == {"left-out"} and len(chosen) == 1:
                assert gone == {}, (seed, chosen)
                assert preview.collected.bytes == 0
    assert set(seen) >= {"as previewed", *REFUSED}


def said(snapshot: Snapshot, preview: blobkit.Preview) -> int:
    """Return the bytes freed that the library foresees: it overlooks files that no revision names."""
    links = blobkit.links_frame(snapshot)
    named = links.loc[links["kind"].isin(["file", "shared"]), "target"]
    return int(preview.freed.loc[preview.freed.index.isin(named), "size"].sum())


def is_marked(root: Path) -> bool:
    """Return whether the library uses the shared store, or there is none: else it counts what links lead to."""
    marker = root / "blobs" / ".huggingface-shared-blobs"
    return not marker.exists() or marker.read_text() == "1\n"


@pytest.mark.slow
def test_prune_removes_what_it_is_said_to_remove(library: object, quick_path: Path) -> None:
    del library
    cache = pytest.importorskip("huggingface_hub.cli.cache")
    seen: Counter[str] = Counter()
    for seed in range(ROUNDS * TORTURE):
        root = quick_path / "hub"
        shutil.rmtree(root, ignore_errors=True)
        random_hub(root, Random(seed))  # noqa: S311 (no secrets)
        snapshot = blobkit.scan(f"huggingface:{root}", progress=False)
        copy = copied(root)
        cache.prune(cache_dir=os.fspath(copy), yes=True)
        found = blobkit.compare_gc(snapshot, "hf")
        if "same-commit" in {code for codes in refused(snapshot).values() for code in codes}:
            seen["any of two revisions"] += 1
            continue
        assert found.frame["size"].to_dict() == removed(snapshot, copy), seed
        assert found.aborts == (), seed
        seen["needed" if found.needed_bytes else "garbage" if found else "nothing"] += 1
    assert set(seen) >= {"needed", "garbage", "nothing"}


@pytest.mark.slow
def test_the_script_frees_what_the_preview_says(library: object, quick_path: Path) -> None:
    del library
    hf = Path(shutil.which("hf") or "")
    if not hf.name:
        pytest.skip("hf is not on PATH")
    environment = {**os.environ, "HF_HOME": os.fspath(quick_path / "home"), "HF_HUB_OFFLINE": "1"}
    for seed, policy in enumerate(["revisions", "revisions", "refs", "refs"] * TORTURE):
        random = Random(seed)  # noqa: S311 (no secrets)
        root = quick_path / "hub"
        shutil.rmtree(root, ignore_errors=True)
        random_hub(root, random)
        before = blobkit.scan(f"huggingface:{root}", policy=policy, progress=False)
        names = sorted(before.tags_frame().index)
        if not names:
            continue
        preview = before.simulate_deref(*random.sample(names, min(2, len(names))))
        already = blobkit.compare_gc(before, "hf").frame.index if policy == "refs" else []
        done = subprocess.run(
            ["sh", "-c", preview.script()], env=environment, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        after = blobkit.scan(f"huggingface:{root}", progress=False)
        gone = set(before.to_frame().index) - set(after.to_frame().index) - set(already)
        assert gone == set(preview.collected.digests), (seed, done.stderr)
