"""Small caches of models on disk, written as huggingface_hub and Ollama write them."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["HubCache", "OllamaModels", "commit_of"]

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.ollama.manifest.list.v2+json"
SMALL = 100
"""Bytes: larger files are named by sha256, as those in LFS; others as git names them."""


def commit_of(text: str) -> str:
    """Return a commit."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def etag_of(data: bytes) -> str:
    """Return the name of a blob."""
    if len(data) > SMALL:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class HubCache:
    """A cache of the Hugging Face hub; names are `model/a/b`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def folder(self, name: str) -> Path:
        """Return the directory of a repository."""
        kind, _, rest = name.partition("/")
        return self.root / f"{kind}s--{rest.replace('/', '--')}"

    def blob(self, name: str, data: bytes) -> Path:
        """Write a blob."""
        path = self.folder(name) / "blobs" / etag_of(data)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(path):
            path.write_bytes(data)
        return path

    def revision(
        self, name: str, commit: str, files: Mapping[str, bytes], refs: Iterable[str] = (), *, links: bool = True
    ) -> str:
        """Write a revision and the refs that name it; without `links`, with real files. Return its name."""
        top = self.folder(name) / "snapshots" / commit_of(commit)
        top.mkdir(parents=True, exist_ok=True)
        for path, data in files.items():
            place = top / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if links:
                place.symlink_to(os.path.relpath(self.blob(name, data), place.parent))
            else:
                place.write_bytes(data)
        for ref in refs:
            self.ref(name, ref, commit_of(commit))
        return f"{name}@{commit_of(commit)}"

    def ref(self, name: str, ref: str, text: str) -> Path:
        """Write a ref."""
        path = self.folder(name) / "refs" / ref
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def share(self, data: bytes, *names: str, listed: Iterable[str] | None = None) -> Path:
        """Move a blob of these repositories into the shared store; `listed`: only these are in its list."""
        store = self.root / "blobs"
        store.mkdir(exist_ok=True)
        (store / ".huggingface-shared-blobs").write_text("1\n")
        xet = hashlib.sha256(b"xet" + data).hexdigest()
        place = store / xet[:2] / xet
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
        for name in names:
            blob = self.blob(name, data)
            blob.unlink()
            blob.symlink_to(os.path.relpath(place, blob.parent))
        lines = [f"{self.folder(name).name}/blobs/{etag_of(data)}\n" for name in (names if listed is None else listed)]
        place.with_name(f"{xet}.refs").write_text("".join(lines))
        return place

    def partial(self, name: str, data: bytes) -> Path:
        """Write a partial download."""
        path = self.folder(name) / "blobs" / f"{etag_of(data)}.0a1b2c3d.incomplete"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def fill(self) -> None:
        """Write a bit of everything: two models that share a file, a dataset, leftovers of downloads."""
        weights, config, extra = b"weights " * 400, b'{"hidden_size": 4}', b"adapter " * 100
        first = {"config.json": config, "model.safetensors": weights}
        self.revision("model/acme/tiny", "one", first, ["main", "v1.0"])
        self.revision("model/acme/tiny", "two", first | {"sub/adapter.bin": extra}, ["refs/pr/1"])
        self.revision("model/acme/tiny", "three", {"config.json": b"{}"})
        self.revision(
            "model/acme/tuned", "one of tuned", {"model.safetensors": weights, "head.bin": b"h" * 500}, ["main"]
        )
        self.revision("dataset/acme/corpus", "real files", {"train.parquet": b"p" * 700}, ["main"], links=False)
        self.blob("model/acme/tiny", b"nobody names this" * 9)
        self.partial("model/acme/tuned", b"i" * 900)
        shared = b"shared " * 300
        for name in ("model/acme/left", "model/acme/right"):
            self.revision(name, name, {"shared.bin": shared, "own.txt": name.encode()}, ["main"])
        self.share(shared, "model/acme/left", "model/acme/right")
        (self.folder("model/acme/tiny") / ".no_exist" / commit_of("one")).mkdir(parents=True)
        (self.folder("model/acme/tiny") / ".no_exist" / commit_of("one") / "absent.txt").touch()
        (self.root / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")


class OllamaModels:
    """A models directory of Ollama; names are as `ollama list` shows them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "manifests").mkdir(parents=True, exist_ok=True)
        (root / "blobs").mkdir(exist_ok=True)

    def blob(self, data: bytes) -> dict[str, object]:
        """Write a blob, and return its descriptor."""
        hexa = hashlib.sha256(data).hexdigest()
        (self.root / "blobs" / f"sha256-{hexa}").write_bytes(data)
        return {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{hexa}", "size": len(data)}

    def path(self, name: str, top: str = "manifests") -> Path:
        """Return the path of a manifest."""
        model, _, tag = name.rpartition(":")
        parts = model.split("/")
        return self.root.joinpath(top, *["registry.ollama.ai", "library"][: 3 - len(parts)], *parts, tag)

    def model(self, name: str, *layers: bytes, config: bytes = b"{}") -> Path:
        """Write the manifest and blobs of a model."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.manifest(*layers, config=config))
        return path

    def manifest(self, *layers: bytes, config: bytes = b"{}") -> bytes:
        """Write the blobs of a manifest, and return it."""
        body = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(config) | {"mediaType": "application/vnd.docker.container.image.v1+json"},
            "layers": [self.blob(layer) for layer in layers],
        }
        return json.dumps(body).encode()

    def fill(self) -> None:
        """Write some models that share layers, and leftovers."""
        weights, template = b"weights " * 300, b"{{ .Prompt }}"
        self.model("llama3:8b", weights, template, b"license " * 30)
        self.model("llama3:latest", weights, template, b"license " * 30)
        self.model("me/assistant:v1", weights, template, b"be kind", config=b'{"a": 1}')
        self.model("hf.co/acme/tiny:Q4_K_M", b"t" * 600, template)
        self.blob(b"garbage " * 40)
        partial = self.root / "blobs" / f"sha256-{'6c' * 32}-partial"
        partial.write_bytes(b"p" * 100)
        os.truncate(partial, 50_000)
        partial.with_name(partial.name + "-0").write_text('{"N":0,"Offset":0,"Size":50000,"Completed":100}')

    def fill_newer(self) -> None:
        """Write a list of manifests, as newer versions do: all manifests are blobs, and the name is a link."""
        part = self.blob(self.manifest(b"n" * 800, b"{{ .Prompt }}"))
        listed = {"mediaType": LIST, "manifests": [part | {"mediaType": MANIFEST, "runner": "mlx"}]}
        manifest = self.blob(json.dumps(listed).encode())
        link = self.path("newer:1", "manifests-v2")
        link.parent.mkdir(parents=True)
        link.symlink_to(os.path.relpath(self.root / "blobs" / str(manifest["digest"]).replace(":", "-"), link.parent))
