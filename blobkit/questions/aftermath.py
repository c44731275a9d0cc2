"""What a removal means for names that stay: which no longer pull, and which would have to go for more to be freed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.kernels import depths, reverse
from blobkit.analysis.memory import kept
from blobkit.analysis.reach import gathered
from blobkit.analysis.removal import removal
from blobkit.questions.columns import keys
from blobkit.tables import LINK_KINDS, PIN_KINDS, codes, ids, numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from blobkit.questions.asking.targets import Dropped
    from blobkit.questions.holding import Holding
    from blobkit.snapshot import Snapshot

__all__ = ["additional", "broken"]

BLOBS_ASKED = 10
BLOBS_LOOKED_AT = 1000
NAMES_ASKED = 20
WORK = 2_000_000
"""Blobs that go in all removals that are tried: where very much goes, fewer names are tried."""
_BODY = ("config", "layer", "child")
_NAMES = ("tag", "entry", "referrer-entry")
_REVISION = LINK_KINDS.index("revision")


def broken(snapshot: Snapshot, dropped: Dropped, gone: NDArray[np.int32]) -> tuple[str, ...]:
    """Return the names that stay and would no longer pull, sorted: what they contain goes, or a registry's link to it.

    Nothing where references are counted, or where all that names contain holds under the policy. Cost: links.
    """
    rule = snapshot.rule
    held = set(_BODY) <= rule.links and ("tag" in rule.pins or snapshot.kind == "oci")
    if rule.counting or held or not len(gone):
        return ()
    kind, node = codes(snapshot.pins["kind"]), ids(snapshot.pins["node"])
    above = _body_holders(snapshot)
    hit = depths(*above, gone[snapshot.counted.blob[gone]])[node] >= 0
    hit |= _unlinked(snapshot, gone, above)
    hit &= np.isin(kind, [PIN_KINDS.index(name) for name in _NAMES])
    names = set(snapshot.pins["name"].take(np.flatnonzero(hit)).drop_null().to_pylist())
    dropped_names = set(snapshot.pins["name"].take(list(dropped.rows)).to_pylist())
    return tuple(sorted(names - dropped_names))


def additional(
    snapshot: Snapshot, dropped: Dropped, after: Holding, blobs: NDArray[np.int32], most: int
) -> pd.DataFrame:
    """Return the names that keep the biggest of `blobs` (biggest first): one row a name, the best first.

    `bytes` and `blobs` go in addition when it is dropped together with the targets; `together` is how many bytes go in
    addition when all names that keep the blob `digest`, the biggest one that this name keeps, are dropped with them.
    Blobs that more than `most` names keep, or an anonymous pin, are no advice. Cost: at most 30 removals, 6 of very
    much.
    """
    pinned = np.fromiter(dropped.rows, np.int64, len(dropped.rows))
    number = np.fromiter(dropped.rows.values(), np.int64, len(dropped.rows))
    before = _freed(snapshot, pinned, number)
    tried = max(3, min(NAMES_ASKED, WORK // (before[0] + 1)))
    rows: dict[str, tuple[str, int, int, str, int]] = {}
    looked_at = blobs[:BLOBS_LOOKED_AT]
    reaching = after.reaching(looked_at, most + 1)
    named = len(snapshot.pins["name"]) - snapshot.pins["name"].null_count
    digests = keys(snapshot, looked_at).tolist()
    seen: set[bytes] = set()
    for i, digest in enumerate(digests):
        found = reaching.of(i)
        if not 0 < len(found) <= most or found.max() >= named or found.tobytes() in seen:
            continue
        seen.add(found.tobytes())
        names = [str(name) for name in snapshot.pins["name"].take(found).to_pylist()]
        if len(seen) > min(BLOBS_ASKED, tried) or len(rows.keys() | set(names)) > tried:
            break
        together = _freed(snapshot, *_with(snapshot, pinned, number, names))[1] - before[1]
        for name in names:
            if name not in rows:
                alone = _freed(snapshot, *_with(snapshot, pinned, number, [name]))
                rows[name] = name, alone[1] - before[1], alone[0] - before[0], digest, together
    ordered = sorted(rows.values(), key=lambda row: (-row[1], -row[4], row[0]))
    frame = pd.DataFrame(ordered, columns=["name", "bytes", "blobs", "digest", "together"])
    return frame.astype({"name": "str", "bytes": "int64", "blobs": "int64", "digest": "str", "together": "int64"})


def _freed(snapshot: Snapshot, rows: NDArray[np.int64], number: NDArray[np.int64]) -> tuple[int, int]:
    """Return how many blobs, and bytes, go when so many of these pins are dropped."""
    graph = snapshot.counted
    holds = snapshot.holding[rows]
    nodes, back = np.unique(ids(snapshot.pins["node"])[rows[holds]], return_inverse=True)
    drops = np.zeros(len(nodes), np.int64)
    np.add.at(drops, back, number[holds])
    gone = removal(graph, nodes, drops).nodes
    return int(np.count_nonzero(graph.blob[gone])), int(graph.size[gone].sum())


def _with(
    snapshot: Snapshot, rows: NDArray[np.int64], number: NDArray[np.int64], names: Iterable[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return these pins, and every pin of these names with its count."""
    places = _places(snapshot)
    more = np.array([row for name in names for row in places[name]], np.int64)
    count = numbers(snapshot.pins["count"])[more]
    others = ~np.isin(rows, more)
    return np.append(rows[others], more), np.append(number[others], count)


@kept
def _places(snapshot: Snapshot) -> dict[str, range]:
    """Return which rows of the pin table have each name."""
    names = snapshot.pins["name"]
    texts = names.slice(0, len(names) - names.null_count).to_pandas().to_numpy()
    first = np.flatnonzero(np.append(True, texts[1:] != texts[:-1])) if len(texts) else np.empty(0, np.int64)
    ends = np.append(first[1:], len(texts))
    return {texts[a]: range(a, b) for a, b in zip(first.tolist(), ends.tolist(), strict=True)}


@kept
def _body_holders(snapshot: Snapshot) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return what contains each node, in CSR form: links by body, whether or not the policy counts them."""
    links = snapshot.links
    body = np.isin(codes(links["kind"]), [LINK_KINDS.index(kind) for kind in _BODY])
    first = np.zeros(snapshot.nodes.num_rows + 1, np.int64)
    np.cumsum(np.bincount(ids(links["source"])[body], minlength=len(first) - 1), out=first[1:])
    return reverse(first, ids(links["target"])[body])


def _unlinked(
    snapshot: Snapshot, gone: NDArray[np.int32], above: tuple[NDArray[np.int64], NDArray[np.int32]]
) -> NDArray[np.bool_]:
    """Return which pins contain a manifest that their own repository no longer links to, though it may stay stored."""
    links, graph = snapshot.links, snapshot.counted
    hit = np.zeros(snapshot.pins.num_rows, np.bool_)
    stand_in = np.zeros(len(graph.size), np.bool_)
    stand_in[gone[~graph.blob[gone]]] = True
    ours = (codes(links["kind"]) == _REVISION) & stand_in[ids(links["source"])]
    groups = snapshot.pins["group"]
    seen = np.full(len(graph.size), -1, np.int32)
    for turn, (group, lost) in enumerate(_by_group(snapshot, *(ids(links[end])[ours] for end in ("source", "target")))):
        front = np.unique(lost)
        while len(front):
            seen[front] = turn
            rows = gathered(*snapshot.pins_of, front)
            hit[rows[np.asarray(groups.take(rows).fill_null("")) == group]] = True
            front = np.unique(gathered(*above, front))
            front = front[seen[front] != turn]
    return hit


def _by_group(
    snapshot: Snapshot, stand_ins: NDArray[np.int32], targets: NDArray[np.int32]
) -> list[tuple[str, NDArray[np.int32]]]:
    """Return each repository with those of `targets` that its stand-ins stand for."""
    group = pd.Series([key.rpartition("@")[0] for key in keys(snapshot, stand_ins).tolist()], dtype="str")
    return [(str(name), targets[rows]) for name, rows in group.groupby(group).indices.items()]
