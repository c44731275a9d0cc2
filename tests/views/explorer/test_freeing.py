"""Memory is given back after the answers of large stores, where the C library can."""

from __future__ import annotations

import ctypes

import pytest

from blobkit.views.explorer import freeing, session
from explorer_pages import FakePage
from graphs import Graph, snapshot_of

TICK = {"act": "tick", "labels": [0], "on": True}


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An entry for each time that memory is given back."""
    found: list[int] = []
    monkeypatch.setattr(session, "give_back", lambda: found.append(1))
    return found


def page() -> FakePage:
    return FakePage.of(snapshot_of(Graph([1, 2], [1, 1]), counting=False, names={0: ["a:1"], 1: ["a:2"]}))


def test_small_stores_keep_it(times: list[int]) -> None:
    page().act(TICK)
    assert times == []


def test_large_stores_give_it_back_after_each_answer(times: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "WARMED", 1)
    shown = page()
    shown.act(TICK)
    warming = shown.widget._session._warming
    assert warming is not None
    warming.join()
    assert len(times) == 2  # the answer, and what was found in the background
    shown.act({"act": "undo"})
    assert len(times) == 3


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_another_c_library_keeps_it(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    monkeypatch.setattr(freeing, "_trim", freeing._trim.__wrapped__)
    freeing.give_back()
    assert freeing._trim() is None


def test_it_can_be_given_back_again_and_again() -> None:
    freeing.give_back()
    freeing.give_back()
