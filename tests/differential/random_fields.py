"""Documents with random fields: of any type, in any spelling, given again. The question is what Go makes of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

FIELDS = {
    "top": ("schemaVersion", "mediaType", "manifests", "annotations", "subject", "config", "artifactType", "other"),
    "index": ("schemaVersion", "mediaType", "manifests", "annotations", "subject", "layers", "artifactType", "other"),
    "manifest": ("schemaVersion", "mediaType", "config", "layers", "subject", "annotations", "artifactType", "blobs"),
    "config": ("created", "author", "architecture", "variant", "os", "os.version", "os.features", "id", *"crh"),
    "c": ("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "Shell"),
    "r": ("type", "diff_ids", "other"),
    "h": ("created", "created_by", "author", "comment", "empty_layer", "other"),
}
"""Fields of each kind of document; `c`, `r` and `h` of a config are objects of their own."""
NESTED = {"c": "config", "r": "rootfs", "h": "history"}
VALUES = (
    None, 0, 5, -1, 255, 256, 2.0, 1e3, 1 << 63, -(1 << 63), True, False, "", "x", "YQ==", "YR==", "YQ", "a\nb",
    "2020-01-02T03:04:05Z", "2020-13-02T03:04:05Z", "2020-01-02 03:04:05", "sha256:" + "0" * 64,
    [], {}, [None], ["a"], [1], [{}], {"a": "b"}, {"a": None}, {"a": 1}, {"a": {}}, {"size": 1}, {"digest": ""},
)  # fmt: skip


def random_fields(kind: str, data: bytes, rng: Random) -> bytes:
    """Add fields to a document, before and after those that it has."""
    own = data.decode().strip()[1:-1].strip()
    before, after = _fields(kind, rng), _fields(kind, rng)
    return ("{" + ", ".join(part for part in (before, own, after) if part) + "}").encode()


def _fields(kind: str, rng: Random) -> str:
    return ", ".join(_field(kind, rng) for _ in range(rng.choice((0, 1, 1, 2))))


def _field(kind: str, rng: Random) -> str:
    name = rng.choice(FIELDS[kind])
    if name in NESTED:
        value = "{" + _fields(name, rng) + "}"
        return f"{json.dumps(_spelled(NESTED[name], rng))}: {f'[{value}]' if name == 'h' else value}"
    return f"{json.dumps(_spelled(name, rng), ensure_ascii=rng.random() < 0.5)}: {json.dumps(rng.choice(VALUES))}"


def _spelled(name: str, rng: Random) -> str:
    """The name as it is, or as Go matches it too."""
    folded = name.replace("s", "\u017f").replace("k", "\u212a")
    return rng.choice((name, name, name, name.upper(), name.swapcase(), folded))
