"""A preview as the steps of a waterfall: reached, freed level by level, kept. Plain data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blobkit.render import abbreviate, human_bytes, printable
from blobkit.snapshot.tables import KINDS, codes
from blobkit.views.folding import plural
from blobkit.views.scene import scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from blobkit.questions.preview import Preview
    from blobkit.views.scene import Scene

__all__ = ["Step", "steps"]

LEVELS = 6
BLOBS_ASKED, NAMES_ASKED, NAMES_SHOWN = 10, 20, 3


@dataclass(frozen=True, slots=True)
class Step:
    """One bar: `bytes` and `blobs` of one `kind`, from `start`; `state` is reached, freed or kept."""

    name: str
    state: str
    kind: str
    start: int
    blobs: int
    bytes: int
    text: str


def steps(preview: Preview) -> list[Step]:
    """Return the bars from top to bottom: freed and kept add up to reached, in blobs and in bytes.

    A bar is freed blobs of one level (from 6 on all in one) and kind, or kept blobs of one kind. Cost: nodes + links.
    """
    found = scene(preview, None, None)
    parts = [*_freed(preview), *_kept(found)]
    total = sum(part.bytes for part in parts)
    blobs = sum(part.blobs for part in parts)
    bars = [Step("reached", "reached", "", 0, blobs, total, f"{plural(blobs, 'blob')}, {human_bytes(total)}")]
    start = 0
    for part in parts:
        bars.append(Step(part.name, part.state, part.kind, start, part.blobs, part.bytes, part.text))
        start += part.bytes
    return bars if blobs else []


def _freed(preview: Preview) -> Iterator[Step]:
    level = preview.removal.level[preview.snapshot.graph.blob[preview.removal.nodes]]
    depth = np.minimum(level, LEVELS)
    for one in np.unique(depth).tolist():
        name = f"level {one}" if one < LEVELS or level.max() == LEVELS else f"levels {LEVELS} to {level.max()}"
        for kind, nodes in _by_kind(preview, preview.nodes[depth == one]):
            size = int(preview.snapshot.graph.size[nodes].sum())
            text = f"{plural(len(nodes), kind)}, {human_bytes(size)} freed"
            yield Step(f"{name}, {kind}", "freed", kind, 0, len(nodes), size, text)


def _kept(found: Scene) -> Iterator[Step]:
    for kind, nodes in _by_kind(found, found.only("kept")):
        size = int(found.snapshot.graph.size[nodes].sum())
        text = f"{plural(len(nodes), kind)}, {human_bytes(size)} {_why(found, nodes)}"
        yield Step(f"kept, {kind}", "kept", kind, 0, len(nodes), size, text)


def _by_kind(x: Preview | Scene, nodes: NDArray[np.int32]) -> Iterator[tuple[str, NDArray[np.int32]]]:
    """Yield the nodes of each kind, most bytes first."""
    size, kind = x.snapshot.graph.size[nodes], codes(x.snapshot.nodes["kind"])[nodes]
    total = np.bincount(kind, size, minlength=len(KINDS))
    for one in sorted(np.unique(kind).tolist(), key=lambda code: -total[code]):
        yield KINDS[one], nodes[kind == one]


def _why(found: Scene, nodes: NDArray[np.int32]) -> str:
    """Return the names that need most of these blobs; only the biggest blobs are checked."""
    size = found.snapshot.graph.size[nodes]
    names: Counter[str] = Counter()
    asked = np.argsort(-size, kind="stable")[:BLOBS_ASKED]
    for at, reaching in zip(asked.tolist(), found.after.reaching(nodes[asked], NAMES_ASKED).tuples(), strict=True):
        for name in reaching:
            names[name] += int(size[at]) + 1
    shown = [printable(abbreviate(name)) for name, _ in names.most_common(NAMES_SHOWN)]
    return f"needed by {', '.join(shown)}{' and others' * (len(names) > NAMES_SHOWN)}" if shown else found.unnamed
