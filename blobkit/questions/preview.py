"""Previews of dropped references: the blobs that would go, exactly, under the snapshot's policy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.certainty import certainly_freed
from blobkit.analysis.collectors import would_abort
from blobkit.analysis.reach import closure, unknown
from blobkit.analysis.referrers import Holding
from blobkit.analysis.removal import drop_pins
from blobkit.analysis.repositories import repositories
from blobkit.present.answer import Answer
from blobkit.present.cells import NAME_SHOWN
from blobkit.present.plain import records
from blobkit.present.sections import ROWS_SHOWN
from blobkit.protocols import as_snapshot, written
from blobkit.questions.aftermath import additional, broken
from blobkit.questions.asking.targets import resolve
from blobkit.questions.collecting import Collected, Collection, collected, collection_of, waiting
from blobkit.questions.columns import categories, keys, objects, tags
from blobkit.questions.deletion import Deletion
from blobkit.questions.headline import headline, sections_of, told
from blobkit.questions.untagged import MIN_AGE, Untagged, dropped_untagged, only_groups, revisions_view
from blobkit.render import count, cut, listed, short
from blobkit.snapshot.lookups import rows_on_any
from blobkit.snapshot.pins import named
from blobkit.snapshot.roles import NAMES
from blobkit.snapshot.sets import minus, unique
from blobkit.snapshot.tables import codes, ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.analysis.removal import Removal
    from blobkit.model import Level
    from blobkit.present.sections import Section
    from blobkit.protocols import Address, SupportsSnapshot
    from blobkit.questions.asking.targets import Dropped, Targets
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Preview", "preview_of", "simulate_deref"]

HOLDERS_KEPT = 100
NAMES_ADVISED = 20


@dataclass(frozen=True, eq=False, repr=False)
class Preview(Answer):
    """The blobs that would go if `targets` were dropped together: falsy when none would, `len` is their number.

    Garbage that is there already is not counted. `also_untagged` are names that the real deletion takes along;
    `notices` say what a reader must know. Figures are computed when asked for.

    >>> preview = blobkit.simulate_deref(demo.small(), "shop/web:1.0", "shop/web:1.1")
    >>> preview.freed["kind"].tolist()
    ['manifest', 'manifest', 'config', 'layer', 'layer', 'config', 'layer']
    """

    snapshot: Snapshot
    targets: tuple[str, ...]
    also_untagged: tuple[str, ...]
    notices: tuple[str, ...]
    dropped: Dropped
    removal: Removal

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """The digests that would go, by level of the cascade, then by digest."""
        return tuple(keys(self.snapshot, self.nodes).tolist())

    @cached_property
    def bytes(self) -> int:
        """Bytes that would go; an upper bound where not `exact`."""
        return int(self.snapshot.graph.size[self.nodes].sum())

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """(blobs, bytes) for each level: 0 for what a dropped pin was on, else one more than what held it."""
        sizes = np.zeros(int(self._level.max(initial=-1)) + 1, np.int64)
        np.add.at(sizes, self._level, self.snapshot.graph.size[self.nodes])
        return tuple(zip(np.bincount(self._level).tolist(), sizes.tolist(), strict=True))

    @property
    def exact(self) -> bool:
        """Whether `bytes` is exact: nothing that remains reaches a manifest or index that cannot be read."""
        return len(self._unknown) == 0

    @property
    def opaque(self) -> tuple[str, ...]:
        """The manifests and indexes that remain reachable and cannot be read."""
        return tuple(keys(self.snapshot, self._unknown).tolist())

    @cached_property
    def certain_bytes(self) -> int:
        """Bytes that go for sure, whatever the unreadable documents link to."""
        return int(self.snapshot.graph.size[self.sure].sum())

    @cached_property
    def freed(self) -> pd.DataFrame:
        """One row a blob that would go (index `digest`): size, level, kind, tags; by level, then by digest."""
        return _frame(self.snapshot, self.nodes, self._level)

    @cached_property
    def kept(self) -> pd.DataFrame:
        """One row a stored blob that the targets reach and that stays (index `digest`), biggest first, and its holders.

        `level`: the fewest links from a target; `holders`: digests that link to it and names that pin it;
        `still_needed_by`: names that reach it. Both are tuples of the nearest 100 at most.
        """
        return self.why_kept(self.stays)

    def why_kept(self, nodes: NDArray[np.int32]) -> pd.DataFrame:
        """Return these rows of `kept`. Cost: what is above these nodes."""
        frame = _frame(self.snapshot, nodes, self._stays[0][nodes])
        frame["holders"] = objects(self._after.directly(nodes, HOLDERS_KEPT))
        frame["still_needed_by"] = objects(self._after.reaching(nodes, HOLDERS_KEPT).tuples())
        return frame

    @cached_property
    def collected(self) -> Collected:
        """The blobs that the script of the default tool and the collector after it really free.

        Beyond what the collector would free anyway. Where no tool fits, `tool` is "" and `bytes` 0. Where the
        collector stops, or is not run because it would take what is needed, `bytes` is 0 and `stops` says why.
        Cost: as the preview, under the collector's policy.
        """
        return collected(self)

    @cached_property
    def waiting(self) -> pd.DataFrame:
        """One row a blob that the policy promises and that is not collected (index `digest`), biggest first.

        `size`: bytes; `held_by`: a tuple of what keeps it, nearest first, at most 100; `reason`: why, in words.
        """
        return waiting(self)

    @cached_property
    def same_image(self) -> tuple[str, ...]:
        """The other names, in all repositories, of what the targets name, sorted."""
        nodes = unique(repositories(self.snapshot).blob[list(self.dropped.rows)])
        pins = self.snapshot.pins
        rows = rows_on_any(self.snapshot, nodes)
        rows = rows[(rows < named(self.snapshot)) & NAMES[codes(pins["kind"])[rows]]]
        dropped = set(pins["name"].take(list(self.dropped.rows)).to_pylist())
        return tuple(sorted(set(pins["name"].take(rows).to_pylist()) - dropped))

    @cached_property
    def also_drop(self) -> pd.DataFrame:
        """The names that free more together with the targets than alone: at most 20, the greatest `extra` first.

        `tag`; `bytes` that go in addition when it is dropped together with the targets; `alone`: bytes that go when it
        alone is dropped; `extra`: `bytes` - `alone`; `digest`: the biggest blob that only both together free. Beside
        them `blobs`, and the older names `name` (= `tag`) and `together` (= `bytes`). Of the 1,000 biggest kept blobs.
        """
        return additional(self.snapshot, self.dropped, self._after, self.stays)

    @cached_property
    def breaks(self) -> tuple[str, ...]:
        """The tags that stay and would no longer pull, because something that they contain goes."""
        return broken(self.snapshot, self.dropped, self.removal.nodes)

    def script(self, tool: str | None = None) -> str:
        """Return a POSIX shell script that drops the same with `tool`, and collects; None: what fits the store.

        crane, skopeo, regctl and curl fit registries; umoci and rm (by hand) OCI layouts, blobkit its own stores.
        Each command checks first that the names still name the digest of the snapshot, and is skipped where they do
        not. UnknownToolError names what fits.
        """
        return written(self, tool)

    def dropping(self, snapshot: Snapshot, dropped: Dropped) -> Preview:
        """Return the same preview of these pins, under the policy of `snapshot`."""
        return preview_of(snapshot, dropped)

    @cached_property
    def deletion(self) -> Deletion:
        """The deletions of the script of the default tool."""
        return Deletion.of(self.snapshot, self.dropped)

    @cached_property
    def collection(self) -> Collection:
        """The work of the collector after it."""
        return collection_of(self)

    @property
    def is_kept(self) -> bool:
        """Whether something that was named stays stored."""
        nodes = unique(repositories(self.snapshot).blob[list(self.dropped.rows)])
        return bool(self.snapshot.graph.blob[minus(nodes, self.removal.nodes)].any())

    @property
    def stays(self) -> NDArray[np.int32]:
        """The nodes of the blobs that the targets reach and that stay, biggest first."""
        return self._stays[1]

    @cached_property
    def _after(self) -> Holding:
        return Holding.after(self.snapshot, self.dropped.rows, self.removal.nodes)

    @cached_property
    def _stays(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The distance of every node from the targets, and the blobs that stay, biggest first."""
        graph = self.snapshot.graph
        distance = closure(graph, unique(ids(self.snapshot.pins["node"])[list(self.dropped.rows)]))
        stays = (distance >= 0) & graph.blob
        stays[self.removal.nodes] = False
        nodes = np.flatnonzero(stays).astype(np.int32)
        return distance, nodes[np.lexsort((nodes, -graph.size[nodes]))]

    @property
    def frame(self) -> pd.DataFrame:
        """The main table: `freed`."""
        return self.freed

    @cached_property
    def nodes(self) -> NDArray[np.int32]:
        """The nodes of the blobs that would go, in the order of `digests`."""
        return self.removal.nodes[self.snapshot.graph.blob[self.removal.nodes]]

    @cached_property
    def sure(self) -> NDArray[np.int32]:
        """The nodes of the blobs that go for sure."""
        return self.nodes if self.exact else certainly_freed(self.snapshot, self.nodes, self._unknown)

    @cached_property
    def _level(self) -> NDArray[np.int32]:
        return self.removal.level[self.snapshot.graph.blob[self.removal.nodes]]

    @cached_property
    def _unknown(self) -> NDArray[np.int32]:
        return minus(unknown(self.snapshot.graph), self.removal.nodes)

    def __len__(self) -> int:
        """Return the number of blobs that would go."""
        return len(self.nodes)

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        return {
            "snapshot": self.snapshot.caption(),
            "policy": self.snapshot.policy,
            "targets": list(self.targets),
            "also_untagged": list(self.also_untagged),
            "breaks": list(self.breaks),
            "same_image": list(self.same_image),
            "collected": self.collected.to_dict(),
            "waiting": records(self.waiting),
            "also_drop": self.also_drop.to_dict("records"),
            "bytes": self.bytes,
            "blobs": len(self),
            "digests": list(self.digests),
            "levels": [{"blobs": blobs, "bytes": size} for blobs, size in self.levels],
            "exact": self.exact,
            "certain_bytes": self.certain_bytes,
            "opaque": list(self.opaque),
            "notices": list(self.notices),
        }

    def title(self) -> str:
        """Return the answer in one line: first what is really done, then what the policy promises."""
        noun = self.dropped.noun
        names = listed([cut(short(target), NAME_SHOWN) for target in self.targets], 3)
        return headline(self, f"Dropping {count(len(self.targets), noun) if noun else names}")

    def lines(self) -> list[str]:
        """Return what else a reader must know, line by line."""
        return told(self)

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return what a reader must know, and the biggest blobs that would go; folded, why others stay."""
        return sections_of(self, rows)


def simulate_deref(
    x: SupportsSnapshot | Address,
    *targets: Targets,
    groups: Targets = (),
    all_pins: bool = False,
    untagged: bool = False,
    policy: str | None = None,
) -> Preview:
    """Return what would go if these references were dropped together; nothing is written anywhere.

    `targets` are names, digests, unique prefixes of a digest, patterns of whole names (`shop/*`, `*:1.?`, `*:[0-9]*`,
    `re:.*-rc[0-9]+`), or lists, Indexes or Series of them; `groups` are repositories of which every pin is dropped. A
    digest means one anonymous pin of it (where it has none and the store is marked and swept: every name on it);
    `all_pins` drops all pins on what is named. `untagged` drops the manifests that no tag names and nothing needs, as
    `untagged_frame` says, of all repositories or of `groups`; no target and no other policy may be given beside it.
    Errors: what `scan` raises, UnknownTargetError, AmbiguousTargetError, PatternError, InvalidDigestError,
    BlobNotFoundError, NotPinnedError, UnknownPolicyError, PlanError.
    Cost: what goes and its links, once the snapshot was asked before.

    >>> store = demo.small()
    >>> blobkit.simulate_deref(store, "shop/web:1.0").bytes, blobkit.simulate_deref(store, "shop/web:1.*").bytes
    (1669, 5369)
    """
    snapshot = as_snapshot(x)
    if untagged:
        only_groups(snapshot, policy, {"a target": targets, "all_pins": all_pins})
        found = Untagged(revisions_view(snapshot), MIN_AGE, np.empty(0, np.int64))
        return preview_of(found.snapshot, dropped_untagged(found, groups))
    snapshot = snapshot if policy is None else snapshot.with_policy(policy)
    return preview_of(snapshot, resolve(snapshot, targets, groups=groups, all_pins=all_pins))


def preview_of(snapshot: Snapshot, dropped: Dropped) -> Preview:
    """Return what would go if these pins were dropped together."""
    rows = np.fromiter(dropped.rows, np.int64, len(dropped.rows))
    number = np.fromiter(dropped.rows.values(), np.int64, len(dropped.rows))
    holds = snapshot.holding[rows] & (number > 0)
    gone = drop_pins(snapshot, rows, number)
    names = tuple(dict.fromkeys((*dropped.names, *(f"{group}/*" for group in dropped.groups))))
    return Preview(
        snapshot=snapshot,
        targets=names,
        also_untagged=tuple(sorted(dropped.also_untagged - set(names))),
        notices=(*dropped.notices, *_not_holding(snapshot, holds), *would_abort(snapshot, gone.nodes.tolist())),
        dropped=dropped,
        removal=gone,
    )


def _not_holding(snapshot: Snapshot, holds: NDArray[np.bool_]) -> list[str]:
    """Return a notice where none of the dropped names holds anything under the policy."""
    if holds.any():
        return []
    return [f"none of these holds anything under policy {snapshot.policy} (others: {', '.join(snapshot.policies)})"]


def _frame(snapshot: Snapshot, nodes: NDArray[np.int32], level: NDArray[np.int32]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "size": snapshot.graph.size[nodes],
            "level": level.astype(np.int64),
            "kind": categories(snapshot, "kind", nodes),
            "tags": tags(snapshot, nodes),
        },
        index=pd.Index(keys(snapshot, nodes), name="digest"),
    )
