"""The manifests of a registry that no tag names, and those among them that nothing needs."""

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
from blobkit.questions.columns import categories, keys, times
from blobkit.questions.inputs.ages import parse_age
from blobkit.questions.inputs.selection import PinSelection
from blobkit.questions.inputs.targets import flattened, resolve
from blobkit.snapshot.lookups import noticed
from blobkit.snapshot.pins import pin_labels, tag_rows
from blobkit.snapshot.sets import among, unique
from blobkit.snapshot.tables import flags, ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from blobkit.analysis.repositories import Pairs, Repositories
    from blobkit.protocols import Address, StorageOptions, SupportsSnapshot
    from blobkit.questions.inputs.ages import Age
    from blobkit.questions.inputs.targets import Targets
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["MIN_AGE", "Untagged", "dropped_untagged", "in_groups", "only_groups", "revisions_view", "untagged_frame"]

MIN_AGE = "24h"


@dataclass(frozen=True, eq=False)
class Untagged:
    """The stored manifests that no tag of their repository names, by repository, then by digest.

    `snapshot` has the policy under which each manifest has a revision link that holds it. `kept`: the manifests to
    keep, as pairs. Cost: the closures of the tags.
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
        return tag_rows(self.snapshot)

    @cached_property
    def pair(self) -> Pairs:
        """The manifests, as pairs of repository and node."""
        pair = self.known.pair
        pair = pair[~among(pair, unique(self.known.pairs(self.tags)))]
        pair = pair[self.snapshot.graph.blob[nodes_of(pair)]]
        repo = np.argsort(np.argsort(np.array(self.known.names, object)))[pair >> 32]
        return pair[np.lexsort((nodes_of(pair), repo))]

    @cached_property
    def row(self) -> NDArray[np.int64]:
        """The row of the pin of each."""
        return self.known.rows_of(self.pair)

    @cached_property
    def modified(self) -> pd.DatetimeIndex:
        """The time when each was pushed to its repository, if the store records it; else when its blob was written."""
        own = pd.Series(pd.DatetimeIndex(self.snapshot.pins["modified"].take(self.row).to_pandas()))
        return pd.DatetimeIndex(own.fillna(pd.Series(times(self.snapshot, "modified", nodes_of(self.pair)))))

    @cached_property
    def needed_by(self) -> NDArray[np.object_]:
        """The reason why each is needed, "" if nothing needs it.

        In this order: it is a referrer of the image of a tag; the index of a tag contains it; a referrer of the image
        of a tag needs it; it, or a manifest that contains it, is kept or new; a manifest in its repository cannot be
        read.
        """
        found = np.full(len(self.pair), "", object)
        within, both = self.known.pair, (members(self.snapshot), referrers(self.snapshot))
        inside, first = spread(self.known.pairs(self.tags), both[0])
        direct, tag = step(inside, first, both[1])
        about, seed = spread(inside, *both, within=within)
        self._set_reason(found, direct, pin_labels(self.snapshot, self.tags[tag]), "referrer of ")
        self._set_reason(found, inside, pin_labels(self.snapshot, self.tags[first]), "platform of ")
        self._set_reason(found, about, pin_labels(self.snapshot, self.tags[first[seed]]), "referrer of ")
        kept = spread(self.kept, *both, within=within)[0]
        self._set_reason(found, kept, ["keep"] * len(kept))
        oldest = pd.Timestamp(self.snapshot.time) - parse_age(self.min_age)
        is_new = ~np.asarray(self.modified <= oldest)
        new = spread(self.pair[is_new & (found == "")], *both, within=within)[0]
        self._set_reason(found, new, ["fresh"] * len(new))
        self._doubt(found, np.concatenate((about, kept, new)))
        return found

    def _set_reason(self, found: NDArray[np.object_], pairs: Pairs, by: list[str], before: str = "") -> None:
        """Set the reason of these pairs, if they have none yet."""
        if not len(pairs):
            return
        order = np.argsort(pairs, kind="stable")
        at = np.minimum(np.searchsorted(pairs, self.pair, sorter=order), len(pairs) - 1)
        hit = (pairs[order[at]] == self.pair) & (found == "")
        found[hit] = [f"{before}{by[i]}" for i in order[at[hit]].tolist()]

    def _doubt(self, found: NDArray[np.object_], needed: Pairs) -> None:
        """Set the reason of manifests that may be needed: unreadable ones, and all beside a needed unreadable one."""
        opaque = flags(self.snapshot.nodes["opaque"])
        found[opaque[nodes_of(self.pair)] & (found == "")] = "unknown: it cannot be read"
        doubtful = unique(needed[opaque[nodes_of(needed)]] >> 32)
        found[np.isin(self.pair >> 32, doubtful) & (found == "")] = "unknown: the image of a tag cannot be read"

    def frame(self) -> pd.DataFrame:
        """Return the frame of `untagged_frame`."""
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


def untagged_frame(
    x: SupportsSnapshot | Address, *, min_age: Age = MIN_AGE, storage_options: StorageOptions | None = None
) -> pd.DataFrame:
    """Return one row for each stored manifest that no tag of its repository names, by repository and digest.

    A manifest in several repositories has a row for each.

    - `repo`, `digest`: str; `kind`: categorical; `modified`: when it was pushed, datetime64[us, UTC], NaT unknown
    - `size`, `frees`: bytes of the manifest, and bytes freed if it alone is deleted (int64)
    - `needed_by`: "" if nothing needs it; `platform of TAG`: the index of the tag contains it; `referrer of TAG`: its
      subject is the image of the tag (a signature, for example); `fresh`: it, or a manifest that contains it, is
      younger than `min_age` at the snapshot, or of unknown age; `unknown: ...`: an unreadable manifest may need it

    The policy is always the one under which a revision link holds each manifest. UnknownPolicyError for kinds of stores
    without untagged manifests, AgeError, errors of `scan`. `storage_options` as in `scan`. Cost: the closures of the
    tags, and retained sizes.

    >>> untagged = blobkit.untagged_frame(demo.registry(unit=1))
    >>> untagged[["repo", "needed_by"]].values.tolist()
    [['shop/web', ''], ['shop/worker', 'platform of shop/worker:1']]
    """
    snapshot = as_snapshot(x, storage_options=storage_options)
    return Untagged(revisions_view(snapshot), min_age, np.empty(0, np.int64)).frame()


@memoized
def revisions_view(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot under the policy that holds each manifest; UnknownPolicyError if there is no such policy."""
    policy = snapshot.store.revisions
    if not policy:
        msg = f"{snapshot.kind} stores have no untagged manifests: only registries keep manifests that no tag names"
        raise UnknownPolicyError(msg, hint=Hint("see blobkit.audit", "see blobkit audit"))
    return snapshot.with_policy(policy)


def only_groups(snapshot: Snapshot, policy: str | None, given: Mapping[str, object]) -> None:
    """Raise PlanError, a ValueError, if an argument is given that cannot be combined with `untagged`."""
    odd = [name for name, value in given.items() if not (value is None or value is False or _is_empty(value))]
    if policy is not None and policy != revisions_view(snapshot).policy:
        odd.append(f"policy {policy}")
    if odd:
        msg = "untagged manifests have their own rules"
        options = " or ".join(name if name.startswith("a ") else f"--{name.replace('_', '-')}" for name in odd)
        hint = Hint(f"do not give {' or '.join(odd)} with untagged", f"do not give {options} with --untagged")
        raise PlanError(msg, hint=hint)


def _is_empty(value: object) -> bool:
    return isinstance(value, tuple) and not value


def dropped_untagged(found: Untagged, groups: Targets = ()) -> PinSelection:
    """Return the pins of the manifests that nothing needs, in all repositories or some; UnknownTargetError."""
    rows = found.row[np.equal(found.needed_by, "").astype(np.bool_) & in_groups(found, groups)]
    names = tuple(pin_labels(found.snapshot, rows))
    dropped = PinSelection(names, rows=dict.fromkeys(rows.tolist(), 1), noun="untagged manifest")
    for part in noticed(found.snapshot, "untagged-unseen")[0].unique().to_pylist():
        known = "only those that a tag leads to are known; a scan of its storage shows all"
        dropped.notices.append(f"this registry does not list {part}: {known}")
    return dropped


def in_groups(found: Untagged, groups: Targets) -> NDArray[np.bool_]:
    """Return which manifests are in these repositories, all if none is given; UnknownTargetError."""
    chosen = tuple(flattened(groups))
    if not chosen:
        return np.ones(len(found.pair), np.bool_)
    resolve(found.snapshot, (), groups=chosen)
    return np.isin(found.pair >> 32, [found.known.names.index(group) for group in chosen])
