"""Lists without frames say what the frames say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import blobkit
from blobkit import demo
from blobkit.questions.listing import BLOB_NUMBERS, blob_columns, nodes_named, tag_columns
from layouts import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot


@pytest.fixture(params=["store", "registry"])
def snapshot(request: pytest.FixtureRequest, tmp_path: Path) -> Snapshot:
    if request.param == "store":
        with blobkit.LocalStore(tmp_path / "s", durability="off") as made:
            demo.fill(made)
            made.put(b"loose")
            return made.snapshot()
    made = Registry(tmp_path / "r")
    made.push("app", "1", "base", "one")
    made.push("app", "2", "base", "two")
    made.push("web/front", "1", "base", "one")
    made.tag("app", "multi", made.revision("app", made.index(made.revision("app", made.manifest(made.blob("child"))))))
    made.blob("garbage")
    return blobkit.scan(made.root, progress=False)


@pytest.mark.parametrize("sort", BLOB_NUMBERS)
def test_blobs(snapshot: Snapshot, sort: str) -> None:
    columns = blob_columns(snapshot, sort=sort)
    frame = blobkit.to_frame(snapshot, columns=[name for name in columns if name != "digest"])
    expected = (
        frame.sort_values(sort, ascending=False, kind="stable").reset_index().astype({"kind": str, "status": str})
    )
    assert {name: list(values) for name, values in columns.items()} == expected.to_dict("list")
    assert blob_columns(snapshot, sort=sort, limit=2)["digest"] == list(expected["digest"][:2])


def test_some_blobs(snapshot: Snapshot) -> None:
    frame = blobkit.to_frame(snapshot)
    layers = frame[frame["kind"] == "layer"]
    assert set(blob_columns(snapshot, kind=["layer"])["digest"]) == set(layers.index)
    garbage = frame[frame["status"] == "garbage"]
    assert set(blob_columns(snapshot, status=["garbage"])["digest"]) == set(garbage.index)
    named = frame[[any(name.endswith(":1") for name in names) for names in frame["tags"]]]
    assert set(blob_columns(snapshot, among=nodes_named(snapshot, "*:1"))["digest"]) == set(named.index)


def test_tags(snapshot: Snapshot) -> None:
    columns, frame = tag_columns(snapshot), blobkit.tags_frame(snapshot).reset_index()
    assert set(columns) == set(frame.columns)
    for name, values in columns.items():
        if name in ("created", "modified"):
            found = pd.to_datetime(pd.Series(list(values), dtype=object), utc=True).astype("datetime64[us, UTC]")
            assert found.equals(frame[name].reset_index(drop=True)), name
        else:
            assert list(values) == frame[name].tolist(), name
    assert np.array(columns["exclusive"]).sum() > 0
