"""The reasons why a blob is still there: every pin that reaches it, and a path from each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.dominators import leaked
from blobkit.analysis.reach import closure_up, incoming
from blobkit.analysis.referrer_kernels import links_within
from blobkit.analysis.referrers import Referrers
from blobkit.present.answer import Answer
from blobkit.present.cells import NAME_SHOWN
from blobkit.present.sections import LINE_SHOWN, ROWS_SHOWN, Section, columns_table, frame_table
from blobkit.present.units import Unit
from blobkit.protocols import as_snapshot
from blobkit.questions.columns import categorical, keys
from blobkit.questions.inputs.selection import PinSelection
from blobkit.questions.inputs.targets import PinName, blob_of, untagged
from blobkit.questions.preview import Preview, preview_of
from blobkit.render import abbreviate, count, human_bytes, truncate
from blobkit.snapshot.references import PIN_KINDS
from blobkit.snapshot.roles import IS_REVISION
from blobkit.snapshot.tables import codes, ids, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from blobkit.protocols import Address, StorageOptions, SupportsSnapshot
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Why", "why"]


PATHS_TOLD = 1000
HOLDERS_SHOWN = 3


class Paths(Mapping[str, tuple[str, ...]]):
    """A shortest path to a blob from each name, as the keys of its nodes; it is computed when it is read.

    Among several next nodes, the one with the smallest key is taken. `ends` has the nodes of the names, `below` the
    next node of each node.
    """

    def __init__(self, snapshot: Snapshot, ends: dict[str, int], below: NDArray[np.int32]) -> None:
        self._snapshot, self._ends, self._below = snapshot, ends, below

    def __getitem__(self, name: str) -> tuple[str, ...]:
        """Return the path from a name. Cost: the nodes on it."""
        way = [self._ends[name]]
        while self._below[way[-1]] >= 0:
            way.append(int(self._below[way[-1]]))
        return tuple(keys(self._snapshot, np.array(way, np.int32)).tolist())

    def __iter__(self) -> Iterator[str]:
        """Yield the names, nearest first."""
        return iter(self._ends)

    def __len__(self) -> int:
        """Return the number of names."""
        return len(self._ends)


@dataclass(frozen=True, eq=False, repr=False)
class Why(Answer):
    """The pins that hold the blob `digest` under the snapshot's policy; falsy if there are none.

    >>> store = demo.small()
    >>> why = blobkit.why(store, store.tags()["shop/web:2.0"])
    >>> why.tags
    ('shop/web:2.0', 'shop/web:latest')
    """

    snapshot: Snapshot
    digest: str

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """All names that reach the blob, sorted; as targets they are always names, even if one looks like a digest."""
        return tuple(map(PinName, sorted(set(self.frame.loc[self._named, "tag"].tolist()))))

    @cached_property
    def others(self) -> tuple[str, ...]:
        """The other pins that reach it, sorted: anonymous ones by their digest, revisions as `repo@digest`."""
        return tuple(sorted(set(self.frame.loc[~self._named, "tag"].tolist())))

    @property
    def releasable(self) -> bool:
        """Whether dropping all of `tags` frees the blob: nothing else reaches it, and it is not leaked."""
        return not self.others and not leaked(self.snapshot.graph)[self._node]

    @cached_property
    def holders(self) -> tuple[str, ...]:
        """The direct holders of the blob: digests that link to it and names of pins on it."""
        return tuple(
            Referrers.now(self.snapshot).incoming_of(self._node, len(self._distance) + self.snapshot.pins.num_rows)
        )

    @cached_property
    def paths(self) -> Paths:
        """A shortest path to the blob from each of `tags` and `others`: the keys of the nodes on it."""
        ends: dict[str, int] = {}
        for name, node in zip(self.frame["tag"].tolist(), self._nodes.tolist(), strict=True):
            ends.setdefault(name, node)
        return Paths(self.snapshot, ends, self._below)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row for each pin that reaches the blob, nearest first: tag, pin (its kind), digest, links (distance).

        `tag`: the full name (for a pin without a name, its digest); `name` is the older name of this column. A digest
        with several pins has several rows.
        """
        pins = self.snapshot.pins
        digest = keys(self.snapshot, self._nodes)
        name = pd.Series(pins["name"].take(self._rows).to_pandas(), dtype="str").fillna(pd.Series(digest))
        return pd.DataFrame(
            {
                "tag": name.array,
                "pin": categorical(codes(pins["kind"])[self._rows], PIN_KINDS),
                "digest": digest,
                "links": self._distance[self._nodes].astype(np.int64),
                "name": name.array,
            }
        )

    def preview(self) -> Preview:
        """Return the preview of dropping every pin that reaches the blob; tags are dropped with their revisions."""
        count_of = numbers(self.snapshot.pins["count"])
        rows = {row: int(count_of[row]) for row in self._rows.tolist()}
        dropped = untagged(self.snapshot, PinSelection((*self.tags, *self.others), rows=rows))
        return preview_of(self.snapshot, dropped)

    def __bool__(self) -> bool:
        """Return whether anything holds the blob."""
        return len(self._rows) > 0

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold; paths of the nearest 1,000 names."""
        return {
            "snapshot": self.snapshot.caption(),
            "policy": self.snapshot.policy,
            "digest": self.digest,
            "tags": list(self.tags),
            "others": list(self.others),
            "releasable": self.releasable,
            "holders": list(self.holders),
            "paths": {name: list(self.paths[name]) for name in islice(self.paths, PATHS_TOLD)},
        }

    def title(self) -> str:
        """Return the answer in one line."""
        size = human_bytes(int(self.snapshot.graph.size[self._node]))
        if not self:
            return f"Nothing holds {abbreviate(self.digest)} ({size})"
        more = f" and {count(len(self.others), 'other pin')}" if self.others else ""
        return f"{abbreviate(self.digest)} ({size}) is held by {count(len(self.tags), 'name')}{more}"

    @cached_property
    def _node(self) -> int:
        return self.snapshot.find(self.digest)

    @cached_property
    def _distance(self) -> NDArray[np.int32]:
        return closure_up(self.snapshot.graph, self._node)

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        """The rows of the pins that reach the blob, nearest first, then by name."""
        distance = self._distance[ids(self.snapshot.pins["node"])]
        holds = self.snapshot.holding & (numbers(self.snapshot.pins["count"]) > 0)
        rows = np.flatnonzero((distance >= 0) & holds)
        return rows[np.argsort(distance[rows], kind="stable")]

    @property
    def _nodes(self) -> NDArray[np.int32]:
        return ids(self.snapshot.pins["node"])[self._rows]

    @cached_property
    def _named(self) -> NDArray[np.bool_]:
        """Whether each of the rows is a tag, not a revision or an anonymous pin."""
        pins = self.snapshot.pins
        is_tag: NDArray[np.bool_] = ~IS_REVISION[codes(pins["kind"])[self._rows]]
        is_tag &= np.asarray(pins["name"].take(self._rows).is_valid())
        return is_tag

    @cached_property
    def _below(self) -> NDArray[np.int32]:
        """The next node on a shortest path to the blob, -1 for the blob itself. Cost: nodes + links above it."""
        distance = self._distance
        first, targets = links_within(*incoming(self.snapshot.graph), distance >= 0)
        source = np.repeat(np.arange(len(distance), dtype=np.int32), np.diff(first))
        nearer = np.flatnonzero(distance[targets] == distance[source] - 1)[::-1]
        below = np.full(len(distance), -1, np.int32)
        below[source[nearer]] = targets[nearer]
        return below

    def _lines(self) -> list[str]:
        lines = [self.snapshot.caption()]
        if self:
            lines.append(f"held directly by {_few(self.holders)}")
        if self.others:
            lines.append(f"dropping the names is not enough: {_few(self.others)}")
        elif not self.releasable:
            lines.append("dropping the names is not enough: unexplained references also hold it (run an audit)")
        return [truncate(line, LINE_SHOWN) for line in lines]

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the nearest pins that hold the blob."""
        pins = frame_table(self.frame, ("tag", "pin", "digest", "links"), rows=rows)
        return (Section("", tuple(self._lines()), pins),)

    def details(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return a shortest path from each of the nearest pins."""
        names = list(islice(self.paths, rows))
        ways = columns_table({"tag": names, "way": [self.paths[name] for name in names]}, {"way": Unit.NAMES})
        return (Section("Paths to it", table=ways),)


def _few(found: tuple[str, ...]) -> str:
    """Return the first of these, and the number of the others."""
    shown = [truncate(abbreviate(key), NAME_SHOWN) for key in found[:HOLDERS_SHOWN]]
    more = len(found) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def why(
    x: SupportsSnapshot | Address,
    blob: str,
    *,
    policy: str | None = None,
    storage_options: StorageOptions | None = None,
) -> Why:
    """Return why a blob is still stored: what holds it under the policy, and how to free it.

    `blob` is a digest, a unique prefix of one, or a name. `storage_options` as in `scan`. Errors: as `scan`,
    BlobNotFoundError, InvalidDigestError, UnknownTargetError, AmbiguousTargetError. Cost: nodes + links; each of
    `.paths`: its nodes.

    >>> store = demo.small()
    >>> layer = blobkit.to_frame(store)["refcount"].idxmax()
    >>> len(blobkit.why(store, layer).tags)
    11
    """
    snapshot = as_snapshot(x, policy, storage_options)
    return Why(snapshot, snapshot.key(blob_of(snapshot, blob)))
