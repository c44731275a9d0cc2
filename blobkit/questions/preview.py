"""Previews of dropping references: the exact blobs that would be freed under the snapshot's policy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.certainty import certainly_freed
from blobkit.analysis.collectors import would_abort
from blobkit.analysis.reach import unknown
from blobkit.analysis.referrers import Referrers
from blobkit.analysis.removal import drop_pins
from blobkit.analysis.repositories import repositories
from blobkit.present.answer import Answer
from blobkit.present.cells import NAME_SHOWN
from blobkit.present.plain import records
from blobkit.present.sections import ROWS_SHOWN
from blobkit.protocols import as_snapshot, draw_answer, write_script
from blobkit.questions.collecting import Collected, Collection, collected, collection_of, waiting
from blobkit.questions.columns import keys, level_sums, levels_frame, objects
from blobkit.questions.deletion import Deletion, also_untagged
from blobkit.questions.headline import details_of, headline, left_in_use, not_holding, notes, sections_of
from blobkit.questions.impact import also_drop, broken_tags, other_names, staying
from blobkit.questions.inputs.targets import resolve
from blobkit.questions.untagged import MIN_AGE, Untagged, dropped_untagged, only_groups, revisions_view
from blobkit.render import abbreviate, count, join_some, truncate
from blobkit.snapshot.estimates import certain_sizes, estimated
from blobkit.snapshot.sets import minus, unique

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from blobkit.analysis.removal import Removal
    from blobkit.model import Level
    from blobkit.present.sections import Section
    from blobkit.protocols import Address, StorageOptions, SupportsSnapshot
    from blobkit.questions.inputs.selection import PinSelection
    from blobkit.questions.inputs.targets import Targets
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Preview", "preview_of", "simulate_deref"]

HOLDERS_KEPT = 100


@dataclass(frozen=True, eq=False, repr=False)
class Preview(Answer):
    """The blobs that dropping `targets` together would free; falsy if there are none; `len` is their number.

    Existing garbage is not counted. `also_untagged`: names that the real deletion drops too; `notices`: warnings for
    the reader. Figures are computed when they are read.

    >>> preview = blobkit.simulate_deref(demo.small(), "shop/web:1.0", "shop/web:1.1")
    >>> preview.freed["kind"].tolist()
    ['manifest', 'manifest', 'config', 'layer', 'layer', 'config', 'layer']
    """

    _internal = frozenset(("collection", "deletion", "dropped", "dropping", "is_kept", "is_read", "lines")) | frozenset(
        ("nodes", "removal", "stays", "sure", "why_kept")
    )

    snapshot: Snapshot
    also_untagged: tuple[str, ...]
    notices: tuple[str, ...]
    dropped: PinSelection
    removal: Removal

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """The names, digests and groups (`group/*`) to drop."""
        return self.dropped.shown

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """The digests that would be freed, by level of the cascade, then by digest."""
        return tuple(keys(self.snapshot, self.nodes).tolist())

    @cached_property
    def bytes(self) -> int:
        """Bytes that would be freed; if not `exact`, an upper bound, or with sizes that are `estimated`."""
        return int(self.snapshot.graph.size[self.nodes].sum())

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """(blobs, bytes) by level: a blob has level 0, or 1 + the highest level of the freed blobs that link to it."""
        return level_sums(self._level, self.snapshot.graph.size[self.nodes])

    @property
    def exact(self) -> bool:
        """Whether `bytes` is exact: no unreadable manifest or index remains reachable, and no size is an estimate."""
        return self.is_read and len(self._guessed) == 0

    @property
    def is_read(self) -> bool:
        """Whether no unreadable manifest or index remains reachable."""
        return len(self._unknown) == 0

    @property
    def opaque(self) -> tuple[str, ...]:
        """The unreadable manifests and indexes that remain reachable."""
        return tuple(keys(self.snapshot, self._unknown).tolist())

    @property
    def estimated(self) -> tuple[str, ...]:
        """The freed nodes whose size is an estimate, because this user may not look at their files."""
        return tuple(keys(self.snapshot, self._guessed).tolist())

    @cached_property
    def certain_bytes(self) -> int:
        """Bytes that are certainly freed, whatever the unreadable documents link to; estimates count as 0."""
        return int(certain_sizes(self.snapshot).size[self.sure].sum())

    @cached_property
    def freed(self) -> pd.DataFrame:
        """One row for each freed blob (index `digest`): size, level, kind, tags; by level, then by digest."""
        return levels_frame(self.snapshot, self.nodes, self._level)

    @cached_property
    def kept(self) -> pd.DataFrame:
        """One row for each stored blob that the targets reach and that stays (index `digest`), biggest first.

        `level`: the fewest links from a target; `holders`: digests that link to it and names that pin it;
        `still_needed_by`: names that reach it. Both are tuples of at most the nearest 100.
        """
        return self.why_kept(self.stays)

    def why_kept(self, nodes: NDArray[np.int32]) -> pd.DataFrame:
        """Return these rows of `kept`. Cost: the nodes above these, with their links."""
        frame = levels_frame(self.snapshot, nodes, self._stays[0][nodes])
        frame["holders"] = objects(self._after.incoming(nodes, HOLDERS_KEPT))
        frame["still_needed_by"] = objects(self._after.reaching(nodes, HOLDERS_KEPT).tuples())
        return frame

    @cached_property
    def collected(self) -> Collected:
        """The blobs that the script of the default tool and the collector after it really free.

        Blobs that the collector would free anyway do not count. If no tool fits, `tool` is "" and `bytes` 0. If the
        collector stops, or is not run because it would delete needed blobs, `bytes` is 0 and `stops` is the reason.
        Cost: as the preview, under the collector's policy.
        """
        return collected(self)

    @cached_property
    def waiting(self) -> pd.DataFrame:
        """One row for each promised blob that is not collected (index `digest`), biggest first.

        `size`: bytes; `held_by`: a tuple of the names that hold it under the collector's rules, nearest first, at most
        100; `reason`: why it stays, in words.
        """
        return waiting(self)

    @cached_property
    def same_image(self) -> tuple[str, ...]:
        """The other names of the images that the targets name, in all repositories, sorted."""
        return other_names(self.snapshot, self._named, self.dropped)

    @cached_property
    def also_drop(self) -> pd.DataFrame:
        """The names that free more together with the targets than alone: at most 20, the greatest `extra` first.

        `tag`; `bytes`: freed in addition if it is dropped together with the targets; `alone`: freed if it alone is
        dropped; `extra`: `bytes` - `alone`; `digest`: the biggest blob that only both together free. Also
        `blobs`, and the older names `name` (= `tag`) and `together` (= `bytes`).
        """
        return also_drop(self.snapshot, self.dropped)

    @cached_property
    def breaks(self) -> tuple[str, ...]:
        """The tags that stay but could no longer be pulled, because a part of their image is freed."""
        return broken_tags(self.snapshot, self.dropped, self.removal.nodes)

    def script(self, tool: str | None = None) -> str:
        """Return a POSIX shell script that drops the targets with `tool`, and collects; None: the default tool.

        For registries: crane, skopeo, regctl, curl; for OCI layouts: umoci, rm (by hand); others have a tool of theirs.
        Each command first checks that the names still name the digest in the snapshot; if not, it is skipped.
        UnknownToolError lists the tools that fit.
        """
        return write_script(self, tool)

    def dropping(self, snapshot: Snapshot, dropped: PinSelection) -> Preview:
        """Return the preview of dropping these pins, under the policy of `snapshot`."""
        return preview_of(snapshot, dropped)

    @cached_property
    def deletion(self) -> Deletion:
        """The deletions of the script of the default tool."""
        return Deletion.of(self.snapshot, self.dropped)

    @cached_property
    def collection(self) -> Collection:
        """The effect of the collector after the script."""
        return collection_of(self)

    @property
    def is_kept(self) -> bool:
        """Whether a blob that a target names stays stored."""
        return bool(self.snapshot.graph.blob[minus(self._named, self.removal.nodes)].any())

    @property
    def stays(self) -> NDArray[np.int32]:
        """The nodes of the blobs that the targets reach and that stay, biggest first."""
        return self._stays[1]

    @cached_property
    def _named(self) -> NDArray[np.int32]:
        """The nodes that the targets name."""
        return unique(repositories(self.snapshot).blob[self.dropped.row])

    @cached_property
    def _after(self) -> Referrers:
        return Referrers.after(self.snapshot, self.dropped.row, self.dropped.number, self.removal.nodes)

    @cached_property
    def _stays(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The distance of every node from the targets, and the blobs that stay, biggest first."""
        return staying(self.snapshot, self.dropped, self.removal.nodes)

    @property
    def frame(self) -> pd.DataFrame:
        """The main table: `freed`."""
        return self.freed

    @cached_property
    def nodes(self) -> NDArray[np.int32]:
        """The nodes of the blobs that would be freed, in the order of `digests`."""
        return self.removal.nodes[self.snapshot.graph.blob[self.removal.nodes]]

    @cached_property
    def sure(self) -> NDArray[np.int32]:
        """The nodes of the blobs that are certainly freed."""
        return self.nodes if self.is_read else certainly_freed(self.snapshot, self.nodes, self._unknown)

    @cached_property
    def _level(self) -> NDArray[np.int32]:
        return self.removal.level[self.snapshot.graph.blob[self.removal.nodes]]

    @cached_property
    def _guessed(self) -> NDArray[np.int32]:
        return self.nodes[estimated(self.snapshot)[self.nodes]]

    @cached_property
    def _unknown(self) -> NDArray[np.int32]:
        return minus(unknown(self.snapshot.graph), self.removal.nodes)

    def __len__(self) -> int:
        """Return the number of blobs that would be freed."""
        return len(self.nodes)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Return axes with the picture of the answer: `blobkit.plot.cascade`, on `ax` or on a new figure."""
        return draw_answer(self, ax)

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
            "estimated": list(self.estimated),
            "notices": list(self.notices),
        }

    def title(self) -> str:
        """Return the answer in one line: the real effect first, then the promise of the policy."""
        noun = self.dropped.noun
        names = join_some([truncate(abbreviate(target), NAME_SHOWN) for target in self.targets], 3)
        return headline(self, f"Dropping {count(len(self.targets), noun) if noun else names}")

    def lines(self) -> list[str]:
        """Return the further notes for a reader, a line each."""
        return notes(self)

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the notes and the biggest freed blobs."""
        return sections_of(self, rows)

    def details(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the reasons why other blobs stay."""
        return details_of(self, rows)


def simulate_deref(  # noqa: PLR0913 (the options are keyword-only)
    x: SupportsSnapshot | Address,
    *targets: Targets,
    groups: Targets = (),
    all_pins: bool = False,
    untagged: bool = False,
    policy: str | None = None,
    storage_options: StorageOptions | None = None,
) -> Preview:
    """Return the blobs that dropping these references together would free; nothing is written anywhere.

    `targets` are names, digests, unique prefixes of a digest, patterns of whole names (`shop/*`, `*:1.?`, `*:[0-9]*`,
    `re:.*-rc[0-9]+`), lists, Indexes or Series of them, or bool masks over `tags_frame` (a Series with its index, or an
    array); `groups` are repositories: every pin in them is dropped. A digest means one anonymous pin on it (if it has
    none, in a mark-and-sweep store: every name on it); `all_pins` drops all pins on each target. `untagged` drops the
    manifests that no tag names and nothing needs (see `untagged_frame`), in all repositories or in `groups`; targets
    and another policy may not be given with it. `storage_options` as in `scan`. Errors: as `scan`, UnknownTargetError,
    AmbiguousTargetError, ChoiceError, PatternError, InvalidDigestError, BlobNotFoundError, NotPinnedError,
    UnknownPolicyError, PlanError. Cost: the freed nodes and their links, if the snapshot was used before.

    >>> store = demo.small()
    >>> blobkit.simulate_deref(store, "shop/web:1.0").bytes, blobkit.simulate_deref(store, "shop/web:1.*").bytes
    (1669, 5369)
    """
    snapshot = as_snapshot(x, None if untagged else policy, storage_options)
    if untagged:
        only_groups(snapshot, policy, {"a target": targets, "all_pins": all_pins})
        found = Untagged(revisions_view(snapshot), MIN_AGE, np.empty(0, np.int64))
        return preview_of(found.snapshot, dropped_untagged(found, groups))
    return preview_of(snapshot, resolve(snapshot, targets, groups=groups, all_pins=all_pins))


def preview_of(snapshot: Snapshot, dropped: PinSelection) -> Preview:
    """Return the blobs that dropping these pins together would free."""
    deletion = Deletion.of(snapshot, dropped)
    holds = snapshot.holding[deletion.rows] & (deletion.number > 0)
    gone = drop_pins(snapshot, deletion.rows, deletion.number)
    return Preview(
        snapshot=snapshot,
        also_untagged=also_untagged(deletion, dropped),
        notices=(
            *dropped.notices,
            *not_holding(snapshot, holds),
            *left_in_use(deletion, dropped),
            *would_abort(snapshot, gone.nodes),
        ),
        dropped=dropped,
        removal=gone,
    )
