"""The manifests of a registry that no tag names, and which of them nothing needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.dominators import frees
from blobkit.analysis.repositories import members, nodes_of, referrers, repositories, spread, step
from blobkit.cache import memoized
from blobkit.errors import Hint, PlanError, UnknownPolicyError
from blobkit.protocols import as_snapshot
from blobkit.questions.asking.ages import parse_age
from blobkit.questions.asking.targets import Dropped, flattened, resolve
from blobkit.questions.columns import categories, keys, times
from blobkit.snapshot.pins import named, texts
from blobkit.snapshot.roles import NAMES
from blobkit.snapshot.sets import among, unique
from blobkit.snapshot.tables import codes, flags, ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from blobkit.analysis.repositories import Pairs, Repositories
    from blobkit.protocols import Address, SupportsSnapshot
    from blobkit.questions.asking.ages import Age
    from blobkit.questions.asking.targets import Targets
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["MIN_AGE", "Untagged", "dropped_untagged", "in_groups", "only_groups", "revisions_view", "untagged_frame"]

MIN_AGE = "24h"


@dataclass(frozen=True, eq=False)
class Untagged:
    """The stored manifests that no tag of their repository names, by repository, then by digest.

    `snapshot` is under the policy by which each manifest is held by a link of its own. `kept`: pairs of manifests that
    are to stay. Cost: what tags reach.
    """

    snapshot: Snapshot
    min_age: Age
    kept: Pairs

    @property
    def known(self) -> Repositories:
        """The repositories."""
        return repositories(self.snapshot)

    @cached_property
    def tags(self) -> NDArray[np.int64]:
        """The rows of the tags, by name."""
        kind = codes(self.snapshot.pins["kind"])[: named(self.snapshot)]
        return np.flatnonzero(NAMES[kind])

    @cached_property
    def pair(self) -> Pairs:
        """The manifests, as pairs."""
        pair = self.known.pair
        pair = pair[~among(pair, unique(self.known.pairs(self.tags)))]
        pair = pair[self.snapshot.graph.blob[nodes_of(pair)]]
        repo = np.argsort(np.argsort(np.array(self.known.names, object)))[pair >> 32]
        return pair[np.lexsort((nodes_of(pair), repo))]

    @cached_property
    def row(self) -> NDArray[np.int64]:
        """The pin of each."""
        return self.known.rows_of(self.pair)

    @cached_property
    def modified(self) -> pd.DatetimeIndex:
        """When each was pushed to its repository, where the store says so, else when its blob was written."""
        own = pd.Series(pd.DatetimeIndex(self.snapshot.pins["modified"].take(self.row).to_pandas()))
        return pd.DatetimeIndex(own.fillna(pd.Series(times(self.snapshot, "modified", nodes_of(self.pair)))))

    @cached_property
    def needed_by(self) -> NDArray[np.object_]:
        """The need for each, "" where nothing needs it.

        In this order: the tag whose image it is about, the tag that contains it, a tag whose image has a referrer that
        needs it; that it, or what contains it, is kept or new; and that something in its repository cannot be read.
        """
        found = np.full(len(self.pair), "", object)
        within, both = self.known.pair, (members(self.snapshot), referrers(self.snapshot))
        inside, first = spread(self.known.pairs(self.tags), both[0])
        direct, tag = step(inside, first, both[1])
        about, seed = spread(inside, *both, within=within)
        self._say(found, direct, texts(self.snapshot, self.tags[tag]), "referrer of ")
        self._say(found, inside, texts(self.snapshot, self.tags[first]), "platform of ")
        self._say(found, about, texts(self.snapshot, self.tags[first[seed]]), "referrer of ")
        kept = spread(self.kept, *both, within=within)[0]
        self._say(found, kept, ["keep"] * len(kept))
        oldest = pd.Timestamp(self.snapshot.time) - parse_age(self.min_age)
        is_new = ~np.asarray(self.modified <= oldest)
        new = spread(self.pair[is_new & (found == "")], *both, within=within)[0]
        self._say(found, new, ["fresh"] * len(new))
        self._doubt(found, np.concatenate((about, kept, new)))
        return found

    def _say(self, found: NDArray[np.object_], pairs: Pairs, by: list[str], before: str = "") -> None:
        """Note of these pairs what needs them, where nothing is noted yet."""
        if not len(pairs):
            return
        order = np.argsort(pairs, kind="stable")
        at = np.minimum(np.searchsorted(pairs, self.pair, sorter=order), len(pairs) - 1)
        hit = (pairs[order[at]] == self.pair) & (found == "")
        found[hit] = [f"{before}{by[i]}" for i in order[at[hit]].tolist()]

    def _doubt(self, found: NDArray[np.object_], needed: Pairs) -> None:
        """Note what may be needed: an unreadable manifest itself, and all beside one that is needed."""
        opaque = flags(self.snapshot.nodes["opaque"])
        found[opaque[nodes_of(self.pair)] & (found == "")] = "unknown: it cannot be read"
        doubtful = unique(needed[opaque[nodes_of(needed)]] >> 32)
        found[np.isin(self.pair >> 32, doubtful) & (found == "")] = "unknown: what a tag names cannot be read"

    def frame(self) -> pd.DataFrame:
        """Return them as `untagged_frame` tells them."""
        node, pins = nodes_of(self.pair), self.snapshot.pins
        virtual_node = ids(pins["node"])[self.row]
        return pd.DataFrame(
            {
                "repo": pins["group"].take(self.row).to_pandas().astype("str").array,
                "digest": keys(self.snapshot, node),
                "kind": categories(self.snapshot, "kind", node),
                "size": self.snapshot.graph.size[node],
                "frees": frees(self.snapshot.graph)[virtual_node],
                "modified": self.modified,
                "needed_by": pd.array(self.needed_by, dtype="str"),
            }
        )


def untagged_frame(x: SupportsSnapshot | Address, *, min_age: Age = MIN_AGE) -> pd.DataFrame:
    """Return one row a stored manifest that no tag of its repository names, by repository, then by digest.

    A manifest of several repositories has a row in each.

    - `repo`, `digest`: str; `kind`: categorical; `modified`: when it was pushed, datetime64[us, UTC], NaT unknown
    - `size`, `frees`: bytes of the manifest, and bytes that go if it alone is deleted (int64)
    - `needed_by`: "" where nothing needs it; `platform of TAG`: the tag contains it, as an index does its images;
      `referrer of TAG`: it is about what the tag names, as a signature is; `fresh`: it, or what contains it, is younger
      than `min_age` before the snapshot or of unknown age; `unknown: ...`: it may be needed by what cannot be read

    Judged by the rules under which each manifest is held by a link of its own. UnknownPolicyError for kinds of stores
    without untagged manifests, AgeError, and what `scan` raises. Cost: what tags reach, and retained sizes.

    >>> untagged = blobkit.untagged_frame(demo.registry(unit=1))
    >>> untagged[["repo", "needed_by"]].values.tolist()
    [['shop/web', ''], ['shop/worker', 'platform of shop/worker:1']]
    """
    return Untagged(revisions_view(as_snapshot(x)), min_age, np.empty(0, np.int64)).frame()


@memoized
def revisions_view(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot under the policy by which each manifest is held; UnknownPolicyError where there is none."""
    policy = snapshot.store.revisions
    if not policy:
        msg = f"{snapshot.kind} stores have no untagged manifests: what no name holds is garbage there"
        raise UnknownPolicyError(msg, hint=Hint("see blobkit.audit", "see blobkit audit"))
    return snapshot.with_policy(policy)


def only_groups(snapshot: Snapshot, policy: str | None, given: Mapping[str, object]) -> None:
    """Raise PlanError, a ValueError, where something is given that cannot be beside `untagged`."""
    odd = [name for name, value in given.items() if not (value is None or value is False or _is_empty(value))]
    if policy is not None and policy != revisions_view(snapshot).policy:
        odd.append(f"policy {policy}")
    if odd:
        msg = "untagged manifests are judged by rules of their own"
        options = " and no ".join(name if name.startswith("a ") else f"--{name.replace('_', '-')}" for name in odd)
        hint = Hint(f"give no {' and no '.join(odd)} beside untagged", f"give no {options} beside --untagged")
        raise PlanError(msg, hint=hint)


def _is_empty(value: object) -> bool:
    return isinstance(value, tuple) and not value


def dropped_untagged(found: Untagged, groups: Targets = ()) -> Dropped:
    """Return the pins of those that nothing needs, of all repositories or of some; UnknownTargetError."""
    rows = found.row[np.equal(found.needed_by, "").astype(np.bool_) & in_groups(found, groups)]
    names = tuple(texts(found.snapshot, rows))
    return Dropped(names, rows=dict.fromkeys(rows.tolist(), 1), noun="untagged manifest")


def in_groups(found: Untagged, groups: Targets) -> NDArray[np.bool_]:
    """Return which of them are in these repositories, all where none is given; UnknownTargetError."""
    wanted = tuple(flattened(groups))
    if not wanted:
        return np.ones(len(found.pair), np.bool_)
    resolve(found.snapshot, (), groups=wanted)
    return np.isin(found.pair >> 32, [found.known.names.index(group) for group in wanted])
