"""The subject of a picture of reachability: the nodes to show, their depth and state. Plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis import kernels
from blobkit.analysis.reach import closure, incoming, live, sources
from blobkit.analysis.referrers import Referrers
from blobkit.errors import NotPinnedError
from blobkit.protocols import as_snapshot
from blobkit.questions.inputs.masks import is_mask
from blobkit.questions.inputs.targets import resolve
from blobkit.questions.preview import Preview
from blobkit.render import abbreviate, count, human_bytes, join_some
from blobkit.snapshot.sets import unique
from blobkit.snapshot.tables import KINDS, STORED, codes, ids
from blobkit.views.pictures.words import dropping, preview_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.protocols import Address, SupportsSnapshot
    from blobkit.questions.inputs.targets import Targets
    from blobkit.snapshot.graph import ReferenceGraph
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["MARKS", "STATES", "Scene", "scene"]

STATES = ("live", "freed", "kept", "garbage", "above")
"""The states of nodes: freed or kept in a preview; else live, garbage, or above the targets in question."""

MARKS = (*KINDS, "virtual node", "absent")
"""The marks of nodes: the kind of a stored blob, or the reason why it is not one."""

LAYERS = 7


@dataclass(frozen=True, eq=False)
class Scene:
    """The `nodes` to show (ids, sorted); `layer`, `state` (in STATES) and `mark` (in MARKS) of each; a `title`.

    Nodes without links are in the last layer, nodes that link to these in the layer before, and so on; the first layer
    has the rest. `targets`: the nodes in question. `before`: the references now; `after`: those after pins are dropped.
    """

    snapshot: Snapshot
    nodes: NDArray[np.int32]
    layer: NDArray[np.int32]
    state: NDArray[np.int8]
    mark: NDArray[np.int8]
    targets: NDArray[np.int32]
    title: str
    before: Referrers
    after: Referrers

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
        """The reason why a blob stays that no name reaches."""
        return "held by leaked references" if self.snapshot.rule.counting else "garbage already"

    def only(self, state: str) -> NDArray[np.int32]:
        """Return the stored blobs in this state."""
        found: NDArray[np.int32] = self.nodes[self.blob & (self.state == STATES.index(state))]
        return found


def scene(x: SupportsSnapshot | Address | Preview, target: Targets | None, policy: str | None) -> Scene:
    """Return the scene of a preview, of the surroundings of `target`, or of a whole store. Cost: nodes + links."""
    x = preview_in(x)
    if isinstance(x, Preview):
        if target is not None or policy is not None:
            msg = "a preview has its targets and its policy already: give a store to choose others"
            raise ValueError(msg)
        return _preview(x)
    snapshot = as_snapshot(x, policy)
    return _whole(snapshot) if target is None else _around(snapshot, target)


def _preview(preview: Preview) -> Scene:
    snapshot, gone = preview.snapshot, preview.removal.nodes
    dropped = unique(ids(snapshot.pins["node"])[preview.dropped.row])
    inside = closure(snapshot.graph, dropped) >= 0
    freed = np.zeros(len(inside), np.bool_)
    freed[gone] = True
    state = np.where(freed, STATES.index("freed"), STATES.index("kept"))
    after = Referrers.after(snapshot, preview.dropped.row, preview.dropped.number, gone)
    stay = snapshot.graph.blob & inside & ~freed
    both = stay | (freed & snapshot.graph.blob)
    title = dropping(preview, int(snapshot.graph.size[both].sum()), int(np.count_nonzero(both)))
    return _scene(snapshot, inside, state, dropped, title, after)


def _around(snapshot: Snapshot, target: Targets) -> Scene:
    """Return the scene of the nodes that the targets reach and those that reach them."""
    graph = snapshot.graph
    nodes = _found(snapshot, target)
    below = closure(graph, nodes) >= 0
    inside = below | (kernels.depths(*incoming(graph), nodes) >= 0)
    names = [target] if isinstance(target, str) else [str(name) for name in target]
    what = f"What {join_some([abbreviate(name) for name in names], 3)} reaches: {_amount(snapshot, below & graph.blob)}"
    above = inside & ~below & graph.blob
    if above.any():
        what += f"; what reaches it: {count(int(np.count_nonzero(above)), 'blob')}"
    state = np.where(inside & ~below & live(graph), STATES.index("above"), _alive(snapshot))
    return _scene(snapshot, inside, state, nodes, what)


def _whole(snapshot: Snapshot) -> Scene:
    graph = snapshot.graph
    inside = np.ones(len(graph.size), np.bool_)
    reached = live(graph)
    title = f"What the pins reach: {_amount(snapshot, graph.blob & reached)}"
    if (graph.blob & ~reached).any():
        title += f"; nothing reaches {_amount(snapshot, graph.blob & ~reached)}"
    return _scene(snapshot, inside, _alive(snapshot), np.empty(0, np.int32), title)


def _found(snapshot: Snapshot, target: Targets) -> NDArray[np.int32]:
    """Return the nodes that targets name; unlike in a preview, a blob without a pin is allowed too."""
    found: list[int] = []
    node = ids(snapshot.pins["node"])
    is_one = isinstance(target, str) or bool(is_mask(target))
    for one in [target] if is_one else target:
        try:
            found += node[list(resolve(snapshot, one).rows)].tolist()
        except NotPinnedError as error:
            found.append(snapshot.find(error.digest))
    return unique(np.array(found, np.int32))


def _scene(  # noqa: PLR0913, PLR0917 (the fields of a scene; the others follow from these)
    snapshot: Snapshot,
    inside: NDArray[np.bool_],
    state: NDArray[np.int64],
    targets: NDArray[np.int32],
    title: str,
    after: Referrers | None = None,
) -> Scene:
    inside = inside & _matters(snapshot.graph)
    nodes = np.flatnonzero(inside).astype(np.int32)
    before = Referrers.now(snapshot)
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
    """Return the nodes that are stored blobs, or have a link or pin that counts under the policy."""
    found: NDArray[np.bool_] = graph.blob | (graph.links_in > 0) | (graph.pins > 0) | (np.diff(graph.indptr) > 0)
    return found


def _height(graph: ReferenceGraph, inside: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the longest path from each node of a set to a node without links in the set."""
    ends = inside[sources(graph)] & inside[graph.indices]
    degree = np.bincount(sources(graph)[ends], minlength=len(inside)).astype(np.int32)
    return kernels.levels_within(*incoming(graph), np.ones_like(inside), inside, degree)


def _marks(snapshot: Snapshot) -> NDArray[np.int8]:
    stored, kind = codes(snapshot.nodes["stored"]), codes(snapshot.nodes["kind"])
    other = np.where(stored == STORED.index("virtual"), MARKS.index("virtual node"), MARKS.index("absent"))
    return np.where(snapshot.graph.blob, kind, other).astype(np.int8)


def _alive(snapshot: Snapshot) -> NDArray[np.int64]:
    return np.where(live(snapshot.graph), STATES.index("live"), STATES.index("garbage"))


def _amount(snapshot: Snapshot, blobs: NDArray[np.bool_]) -> str:
    return f"{count(int(np.count_nonzero(blobs)), 'blob')}, {human_bytes(int(snapshot.graph.size[blobs].sum()))}"
