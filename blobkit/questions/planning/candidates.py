"""Names that a plan may drop, and the reasons that spare the others: kept by name, too young, or among the last."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.reach import closure, closure_up
from blobkit.analysis.referrers import Referrers
from blobkit.analysis.repositories import members, repositories, spread
from blobkit.digest import is_digest
from blobkit.errors import NotPinnedError, PlanError
from blobkit.questions.columns import keys, times
from blobkit.questions.inputs.keys import is_key
from blobkit.questions.inputs.targets import blob_of, flattened, resolve
from blobkit.questions.planning.ages import ADVICE, UNDATED, checked, spare_last, spare_young
from blobkit.render import printable
from blobkit.snapshot.pins import first_of_name
from blobkit.snapshot.roles import GOES_ALONG, HAS_DATA, IS_REVISION, IS_SECOND, NAMES
from blobkit.snapshot.sets import among, union, unique
from blobkit.snapshot.tables import STORED, codes, ids, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.questions.inputs.ages import Age
    from blobkit.questions.inputs.targets import Targets
    from blobkit.snapshot.snapshot import Snapshot

    Places = NDArray[np.int64]
    """Positions in the frame of names."""

__all__ = ["Names", "Rules", "costs", "rules"]


@dataclass(frozen=True, eq=False)
class Names:
    """The names that hold under the policy, each once: `frame` (index `tag`, sorted) has repo, digest, modified, takes.

    Containers and volumes are none of them: their data is nowhere else.
    `modified` is the time of the name, else of its blob; of several the newest, unknown if one of them is. `takes` are
    tags that are deleted with a revision. The pins of name i are on `roots[start[i]:start[i + 1]]`.
    """

    snapshot: Snapshot

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The rows of their pins, by name."""
        pins = self.snapshot.pins
        holds = self.snapshot.holding & (numbers(pins["count"]) > 0)
        return np.flatnonzero(holds & np.asarray(pins["name"].is_valid()) & ~HAS_DATA[codes(pins["kind"])])

    @cached_property
    def _pins(self) -> pd.DataFrame:
        return _pins(self.snapshot, self.rows)

    @cached_property
    def roots(self) -> NDArray[np.int32]:
        """The nodes that their pins are on, by name."""
        return ids(self.snapshot.pins["node"])[self.rows]

    @cached_property
    def start(self) -> NDArray[np.int64]:
        """The places where the roots of each name begin."""
        same = self._pins["tag"].to_numpy()[1:] == self._pins["tag"].to_numpy()[:-1]
        begin = np.flatnonzero(np.concatenate(([True] * (len(self.rows) > 0), ~same)))
        return np.append(begin, len(self.rows)).astype(np.int64)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row for each name."""
        taken = self._taken
        both = pd.concat([self._pins, taken]) if len(taken) else self._pins
        groups = both.assign(unknown=both["modified"].isna()).groupby("tag", sort=True)
        frame: pd.DataFrame = groups[["repo", "digest"]].first()
        frame["modified"] = groups["modified"].max().mask(groups["unknown"].any())
        frame["takes"] = _tuples(taken, frame.index)
        return frame

    @cached_property
    def _taken(self) -> pd.DataFrame:
        """The tags deleted with each name: columns tag (a revision, a first name), taken (the tag), repo, modified."""
        kind = codes(self.snapshot.pins["kind"])
        idle = IS_SECOND[kind] & NAMES[kind] & ~self.snapshot.holding
        revisions = self._pins if idle.any() else self._pins[IS_REVISION[kind[self.rows]]]
        if not len(revisions):
            return pd.DataFrame({"tag": [], "taken": [], "repo": [], "modified": []})
        tags = _pins(self.snapshot, np.flatnonzero(GOES_ALONG[kind] | idle)).rename(columns={"tag": "taken"})
        tags = tags.drop_duplicates(["taken", "repo", "digest"])
        merged: pd.DataFrame = revisions[["tag", "repo", "digest"]].merge(tags, on=["repo", "digest"])
        return merged[["tag", "taken", "repo", "modified"]]

    def roots_of(self, picked: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Return the nodes that the pins of these names are on."""
        return self.roots[np.repeat(picked, np.diff(self.start))]

    def with_any(self, rows: NDArray[np.bool_]) -> Places:
        """Return the names with any of these pins (one flag for each of `rows`)."""
        found: Places = unique(np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))[rows])
        return found

    def called(self, names: set[str]) -> Places:
        """Return these names, and those whose deletion deletes one of these."""
        taking = self._taken["tag"][self._taken["taken"].isin(names)]
        place = self.frame.index.get_indexer(pd.Index([*names, *taking], dtype="str"))
        return unique(place[place >= 0])

    def on(self, pairs: set[tuple[str, str]]) -> Places:
        """Return the names on the digest of one of these (repository, digest), in that repository."""
        return self.with_any(pd.MultiIndex.from_frame(self._pins[["repo", "digest"]]).isin(pairs))

    def on_digest(self, node: int) -> Places:
        """Return the names on this blob; if there are none, all names that reach it."""
        named = self.with_any((self._pins["digest"] == self.snapshot.key(node)).to_numpy(bool))
        return named if len(named) else self.with_any(closure_up(self.snapshot.graph, node)[self.roots] >= 0)


@dataclass(slots=True)
class Rules:
    """Reasons that spare names, each with the names that it spares; the first reason of a name is the one shown.

    `age_by`: the time that ages are judged by, `modified` or `created`.
    """

    names: Names
    age_by: str = "modified"
    spared: dict[str, Places] = field(default_factory=dict)

    def spare(self, reason: str, which: Places) -> None:
        """Spare these names too."""
        self.spared[reason] = union(self.spared.get(reason, which), which)

    @property
    def undated(self) -> str:
        """Advice if all names are spared because their times are unknown, "" if not."""
        which = self.spared.get(UNDATED[self.age_by], ())
        return ADVICE[self.age_by] if 0 < len(which) == len(self.names.frame) else ""

    @property
    def number(self) -> NDArray[np.int64]:
        """The number of reasons that spare each name."""
        every = np.concatenate([np.empty(0, np.int64), *self.spared.values()])
        return np.bincount(every, minlength=len(self.names.frame))

    @property
    def candidates(self) -> NDArray[np.bool_]:
        """Whether each name may be dropped."""
        free: NDArray[np.bool_] = self.number == 0
        return free

    def why(self) -> NDArray[np.object_]:
        """Return the reason that spares each name, "" if none does."""
        found = np.full(len(self.names.frame), "", object)
        for reason, which in reversed(self.spared.items()):
            found[which] = reason
        return found

    def keepers(self) -> NDArray[np.int64]:
        """Return for each candidate whose images all stay a spared name that keeps its first image; -1 for the rest."""
        names, snapshot = self.names, self.names.snapshot
        found = np.full(len(names.frame), -1)
        spared = ~self.candidates
        if not spared.any() or spared.all():
            return found
        of_root = np.repeat(np.arange(len(spared)), np.diff(names.start))
        held = np.zeros(snapshot.pins.num_rows, np.bool_)
        held[names.rows[spared[of_root]]] = True
        name_of = np.full(snapshot.pins.num_rows, -1)
        name_of[first_of_name(snapshot)[names.rows]] = of_root
        roots = names.roots_of(self.candidates)
        reached = closure(snapshot.graph, names.roots_of(spared)) >= 0
        mine = of_root[~spared[of_root]]
        idle = np.zeros(len(spared), np.bool_)
        idle[mine] = True
        idle[mine[~reached[roots]]] = False
        first = names.roots[names.start[:-1][idle]]
        above = Referrers(snapshot, reached, held).reaching(first, 1)
        found[idle] = name_of[above.rows]
        return found


def rules(
    snapshot: Snapshot, keep: Targets, older_than: Age | None, keep_last: int | None, age_by: str = "modified"
) -> Rules:
    """Return the names of a snapshot, and the reasons that spare them; `age_by`: `modified` or `created`.

    If `keep` finds nothing, the errors are those of `simulate_deref`; AgeError, PlanError.
    """
    found = Rules(Names(snapshot), checked(age_by))
    for text in flattened(keep):
        found.spare(f"keep {printable(text)}", _kept_by(found.names, text))
    if older_than is not None:
        spare_young(found, older_than)
    if keep_last is not None:
        spare_last(found, keep_last)
    _spare_parts(found)
    return found


def costs(names: Names, candidates: NDArray[np.bool_], cost: pd.Series | None) -> NDArray[np.float64]:
    """Return the cost of dropping each name: 1, or the value in the Series; PlanError if one has no valid cost."""
    index = names.frame.index
    if cost is None:
        return np.ones(len(index))
    if not isinstance(cost, pd.Series):
        msg = f"cost is a {type(cost).__name__}: give a Series with the tags as its index, as tags_frame(x) has them"
        raise PlanError(msg)
    pairs = pd.DataFrame({"tag": cost.index, "cost": pd.to_numeric(cost, errors="coerce").to_numpy(float)})
    by_tag = pairs.drop_duplicates().set_index("tag")["cost"]
    twice = by_tag.index[by_tag.index.duplicated()]
    if len(twice):
        msg = f"cost gives {printable(str(twice[0]))} two costs: give each tag one"
        raise PlanError(msg)
    given = by_tag.reindex(index).to_numpy(float)
    _check_costs(index[candidates], given[candidates])
    return np.where(candidates, given, 0.0)


def _check_costs(tags: pd.Index, given: NDArray[np.float64]) -> None:
    """Check that each of these names has a finite cost of at least 0."""
    wrong = ~((given >= 0) & (given < np.inf))
    if wrong.any():
        name, value = printable(str(tags[wrong][0])), given[wrong][0]
        what = "no cost" if np.isnan(value) else f"the cost {value:g}"
        msg = f"{name} has {what}: give every tag that may be dropped a number from 0 up, or keep the tag"
        raise PlanError(msg)


def _pins(snapshot: Snapshot, rows: NDArray[np.int64]) -> pd.DataFrame:
    """Return rows of the pin table as columns tag, repo, digest, modified (else that of the node)."""
    pins = snapshot.pins
    node = ids(pins["node"])[rows]
    own = pd.Series(pd.DatetimeIndex(pins["modified"].take(rows).to_pandas()))
    digest, virtual = (
        pd.Series(keys(snapshot, node), dtype="str"),
        codes(snapshot.nodes["stored"])[node] == STORED.index("virtual"),
    )
    digest[virtual] = digest[virtual].str.replace(r"^(?s:.*)[@/](?=sha\d+:)", "", regex=True)
    return pd.DataFrame(
        {
            "tag": pins["name"].take(rows).to_pandas().astype("str").array,
            "repo": pins["group"].take(rows).fill_null("").to_pandas().astype("str").array,
            "digest": digest.array,
            "modified": own.fillna(pd.Series(times(snapshot, "modified", node))).array,
        }
    )


def _tuples(taken: pd.DataFrame, index: pd.Index) -> NDArray[np.object_]:
    result = np.empty(len(index), object)
    result[:] = [()] * len(index)
    for tag, names in taken.groupby("tag")["taken"]:
        result[index.get_loc(tag)] = tuple(sorted(set(names)))
    return result


def _kept_by(names: Names, text: str) -> Places:
    """Return the names that a text keeps: its names, names whose deletion deletes one of these, names on a digest."""
    snapshot = names.snapshot
    rows = _rows_of(snapshot, text)
    found = snapshot.pins.select(["name", "group"]).take(np.array(rows, np.int64))
    named = {name for name in found["name"].to_pylist() if name is not None}
    if not named:
        return names.on_digest(blob_of(snapshot, text.removeprefix("digest:")))
    pairs = zip(found["group"].to_pylist(), found["name"].to_pylist(), strict=True)
    revisions = {(group, name.removeprefix(f"{group}@")) for group, name in pairs if group and name}
    return union(names.called(named), names.on({pair for pair in revisions if is_digest(pair[1])}))


def _rows_of(snapshot: Snapshot, text: str) -> list[int]:
    """Return the pins that a text names; none for a digest."""
    if is_key(snapshot, text):
        return []
    try:
        return list(resolve(snapshot, text).rows)
    except NotPinnedError:
        return []


def _spare_parts(found: Rules) -> None:
    """Spare the revisions that a spared one of the same repository needs to be pulled: an index needs its images."""
    names, kept = found.names, ~found.candidates
    if not names.snapshot.rule.by_revision or not kept.any():
        return
    pairs = repositories(names.snapshot).pairs(names.rows)
    needed = spread(pairs[np.repeat(kept, np.diff(names.start))], members(names.snapshot))[0]
    parts = names.with_any(among(pairs, unique(needed)))
    found.spare("part of a spared index", parts[~kept[parts]])
