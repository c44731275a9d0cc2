"""From what a user groups by to groups of pins, or of blobs.

Pins are grouped by their name, their repository, or what a callable, Series or mapping makes of their name: a blob can
then have several groups, those whose pins reach it. By platform, a blob has those of the documents that reach it. Blobs
are grouped by what they are themselves: each has one group.
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
from blobkit.questions.asking.choosing import chosen
from blobkit.questions.columns import categories, times, words
from blobkit.render import choices, cut
from blobkit.snapshot.sets import unique
from blobkit.snapshot.tables import ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from blobkit.analysis.groups import Reach
    from blobkit.questions.asking.choosing import Where
    from blobkit.snapshot.snapshot import Snapshot

    Mapped = Callable[[str], object] | pd.Series | Mapping[str, object]
    By = str | Mapped

__all__ = [
    "MORE",
    "OF_BLOBS",
    "OF_PINS",
    "OTHER",
    "SPECIAL",
    "UNKNOWN",
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
"""Held by pins without a name only; grouped to nothing; held by names that are not chosen, and by no group; not known
to be garbage; garbage."""
MORE = "(more)"
OWN = "own groups"
OF_PINS, OF_BLOBS = ("tag", "repo"), ("kind", "media_type", "month")
PLATFORM = "platform"
"""Grouped by the documents above a blob: neither by its pins nor by itself."""


@dataclass(frozen=True, eq=False)
class Held:
    """The nodes that groups reach under the policy, by sorted name of the group.

    `alone` are nodes that nothing holds beside the groups: no pin without a name, no name that is not chosen, no
    garbage that counts. `rest` is where each node belongs that no group reaches, as a place in SPECIAL.
    """

    names: pd.Index[str]
    reach: Reach
    alone: NDArray[np.bool_]
    rest: NDArray[np.int64]


def named_by(by: By) -> str:
    """Return how one calls this grouping; GroupingError where there is none such."""
    if isinstance(by, str):
        known = (*OF_PINS, "kind", "media_type", PLATFORM, "month")
        if by not in known:
            msg, use = f"cannot group by '{cut(by, NAME_SHOWN)}'", choices(by.lower(), known)
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
    """Return `blobs` and `bytes` by what the stored blobs are; None where blobs can have several groups.

    `where`: of those that the chosen names reach.
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
    """Return `blobs` and `bytes` of what no group reaches, by the rows beside the groups."""
    nodes = np.flatnonzero(snapshot.graph.blob & (found.reach.number == 0)).astype(np.int32)
    return _totals(snapshot, nodes, pd.Series(np.array(SPECIAL, object)[found.rest[nodes]], dtype="str"))


def _totals(snapshot: Snapshot, nodes: NDArray[np.int32], group: pd.Series) -> pd.DataFrame:
    """Return `blobs` and `bytes` by group, where what no pin reaches is garbage, or unknown."""
    graph = snapshot.graph
    group = group.mask(~live(graph)[nodes], UNKNOWN if len(unknown(graph)) else GARBAGE)
    sizes = pd.DataFrame({"group": group.array, "bytes": graph.size[nodes]}).groupby("group")["bytes"]
    return pd.DataFrame({"blobs": sizes.size(), "bytes": sizes.sum()})


def held(snapshot: Snapshot, by: By, where: Where | None = None) -> Held:
    """Return what the groups reach; `where`: groups of the chosen names. Cost: as `blobkit.analysis.groups.reach`."""
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
    """Return the rows of the pins to group, and the nodes of the others: of those with a name, of those without."""
    rows, node = np.flatnonzero(snapshot.holding), ids(snapshot.pins["node"])
    if where is None:
        return rows, node[:0], node[:0]
    is_chosen = chosen(snapshot, where)[rows]
    has_name = np.asarray(snapshot.pins["name"].is_valid())[rows]
    return rows[is_chosen], node[rows[has_name & ~is_chosen]], node[rows[~has_name]]


def _platforms(snapshot: Snapshot, inside: NDArray[np.bool_]) -> tuple[pd.Series, NDArray[np.int32], NDArray[np.bool_]]:
    """Return the platform and the node of each document inside that has one, and what is reached without these.

    So an index, and what images of an unknown platform share with others, is exclusive to no platform.
    """
    every = np.flatnonzero(inside).astype(np.int32)
    group = _usable(pd.Series(words(snapshot, PLATFORM, every)))
    has_one = (group != OTHER).to_numpy()
    graph, blocked = snapshot.graph, np.zeros(len(inside), np.bool_)
    blocked[every[has_one]] = True
    pinned = np.flatnonzero((graph.pins > 0) & ~blocked).astype(np.int32)
    return group[has_one], every[has_one], closure_around(graph, pinned, blocked)


def _of_pins(snapshot: Snapshot, by: By, rows: NDArray[np.int64]) -> pd.Series:
    """Return the group of each of these pins, NA where it has no name (and, by repository, no repository either)."""
    name = _text(snapshot, "name", rows)
    if isinstance(by, str):
        group = _text(snapshot, "group", rows) if by == "repo" else name
    else:
        group = _mapped(snapshot, name, by)
    group = _usable(group)
    return group.mask(group.isna() & name.notna(), OTHER)


def _mapped(snapshot: Snapshot, name: pd.Series, by: Mapped) -> pd.Series:
    """Return what a function, a Series or a mapping makes of names."""
    if isinstance(by, Mapping):
        by = pd.Series(list(by.values()), pd.Index(list(by), dtype=object), dtype=object)
    if isinstance(by, pd.Series):
        return name.map(_by_name(snapshot, by))
    different = name.dropna().unique()
    return name.map(_texts(pd.Series([by(str(one)) for one in different], different, object)))


def _by_name(snapshot: Snapshot, by: pd.Series) -> pd.Series:
    """Return the Series with each name once; GroupingError where it is not about the names of the store."""
    known = snapshot.pins["name"].drop_null().to_pandas().astype("str")
    if len(known) and not known.isin(by.index).any():
        msg = "the Series to group by has none of the store's tags in its index: make it from tags_frame(x)"
        raise GroupingError(msg)
    pairs = pd.DataFrame({"group": _texts(by).to_numpy(), "tag": by.index}).drop_duplicates()
    pairs = pairs[pairs["tag"].notna()]  # what is missing is no name: pins without one are in no group
    twice = pairs["tag"][pairs["tag"].duplicated()]
    if len(twice):
        msg = f"the Series to group by gives {cut(str(twice.iloc[0]), NAME_SHOWN)} two groups: give each tag one"
        raise GroupingError(msg)
    return pairs.set_index("tag")["group"]


def _texts(values: pd.Series) -> pd.Series:
    """Return the values as text; what is missing stays missing."""
    return values.astype(object).map(str, na_action="ignore").astype("str")


def _usable(group: pd.Series) -> pd.Series:
    """Return the groups without "" and the names of rows beside the groups, so that none is taken for such a row."""
    return group.mask(group.isin((*SPECIAL, MORE, "")), OTHER)


def _text(snapshot: Snapshot, column: str, rows: NDArray[np.int64]) -> pd.Series:
    text: pd.Series = snapshot.pins[column].take(rows).to_pandas().astype("str")
    return text


def _words(snapshot: Snapshot, by: str, nodes: NDArray[np.int32]) -> pd.Series:
    """Return what each of these blobs is; an unknown month is missing."""
    if by == "month":
        return pd.Series(times(snapshot, "modified", nodes).strftime("%Y-%m"), dtype="str")
    if by == "kind":
        return pd.Series(categories(snapshot, "kind", nodes)).astype("str")
    return pd.Series(words(snapshot, by, nodes))
