"""The snapshot, the waist of the hourglass: an immutable record of a store's facts at one moment, under a policy.

Makers (stores, scanners) make snapshots, readers use them; neither knows the other. A snapshot has facts (nodes,
links, pins, notices). A policy tells which pins and links count, and how the store's collector works. Changing the
policy reads nothing from the store.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blobkit.methods import Previews
from blobkit.present.answer import Answer
from blobkit.present.sections import ROWS_SHOWN, Section
from blobkit.protocols import SUMMED, summary_of
from blobkit.remotes import has_scheme
from blobkit.render import count, human_bytes, printable
from blobkit.snapshot.estimates import estimated
from blobkit.snapshot.graph import build_graph, counted_links, holding_pins
from blobkit.snapshot.kinds import policy_of, store_of
from blobkit.snapshot.tables import Notice, Tables, ids, make, numbers, with_notices

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    import pyarrow as pa
    from numpy.typing import NDArray

    from blobkit.snapshot.disk import Disk
    from blobkit.snapshot.graph import ReferenceGraph
    from blobkit.snapshot.records import Kind, Policy
    from blobkit.snapshot.saved import Meta
    from blobkit.snapshot.tables import Columns

__all__ = ["Snapshot", "build"]

NEXT = "next: blobkit.audit(x), blobkit.tags_frame(x), blobkit.usage(x, by=...), blobkit.simulate_deref(x, name)"


@dataclass(frozen=True, eq=False, repr=False)
class Snapshot(Answer, Previews):
    """The facts of a store at one moment: `kind` and `address` of the store, the `time` (UTC), and the fact tables.

    `nodes`, `links`, `pins` and `notices` are Arrow tables that pandas, polars and duckdb read without a copy;
    `blobkit.snapshot.tables.Tables` lists their columns. `blobkit.scan`, `store.snapshot()` and `Snapshot.load` return
    snapshots.

    >>> snapshot = demo.small().snapshot()
    >>> snapshot.save("now.blobkit")
    >>> blobkit.Snapshot.load("now.blobkit").bytes == snapshot.bytes
    True
    """

    tables: Tables
    kind: str
    address: str
    time: datetime
    rule: Policy
    disk: Disk | None = None
    """Totals of all files below the store's root, None if they were not counted."""

    @property
    def nodes(self) -> pa.Table:
        """The blobs and virtual nodes, by key."""
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
        """The notices about unreadable, unknown or odd parts of the store."""
        return self.tables.notices

    @property
    def policy(self) -> str:
        """The name of the policy in force."""
        return self.rule.name

    @property
    def store(self) -> Kind:
        """The record of this store: its policies, collectors and tools."""
        return store_of(self.kind, self.address)

    @property
    def policies(self) -> tuple[str, ...]:
        """The names of all policies for this kind of store, the default first."""
        return tuple(policy.name for policy in self.store.policies)

    def snapshot(self) -> Snapshot:
        """Return this snapshot itself, so that functions accept stores and snapshots alike."""
        return self

    def with_policy(self, name: str) -> Snapshot:
        """Return the same facts under another policy; UnknownPolicyError lists the known ones. Cost: none."""
        return self if name == self.policy else replace(self, rule=policy_of(self.kind, name, self.address))

    def with_files(self, notices: Sequence[Notice], disk: Disk) -> Snapshot:
        """Return the same facts with the totals of all files, and with the notices from counting them."""
        return replace(self.with_notices(notices), disk=disk)

    def with_notices(self, notices: Sequence[Notice]) -> Snapshot:
        """Return the same facts with more notices."""
        return replace(self, tables=with_notices(self.tables, notices)) if notices else self

    @cached_property
    def graph(self) -> ReferenceGraph:
        """The references that count under the policy, as arrays. Cost: one pass over links and pins."""
        return build_graph(self.tables, self.rule)

    @cached_property
    def holding(self) -> NDArray[np.bool_]:
        """Whether each pin holds under the policy; a pin with count 0 never does."""
        return holding_pins(self.tables, self.rule)

    @cached_property
    def counted(self) -> NDArray[np.bool_]:
        """Whether each link counts under the policy."""
        return counted_links(self.tables, self.rule)

    @cached_property
    def pins_of(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The pins by node: `rows[start[i]:start[i + 1]]` of the pin table, by name, are on node i."""
        node = ids(self.pins["node"])
        start = np.zeros(self.nodes.num_rows + 1, np.int64)
        np.cumsum(np.bincount(node, minlength=self.nodes.num_rows), out=start[1:])
        return start, np.argsort(node, kind="stable")

    def key(self, node: int) -> str:
        """Return the key of a node: its digest, or the name of a virtual node."""
        return str(self.nodes["key"][int(node)])

    def keys(self, nodes: NDArray[np.integer]) -> list[str]:
        """Return the keys of these nodes."""
        found: list[str] = self.nodes["key"].take(nodes).to_pylist()
        return found

    def find(self, key: str) -> int:
        """Return the node with this key, -1 if it is absent. Cost: a binary search."""
        keys = self.nodes["key"]
        at = bisect_left(keys, key, key=str)
        return at if at < len(keys) and str(keys[at]) == key else -1

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all facts into one file (a zip of parquet files), atomically.

        A path that ends with a slash (`"now/"`) is a directory of parquet files in parts, which engines (duckdb) answer
        from without loading it. FileExistsError if there is a directory with something else in it.
        """
        if os.fspath(path).endswith("/"):
            _files().write_parts(Path(path), self.tables, self._meta())
        else:
            _files().write_archive(Path(path), self.tables, self._meta())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Snapshot:
        """Return the snapshot that `save` wrote (a file or directory); SnapshotFormatError if it is none or damaged."""
        files, path = _files(), Path(path)
        return cls._restore(*(files.read_directory if path.is_dir() else files.read_archive)(path))

    def to_parquet(self, directory: str | os.PathLike[str]) -> None:
        """Write one parquet file for each table into `directory`; links and pins refer to nodes by their `id`."""
        _files().write_directory(Path(directory), self.tables, self._meta())

    @classmethod
    def from_parquet(cls, directory: str | os.PathLike[str]) -> Snapshot:
        """Return the snapshot that `to_parquet` or `save` wrote there; SnapshotFormatError if it is none or damaged."""
        return cls._restore(*_files().read_directory(Path(directory)))

    def _meta(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "address": self.address,
            "time": self.time.isoformat(),
            "policy": self.policy,
            **({} if self.disk is None else {"disk": self.disk.to_meta()}),
        }

    @classmethod
    def _restore(cls, tables: Tables, meta: Meta) -> Snapshot:
        return cls(tables, meta.kind, meta.address, meta.time, meta.rule, meta.disk)

    @property
    def blobs(self) -> int:
        """The number of stored blobs."""
        return int(np.count_nonzero(self.graph.blob))

    @property
    def bytes(self) -> int:
        """The total size of the stored blobs."""
        return int(numbers(self.nodes["size"]).sum())

    def to_dict(self) -> dict[str, object]:
        """Return store, time, policy and totals as plain values for JSON; `to_parquet` writes all facts."""
        return {
            "snapshot": self.caption(),
            "kind": self.kind,
            "address": self.address,
            "time": self.time.isoformat(),
            "policy": self.policy,
            "policies": list(self.policies),
            "blobs": self.blobs,
            "bytes": self.bytes,
            "links": self.links.num_rows,
            "pins": self.pins.num_rows,
            "notices": self.notices.num_rows,
        }

    @property
    def place(self) -> str:
        """The address as it is typed: with the kind before a path; a URL has it already."""
        return self.address if has_scheme(self.address) else f"{self.kind}:{self.address}"

    def caption(self) -> str:
        """Return one line that names the store, the time and the policy; every answer shows it.

        If sizes are estimates, it tells how many.
        """
        guessed = int(np.count_nonzero(estimated(self)))
        note = f"; {count(guessed, 'size')} estimated" if guessed else ""
        when = f"{self.time:%Y-%m-%d %H:%M:%S} UTC"
        return f"{printable(self.place)} at {when}, policy {self.policy}{note}"

    def __str__(self) -> str:
        """Return two lines: the caption, and the number and bytes of blobs."""
        return f"{self.caption()}\n{count(self.blobs, 'blob')}, {human_bytes(self.bytes)}"

    def __repr__(self) -> str:
        """Return the same in one line."""
        return f"<Snapshot of {self.caption()}: {self.blobs:,} blobs, {self.bytes:,} bytes>"

    def title(self) -> str:
        """Return one line that names the store, the time and the policy."""
        return self.caption()

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return totals and the functions to call next; up to 200,000 nodes also live bytes, biggest blobs and tags."""
        things = ((self.blobs, "blob"), (self.links.num_rows, "link"), (self.pins.num_rows, "pin"))
        numbers = ", ".join(count(number, noun) for number, noun in things)
        notices = count(self.notices.num_rows, "notice")
        about = (f"{human_bytes(self.bytes)}: {numbers}, {notices}", f"policies: {', '.join(self.policies)}", NEXT)
        parts = summary_of(self).sections(rows) if self.nodes.num_rows <= SUMMED else ()
        return Section("", about), *(replace(part, title=part.title or "At a glance") for part in parts)


def build(  # noqa: PLR0913 (the four fact tables and their metadata)
    kind: str,
    address: str,
    *,
    nodes: Columns,
    links: Columns,
    pins: Columns,
    notices: Sequence[Notice] = (),
    policy: str | None = None,
    time: datetime | None = None,
    disk: Disk | None = None,
) -> Snapshot:
    """Return the snapshot of a store of this kind with these facts (columns: see `blobkit.snapshot.tables.make`).

    Defaults: `time` is now, `policy` the default of the kind. SnapshotFormatError if facts contradict each other.
    """
    rule = policy_of(kind, policy or "", address)
    return Snapshot(make(nodes, links, pins, notices), kind, address, time or datetime.now(UTC), rule, disk)


def _files() -> ModuleType:
    """Return the module of saved snapshots; imported late, because it loads parquet."""
    return import_module("blobkit.snapshot.saved")
