"""The waist: an immutable picture of a store's facts at one moment, and the policies that choose among them.

Makers (stores, scanners) make snapshots, readers read them; neither knows the other. A snapshot holds facts
(nodes, links, pins, notices); a policy says which pins and links count, and how the store's collector works.
Changing the policy reads nothing from the store.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blobkit.errors import SnapshotFormatError, UnknownPolicyError
from blobkit.render import count, html_card, html_table, human_bytes, printable
from blobkit.saved import read_archive, read_directory, write_archive, write_directory
from blobkit.tables import (
    LINK_KINDS,
    PIN_KINDS,
    STORED,
    Notice,
    Tables,
    codes,
    flags,
    ids,
    make,
    numbers,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from blobkit.tables import Columns

__all__ = ["POLICIES", "Counted", "Policy", "Snapshot", "build"]

_BODY = frozenset({"config", "layer", "child"})
_STRONG = frozenset({"entry", "referrer-entry"})
_LEAVES = frozenset({"config", "layer", "mark"})


@dataclass(frozen=True, slots=True)
class Policy:
    """Which pins hold, which links count, and what removes: counted references, or marking and sweeping.

    `tool` is the program whose collector this describes ("" for none); `aborts` the notice codes that stop it.
    """

    store: str
    name: str
    pins: frozenset[str]
    links: frozenset[str]
    counting: bool = False
    tool: str = ""
    aborts: frozenset[str] = frozenset()


POLICIES = (
    Policy("blobkit", "counts", frozenset({"pin", "tag"}), _BODY | {"subject", "link"}, counting=True),
    Policy("go-blobstore", "counts", frozenset({"pin"}), frozenset({"link"}), counting=True),
    Policy("oci", "dependent", frozenset({"entry"}), _BODY | {"referrer"}),
    Policy(
        "oci",
        "strong",
        _STRONG,
        _BODY | {"subject"},
        tool="umoci gc",
        aborts=frozenset(
            {"missing", "foreign", "inline", "dangling-subject", "algorithm", "opaque", "digest-mismatch", "junk"}
        ),
    ),
    Policy("oci", "ignore", _STRONG, _BODY),
    Policy("registry", "tags", frozenset({"tag"}), _BODY),
    Policy("registry", "revisions", frozenset({"revision"}), _BODY | {"revision"}),
    Policy(
        "registry",
        "gc",
        frozenset({"revision"}),
        frozenset({"revision", "mark"}),
        tool="registry garbage-collect",
        aborts=frozenset({"opaque-revision", "damaged-revision"}),
    ),
    Policy(
        "registry",
        "gc-m",
        frozenset({"tagged-revision"}),
        frozenset({"revision", "mark"}),
        tool="registry garbage-collect -m",
        aborts=frozenset({"opaque-revision", "damaged-revision", "damaged-tag"}),
    ),
)
"""Every policy; the first one of a kind of store is its default. Sources: answers.md of the design, the OCI
distribution spec (referrers), umoci 0.4.7 `gc`, distribution 2.8.2 `registry/storage/garbagecollect.go`."""


@dataclass(frozen=True, eq=False)
class Counted:
    """What counts under one policy, as arrays over all n nodes (by key); the input of every analysis.

    The links of node i go to `targets[first[i]:first[i + 1]]` (sorted, each target once). `pins` are the pins that
    hold, `size` bytes stored, `blob` whether the node is a stored blob, `opaque` whether its links are unknown
    though the policy would follow them. `counting`: references are counted; else the store is marked and swept.
    All arrays are read-only: analyses keep what they found beside the graph.
    """

    first: NDArray[np.int64]
    targets: NDArray[np.int32]
    pins: NDArray[np.int64]
    size: NDArray[np.int64]
    blob: NDArray[np.bool_]
    opaque: NDArray[np.bool_]
    counting: bool

    @cached_property
    def links_in(self) -> NDArray[np.int64]:
        """How many nodes link to each node."""
        return np.bincount(self.targets, minlength=len(self.size)).astype(np.int64, copy=False)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """An immutable picture of a store: `kind` and `address` of the store, the `time` (UTC) it was taken, its facts.

    `nodes`, `links`, `pins` and `notices` are Arrow tables (see `blobkit.tables.Tables` for their columns) that
    pandas, polars and duckdb read without a copy. Made by `blobkit.scan`, `store.snapshot()` or `Snapshot.load`.
    """

    tables: Tables
    kind: str
    address: str
    time: datetime
    rule: Policy

    @property
    def nodes(self) -> pa.Table:
        """The blobs and stand-ins, by key."""
        return self.tables.nodes

    @property
    def links(self) -> pa.Table:
        """The links, by source and target (node ids)."""
        return self.tables.links

    @property
    def pins(self) -> pa.Table:
        """The pins, by name."""
        return self.tables.pins

    @property
    def notices(self) -> pa.Table:
        """What was unreadable, unknown or odd."""
        return self.tables.notices

    @property
    def policy(self) -> str:
        """The name of the policy in force."""
        return self.rule.name

    @property
    def policies(self) -> tuple[str, ...]:
        """The names of all policies that this kind of store has, the default first."""
        return tuple(p.name for p in POLICIES if p.store == self.kind)

    def snapshot(self) -> Snapshot:
        """Return this snapshot itself, so that whatever takes a store takes a snapshot."""
        return self

    def with_policy(self, name: str) -> Snapshot:
        """Return the same facts under another policy; UnknownPolicyError names those that there are. Cost: none."""
        return self if name == self.policy else replace(self, rule=_policy(self.kind, name))

    @cached_property
    def counted(self) -> Counted:
        """What counts under the policy, as arrays. Cost: one pass over links and pins."""
        n = self.nodes.num_rows
        source, target, follow = self._counted_links()
        pins = np.zeros(n, np.int64)
        np.add.at(pins, ids(self.pins["node"])[self.holding], numbers(self.pins["count"])[self.holding])
        arrays = {
            "first": _starts(source, n),
            "targets": target,
            "pins": pins,
            "size": numbers(self.nodes["size"]),
            "blob": codes(self.nodes["stored"]) == STORED.index("yes"),
            "opaque": flags(self.nodes["opaque"]) & ((pins > 0) | follow),
        }
        for array in arrays.values():
            array.flags.writeable = False
        return Counted(**arrays, counting=self.rule.counting)

    def _counted_links(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
        """Return source and target of the links that count, each pair once, and which nodes are followed into."""
        source, target, kind = ids(self.links["source"]), ids(self.links["target"]), codes(self.links["kind"])
        counts = _is_any(kind, self.rule.links)
        follow = np.zeros(self.nodes.num_rows, np.bool_)
        follow[target[_is_any(kind, self.rule.links - _LEAVES)]] = True
        if not counts.all():
            source, target = source[counts], target[counts]
        again = (source[1:] == source[:-1]) & (target[1:] == target[:-1])
        if again.any():
            once = np.concatenate(([True], ~again))
            source, target = source[once], target[once]
        return source, target, follow

    @cached_property
    def holding(self) -> NDArray[np.bool_]:
        """Whether each pin holds under the policy; one that counts nothing holds nothing."""
        of_kind = np.array([name in self.rule.pins for name in PIN_KINDS])[codes(self.pins["kind"])]
        return of_kind & (numbers(self.pins["count"]) > 0)

    @cached_property
    def pins_of(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The pins by node: `rows[start[i]:start[i + 1]]` of the pin table, by name, are on node i."""
        node = ids(self.pins["node"])
        start = np.zeros(self.nodes.num_rows + 1, np.int64)
        np.cumsum(np.bincount(node, minlength=self.nodes.num_rows), out=start[1:])
        return start, np.argsort(node, kind="stable")

    def key(self, node: int) -> str:
        """Return the key of a node: its digest, or the name of a stand-in."""
        return str(self.nodes["key"][int(node)])

    def find(self, key: str) -> int:
        """Return the node with this key, -1 where there is none. Cost: a binary search."""
        keys = self.nodes["key"]
        at = bisect_left(keys, key, key=str)
        return at if at < len(keys) and str(keys[at]) == key else -1

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all facts into one file (a zip of parquet files), whole or not at all."""
        write_archive(Path(path), self.tables, self._meta())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Snapshot:
        """Return the snapshot that `save` wrote; SnapshotFormatError where the file is none or is damaged."""
        return cls._restore(*read_archive(Path(path)), where=path)

    def to_parquet(self, directory: str | os.PathLike[str]) -> None:
        """Write one parquet file a table into `directory`; links and pins name nodes by their `id`."""
        write_directory(Path(directory), self.tables, self._meta())

    @classmethod
    def from_parquet(cls, directory: str | os.PathLike[str]) -> Snapshot:
        """Return the snapshot that `to_parquet` wrote; SnapshotFormatError where it is none or is damaged."""
        return cls._restore(*read_directory(Path(directory)), where=directory)

    def _meta(self) -> dict[str, object]:
        return {"kind": self.kind, "address": self.address, "time": self.time.isoformat(), "policy": self.policy}

    @classmethod
    def _restore(cls, tables: Tables, meta: Mapping[str, object], *, where: str | os.PathLike[str]) -> Snapshot:
        try:
            kind, address, policy = (str(meta[field]) for field in ("kind", "address", "policy"))
            time = datetime.fromisoformat(str(meta["time"])).astimezone(UTC)
            rule = _policy(kind, policy)
        except (KeyError, ValueError, OverflowError) as error:
            msg = f"{os.fspath(where)} is a damaged snapshot, or of a newer blobkit (snapshot.json: {error})"
            raise SnapshotFormatError(msg) from error
        return cls(tables, kind, address, time, rule)

    @property
    def blobs(self) -> int:
        """The number of stored blobs."""
        return int(np.count_nonzero(self.counted.blob))

    @property
    def bytes(self) -> int:
        """The total size of the stored blobs."""
        return int(numbers(self.nodes["size"]).sum())

    def caption(self) -> str:
        """Return one line that names the store, the time and the policy: every answer carries it."""
        return f"{self.kind}:{printable(self.address)} at {self.time:%Y-%m-%d %H:%M:%S} UTC, policy {self.policy}"

    def __str__(self) -> str:
        """Return two lines: what it is of, and how much."""
        return f"{self.caption()}\n{count(self.blobs, 'blob')}, {human_bytes(self.bytes)}"

    def __repr__(self) -> str:
        """Return the same in one line."""
        return f"<Snapshot of {self.caption()}: {self.blobs:,} blobs, {self.bytes:,} bytes>"

    def _repr_html_(self) -> str:
        rows = [
            ("stored blobs", f"{self.blobs:,}"),
            ("stored bytes", human_bytes(self.bytes)),
            ("links", f"{self.links.num_rows:,}"),
            ("pins", f"{self.pins.num_rows:,}"),
            ("notices", f"{self.notices.num_rows:,}"),
            ("policies", ", ".join(self.policies)),
        ]
        return html_card("Snapshot", [self.caption()], html_table(("fact", "value"), rows))


def _is_any(kind: NDArray[np.int8], names: frozenset[str]) -> NDArray[np.bool_]:
    """Return whether each link is of one of these kinds: a pass for each kind takes less than one with look-ups."""
    found = np.zeros(len(kind), np.bool_)
    for name in names:
        found |= kind == LINK_KINDS.index(name)
    return found


def _starts(source: NDArray[np.int32], n: int) -> NDArray[np.int64]:
    """Return where the links of each of n nodes begin, from sources in order; counting them takes four times that."""
    begin = np.flatnonzero(source[1:] != source[:-1]) + 1
    begin = np.concatenate(([0], begin, [len(source)])) if len(source) else np.zeros(1, np.int64)
    first = np.zeros(n + 1, np.int64)
    first[source[begin[:-1]] + 1] = np.diff(begin)
    return np.cumsum(first, out=first)


def _policy(kind: str, name: str) -> Policy:
    """Return the policy of this name ("" the default) for this kind of store."""
    known = [p for p in POLICIES if p.store == kind]
    if not known:
        msg = f"no policy is known for stores of the kind {kind!r}: it needs a newer blobkit"
        raise SnapshotFormatError(msg)
    for policy in known:
        if name in (policy.name, ""):
            return policy
    msg = f"no policy {name!r} for {kind} stores: use one of {', '.join(p.name for p in known)}"
    raise UnknownPolicyError(msg)


def build(  # noqa: PLR0913 (the four fact tables, and what they are of)
    kind: str,
    address: str,
    *,
    nodes: Columns,
    links: Columns,
    pins: Columns,
    notices: Sequence[Notice] = (),
    policy: str | None = None,
    time: datetime | None = None,
) -> Snapshot:
    """Return the snapshot of a store of this kind with these facts (see `blobkit.tables.make` for the columns).

    `time` is now where not given; `policy` the kind's default. SnapshotFormatError where facts contradict each other.
    """
    rule = _policy(kind, policy or "")
    return Snapshot(make(nodes, links, pins, notices), kind, address, time or datetime.now(UTC), rule)
