"""What stands in the hand shows itself: what it is, how much, what to call next."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd

import blobkit
from blobkit.present.answer import Answer
from blobkit.questions.collecting import Collected
from blobkit.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from blobkit.store.store import Store


def test_every_answer_is_one_line_and_plain_values(answers: dict[str, Answer]) -> None:
    for name, answer in answers.items():
        assert "\n" not in repr(answer)
        assert len(repr(answer)) < 200, name
        assert "object at 0x" not in repr(answer)
        assert not hasattr(answer, "to_dict") or json.loads(json.dumps(answer.to_dict())) is not None


def test_no_answer_shows_node_ids(answers: dict[str, Answer]) -> None:
    """Node ids mean something inside of one snapshot only."""
    shown = (str, int, float, tuple, timedelta, datetime, Mapping, pd.DataFrame, Snapshot, Answer, Collected)
    for name in ("audit", "diff", "plan", "preview", "sharing", "usage", "verified", "why"):
        answer = answers[name]
        values = {key: getattr(answer, key) for key in dir(answer) if not key.startswith("_")}
        odd = {key for key, value in values.items() if not callable(value) and not isinstance(value, shown)}
        assert odd == set(), name
        assert not {"dropping", "why_kept", "found"} & set(values)


def test_a_store_shows_what_is_in_it(store: Store) -> None:
    html = store._repr_html_()
    for word in ("33 blobs", "11 tags", "live", "garbage", "Biggest", "shop/worker:1", "next: store.put("):
        assert word in html


def test_a_closed_store_shows_its_place(tmp_path: Path) -> None:
    store = blobkit.LocalStore(tmp_path / "store<x>")
    store.close()
    assert store._repr_html_().startswith("<code>LocalStore(")
    assert "store&lt;x&gt;" in store._repr_html_()


def test_a_large_store_shows_itself_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blobkit.store.card.SUMMED", 32)
    monkeypatch.setattr(type(store), "snapshot", None)
    html = store._repr_html_()
    assert "33 blobs" in html
    assert "Biggest" not in html


def test_a_snapshot_says_what_to_call_next(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Biggest" in store.snapshot()._repr_html_()
    monkeypatch.setattr("blobkit.snapshot.snapshot.SUMMED", 32)
    html = store.snapshot()._repr_html_()
    assert "next: blobkit.audit" in html
    assert "Biggest" not in html


def test_a_writer_says_how_far_it_is(store: Store) -> None:
    writer = store.new_writer()
    writer.write(b"x" * 2048)
    assert repr(writer) == "<BlobWriter: 2.0 KiB written, open>"
    writer.cancel()
    assert repr(writer) == "<BlobWriter: 2.0 KiB written, cancelled>"


def test_graphs_say_what_they_are_of(store: Store) -> None:
    view = blobkit.graph_view(store)
    assert repr(view).startswith("<View of blobkit:")
    assert "33 nodes" in repr(view)
    assert pickle.loads(pickle.dumps(view)).number_of_nodes() == 33  # noqa: S301 (our own)
