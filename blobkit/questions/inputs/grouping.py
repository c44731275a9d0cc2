"""Resolve the grouping of a user to groups of pins, or of blobs.

Pins are grouped by name, by repository, or by a callable, Series or mapping of their names: then a blob can have
several groups, those with pins that reach it. By platform, a blob has the platforms of the documents that reach it.
Other groupings use a property of the blob itself: each blob has one group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.dominators import leaked
from blobkit.analysis.groups import reach
from blobkit.analysis.reach import closure, closure_around, live, unknown
from blobkit.errors import GroupingError, Hint
from blobkit.present.cells import NAME_SHOWN
from blobkit.questions.columns import categories, times, words
from blobkit.questions.inputs.choosing import chosen
from blobkit.render import choices, truncate
from blobkit.snapshot.sets import unique
from blobkit.snapshot.tables import ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from blobkit.analysis.groups import Reach
    from blobkit.questions.inputs.choosing import Where
    from blobkit.snapshot.snapshot import Snapshot

    Mapped = Callable[[str], object] | pd.Series | Mapping[str, object]
    By = str | Mapped

__all__ = [
    "GARBAGE",
    "MORE",
    "OF_BLOBS",
    "OF_PINS",
    "OTHER",
    "SPECIAL",
    "UNKNOWN",
    "UNTAGGED",
    "By",
    "Held",
    "beside",
    "held",
    "named_by",
    "partition",
]

UNTAGGED, OTHER, LEFT_OUT, UNKNOWN, GARBAGE = SPECIAL = (
    "(untagged)",
    "(other)",
    "(other names)",
    "(unknown)",
    "(garbage)",
)
"""Special rows: held only by pins without a name; mapped to no group; held by names that are not chosen, and no group;
not known to be garbage; garbage."""
MORE = "(more)"
OWN = "own groups"
OF_PINS, OF_BLOBS = ("tag", "repo"), ("kind", "media_type", "month")
PLATFORM = "platform"
"""Groupings by the documents above a blob: neither by its pins nor by itself."""


@dataclass(frozen=True, eq=False)
class Held:
    """The nodes that groups reach under the policy, by sorted name of the group.

    `alone`: nodes that only groups hold: no pin without a name, no name that is not chosen, no garbage of a counting
    store. `rest`: for each node that no group reaches, its special row, as an index into SPECIAL.
    """

    names: pd.Index[str]
    reach: Reach
    alone: NDArray[np.bool_]
    rest: NDArray[np.int64]


def named_by(by: By) -> str:
    """Return the name of this grouping; GroupingError if it does not exist."""
    if isinstance(by, str):
        known = (*OF_PINS, "kind", "media_type", PLATFORM, "month")
        if by not in known:
            msg, use = f"cannot group by '{truncate(by, NAME_SHOWN)}'", choices(by.lower(), known)
            raise GroupingError(msg, hint=Hint(f"{use}, or a function", use))
        return by
    if isinstance(by, Mapping):
        return OWN
    if not isinstance(by, pd.Series) and not callable(by):
        msg = f"cannot group by a {type(by).__name__}: give a text, a function of a tag, or a Series or dict by tag"
        raise GroupingError(msg)
    name = by.name if isinstance(by, pd.Series) else getattr(by, "__name__", type(by).__name__)
    return OWN if name in (None, "<lambda>") else str(name)


def partition(snapshot: Snapshot, by: By, where: Where | None = None) -> pd.DataFrame | None:
    """Return `blobs` and `bytes` by a property of the stored blobs; None if blobs can have several groups.

    `where`: only blobs that the chosen names reach.
    """
    if not isinstance(by, str) or by not in OF_BLOBS:
        return None
    nodes = np.flatnonzero(snapshot.graph.blob).astype(np.int32)
    group = _usable(_words(snapshot, by, nodes)).fillna(OTHER)
    if where is not None:
        rows, others, _ = _pins(snapshot, where)
        roots = ids(snapshot.pins["node"])[rows], others
        mine, left_out = (closure(snapshot.graph, unique(of))[nodes] >= 0 for of in roots)
        group = group.mask(~mine, UNTAGGED).mask(left_out & ~mine, LEFT_OUT)
    return _totals(snapshot, nodes, group)


def beside(snapshot: Snapshot, found: Held) -> pd.DataFrame:
    """Return `blobs` and `bytes` of the nodes that no group reaches, by special row."""
    nodes = np.flatnonzero(snapshot.graph.blob & (found.reach.number == 0)).astype(np.int32)
    return _totals(snapshot, nodes, pd.Series(np.array(SPECIAL, object)[found.rest[nodes]], dtype="str"))


def _totals(snapshot: Snapshot, nodes: NDArray[np.int32], group: pd.Series) -> pd.DataFrame:
    """Return `blobs` and `bytes` by group; nodes that no pin reaches are garbage, or unknown."""
    graph = snapshot.graph
    group = group.mask(~live(graph)[nodes], UNKNOWN if len(unknown(graph)) else GARBAGE)
    sizes = pd.DataFrame({"group": group.array, "bytes": graph.size[nodes]}).groupby("group")["bytes"]
    return pd.DataFrame({"blobs": sizes.size(), "bytes": sizes.sum()})


def held(snapshot: Snapshot, by: By, where: Where | None = None) -> Held:
    """Return the reach of the groups; `where`: of chosen names only. Cost: as `blobkit.analysis.groups.reach`."""
    graph, node = snapshot.graph, ids(snapshot.pins["node"])
    rows, others, nameless = _pins(snapshot, where)
    if isinstance(by, str) and by == PLATFORM:
        mine = closure(graph, unique(node[rows])) >= 0
        group, roots, bare = _platforms(snapshot, mine)
    else:
        group, roots = _of_pins(snapshot, by, rows), node[rows]
        mine, bare = np.zeros((2, len(graph.size)), np.bool_)
    code, names = pd.factorize(group, sort=True)
    nameless = np.append(nameless, roots[code < 0])
    order = np.flatnonzero(code >= 0)[np.argsort(code[code >= 0], kind="stable")]
    start = np.zeros(len(names) + 1, np.int64)
    np.cumsum(np.bincount(code[order], minlength=len(names)), out=start[1:])
    left_out, nobody = (closure(graph, unique(of)) >= 0 for of in (others, nameless))
    rest = np.select([mine, left_out], [SPECIAL.index(OTHER), SPECIAL.index(LEFT_OUT)], SPECIAL.index(UNTAGGED))
    alone = ~(left_out | nobody | bare | leaked(graph))
    return Held(pd.Index(names, dtype="str"), reach(graph, start, roots[order]), alone, rest)


def _pins(snapshot: Snapshot, where: Where | None) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """Return the rows of the pins to group, and the nodes of the others: with a name, and without one."""
    rows, node = np.flatnonzero(snapshot.holding), ids(snapshot.pins["node"])
    if where is None:
        return rows, node[:0], node[:0]
    is_chosen = chosen(snapshot, where)[rows]
    has_name = np.asarray(snapshot.pins["name"].is_valid())[rows]
    return rows[is_chosen], node[rows[has_name & ~is_chosen]], node[rows[~has_name]]


def _platforms(snapshot: Snapshot, inside: NDArray[np.bool_]) -> tuple[pd.Series, NDArray[np.int32], NDArray[np.bool_]]:
    """Return the platform and node of each document in `inside` that has one, and the nodes that pins reach past these.

    So an index, and blobs shared with images of an unknown platform, are exclusive to no platform.
    """
    every = np.flatnonzero(inside).astype(np.int32)
    group = _usable(pd.Series(words(snapshot, PLATFORM, every)))
    has_one = (group != OTHER).to_numpy()
    graph, blocked = snapshot.graph, np.zeros(len(inside), np.bool_)
    blocked[every[has_one]] = True
    pinned = np.flatnonzero((graph.pins > 0) & ~blocked).astype(np.int32)
    return group[has_one], every[has_one], closure_around(graph, pinned, blocked)


def _of_pins(snapshot: Snapshot, by: By, rows: NDArray[np.int64]) -> pd.Series:
    """Return the group of each of these pins; NA without a name (by repository: without a name and a repository)."""
    name = _text(snapshot, "name", rows)
    if isinstance(by, str):
        group = _text(snapshot, "group", rows) if by == "repo" else name
    else:
        group = _mapped(snapshot, name, by)
    group = _usable(group)
    return group.mask(group.isna() & name.notna(), OTHER)


def _mapped(snapshot: Snapshot, name: pd.Series, by: Mapped) -> pd.Series:
    """Return the groups that a function, a Series or a mapping gives to names."""
    if isinstance(by, Mapping):
        by = pd.Series(list(by.values()), pd.Index(list(by), dtype=object), dtype=object)
    if isinstance(by, pd.Series):
        return name.map(_by_name(snapshot, by))
    different = name.dropna().unique()
    return name.map(_texts(pd.Series([by(str(one)) for one in different], different, object)))


def _by_name(snapshot: Snapshot, by: pd.Series) -> pd.Series:
    """Return the Series with each name once; GroupingError if its index does not have the names of the store."""
    known = snapshot.pins["name"].drop_null().to_pandas().astype("str")
    if len(known) and not known.isin(by.index).any():
        msg = "the Series to group by has none of the store's tags in its index: make it from tags_frame(x)"
        raise GroupingError(msg)
    pairs = pd.DataFrame({"group": _texts(by).to_numpy(), "tag": by.index}).drop_duplicates()
    pairs = pairs[pairs["tag"].notna()]  # a missing value is not a name: pins without a name have no group
    twice = pairs["tag"][pairs["tag"].duplicated()]
    if len(twice):
        msg = f"the Series to group by gives {truncate(str(twice.iloc[0]), NAME_SHOWN)} two groups: give each tag one"
        raise GroupingError(msg)
    return pairs.set_index("tag")["group"]


def _texts(values: pd.Series) -> pd.Series:
    """Return the values as text; missing values stay missing."""
    return values.astype(object).map(str, na_action="ignore").astype("str")


def _usable(group: pd.Series) -> pd.Series:
    """Return the groups; "" and names of special rows become `(other)`, so that no group looks like a special row."""
    return group.mask(group.isin((*SPECIAL, MORE, "")), OTHER)


def _text(snapshot: Snapshot, column: str, rows: NDArray[np.int64]) -> pd.Series:
    text: pd.Series = snapshot.pins[column].take(rows).to_pandas().astype("str")
    return text


def _words(snapshot: Snapshot, by: str, nodes: NDArray[np.int32]) -> pd.Series:
    """Return the group of each of these blobs; an unknown month is missing."""
    if by == "month":
        return pd.Series(times(snapshot, "modified", nodes).strftime("%Y-%m"), dtype="str")
    if by == "kind":
        return pd.Series(categories(snapshot, "kind", nodes)).astype("str")
    return pd.Series(words(snapshot, by, nodes))
