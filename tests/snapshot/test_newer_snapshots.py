"""Words and meta data of saved snapshots that no version, or a newer one, writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

import blobkit
from crafted import KINDS, changed, loaded, refusal, tables

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("table", "column", "noun"),
    [("nodes", "kind", "kind"), ("nodes", "stored", "stored"), ("links", "kind", "link kind"), ("pins", "kind", "pin")],
)
def test_words_of_a_newer_version(tmp_path: Path, table: str, column: str, noun: str) -> None:
    values = ["a\nb" + "c" * 1000] * tables()[table].num_rows
    said = refusal(tmp_path, changed(tables(), table, column, values))
    assert noun in said
    assert "needs a newer blobkit" in said
    assert len(said) < 200


@pytest.mark.parametrize(
    "meta",
    [
        {"kind": "jar"},
        {"policy": "tomorrow's"},
        {"policy": "strong"},
        {"format": "blobkit-snapshot/3"},
        {"format": None},
        {"format": ["x"] * 1000},
    ],
)
def test_what_a_newer_version_saved(tmp_path: Path, meta: dict[str, object]) -> None:
    said = refusal(tmp_path, tables(), **meta)
    assert "needs a newer blobkit" in said
    assert len(said) < 300


@pytest.mark.parametrize(
    "meta",
    [
        {"kind": 7},
        {"kind": None},
        {"policy": ["tags"]},
        {"address": {}},
        {"time": 0},
        {"time": "1969-12-31T23:59:59+00:00"},
        {"time": "0001-01-01T00:00:00+14:00"},
        {"time": "9999-12-31T23:59:59-14:00"},
        {"time": "x" * 100_000},
    ],
)
def test_meta_data_that_is_none(tmp_path: Path, meta: dict[str, object]) -> None:
    assert len(refusal(tmp_path, tables(), **meta)) < 300


def test_an_address_that_is_no_text_of_unicode(tmp_path: Path) -> None:
    snapshot = loaded(tmp_path, tables(), address="\ud800\x1b[31m")
    str(snapshot).encode()
    assert str(snapshot).replace("\n", "").isprintable()


def test_a_vocabulary_that_says_a_word_twice(tmp_path: Path) -> None:
    for column, word in (("media_type", "x"), ("platform", "y"), ("kind", "layer"), ("stored", "yes")):
        twice = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 1], pa.int32()), pa.array(["virtual", word, word]))
        found = tables() if column == "stored" else changed(tables(), "nodes", column, twice)
        found = changed(found, "nodes", "stored", twice) if column == "stored" else found
        if column == "kind":
            twice = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 1], pa.int32()), pa.array([KINDS[0], word, word]))
            found = changed(found, "nodes", "kind", twice)
        frame = blobkit.to_frame(loaded(tmp_path, found), absent=True)
        assert (frame[column].iloc[-2:] == word).all()
