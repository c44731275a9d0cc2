"""Compare the garbage collection of a tool with the needs of names: blobs that it would wrongly remove or keep."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.collectors import removed_before_stop, would_abort
from blobkit.analysis.kernels import depths
from blobkit.analysis.reach import incoming, live, unknown
from blobkit.analysis.referrer_kernels import links_within, losses
from blobkit.analysis.referrers import Referrers
from blobkit.present.answer import Answer
from blobkit.present.cells import NAME_SHOWN
from blobkit.present.plain import records
from blobkit.present.sections import LINE_SHOWN, ROWS_SHOWN, Section, frame_table
from blobkit.protocols import as_snapshot
from blobkit.questions.columns import categories, keys, objects
from blobkit.questions.hidden import hidden_in_use, not_visible, unread_in_use
from blobkit.questions.tool_policy import policy_of_tool
from blobkit.render import abbreviate, count, human_bytes, join_some, truncate
from blobkit.snapshot.kinds import collector
from blobkit.snapshot.lookups import hidden_parts
from blobkit.snapshot.notices import SAID
from blobkit.snapshot.roles import IS_REVISION, STANDS_FOR
from blobkit.snapshot.tables import codes, ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.protocols import Address, StorageOptions, SupportsSnapshot
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Comparison", "compare_gc"]

NAMES_TOLD = 3
NOTICES_SHOWN = 3


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Answer):
    """The blobs that the collector of `tool` removes (falsy: none), compared with those that are needed.

    `snapshot` has the policy that says what is needed, mostly the default one; `collected` is the same snapshot with
    the tool's policy. If the tool would abort, the figures are what it would remove after the problem is fixed;
    `aborts` has the reasons, and `removed_before_stop` the blobs that it removes before it aborts.

    >>> comparison = blobkit.compare_gc(demo.registry(unit=1), "registry-m")
    >>> len(comparison.frame), len(comparison.broken)
    (4, 1)
    """

    snapshot: Snapshot
    collected: Snapshot
    tool: str

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row for each blob that the tool removes (index `digest`): needed ones first, then biggest first.

        size, kind; `needed`: whether a pin that holds reaches it; `still_needed_by`: a few of these names,
        sorted (an anonymous pin by its digest); `names`: their number.
        """
        frame = self._removed_rows(self._removed)
        frame["needed"] = self._needed[self._removed]
        lost = np.flatnonzero(frame["needed"].to_numpy())
        few = np.empty(len(frame), object)
        few[:] = [()] * len(frame)
        few[lost] = objects(Referrers.now(self.snapshot).reaching(self._removed[lost], NAMES_TOLD).tuples())
        frame["still_needed_by"] = few
        frame["names"] = self._losses[3][self._removed]
        return frame.sort_values(["needed", "size"], ascending=False, kind="stable")

    @cached_property
    def broken(self) -> pd.DataFrame:
        """One row for each name that would be damaged: tag, blobs, bytes, unlinked; largest losses first.

        `tag`: the full name (for a pin without a name, its digest); `name` is the older name of this column.
        `blobs`, `bytes`: the removed blobs that it reaches; `unlinked`: manifests that its repository would no
        longer link to, whether or not their content is removed. A pull that needs any of these fails.
        """
        blobs, size, unlinked, _ = self._losses
        frame = pd.DataFrame({"tag": self._names[0], "blobs": blobs, "bytes": size, "unlinked": unlinked})
        frame = frame[(blobs > 0) | (unlinked > 0)].astype({"tag": "str"})
        order = ["bytes", "blobs", "unlinked", "tag"]
        frame = frame.sort_values(order, ascending=[False, False, False, True], ignore_index=True)
        return frame.assign(name=frame["tag"])

    @cached_property
    def kept(self) -> pd.DataFrame:
        """One row for each blob kept although nothing needs it (index `digest`), biggest first: size, kind."""
        frame = self._removed_rows(np.flatnonzero(self._spared).astype(np.int32))
        return frame.sort_values("size", ascending=False, kind="stable")

    @cached_property
    def bytes(self) -> int:
        """Bytes that the tool removes."""
        return self._size(self._removed)

    @cached_property
    def needed_bytes(self) -> int:
        """Bytes of the removed blobs that are needed."""
        return self._size(self._removed[self._needed[self._removed]])

    @cached_property
    def kept_bytes(self) -> int:
        """Bytes of the blobs that it keeps though nothing needs them."""
        return int(self.snapshot.graph.size[self._spared].sum())

    @property
    def version(self) -> str:
        """The version of the tool whose rules these are."""
        return collector(self.tool).version

    @property
    def aborts(self) -> tuple[str, ...]:
        """The reasons why the tool would stop, or why this is not known; empty if it would not stop."""
        return would_abort(self.collected)

    @cached_property
    def removed_before_stop(self) -> tuple[str, ...]:
        """The digests that the tool removes before it stops, sorted; empty if it does not stop.

        Only those that are certain: a tool without a fixed order may have removed any blob of `frame` before it stops.
        """
        return tuple(keys(self.collected, removed_before_stop(self.collected)).tolist())

    @cached_property
    def at_most_bytes(self) -> int:
        """Bytes that the tool removes at most of the blobs that are visible; more than `bytes` if it is not certain."""
        return self._size(self._possible)

    @cached_property
    def notices(self) -> tuple[str, ...]:
        """The notices that a reader must know: first why the tool would stop."""
        unread = unread_in_use(self.snapshot)
        what = join_some([abbreviate(key) for key in unread], 3)
        more = f"{count(len(unread), 'manifest')} in use cannot be read ({what}): more blobs than shown may be needed"
        return (*self.aborts, *([more] if unread else []), *not_visible(self.snapshot, self.collected))

    def __bool__(self) -> bool:
        """Return whether the tool removes anything."""
        return len(self) > 0

    def __len__(self) -> int:
        """Return how many blobs the tool removes."""
        return len(self._removed)

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        return {
            "snapshot": self.snapshot.caption(),
            "policy": self.snapshot.policy,
            "tool": self.tool,
            "version": self.version,
            "aborts": list(self.aborts),
            "removed_before_stop": list(self.removed_before_stop),
            "blobs": len(self),
            "bytes": self.bytes,
            "at_most_bytes": self.at_most_bytes,
            "needed_blobs": int(self._needed[self._removed].sum()),
            "needed_bytes": self.needed_bytes,
            "kept_blobs": int(self._spared.sum()),
            "kept_bytes": self.kept_bytes,
            "broken": self.broken.to_dict("records"),
            "removed": records(self.frame),
            "notices": list(self.notices),
        }

    def title(self) -> str:
        """Return the answer in one line."""
        by_then = count(len(self.removed_before_stop), "blob")
        after = f" after removing {by_then}" if self.removed_before_stop else ""
        does = f"would abort{after}; else it removes" if self.aborts else "would remove"
        gone = self._possible
        bound, seen = ("at most ", " of what is visible") if len(gone) > len(self) else ("", "")
        bound = bound or "at least " * bool(hidden_parts(self.snapshot))
        removes = f"{bound}{count(len(gone), 'blob')}, {human_bytes(self._size(gone))}{seen}"
        lost = gone[self._needed[gone]]
        wrongly = f"{count(len(lost), 'blob')}, {human_bytes(self._size(lost))}, of it needed" if len(lost) else ""
        return f"{self.collected.rule.tool} {does} {removes}: {wrongly or 'none needed'}"

    @cached_property
    def _needed(self) -> NDArray[np.bool_]:
        return live(self.snapshot.graph)

    @cached_property
    def _removed(self) -> NDArray[np.int32]:
        """The nodes of the blobs that the tool removes; none if it reads parts that blobkit may not read."""
        if self.collected.rule.complete and len(unknown(self.collected.graph)):
            return np.empty(0, np.int32)
        return self._unreached

    @property
    def _possible(self) -> NDArray[np.int32]:
        """The nodes of the visible blobs that the tool may remove: more than `_removed` where others are hidden."""
        return self._unreached if hidden_in_use(self.collected) else self._removed

    @cached_property
    def _unreached(self) -> NDArray[np.int32]:
        """The nodes of the blobs that nothing which the tool reads and blobkit sees reaches."""
        graph = self.collected.graph
        return np.flatnonzero(graph.blob & ~live(graph)).astype(np.int32)

    @cached_property
    def _spared(self) -> NDArray[np.bool_]:
        """Whether each node is a blob that the tool keeps although nothing needs it."""
        return self.snapshot.graph.blob & live(self.collected.graph) & ~self._needed

    @cached_property
    def _unlinked(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The repositories that lose the revision of each node: for the i-th, `owner[begin[i]:begin[i + 1]]`."""
        links, pins, n = self.snapshot.links, self.snapshot.pins, self.snapshot.nodes.num_rows
        swept = IS_REVISION[codes(pins["kind"])]
        swept &= ~live(self.collected.graph)[ids(pins["node"])]
        repository = np.full(n, -1, np.int32)
        repository[ids(pins["node"])[swept]] = self._repositories[swept]
        is_revision = STANDS_FOR[codes(links["kind"])]
        source, target = (ids(links[end])[is_revision] for end in ("source", "target"))
        source, target = source[repository[source] >= 0], target[repository[source] >= 0]
        begin = np.zeros(n + 1, np.int64)
        np.cumsum(np.bincount(target, minlength=n), out=begin[1:])
        return begin, repository[source[np.argsort(target, kind="stable")]]

    @cached_property
    def _repositories(self) -> NDArray[np.int32]:
        """A number for the repository of each pin; -1 if it has none."""
        return np.asarray(self.snapshot.pins["group"].to_pandas().factorize()[0], np.int32)

    @cached_property
    def _names(self) -> tuple[list[str], NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
        """The names that reach lost nodes: text, start in the nodes, the nodes, repository of each."""
        rows = np.flatnonzero(self.snapshot.holding & self._above[ids(self.snapshot.pins["node"])])
        node = ids(self.snapshot.pins["node"])[rows]
        text = self.snapshot.pins["name"].take(rows).to_pandas().fillna(pd.Series(keys(self.snapshot, node)))
        number, names = text.factorize()
        order = np.argsort(number, kind="stable")
        start = np.append(0, np.cumsum(np.bincount(number, minlength=len(names))))
        repository = self._repositories[rows][order]
        return names.tolist(), start, node[order], repository[start[:-1]]

    @cached_property
    def _above(self) -> NDArray[np.bool_]:
        """Whether each node is needed and reaches a lost node."""
        lost = self._removed[self._needed[self._removed]]
        unlinked = np.flatnonzero((np.diff(self._unlinked[0]) > 0) & self._needed)
        lost = np.append(lost, unlinked).astype(np.int32)
        return self._needed & (depths(*incoming(self.snapshot.graph), lost) >= 0)

    @cached_property
    def _losses(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Blobs, bytes and revisions that each name loses; the number of names that reach each node."""
        graph = self.snapshot.graph
        lost = np.zeros(len(graph.size), np.bool_)
        lost[self._removed] = True
        inside = links_within(*incoming(graph), self._above)
        _, start, nodes, repository = self._names
        return losses(*inside, graph.size, lost, start, nodes, repository, *self._unlinked)

    def _size(self, nodes: NDArray[np.int32]) -> int:
        return int(self.snapshot.graph.size[nodes].sum())

    def _removed_rows(self, nodes: NDArray[np.int32]) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "size": self.snapshot.graph.size[nodes],
                "kind": categories(self.snapshot, "kind", nodes),
            },
            index=pd.Index(keys(self.snapshot, nodes), name="digest"),
        )

    def _lines(self) -> list[str]:
        lines = [*self.notices[:NOTICES_SHOWN], f"{self.snapshot.caption()}; rules of {self.tool} {self.version}"]
        if len(self.notices) > NOTICES_SHOWN:
            lines.append(f"and {count(len(self.notices) - NOTICES_SHOWN, 'more notice')}: see .notices")
        if len(self.broken):
            names = [truncate(name, NAME_SHOWN) for name in self.broken["tag"].head(NAMES_TOLD)]
            lines.append(f"{count(len(self.broken), 'name')} would break: {join_some(names)}{self._more()}")
        lines += self._said()
        spared = int(self._spared.sum())
        if spared:
            lines.append(f"it would keep {count(spared, 'blob')} that nothing needs ({human_bytes(self.kept_bytes)})")
        return [truncate(line, LINE_SHOWN) for line in lines]

    def _said(self) -> list[str]:
        """Return what the tool itself says would be freed, if that is known."""
        columns = (self.snapshot.notices[name].to_pylist() for name in ("code", "key", "message"))
        return [
            message
            for code, key, message in zip(*columns, strict=True)
            if (code, key) == (SAID, collector(self.tool).name)
        ]

    def _more(self) -> str:
        more = len(self.broken) - NAMES_TOLD
        return f" and {more:,} more" if more > 0 else ""

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the removed blobs with names that need each, needed ones first."""
        columns, heading = ("digest", "size", "kind", "still_needed_by"), {"still_needed_by": "needed by"}
        removed = frame_table(self.frame, columns, rows=rows, total=["size"], names=heading)
        return (Section("", tuple(self._lines()), removed),)

    def details(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the names that would break, and the blobs that are kept although nothing needs them."""
        return (
            Section("Names that would break", table=frame_table(self.broken, rows=rows)),
            Section("Kept although nothing needs them", table=frame_table(self.kept, rows=rows, total=["size"])),
        )


def compare_gc(
    x: SupportsSnapshot | Address, tool: str, *, storage_options: StorageOptions | None = None
) -> Comparison:
    """Return the blobs that the garbage collector of a tool removes, and the names that would break.

    `tool` is umoci (`umoci gc`), registry (`registry garbage-collect`), registry-m (the same with -m), hf (`hf cache
    prune`), ollama (what its server removes when it starts), docker-prune, docker-prune-a (or docker-df, after the
    command whose figure is shown beside it), docker-builder-prune, docker-system-prune, podman-prune, podman-prune-a,
    podman-check (`podman system check --repair`), podman-rmi (which collects nothing) or containers-storage
    (`containers-storage gc`); the answer names the version of the rules. A blob is needed if the store's default policy
    holds it (in a Hugging Face cache, if a ref reaches it). A scan hashes documents and blobs up to 64 KiB only: a
    larger damaged one would stop umoci, and this is not reported. `storage_options` as in `scan`. UnknownToolError for
    other tools and kinds. Cost: nodes + links; `.frame` and `.broken`: the closures of the names that would break.

    >>> manifest = demo.small().export("shop/web:1.0", "layout")
    >>> comparison = blobkit.compare_gc("layout", "umoci")
    >>> comparison.bytes, comparison.needed_bytes
    (0, 0)
    """
    snapshot = as_snapshot(x, storage_options=storage_options)
    policy = policy_of_tool(snapshot.store, snapshot.kind, tool)
    return Comparison(snapshot.with_policy(snapshot.store.judge), snapshot.with_policy(policy.name), tool)
