"""A preview as the steps of a waterfall: reached, freed level by level, kept. Plain data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from blobkit.questions.naming import described
from blobkit.render import abbreviate, human_bytes, join_some, printable
from blobkit.snapshot.tables import KINDS, codes
from blobkit.views.folding import plural
from blobkit.views.scene import scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from blobkit.questions.preview import Preview
    from blobkit.views.scene import Scene

__all__ = ["Step", "steps"]

LEVELS, MOST = 6, 24
BLOBS_ASKED, NAMES_ASKED, NAMES_SHOWN = 10, 20, 2


@dataclass(frozen=True, slots=True)
class Step:
    """One bar: `bytes` in `blobs`, from `start`; `state` is reached, freed or kept; `several` names need kept blobs.

    `texts`: the longest first. `level` is the name of the level, or of kept blobs.
    """

    name: str
    level: str
    state: str
    blobs: int
    bytes: int
    texts: tuple[str, ...]
    several: bool = False
    start: int = 0


def steps(preview: Preview, most: int = MOST) -> list[Step]:
    """Return the bars from top to bottom: freed and kept add up to reached, in blobs and in bytes.

    A bar is freed blobs of one level (from 6 on all in one) and kind, or kept blobs of one kind; if there are more than
    `most`, those of one level, or all freed ones, are folded, and so are the kept ones. Cost: nodes + links.
    """
    parts = [*_freed(preview), *_kept(scene(preview, None, None))]
    for key in (_level, _state):
        if 1 + len(parts) > most:
            parts = list(_folded(parts, key))
    total, blobs = sum(part.bytes for part in parts), sum(part.blobs for part in parts)
    size = human_bytes(total)
    reached = Step("reached", "", "reached", blobs, total, (f"{plural(blobs, 'blob')}, {size}", size))
    start = accumulate((part.bytes for part in parts), initial=0)
    return [reached, *(replace(part, start=at) for part, at in zip(parts, start, strict=False))] if blobs else []


def _level(step: Step) -> str:
    return step.level


def _state(step: Step) -> str:
    return step.state


def _folded(parts: Sequence[Step], key: Callable[[Step], str]) -> Iterator[Step]:
    """Yield one step for those of each key."""
    for one in dict.fromkeys(map(key, parts)):
        some = [part for part in parts if key(part) == one]
        size, blobs = sum(part.bytes for part in some), sum(part.blobs for part in some)
        texts = (f"{plural(blobs, 'blob')}, {human_bytes(size)}", human_bytes(size))
        several = any(part.several for part in some)
        yield Step(one, some[0].level, some[0].state, blobs, size, texts, several) if len(some) > 1 else some[0]


def _freed(preview: Preview) -> Iterator[Step]:
    level = preview.removal.level[preview.snapshot.graph.blob[preview.removal.nodes]]
    depth = np.minimum(level, LEVELS)
    for one in np.unique(depth).tolist():
        name = f"level {one}" if one < LEVELS or level.max() == LEVELS else f"levels {LEVELS} to {level.max()}"
        for kind, nodes in _by_kind(preview, preview.nodes[depth == one]):
            size = preview.snapshot.graph.size[nodes]
            amount = f"{plural(len(nodes), kind)}, {human_bytes(int(size.sum()))}"
            (largest,) = described(preview.snapshot, nodes[[np.argmax(size)]])
            what = largest if len(nodes) == 1 else f"most: {largest}, {human_bytes(int(size.max()))}"
            texts = (f"{amount}; {what}", amount, human_bytes(int(size.sum())))
            yield Step(f"{name}, {kind}", name, "freed", len(nodes), int(size.sum()), texts)


def _kept(found: Scene) -> Iterator[Step]:
    for kind, nodes in _by_kind(found, found.only("kept")):
        size = int(found.snapshot.graph.size[nodes].sum())
        amount = f"{plural(len(nodes), kind)}, {human_bytes(size)}"
        names = _keepers(found, nodes)
        why = [f"needed by {join_some(names, many)}" if names else found.unnamed for many in (NAMES_SHOWN, 1)]
        texts = (
            f"{amount}, {why[0]}",
            f"{human_bytes(size)}, {why[0]}",
            f"{human_bytes(size)}, {why[1]}",
            human_bytes(size),
        )
        yield Step(f"stays, {kind}", "stays", "kept", len(nodes), size, texts, several=len(names) > 1)


def _by_kind(x: Preview | Scene, nodes: NDArray[np.int32]) -> Iterator[tuple[str, NDArray[np.int32]]]:
    """Yield the nodes of each kind, most bytes first."""
    size, kind = x.snapshot.graph.size[nodes], codes(x.snapshot.nodes["kind"])[nodes]
    total = np.bincount(kind, size, minlength=len(KINDS))
    for one in sorted(np.unique(kind).tolist(), key=lambda code: -total[code]):
        yield KINDS[one], nodes[kind == one]


def _keepers(found: Scene, nodes: NDArray[np.int32]) -> list[str]:
    """Return the names that need most of these blobs; only the biggest blobs are checked."""
    size = found.snapshot.graph.size[nodes]
    names: Counter[str] = Counter()
    asked = np.argsort(-size, kind="stable")[:BLOBS_ASKED]
    for at, reaching in zip(asked.tolist(), found.after.reaching(nodes[asked], NAMES_ASKED).tuples(), strict=True):
        for name in reaching:
            names[name] += int(size[at]) + 1
    return [printable(abbreviate(name)) for name, _ in names.most_common()]
