"""The blobs that a script and the final garbage collection really free, and why the rest stays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.collectors import would_abort
from blobkit.analysis.reach import live
from blobkit.analysis.referrers import Referrers
from blobkit.analysis.removal import drop_pins
from blobkit.analysis.repositories import referrers, repositories
from blobkit.cache import memoized
from blobkit.questions.columns import keys
from blobkit.render import abbreviate, count, join_some, truncate
from blobkit.snapshot.pins import count_named
from blobkit.snapshot.roles import IS_LEFT, IS_REVISION
from blobkit.snapshot.sets import among, minus, unique, where
from blobkit.snapshot.tables import codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.analysis.removal import Removal
    from blobkit.questions.deletion import Deletion
    from blobkit.questions.preview import Preview
    from blobkit.snapshot.snapshot import Snapshot

    Nodes = NDArray[np.int32]

__all__ = [
    "Collected",
    "Collection",
    "collected",
    "collected_nodes",
    "collection_of",
    "collector_view",
    "freed_later",
    "needed_by_names",
    "waiting",
    "who_needs",
    "would_take",
]

HOLDERS_TOLD = 100
NAME_SHOWN = 60
REASONS = (
    "an untagged manifest of the repository needs it",
    "a referrer that no tag names needs it",
    "an entry without a name needs it",
    "another repository needs it",
    "a name that the script cannot drop needs it",
    "something that nothing names needs it, and stays",
    "the collector counts it as in use",
)
UNTAGGED, REFERRER, NAMELESS, ELSEWHERE, LEFT, GARBAGE, IN_USE = range(len(REASONS))


@dataclass(frozen=True, slots=True)
class Collected:
    """The blobs that the script of `tool` (the default, "" if none fits) and the collector after it free.

    `bytes` and `digests` (sorted) do not include blobs that the collector would free anyway. `stops` is the reason why
    nothing is collected, "" if there is none. A registry over HTTP frees bytes by itself, nobody knows when: then there
    is no blob and no tool here.

    >>> preview = blobkit.simulate_deref(demo.registry(unit=1), "shop/web:1.1")
    >>> preview.collected.bytes, preview.bytes, len(preview.waiting)  # an untagged manifest holds one layer
    (1680, 3700, 1)
    """

    bytes: int
    digests: tuple[str, ...]
    tool: str
    stops: str

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        return {"bytes": self.bytes, "digests": list(self.digests), "tool": self.tool, "stops": self.stops}


@dataclass(frozen=True, eq=False)
class Collection:
    """The collection that follows a deletion, under the rules of the collector (`snapshot`).

    `removal`: the nodes that are freed because of the deletion. `aborts`: why the collector stops. `harmed`: blobs that
    it would delete although remaining blobs need them under the current policy; then it is not run.
    """

    snapshot: Snapshot
    deletion: Deletion
    removal: Removal
    aborts: tuple[str, ...]
    harmed: Nodes

    @property
    def by_hand(self) -> bool:
        """Whether files are removed one by one instead: then all that the current policy promises is freed."""
        return bool(len(self.harmed) and self.deletion.snapshot.store.by_hand)

    @property
    def stops(self) -> str:
        """The reason why nothing is collected, "" if there is none."""
        if self.by_hand:
            return ""
        return join_some(self.aborts, 3) or (self.why_not if len(self.harmed) else "")

    @property
    def command(self) -> str:
        """The collector's command."""
        return self.snapshot.rule.tool

    @cached_property
    def why_not(self) -> str:
        """The reason why the collector is not run: the blobs that it would delete, and the names that need them."""
        snapshot = self.deletion.snapshot
        rows, number = self.deletion.under(snapshot)
        gone = drop_pins(snapshot, rows, number).nodes
        after = Referrers.after(snapshot, rows, number, gone)
        return (
            f"{self.command} would delete {count(len(self.harmed), 'blob')} needed by {who_needs(after, self.harmed)}"
        )


def collection_of(preview: Preview) -> Collection:
    """Return the collection at the end of the script of a preview. Cost: a removal, and the reach of the collector."""
    deletion, snapshot = preview.deletion, collector_view(preview.snapshot)
    rows, number = deletion.under(snapshot)
    gone = drop_pins(snapshot, rows, number)
    kept = preview.removal if deletion.done.all() else drop_pins(preview.snapshot, *deletion.under(preview.snapshot))
    harmed = would_take(preview.snapshot, snapshot, kept.nodes, gone.nodes)
    return Collection(snapshot, deletion, gone, would_abort(snapshot, gone.nodes), harmed)


def freed_later(snapshot: Snapshot) -> str:
    """Return who frees the bytes of what a script deletes, at a time of its own; "" if the script frees them."""
    return snapshot.store.freed_later(snapshot.policy)


@memoized
def collector_view(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot under the rules of the collector that scripts end with; itself if none has its own."""
    store = snapshot.store
    policy = store.policy_for(store.collected_by.get(snapshot.policy, ""))
    return snapshot if policy is None else snapshot.with_policy(policy.name)


def would_take(snapshot: Snapshot, collector: Snapshot, freed: Nodes, taken: Nodes) -> Nodes:
    """Return the needed blobs that the collector would delete.

    `freed`: the nodes freed under the policy of `snapshot`; `taken`: those freed under the rules of `collector`.
    """
    if collector.rule == snapshot.rule:
        return taken[:0]
    needed, left = live(snapshot.graph).copy(), live(collector.graph).copy()
    needed[freed] = False
    left[taken] = False
    needed &= snapshot.graph.blob
    needed &= ~left
    return where(needed)


def needed_by_names(snapshot: Snapshot) -> Nodes:
    """Return the blobs that the collector would delete now although names, or the current policy, need them."""
    collector = collector_view(snapshot)
    views = (snapshot, snapshot.with_policy(snapshot.store.judge))
    nothing = np.empty(0, np.int32)
    return unique(np.concatenate([would_take(view, collector, nothing, nothing) for view in views]))


def collected(preview: Preview) -> Collected:
    """Return the blobs that the script of the default tool and the collector after it free."""
    tools, snapshot = preview.snapshot.store.tools, preview.snapshot
    if not tools or freed_later(snapshot):
        return Collected(0, (), "", "")
    nodes = collected_nodes(preview)
    digests = tuple(sorted(keys(snapshot, nodes).tolist()))
    return Collected(int(snapshot.graph.size[nodes].sum()), digests, tools[0], preview.collection.stops)


@memoized
def collected_nodes(preview: Preview) -> Nodes:
    """Return the nodes of these blobs, if a tool is known; also those that a registry frees at a time of its own."""
    found = preview.collection
    nodes = preview.sure if found.by_hand else found.removal.nodes
    return nodes[preview.snapshot.graph.blob[nodes]] if not found.stops else nodes[:0]


def waiting(preview: Preview) -> pd.DataFrame:
    """Return the blobs that the policy promises and the collector leaves, biggest first (see `Preview.waiting`)."""
    snapshot, found = preview.snapshot, preview.collection
    done = found.removal.nodes[: None if snapshot.store.tools and not found.stops else 0]
    nodes = minus(preview.nodes, preview.sure if found.by_hand else done).astype(np.int32)
    size = snapshot.graph.size[nodes]
    nodes = nodes[np.lexsort((nodes, -size))]
    held, reason = _held(preview, nodes)
    index = pd.Index(keys(snapshot, nodes), name="digest")
    columns = {"size": snapshot.graph.size[nodes], "held_by": held, "reason": pd.array(reason, dtype="str")}
    return pd.DataFrame(columns, index=index)


def _held(preview: Preview, nodes: Nodes) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Return the names that reach each of these blobs after the collection, nearest first, and the reason in words."""
    found, held = preview.collection, np.empty(len(nodes), object)
    held[:] = [()] * len(nodes)
    if found.stops or not preview.snapshot.store.tools or found.by_hand:
        why = found.stops or "a manifest that may link to it cannot be read"
        nobody = f"no program drops anything from a {preview.snapshot.kind} store in place"
        return held, np.full(len(nodes), why if preview.snapshot.store.tools else nobody, object)
    rows, number = found.deletion.under(found.snapshot)
    after = Referrers.after(found.snapshot, rows, number, found.removal.nodes)
    names = after.reaching(nodes, HOLDERS_TOLD)
    held[:] = names.tuples(nearest_first=True)
    has = np.diff(names.start) > 0
    code = np.full(len(nodes), IN_USE)
    code[has] = _reasons(found, names.rows[names.start[:-1][has]])
    return held, np.array(REASONS, object)[code]


def _reasons(found: Collection, rows: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the reason why each of these pins stays, as indexes into REASONS."""
    snapshot, deletion = found.deletion.snapshot, found.deletion  # these facts are the same under every policy
    known = repositories(snapshot)
    blob, pairs = known.blob[rows], known.pairs(rows)
    about = referrers(snapshot)
    is_referrer = np.zeros(snapshot.nodes.num_rows, np.bool_)
    is_referrer[about.row] = True
    code = np.full(len(rows), IN_USE)
    code[IS_REVISION[codes(snapshot.pins["kind"])[rows]]] = UNTAGGED
    code[is_referrer[blob]] = REFERRER
    code[rows >= count_named(snapshot)] = NAMELESS
    code[~np.isin(known.of[rows], unique(deletion.pair >> 32))] = ELSEWHERE
    left = deletion.rows[~deletion.done]
    code[among(pairs, unique(known.pairs(left)))] = LEFT
    code[IS_LEFT[codes(snapshot.pins["kind"])[rows]]] = GARBAGE
    return code


def who_needs(holding: Referrers, nodes: Nodes) -> str:
    """Return a few of the names that reach the biggest of these blobs."""
    biggest = nodes[np.argmax(holding.snapshot.graph.size[nodes])]
    names = holding.names(int(biggest), 3)
    return join_some([truncate(abbreviate(name), NAME_SHOWN) for name in names], 2) or "something"
