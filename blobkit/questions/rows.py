"""The tree table of names: which rows a view has, in which order, and what the visible ones show. All in columns.

A row has a label: the place of a name or a repository in `blobkit.analysis.tree`, or, behind all places, a node: the
blobs of an open name. Orders are found once, and again only when the view, or what it sorts by, changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.owners import reached
from blobkit.analysis.tree import NO_PLACE
from blobkit.questions.inputs.patterns import anywhere
from blobkit.questions.row_columns import DAY, NEVER, RowColumns, with_parts
from blobkit.snapshot.lookups import matching_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ids = NDArray[np.int32]
    Ints = NDArray[np.int64]

__all__ = ["BLOB", "MORE", "NAME", "REPOSITORY", "SORTS", "Listing", "Rows", "Ticks", "View", "Window"]

SORTS = ("name", "alone", "next", "closure", "modified")
NAME, REPOSITORY, BLOB, MORE = range(4)
"""The kinds of rows; MORE stands for the blobs that are not listed."""
BLOBS_LISTED = 500


@dataclass(frozen=True, slots=True)
class View:
    """A view of the table: names that match `search`, are `older` (days) and not among the newest `keep` images.

    `sort`: one of SORTS, `up`: the least first. `open`: labels of open repositories and names. `flat`: names without
    repositories. `only`: ticked names only.
    """

    search: str = ""
    sort: str = "alone"
    up: bool = False
    flat: bool = False
    open: tuple[int, ...] = ()
    older: int | None = None
    keep: int | None = None
    only: bool = False


@dataclass(frozen=True, eq=False)
class Ticks:
    """The ticks, and the owners that result: `turn` is another number after every change.

    `ticked`: by name; `owned`: bytes by place; `owner`: the place that owns each node, NO_PLACE if it goes.
    """

    ticked: Bools
    owned: Ints
    owner: NDArray[np.int32]
    turn: int


@dataclass(frozen=True, eq=False)
class Listing:
    """All rows of a view: the label and the level of each, and which names match the filters."""

    label: Ints
    level: NDArray[np.int8]
    shown: Bools


@dataclass(frozen=True, eq=False)
class Window:
    """The visible rows, as columns: bytes are int64, `modified` microseconds (NEVER if unknown).

    `number`: names of a repository, other names of a name's image, blobs that MORE stands for. `ticked`: for a blob,
    whether it goes; `part`: whether some names of a repository are ticked.
    """

    label: Ints
    level: NDArray[np.int8]
    kind: NDArray[np.int8]
    alone: Ints
    next: Ints
    closure: Ints
    modified: Ints
    number: Ints
    ticked: Bools
    part: Bools
    open: Bools


@dataclass(eq=False)
class Rows:
    """The rows of the views of one snapshot."""

    columns: RowColumns
    _orders: dict[tuple[bool, str, bool], tuple[int, Ids]] = field(default_factory=dict)
    _listed: tuple[object, Listing] | None = None

    @property
    def nodes_from(self) -> int:
        """The label of the first node; the labels of nodes not listed are negative."""
        return len(self.columns.tree.parent)

    def listing(self, view: View, ticks: Ticks) -> Listing:
        """Return all rows of a view. Cost: a pass over the names if the view changed, a sort for a new order."""
        moves = view.sort == "next" or view.only
        key = view, ticks.turn if moves else 0
        if self._listed is None or self._listed[0] != key:
            self._listed = key, self._made(view, ticks)
        return self._listed[1]

    def shown(self, view: View, ticks: Ticks) -> Bools:
        """Return which names the filters leave; PatternError."""
        columns, shown = self.columns, self.columns.tree.holds.copy()
        text = view.search.strip()
        if text:
            shown &= matching_names(columns.snapshot, anywhere(text))
        if view.older is not None:
            limit = columns.now - view.older * DAY
            shown &= (columns.modified <= limit) & (columns.modified != NEVER)
        if view.keep is not None:
            shown &= columns.image_rank >= view.keep
        return shown & ticks.ticked if view.only else shown

    def between(self, view: View, ticks: Ticks, first: int, last: int) -> Ints:
        """Return the labels of names and repositories from one row to another, in either direction; none if absent."""
        label = self.listing(view, ticks).label
        ends = np.flatnonzero((label == first) | (label == last))
        if len(ends) != 1 + (first != last):
            return label[:0]
        some = label[ends[0] : ends[-1] + 1]
        return some[(some >= 0) & (some < self.columns.tree.first_namespace)]

    def window(self, view: View, ticks: Ticks, start: int, number: int) -> Window:
        """Return some rows. Cost: the closures of these rows."""
        listing = self.listing(view, ticks)
        label, level = listing.label[start : start + number], listing.level[start : start + number]
        window = self._blank(label, level, view)
        self._names(window, ticks)
        self._repositories(window, ticks)
        self._blobs(window, ticks)
        return window

    def _made(self, view: View, ticks: Ticks) -> Listing:
        shown, columns = self.shown(view, ticks), self.columns
        order = self._order(view, ticks, of_names=True)
        if view.flat:
            label = order[shown[order]].astype(np.int64)
            return self._with_blobs(Listing(label, np.zeros(len(label), np.int8), shown), view)
        repository = columns.tree.repository
        some = np.bincount(repository[shown], minlength=len(columns.tree.repositories))
        heads = self._order(view, ticks, of_names=False)
        heads = heads[some[heads] > 0]
        opened = self._opened(view)
        inside = order[opened[repository[order]] & shown[order]]
        inside = inside[np.argsort(repository[inside], kind="stable")]
        return self._with_blobs(self._nested(heads, np.where(opened, some, 0), inside, shown), view)

    def _opened(self, view: View) -> Bools:
        tree = self.columns.tree
        opened = np.zeros(len(tree.repositories), np.bool_)
        opened[[label - tree.names for label in view.open if tree.names <= label < tree.first_namespace]] = True
        return opened

    def _nested(self, heads: Ids, number: Ints, inside: Ids, shown: Bools) -> Listing:
        """Return repositories with the names of those that are open (`inside`, by repository) below them."""
        ends = np.cumsum(1 + number[heads])
        label = np.empty(int(ends[-1]) if len(ends) else 0, np.int64)
        level = np.ones(len(label), np.int8)
        at = ends - 1 - number[heads]
        label[at], level[at] = self.columns.tree.names + heads, 0
        start = np.cumsum(number) - number
        for head, place in zip(heads[number[heads] > 0].tolist(), at[number[heads] > 0].tolist(), strict=True):
            label[place + 1 : place + 1 + number[head]] = inside[start[head] : start[head] + number[head]]
        return Listing(label, level, shown)

    def _with_blobs(self, listing: Listing, view: View) -> Listing:
        """Return the rows with the blobs of the names that are open below these, the biggest first."""
        graph, columns = self.columns.snapshot.graph, self.columns
        for name in (label for label in view.open if label < columns.tree.names):
            at = np.flatnonzero(listing.label == name)
            if not len(at):
                continue
            nodes = reached(graph, columns.nodes(np.array([name])))
            nodes = nodes[graph.blob[nodes]]
            nodes = nodes[np.lexsort((nodes, -graph.size[nodes]))]
            below = self.nodes_from + nodes[:BLOBS_LISTED].astype(np.int64)
            if len(nodes) > BLOBS_LISTED:
                below = np.append(below, -1 - name)
            place, level = at[0] + 1, listing.level[at[0]] + 1
            label = np.insert(listing.label, place, below)
            listing = replace(listing, label=label, level=np.insert(listing.level, place, np.full(len(below), level)))
        return listing

    def _order(self, view: View, ticks: Ticks, *, of_names: bool) -> Ids:
        """Return all names, or all repositories, in the order of a view."""
        turn = ticks.turn if view.sort == "next" else 0
        key = of_names, view.sort, view.up
        if self._orders.get(key, (-1,))[0] != turn:
            values = self._values(view.sort, ticks, of_names=of_names)
            order = np.argsort(values if view.up else -values, kind="stable")
            self._orders[key] = turn, order.astype(np.int32)
        return self._orders[key][1]

    def _values(self, sort: str, ticks: Ticks, *, of_names: bool) -> Ints:
        """Return what to sort names or repositories by; places are sorted by name."""
        columns, tree = self.columns, self.columns.tree
        if sort == "name":
            return np.arange(tree.names if of_names else len(tree.repositories))
        if sort == "next":
            return ticks.owned[: tree.names] if of_names else with_parts(tree, ticks.owned)
        found: Ints = getattr(columns, sort if of_names else f"repository_{sort}")
        return np.maximum(found, NEVER + 1)  # its negative is a number too

    def _blank(self, label: Ints, level: NDArray[np.int8], view: View) -> Window:
        tree, n = self.columns.tree, len(label)
        kinds = [label < 0, label < tree.names, label < self.nodes_from]
        kind = np.select(kinds, [MORE, NAME, REPOSITORY], BLOB).astype(np.int8)
        alone, after, closure, modified, number = (np.zeros(n, np.int64) for _ in range(5))
        ticked, part = np.zeros((2, n), np.bool_)
        opened = np.isin(label, view.open)
        return Window(label, level, kind, alone, after, closure, modified, number, ticked, part, opened)

    def _names(self, window: Window, ticks: Ticks) -> None:
        at, columns = window.kind == NAME, self.columns
        names = window.label[at]
        window.alone[at], window.next[at] = columns.alone[names], ticks.owned[names]
        window.closure[at], window.modified[at] = columns.closure_of(names), columns.modified[names]
        window.number[at], window.ticked[at] = columns.same[names], ticks.ticked[names]

    def _repositories(self, window: Window, ticks: Ticks) -> None:
        at, columns = np.flatnonzero(window.kind == REPOSITORY), self.columns
        places = window.label[at] - columns.tree.names
        ticked = np.bincount(columns.tree.repository[ticks.ticked], minlength=len(columns.number))[places]
        window.alone[at] = columns.repository_alone[places]
        window.next[at] = with_parts(columns.tree, ticks.owned)[places]
        window.closure[at] = [columns.repository_closure_of(place) for place in places.tolist()]
        window.modified[at], window.number[at] = columns.repository_modified[places], columns.number[places]
        window.ticked[at] = ticked == columns.number[places]
        window.part[at] = (ticked > 0) & (ticked < columns.number[places])

    def _blobs(self, window: Window, ticks: Ticks) -> None:
        graph, columns = self.columns.snapshot.graph, self.columns
        at = window.kind == BLOB
        nodes = window.label[at] - self.nodes_from
        window.closure[at], window.ticked[at] = graph.size[nodes], ticks.owner[nodes] == NO_PLACE
        for row in np.flatnonzero(window.kind == MORE).tolist():
            nodes = reached(graph, columns.nodes(-1 - window.label[row : row + 1]))
            sizes = np.sort(graph.size[nodes[graph.blob[nodes]]])[:-BLOBS_LISTED]
            window.number[row], window.closure[row] = len(sizes), sizes.sum()
