"""Ollama's removals, written anew from its published rules as deletions of files; it shares no code with blobkit."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["aborts", "listed", "remove", "start"]

DIGEST = re.compile(r"sha256[:-][0-9a-fA-F]{64}")
PARTS = (r"\w[\w.:-]{0,349}", r"\w[\w-]{0,79}", r"\w[\w.-]{0,79}", r"\w[\w.-]{0,79}")
STRINGS = ("mediaType", "digest", "from", "name")


def listed(root: Path) -> dict[str, Path]:
    """Return the manifest of each name that `ollama list` shows."""
    return {name: path for name, (path, body) in _manifests(root).items() if body is not None}


def aborts(root: Path) -> bool:
    """Return whether the server removes nothing when it starts."""
    return any(body is None for _, body in _manifests(root).values())


def remove(root: Path, name: str) -> None:
    """Remove a name, and the blobs that only its manifest names."""
    path, body = _manifests(root)[name]
    assert body is not None
    path.unlink()
    for digest in _digests(body) - _used(root):
        (root / "blobs" / digest.replace(":", "-")).unlink(missing_ok=True)


def start(root: Path) -> None:
    """Rename old blobs, and remove the blobs that no manifest names, and all other files among them."""
    for path in sorted((root / "blobs").iterdir()):
        if path.name.startswith("sha256:"):
            path.rename(path.with_name(path.name.replace(":", "-", 1)))
    if aborts(root):
        return
    used = {digest.replace(":", "-") for digest in _used(root)}
    for path in sorted((root / "blobs").iterdir()):
        if not path.is_dir() and (not DIGEST.fullmatch(path.name) or path.name not in used):
            path.unlink()


def _used(root: Path) -> set[str]:
    return set().union(*(_digests(body) for _, body in _manifests(root).values() if body is not None))


def _manifests(root: Path) -> dict[str, tuple[Path, Any]]:
    """Return path and content of each manifest by its name, None for one that is not read."""
    found: dict[str, tuple[Path, Any]] = {}
    for path in sorted((root / "manifests").glob("*/*/*/*")):
        parts = path.relative_to(root / "manifests").parts
        if path.is_dir():
            continue
        host, namespace, model, tag = parts
        name = f"{model}:{tag}"
        if host.lower() != "registry.ollama.ai":
            name = f"{host}/{namespace}/{name}"
        elif namespace.lower() != "library":
            name = f"{namespace}/{name}"
        is_name = all(re.fullmatch(form, part, re.ASCII) for form, part in zip(PARTS, parts, strict=True))
        found[name] = path, _body(path) if is_name else None
    return found


def _body(path: Path) -> Any:  # noqa: ANN401 (JSON)
    """Return the first JSON value of a file, if it has the types of a manifest."""
    try:
        body, _ = json.JSONDecoder().raw_decode(path.read_text().lstrip())
        for layer in [body.get("config") or {}, *(body.get("layers") or [])]:
            if any(not isinstance(layer.get(field) or "", str) or layer.get(field) == [] for field in STRINGS):
                return None
            if type(layer.get("size") or 0) is not int or layer.get("size") == []:
                return None
    except (ValueError, AttributeError, TypeError):
        return None
    return body if isinstance(body.get("mediaType", ""), str) and isinstance(body.get("layers") or [], list) else None


def _digests(body: Any) -> set[str]:  # noqa: ANN401 (JSON)
    layers = [body.get("config") or {}, *(body.get("layers") or [])]
    named = (layer.get("digest") or "" for layer in layers)
    return {digest.replace("-", ":").lower() for digest in named if DIGEST.fullmatch(digest)}
