"""Four blobs without links, and pins on them: for what a target stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import blobkit
from blobkit.snapshot.snapshot import build

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot


def digest(start: str, label: str = "sha256") -> str:
    """A digest that starts so."""
    return f"{label}:{start:0<{128 if label == 'sha512' else 64}}"


A, B, C = digest("aaaaaa1"), digest("aaaaaa2"), digest("cccccc")
LONG = digest("aaaaaa1", "sha512")


def store(*pins: tuple[str | None, str], counting: bool = False, counts: dict[int, int] | None = None) -> Snapshot:
    """Four blobs of 1, 2, 4 and 8 bytes without links, with these pins."""
    keys = [A, B, C, LONG]
    return build(
        "blobkit" if counting else "oci",
        "/s",
        nodes={"key": keys, "size": [1, 2, 4, 8]},
        links={"source": [], "target": []},
        pins={
            "node": [keys.index(target) for _, target in pins],
            "name": [name for name, _ in pins],
            "kind": [("tag" if name else "pin") if counting else "entry" for name, _ in pins],
            "count": [(counts or {}).get(i, 1) for i in range(len(pins))],
            "group": [name.partition(":")[0] if name and ":" in name else None for name, _ in pins],
        },
    )


def freed(snapshot: Snapshot, *targets: object, **how: object) -> set[str]:
    return set(blobkit.simulate_deref(snapshot, *targets, **how).digests)  # type: ignore[arg-type]
