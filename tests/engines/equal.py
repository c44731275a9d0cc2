"""Every figure of an engine against the same of blobkit in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import blobkit
from blobkit.analysis.dominators import is_cyclic
from blobkit.analysis.reach import live
from blobkit.errors import EngineLimitError, UnknownToolError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.engines.opening import EngineSnapshot
    from blobkit.snapshot.snapshot import Snapshot

    Engine = EngineSnapshot[Any]

BY = ("repo", "tag", "platform", "kind", "media_type", "month")


def rows_of(frame: Any) -> list[tuple[object, ...]]:  # noqa: ANN401 (of either library)
    """The rows of a frame of DuckDB or of Spark."""
    return frame.fetchall() if hasattr(frame, "fetchall") else [tuple(row) for row in frame.collect()]


def pandas_of(frame: Any) -> pd.DataFrame:  # noqa: ANN401 (the same)
    """A frame of DuckDB or of Spark as one of pandas."""
    return frame.df() if hasattr(frame, "df") else frame.toArrow().to_pandas()


def check(snapshot: Snapshot, duck: Engine, groupings: Iterable[str] = BY) -> None:
    """Everything, under the policy of both, but for what is dropped."""
    assert snapshot.policy == duck.policy
    check_garbage(snapshot, duck)
    for by in groupings:
        check_usage(snapshot, duck, by)
        check_sharing(snapshot, duck, by)
    check_retained(snapshot, duck)


def check_garbage(snapshot: Snapshot, duck: Engine) -> None:
    frame = blobkit.to_frame(snapshot, columns=["size", "kind", "status"])
    dead = frame[frame["status"] != "live"]
    found = duck.garbage()
    rows = list(zip(dead.index, dead["size"], dead["kind"].astype(str), dead["status"].astype(str), strict=True))
    assert rows_of(found.frame) == rows
    assert (found.blobs, found.bytes) == (len(dead), int(dead["size"].sum()))


def check_usage(snapshot: Snapshot, duck: Engine, by: object) -> None:
    want = blobkit.usage(snapshot, by=by)
    found = duck.usage(by)
    frame = pandas_of(found.frame).set_index("group")
    pd.testing.assert_frame_equal(frame, want.frame, check_index_type=False, check_column_type=False)
    assert found.bytes == want.bytes == int(frame["split"].sum())


def check_sharing(snapshot: Snapshot, duck: Engine, by: object) -> None:
    want, found = blobkit.sharing(snapshot, by=by), duck.sharing(by)
    rows = [(list(groups), blobs, size) for groups, blobs, size in want.frame.itertuples(index=False)]
    assert rows_of(found.frame) == rows
    assert (found.bytes, found.shared_bytes) == (want.bytes, want.shared_bytes)


def check_retained(snapshot: Snapshot, duck: Engine) -> None:
    if is_cyclic(snapshot.graph) and not snapshot.graph.counting:
        try:
            duck.retained()
        except EngineLimitError as error:
            assert "cycle" in str(error)  # noqa: PT017
            return
    want = blobkit.to_frame(snapshot, columns=["size", "retained"])
    rows = list(zip(want.index, want["size"], want["retained"], strict=True))
    assert rows_of(duck.retained().frame) == rows


def check_dropped(snapshot: Snapshot, duck: Engine, *targets: str, **options: object) -> None:
    try:
        want = blobkit.simulate_deref(snapshot, *targets, **options)
    except blobkit.BlobkitError as error:
        try:
            duck.simulate_deref(*targets, **options)
        except type(error):
            return
        pytest.fail(f"{targets} {options}: {error!r}")
    found = duck.simulate_deref(*targets, **options)
    rows = sorted(zip(want.freed.index, want.freed["size"], want.freed["kind"].astype(str), strict=True))
    assert rows_of(found.freed) == rows, (targets, options)
    assert (found.blobs, found.bytes, found.exact) == (len(want), want.bytes, want.exact)
    assert found.certain_bytes == want.certain_bytes
    assert found.opaque == tuple(sorted(want.opaque)[:100])
    assert found.targets == want.targets
    if not snapshot.store.dropping.in_use:
        assert found.also_untagged == want.also_untagged
        assert found.notices == want.notices


def check_diff(before: Snapshot, after: Snapshot, duck: Engine, other: object, by: str) -> None:
    want, found = blobkit.diff(before, after, by=by), duck.diff(other, by)
    pd.testing.assert_frame_equal(pandas_of(found.frame).set_index("cause"), want.frame, check_index_type=False)
    assert found.net == want.net


def check_tools(snapshot: Snapshot, duck: Engine) -> int:
    compared = 0
    for tool in [one.name for one in snapshot.store.collectors]:
        try:
            want = blobkit.compare_gc(snapshot, tool)
        except UnknownToolError:
            continue
        found, compared = duck.compare_gc(tool), compared + 1
        frame = want.frame
        rows = zip(frame.index, frame["size"], frame["kind"].astype(str), frame["needed"], strict=True)
        assert sorted(rows_of(found.frame)) == sorted(rows)
        told = want.to_dict()
        for name in ("tool", "version", "blobs", "bytes", "needed_blobs", "needed_bytes", "kept_blobs", "kept_bytes",
                     "at_most_bytes"):  # fmt: skip
            assert getattr(found, name) == told[name], (tool, name)
        assert found.aborts == want.aborts
    return compared


def names_of(snapshot: Snapshot, most: int = 12) -> list[str]:
    """Some names of pins, spread over all."""
    names = sorted(set(snapshot.pins["name"].drop_null().to_pylist()))
    return names[:: max(1, len(names) // most)]


def some_live(snapshot: Snapshot, most: int = 6) -> list[str]:
    """The keys of some live nodes."""
    nodes = live(snapshot.graph).nonzero()[0]
    return snapshot.keys(nodes[:: max(1, len(nodes) // most)])
