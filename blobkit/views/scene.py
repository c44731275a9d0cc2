"""The subject of a picture of reachability: the nodes to show, their depth and state. Plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis import kernels
from blobkit.analysis.reach import closure, holders, live, sources
from blobkit.analysis.referrers import Holding
from blobkit.errors import NotPinnedError
from blobkit.protocols import as_snapshot
from blobkit.questions.asking.targets import resolve
from blobkit.questions.preview import Preview
from blobkit.render import count, human_bytes, listed, short
from blobkit.snapshot.sets import unique
from blobkit.snapshot.tables import KINDS, STORED, codes, ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.protocols import Address, SupportsSnapshot
    from blobkit.questions.asking.targets import Targets
    from blobkit.snapshot.graph import ReferenceGraph
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["MARKS", "STATES", "Scene", "scene"]

STATES = ("live", "freed", "kept", "garbage")
"""What becomes of a node: in a preview it is freed or kept; else it is live or garbage."""

MARKS = (*KINDS, "virtual node", "absent")
"""What a node is drawn as: the kind of a stored blob, or why it is none."""

LAYERS = 7


@dataclass(frozen=True, eq=False)
class Scene:
    """The `nodes` to show (ids, sorted); `layer`, `state` (in STATES) and `mark` (in MARKS) of each; a `title`.

    What links to nothing stands in the last layer, what links to it in the one before, and so on; the first layer has
    the rest. `targets` are the nodes it is about. `before` is what holds, `after` what holds once pins are dropped.
    """

    snapshot: Snapshot
    nodes: NDArray[np.int32]
    layer: NDArray[np.int32]
    state: NDArray[np.int8]
    mark: NDArray[np.int8]
    targets: NDArray[np.int32]
    title: str
    before: Holding
    after: Holding

    @property
    def size(self) -> NDArray[np.int64]:
        """Bytes of each node."""
        return self.snapshot.graph.size[self.nodes]

    @property
    def blob(self) -> NDArray[np.bool_]:
        """Whether each node is a stored blob."""
        return self.snapshot.graph.blob[self.nodes]

    @property
    def unnamed(self) -> str:
        """The reason why something stays that no name reaches."""
        return "held by leaked references" if self.snapshot.rule.counting else "garbage already"

    def only(self, state: str) -> NDArray[np.int32]:
        """Return the stored blobs in this state."""
        found: NDArray[np.int32] = self.nodes[self.blob & (self.state == STATES.index(state))]
        return found


def scene(x: SupportsSnapshot | Address | Preview, target: Targets | None, policy: str | None) -> Scene:
    """Return what to show of a preview, of the surroundings of `target`, or of a whole store. Cost: nodes + links."""
    if isinstance(x, Preview):
        if target is not None or policy is not None:
            msg = "a preview has its targets and its policy already: give a store to choose others"
            raise ValueError(msg)
        return _preview(x)
    snapshot = as_snapshot(x)
    snapshot = snapshot if policy is None else snapshot.with_policy(policy)
    return _whole(snapshot) if target is None else _around(snapshot, target)


def _preview(preview: Preview) -> Scene:
    snapshot, gone = preview.snapshot, preview.removal.nodes
    dropped = unique(ids(snapshot.pins["node"])[list(preview.dropped.rows)])
    inside = closure(snapshot.graph, dropped) >= 0
    freed = np.zeros(len(inside), np.bool_)
    freed[gone] = True
    state = np.where(freed, STATES.index("freed"), STATES.index("kept"))
    after = Holding.after(snapshot, preview.dropped.rows, gone)
    stay = snapshot.graph.blob & inside & ~freed
    title = f"{preview.title()}, leaves {_amount(snapshot, stay)}"
    return _scene(snapshot, inside, state, dropped, title, after)


def _around(snapshot: Snapshot, target: Targets) -> Scene:
    """Return what the targets reach and what reaches them."""
    graph = snapshot.graph
    nodes = _found(snapshot, target)
    below = closure(graph, nodes) >= 0
    inside = below | (kernels.depths(*holders(graph), nodes) >= 0)
    names = [target] if isinstance(target, str) else [str(name) for name in target]
    what = f"What {listed([short(name) for name in names], 3)} reaches: {_amount(snapshot, below & graph.blob)}"
    above = inside & ~below & graph.blob
    if above.any():
        what += f"; what reaches it: {count(int(np.count_nonzero(above)), 'blob')}"
    return _scene(snapshot, inside, _alive(snapshot), nodes, what)


def _whole(snapshot: Snapshot) -> Scene:
    graph = snapshot.graph
    inside = np.ones(len(graph.size), np.bool_)
    reached = live(graph)
    title = f"What the pins reach: {_amount(snapshot, graph.blob & reached)}"
    if (graph.blob & ~reached).any():
        title += f"; nothing reaches {_amount(snapshot, graph.blob & ~reached)}"
    return _scene(snapshot, inside, _alive(snapshot), np.empty(0, np.int32), title)


def _found(snapshot: Snapshot, target: Targets) -> NDArray[np.int32]:
    """Return the nodes that targets name; other than for a preview, a blob without a pin is one as well."""
    found: list[int] = []
    node = ids(snapshot.pins["node"])
    for one in [target] if isinstance(target, str) else target:
        try:
            found += node[list(resolve(snapshot, one).rows)].tolist()
        except NotPinnedError as error:
            found.append(snapshot.find(error.digest))
    return unique(np.array(found, np.int32))


def _scene(  # noqa: PLR0913, PLR0917 (the fields of a scene, of which the rest follow)
    snapshot: Snapshot,
    inside: NDArray[np.bool_],
    state: NDArray[np.int64],
    targets: NDArray[np.int32],
    title: str,
    after: Holding | None = None,
) -> Scene:
    inside = inside & _matters(snapshot.graph)
    nodes = np.flatnonzero(inside).astype(np.int32)
    before = Holding.now(snapshot)
    return Scene(
        snapshot=snapshot,
        nodes=nodes,
        layer=LAYERS - 1 - np.minimum(_height(snapshot.graph, inside)[nodes], LAYERS - 1),
        state=state[nodes].astype(np.int8),
        mark=_marks(snapshot)[nodes],
        targets=targets,
        title=title,
        before=before,
        after=after or before,
    )


def _matters(graph: ReferenceGraph) -> NDArray[np.bool_]:
    """Return which nodes are stored blobs, or are touched by what counts under the policy."""
    found: NDArray[np.bool_] = graph.blob | (graph.links_in > 0) | (graph.pins > 0) | (np.diff(graph.indptr) > 0)
    return found


def _height(graph: ReferenceGraph, inside: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the most links from each node of a set to one that links to nothing in it."""
    ends = inside[sources(graph)] & inside[graph.indices]
    degree = np.bincount(sources(graph)[ends], minlength=len(inside)).astype(np.int32)
    return kernels.levels_within(*holders(graph), np.ones_like(inside), inside, degree)


def _marks(snapshot: Snapshot) -> NDArray[np.int8]:
    stored, kind = codes(snapshot.nodes["stored"]), codes(snapshot.nodes["kind"])
    other = np.where(stored == STORED.index("virtual"), MARKS.index("virtual node"), MARKS.index("absent"))
    return np.where(snapshot.graph.blob, kind, other).astype(np.int8)


def _alive(snapshot: Snapshot) -> NDArray[np.int64]:
    return np.where(live(snapshot.graph), STATES.index("live"), STATES.index("garbage"))


def _amount(snapshot: Snapshot, blobs: NDArray[np.bool_]) -> str:
    return f"{count(int(np.count_nonzero(blobs)), 'blob')}, {human_bytes(int(snapshot.graph.size[blobs].sum()))}"
