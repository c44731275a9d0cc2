"""Names go and servers start, on copies of random models, exactly as previews say."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

import blobkit
import ollama_model
from caches import OllamaModels
from effort import TORTURE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

ROUNDS = 80
NAMES = ("llama3:8b", "llama3:latest", "me/assistant:v1", "hf.co/acme/tiny:Q4_K_M", "host.example:5000/team/vision:1")
POOL = [(b"%d " % number) * (20 + number) for number in range(6)]


def random_models(root: Path, random: Random) -> OllamaModels:
    """Write random models, with all that goes wrong in real ones."""
    models = OllamaModels(root)
    for name in random.sample(NAMES, random.randint(1, len(NAMES))):
        models.model(name, *random.choices(POOL, k=random.randint(0, 4)), config=random.choice((b"{}", b'{"a": 1}')))
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        random.choice(TWISTS)(models, random)
    return models


def _some_manifest(models: OllamaModels, random: Random) -> Path:
    return random.choice(sorted(path for path in models.root.glob("manifests/*/*/*/*") if path.is_file()))


def _garbage(models: OllamaModels, random: Random) -> None:
    models.blob(b"garbage %d" % random.randrange(5))


def _partial(models: OllamaModels, random: Random) -> None:
    name = random.choice((f"sha256-{'6c' * 32}-partial", f"sha256-{'6c' * 32}-partial-0", "sha256-123456", "README"))
    (models.root / "blobs" / name).write_bytes(b"p" * random.randint(1, 99))


def _cut(models: OllamaModels, random: Random) -> None:
    path = _some_manifest(models, random)
    path.write_bytes(path.read_bytes()[: -random.randint(1, 60)])


def _wrong_type(models: OllamaModels, random: Random) -> None:
    path = _some_manifest(models, random)
    try:
        body = json.loads(path.read_bytes())
    except ValueError:
        return
    body["config"][random.choice(("digest", "size", "mediaType"))] = random.choice((None, [], 3, "x", 1.5))
    path.write_text(json.dumps(body))


def _trailing(models: OllamaModels, random: Random) -> None:
    path = _some_manifest(models, random)
    path.write_bytes(path.read_bytes() + random.choice((b"\n", b" {}", b"garbage")))


def _missing(models: OllamaModels, random: Random) -> None:
    blobs = sorted((models.root / "blobs").iterdir())
    random.choice(blobs).unlink() if blobs else None


def _depth(models: OllamaModels, random: Random) -> None:
    source = _some_manifest(models, random)
    for place in ("top", "deep/a/b/c/d", "three/levels/down"):
        path = models.root / "manifests" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, path)


def _bad_name(models: OllamaModels, random: Random) -> None:
    source = _some_manifest(models, random)
    shutil.copy(source, source.with_name(random.choice((".hidden", "a b", "ü", "x" * 90, "-dash"))))


def _dashes(models: OllamaModels, random: Random) -> None:
    path = _some_manifest(models, random)
    path.write_bytes(path.read_bytes().replace(b"sha256:", b"sha256-", random.randint(1, 3)))


TWISTS: tuple[Callable[[OllamaModels, Random], None], ...] = (
    *(_garbage, _partial, _cut, _wrong_type, _trailing, _missing, _depth, _bad_name, _dashes),
)


def gone(snapshot: Snapshot, root: Path) -> dict[str, int]:
    """Return the files of a snapshot that are gone from blobs/, with their sizes."""
    left = {path.name.replace(":", "-") for path in (root / "blobs").iterdir()}
    size = snapshot.to_frame()["size"].to_dict()
    return {key: n for key, n in size.items() if key.replace("blobs/", "").replace(":", "-") not in left}


def copied(root: Path) -> Path:
    copy = root.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(root, copy, symlinks=True)
    return copy


@pytest.mark.slow
def test_names_and_starts_remove_as_previewed(quick_path: Path) -> None:
    seen: Counter[str] = Counter()
    for seed in range(ROUNDS * TORTURE):
        random, root = Random(seed), quick_path / "models"  # noqa: S311 (no secrets)
        shutil.rmtree(root, ignore_errors=True)
        random_models(root, random)
        snapshot = blobkit.scan(f"ollama:{root}", progress=False)
        known = ollama_model.listed(root)
        held = {name for name, holds in zip(snapshot.pins["name"].to_pylist(), snapshot.holding, strict=True) if holds}
        assert held == set(known), seed
        for chosen in [random.sample(sorted(known), random.randint(1, min(3, len(known))))] if known else []:
            copy = copied(root)
            for name in chosen:
                ollama_model.remove(copy, name)
            preview = snapshot.simulate_deref(*(f"tag:{name}" for name in chosen))
            assert preview.freed["size"].to_dict() == gone(snapshot, copy), (seed, chosen)
            assert preview.exact
            broken = {name for name in snapshot.tags_frame().index if name not in known and name in preview.breaks}
            assert set(preview.breaks) == broken
            seen.update(["breaks" if broken else "freed" if preview else "nothing freed"])
        found, copy = blobkit.compare_gc(snapshot, "ollama"), copied(root)
        ollama_model.start(copy)
        assert bool(found.aborts) == ollama_model.aborts(root), seed
        assert gone(snapshot, copy) == ({} if found.aborts else found.frame["size"].to_dict()), seed
        seen["aborts" if found.aborts else "starts"] += 1
    assert set(seen) == {"breaks", "freed", "nothing freed", "aborts", "starts"}
