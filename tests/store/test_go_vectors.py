"""The original Go package, recorded: every sound sequence agrees at every step, every other one stops where it must."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from blobkit.content.memory import MemoryContent
from blobkit.errors import BlobkitError, HashNotSupportedError, NotPinnedError
from blobkit.index.memory import MemoryIndex
from blobkit.store.local import LocalStore
from blobkit.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.model import Descriptor
    from blobkit.store.writer import BlobWriter

Vector = dict[str, Any]


@pytest.fixture(scope="session")
def vectors(shared: Path) -> list[Vector]:
    with gzip.open(shared / "go-vectors" / "vectors-dev.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.slow
def test_in_memory(vectors: list[Vector]) -> None:
    assert sum(replayed(Store(MemoryContent(), MemoryIndex()), vector) for vector in vectors) == 137
    assert len(vectors) == 223


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_in_a_directory(vectors: list[Vector], quick_path: Path, part: int) -> None:
    for number, vector in enumerate(vectors[part::2]):
        with LocalStore(quick_path / str(number), durability="off") as store:
            assert replayed(store, vector) == vector["sound"]


def replayed(store: Store, vector: Vector) -> bool:
    """Replay a sequence; return whether it went to its end, else it stopped at its first unsound step."""
    for number, step in enumerate(vector["steps"]):
        before = state(store)
        result, ret = played(store, step)
        if result == "NotPinnedError":
            assert (vector["sound"], vector["first_unsound_step"]) == (False, number)
            assert state(store) == before
            return False
        assert (result, ret) == (step["result"], step.get("ret")), (vector["name"], number)
        assert state(store) == step["state"], (vector["name"], number)
    assert vector["sound"]
    return True


def played(store: Store, step: Vector) -> tuple[str, object]:
    try:
        return "ok", done(store, step)
    except HashNotSupportedError:
        return "hash-not-supported", None
    except NotPinnedError:
        return "NotPinnedError", None
    except BlobkitError as error:
        return ("blob-not-exists" if error.is_blob_not_exists() else repr(error)), None


def done(store: Store, step: Vector) -> object:  # noqa: PLR0911 (one return a verb)
    match step["op"]:
        case "commit":
            return described(written(store, step).commit())
        case "cancel":
            writer = written(store, step)
            writer.cancel()
            return writer.digest
        case "ref":
            return described(store.ref(step["digest"]))
        case "deref":
            store.deref(step["digest"])
        case "link":
            store.link(step["to"], step["from"])
        case "unlink":
            store.unlink(step["to"], step["from"])
        case "get":
            return described(store.get(step["digest"]))
        case "read":
            return base64.b64encode(store.get(step["digest"]).read()).decode()
        case "list":
            return [digest for digest in store.list() if digest.startswith("sha256:")]
    return None


def written(store: Store, step: Vector) -> BlobWriter:
    writer = store.new_writer(step["alg"])
    writer.write(base64.b64decode(step["content"]))
    return writer


def described(found: Descriptor) -> Vector:
    return {"digest": found.digest, "size": found.size, "refCount": found.refcount, "linksTo": list(found.links)}


def state(store: Store) -> Vector:
    known = (described(store.get(digest)) for digest in store)
    return {found.pop("digest"): found for found in known}
